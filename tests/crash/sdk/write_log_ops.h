/* How the write log lies in memory: shared by write_log.c, which makes it, and write_log_cut.c, which reads
 * it. */
#ifndef CRASH_WRITE_LOG_OPS_H
#define CRASH_WRITE_LOG_OPS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/crash/sdk/scene.h"

#define LOG_OPS_MAX (1u << 17)
#define LOG_FILES_MAX 256u
#define LOG_ARENA_BYTES (UINT64_C(1) << 30) /* as much as is used */
#define LOG_NAME_BYTES 64u
#define LOG_PAGE_BYTES 4096u
#define LOG_RING_BYTES_MAX (256u << 10)
#define LOG_NO_FILE UINT32_MAX

typedef enum log_kind {
    LOG_WRITE,
    LOG_SIZE,    /* to n bytes */
    LOG_RESERVE, /* at least n bytes */
    LOG_SYNC,    /* of all that was done to the file before moment `at` */
    LOG_NAME,    /* file `to` is in directory `file`, as `name` */
    LOG_RENAME,  /* from directory `file` to directory `to`: either may be none of ours */
    LOG_LINK,
    LOG_UNLINK,
    LOG_NOTE, /* `file` is the round */
} log_kind;

typedef struct log_op {
    log_kind kind;
    bool synced; /* a write that waits for the disk by itself */
    uint32_t file, to;
    uint64_t at, n, data; /* data: in the arena */
    char name[LOG_NAME_BYTES], to_name[LOG_NAME_BYTES];
} log_op;

typedef struct log_file {
    ino_t inode; /* 0: it is gone */
    bool is_dir;
} log_file;

typedef struct write_log {
    pthread_mutex_t lock; /* but dying and calls, all is of one process at a time */
    bool dying;           /* no new call is begun */
    uint32_t calls;       /* under way */
    uint32_t calls_left;  /* that may begin */
    uint32_t n_ops, n_files;
    uint32_t began_ops; /* what was there at the beginning */
    log_op ops[LOG_OPS_MAX];
    log_file files[LOG_FILES_MAX]; /* the first is the directory of all */
    uint32_t ring_file;
    uint64_t ring_bytes;
    uint8_t ring[LOG_RING_BYTES_MAX]; /* as it was last seen */
    uint8_t began[offsetof(scene, numbers)];
    uint64_t arena_n;
    uint8_t arena[LOG_ARENA_BYTES];
} write_log;

extern write_log *wl;

#endif

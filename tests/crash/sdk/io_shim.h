/* Every call of libwadi and of LMDB to the system that concerns files, seen by the test before and after: by
 * the linker's --wrap, so only for what is linked statically, and never for what the C library does by
 * itself. */
#ifndef CRASH_IO_SHIM_H
#define CRASH_IO_SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

typedef enum io_kind {
    IO_OPEN,
    IO_READ,
    IO_WRITE,
    IO_SYNC,
    IO_RESIZE,
    IO_RESERVE,
    IO_LOOK, /* at size, space, position or flags */
    IO_LOCK,
    IO_MKDIR,
    IO_RENAME,
    IO_LINK,
    IO_UNLINK,
    IO_MAP,
    IO_UNMAP,
} io_kind;

typedef struct io_call {
    io_kind kind;
    const char *name; /* of the system call */
    int fd;           /* or the directory's, with a path */
    const char *path;
    int to_fd; /* of a new name */
    const char *to_path;
    int flags;   /* of open and mmap */
    bool made;   /* open: there was no such file */
    int n_parts; /* of a write */
    const struct iovec *parts;
    uint64_t at, n; /* a write's place and size, a new size, a mapping's offset and size */
    void *map;      /* of a mapping */
    bool placed;    /* a mapping over another one */
    uint64_t noted; /* the hook's own, between before and after */
    int64_t result; /* negative: failed with `error` */
    int error;
} io_call;

/* Before: false fails the call with result and error as they are then; n may be made smaller for read and
 * write. After: whatever came of it, which it may change. NULL: not wanted. From any thread. */
extern bool (*io_before)(io_call *call);
extern void (*io_after)(io_call *call);

#endif

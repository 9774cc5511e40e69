/* Runs a child under ptrace, kills it at its n-th system call, and can then take back what it had written to
 * one file and not synced, as a power cut does: a kill alone proves nothing about a sync, since the page
 * cache survives it. Only system calls of the child's first thread are seen, so only it may write to the
 * file. */
#ifndef CRASH_POWER_CUT_H
#define CRASH_POWER_CUT_H

#include <stdbool.h>
#include <stdint.h>

enum { POWER_WRITES_MAX = 4096 };

/* What a disk has of the file: an image of it, and the writes since the last sync in their order. */
typedef struct power_disk {
    const char *path;
    uint8_t *image;
    uint64_t image_bytes;
    struct power_write {
        uint64_t at, n;
        uint8_t *data;
    } writes[POWER_WRITES_MAX];
    uint32_t n_writes;
} power_disk;

/* Begins with the file as it is, all of it taken for synced. A file that is not there is empty. */
bool power_disk_open(power_disk *d, const char *path);
void power_disk_close(power_disk *d);

/* Leaves on the file system what a power cut would: the image, and each write that was not synced with the
 * given probability, in percent. */
bool power_disk_cut(const power_disk *d, unsigned kept_percent);

typedef struct power_run {
    bool killed; /* false: it ended before its n-th stop */
    int status;  /* of waitpid, when it ended by itself */
} power_run;

/* Runs `work(context)` in a child, following it into `d`, and kills it at stop `n`: before a call if n is
 * odd, behind it if even. 0: never. */
bool power_run_child(power_disk *d, int (*work)(void *context), void *context, uint32_t n,
                     power_run *ret_run);

#endif

/* LD_PRELOAD: syncs that say yes and do nothing, as a broken disk or a forgotten fsync would. With it the
 * power cut test must find losses. WADI_NO_SYNC names a part of the paths that it breaks. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_broken(int fd) {
    char name[64], path[4096];
    const char *part = getenv("WADI_NO_SYNC");
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return part && strstr(path, part);
}

int fsync(int fd) { return is_broken(fd) ? 0 : (int)syscall(SYS_fsync, fd); }

int fdatasync(int fd) { return is_broken(fd) ? 0 : (int)syscall(SYS_fdatasync, fd); }

int open(const char *path, int flags, ...);

/* LMDB writes its two first pages through a descriptor that syncs by itself. */
int open(const char *path, int flags, ...) {
    const char *part = getenv("WADI_NO_SYNC");
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (part && strstr(path, part))
        flags &= ~O_SYNC;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Preloaded into a program, it makes the clocks wrong: CLOCK_REALTIME, CLOCK_BOOTTIME and CLOCK_MONOTONIC by
 * what the file WADI_TEST_CLOCKS says at the moment, and the boot's id is read from WADI_TEST_BOOT_ID. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* In microseconds; as clocks.py writes them. */
struct offsets {
    _Atomic int64_t wall_us, boot_us, mono_us;
};

static _Atomic(struct offsets *) shared;

static struct offsets *offsets(void) {
    static struct offsets none;
    struct offsets *o = atomic_load(&shared);
    if (o != NULL)
        return o;
    const char *path = getenv("WADI_TEST_CLOCKS");
    int fd = path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    o = &none;
    if (fd >= 0) {
        void *map = mmap(NULL, sizeof *o, PROT_READ, MAP_SHARED, fd, 0);
        o = map != MAP_FAILED ? map : &none;
        close(fd);
    }
    atomic_store(&shared, o);
    return o;
}

static int64_t offset_us(clockid_t id) {
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        return atomic_load(&offsets()->wall_us);
    case CLOCK_BOOTTIME:
        return atomic_load(&offsets()->boot_us);
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
        return atomic_load(&offsets()->mono_us);
    default:
        return 0;
    }
}

int clock_gettime(clockid_t id, struct timespec *ts) {
    int64_t by_us = offset_us(id); /* first: a reading that waits long after it is not the seam's fault */
    long failed = syscall(SYS_clock_gettime, id, ts);
    if (failed != 0)
        return (int)failed;
    int64_t us = (int64_t)ts->tv_sec * 1000000 + ts->tv_nsec / 1000 + by_us;
    if (us < 0)
        us = 0;
    ts->tv_sec = (time_t)(us / 1000000);
    ts->tv_nsec = (long)(us % 1000000) * 1000 + ts->tv_nsec % 1000;
    return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz) {
    struct timespec ts;
    (void)tz;
    int failed = clock_gettime(CLOCK_REALTIME, &ts);
    *tv = (struct timeval){.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000};
    return failed;
}

time_t time(time_t *ret_time) {
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    if (ret_time != NULL)
        *ret_time = ts.tv_sec;
    return ts.tv_sec;
}

static const char *path_instead(const char *path) {
    const char *boot_id = getenv("WADI_TEST_BOOT_ID");
    return boot_id != NULL && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0 ? boot_id : path;
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return (int)syscall(SYS_openat, AT_FDCWD, path_instead(path), flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

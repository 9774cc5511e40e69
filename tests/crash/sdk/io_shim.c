#include "tests/crash/sdk/io_shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

bool (*io_before)(io_call *call);
void (*io_after)(io_call *call);

static _Thread_local bool inside; /* a hook's own calls are no device's */

static bool begin(io_call *call) {
    if (inside || io_before == NULL)
        return true;
    inside = true;
    bool goes_on = io_before(call);
    inside = false;
    if (goes_on)
        return true;
    errno = call->error;
    return false;
}

/* Errno is what the real call left. */
static int64_t end(io_call *call, int64_t result) {
    int error = errno;
    call->result = result;
    call->error = result < 0 ? error : 0;
    if (!inside && io_after != NULL) {
        inside = true;
        io_after(call);
        inside = false;
    }
    errno = call->result < 0 ? call->error : error;
    return call->result;
}

#define WRAP(type, name, ...)        \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

/* A call that returns an int, of a kind, done by `real`. */
#define PASS(real, ...)           \
    io_call call = {__VA_ARGS__}; \
    return begin(&call) ? (int)end(&call, real) : (int)call.result

/* ---- names
 * ---------------------------------------------------------------------------------------------------- */

int __real_fstatat(int dir_fd, const char *path, struct stat *st, int flags);
off_t __real_lseek(int fd, off_t at, int whence);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_openat(int dir_fd, const char *path, int flags, ...);

static int open_in(const char *name, int dir_fd, const char *path, int flags, mode_t mode) {
    struct stat st;
    io_call call = {.kind = IO_OPEN, .name = name, .fd = dir_fd, .path = path, .flags = flags};
    call.made = (flags & O_CREAT) != 0 && __real_fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0;
    return begin(&call) ? (int)end(&call, __real_openat(dir_fd, path, flags, mode)) : (int)call.result;
}

static mode_t mode_of(int flags, va_list args) { return (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0; }

int __wrap_open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_in("open", AT_FDCWD, path, flags, mode);
}

int __wrap_openat(int dir_fd, const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_in("openat", dir_fd, path, flags, mode);
}

WRAP(int, mkdir, const char *path, mode_t mode) {
    PASS(__real_mkdir(path, mode), .kind = IO_MKDIR, .name = "mkdir", .fd = AT_FDCWD, .path = path);
}

WRAP(int, mkdirat, int dir_fd, const char *path, mode_t mode) {
    PASS(__real_mkdirat(dir_fd, path, mode), .kind = IO_MKDIR, .name = "mkdirat", .fd = dir_fd, .path = path);
}

WRAP(int, rename, const char *from, const char *to) {
    PASS(__real_rename(from, to), .kind = IO_RENAME, .name = "rename", .fd = AT_FDCWD, .path = from,
         .to_fd = AT_FDCWD, .to_path = to);
}

WRAP(int, renameat, int from_fd, const char *from, int to_fd, const char *to) {
    PASS(__real_renameat(from_fd, from, to_fd, to), .kind = IO_RENAME, .name = "renameat", .fd = from_fd,
         .path = from, .to_fd = to_fd, .to_path = to);
}

WRAP(int, link, const char *from, const char *to) {
    PASS(__real_link(from, to), .kind = IO_LINK, .name = "link", .fd = AT_FDCWD, .path = from,
         .to_fd = AT_FDCWD, .to_path = to);
}

WRAP(int, linkat, int from_fd, const char *from, int to_fd, const char *to, int flags) {
    PASS(__real_linkat(from_fd, from, to_fd, to, flags), .kind = IO_LINK, .name = "linkat", .fd = from_fd,
         .path = from, .to_fd = to_fd, .to_path = to);
}

WRAP(int, unlink, const char *path) {
    PASS(__real_unlink(path), .kind = IO_UNLINK, .name = "unlink", .fd = AT_FDCWD, .path = path);
}

WRAP(int, unlinkat, int dir_fd, const char *path, int flags) {
    PASS(__real_unlinkat(dir_fd, path, flags), .kind = IO_UNLINK, .name = "unlinkat", .fd = dir_fd,
         .path = path);
}

WRAP(int, fstatat, int dir_fd, const char *path, struct stat *st, int flags) {
    PASS(__real_fstatat(dir_fd, path, st, flags), .kind = IO_LOOK, .name = "fstatat", .fd = dir_fd,
         .path = path);
}

WRAP(int, stat, const char *path, struct stat *st) {
    PASS(__real_stat(path, st), .kind = IO_LOOK, .name = "stat", .fd = AT_FDCWD, .path = path);
}

WRAP(DIR *, opendir, const char *path) {
    io_call call = {.kind = IO_LOOK, .name = "opendir", .fd = AT_FDCWD, .path = path};
    if (!begin(&call))
        return NULL;
    DIR *dir = __real_opendir(path);
    (void)end(&call, dir != NULL ? 0 : -1);
    return dir;
}

/* ---- content
 * -------------------------------------------------------------------------------------------------- */

WRAP(ssize_t, read, int fd, void *data, size_t n) {
    io_call call = {.kind = IO_READ, .name = "read", .fd = fd, .n = n};
    return begin(&call) ? end(&call, __real_read(fd, data, call.n)) : call.result;
}

WRAP(ssize_t, pread, int fd, void *data, size_t n, off_t at) {
    io_call call = {.kind = IO_READ, .name = "pread", .fd = fd, .at = (uint64_t)at, .n = n};
    return begin(&call) ? end(&call, __real_pread(fd, data, call.n, at)) : call.result;
}

WRAP(ssize_t, write, int fd, const void *data, size_t n) {
    struct iovec part = {(void *)(uintptr_t)data, n};
    io_call call = {.kind = IO_WRITE, .name = "write", .fd = fd, .n_parts = 1, .parts = &part, .n = n};
    call.at = (uint64_t)__real_lseek(fd, 0, SEEK_CUR);
    return begin(&call) ? end(&call, __real_write(fd, data, call.n)) : call.result;
}

WRAP(ssize_t, pwrite, int fd, const void *data, size_t n, off_t at) {
    struct iovec part = {(void *)(uintptr_t)data, n};
    io_call call = {.kind = IO_WRITE,
                    .name = "pwrite",
                    .fd = fd,
                    .n_parts = 1,
                    .parts = &part,
                    .at = (uint64_t)at,
                    .n = n};
    return begin(&call) ? end(&call, __real_pwrite(fd, data, call.n, at)) : call.result;
}

/* Made shorter, it writes of its first part only. */
WRAP(ssize_t, writev, int fd, const struct iovec *parts, int n_parts) {
    io_call call = {.kind = IO_WRITE, .name = "writev", .fd = fd, .n_parts = n_parts, .parts = parts};
    uint64_t all = 0;
    for (int i = 0; i < n_parts; i++)
        all += parts[i].iov_len;
    call.n = all;
    call.at = (uint64_t)__real_lseek(fd, 0, SEEK_CUR);
    if (!begin(&call))
        return call.result;
    if (call.n == all)
        return end(&call, __real_writev(fd, parts, n_parts));
    return end(&call, __real_write(fd, parts->iov_base, call.n < parts->iov_len ? call.n : parts->iov_len));
}

WRAP(int, fsync, int fd) { PASS(__real_fsync(fd), .kind = IO_SYNC, .name = "fsync", .fd = fd); }
WRAP(int, fdatasync, int fd) { PASS(__real_fdatasync(fd), .kind = IO_SYNC, .name = "fdatasync", .fd = fd); }

WRAP(int, ftruncate, int fd, off_t n) {
    PASS(__real_ftruncate(fd, n), .kind = IO_RESIZE, .name = "ftruncate", .fd = fd, .n = (uint64_t)n);
}

WRAP(int, fallocate, int fd, int mode, off_t at, off_t n) {
    PASS(__real_fallocate(fd, mode, at, n), .kind = IO_RESERVE, .name = "fallocate", .fd = fd, .flags = mode,
         .at = (uint64_t)at, .n = (uint64_t)n);
}

/* Returns its error, and leaves errno alone. */
WRAP(int, posix_fallocate, int fd, off_t at, off_t n) {
    io_call call = {
        .kind = IO_RESERVE, .name = "posix_fallocate", .fd = fd, .at = (uint64_t)at, .n = (uint64_t)n};
    int error = errno;
    if (begin(&call)) {
        errno = __real_posix_fallocate(fd, at, n);
        (void)end(&call, errno == 0 ? 0 : -1);
    }
    errno = error;
    return call.error;
}

/* ---- looks, locks, mappings
 * ----------------------------------------------------------------------------------- */

WRAP(off_t, lseek, int fd, off_t at, int whence) {
    io_call call = {.kind = IO_LOOK, .name = "lseek", .fd = fd};
    return begin(&call) ? end(&call, __real_lseek(fd, at, whence)) : call.result;
}

WRAP(int, fstat, int fd, struct stat *st) {
    PASS(__real_fstat(fd, st), .kind = IO_LOOK, .name = "fstat", .fd = fd);
}

/* What archives of older C libraries call. */
WRAP(int, __fxstat, int version, int fd, struct stat *st) {
    (void)version;
    PASS(__real_fstat(fd, st), .kind = IO_LOOK, .name = "fstat", .fd = fd);
}

WRAP(int, fstatvfs, int fd, struct statvfs *st) {
    PASS(__real_fstatvfs(fd, st), .kind = IO_LOOK, .name = "fstatvfs", .fd = fd);
}

WRAP(int, flock, int fd, int how) { PASS(__real_flock(fd, how), .kind = IO_LOCK, .name = "flock", .fd = fd); }

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

/* With an int, or nothing: no other is used here. */
int __wrap_fcntl(int fd, int command, ...) {
    va_list args;
    va_start(args, command);
    int value = command == F_SETFD || command == F_SETFL ? va_arg(args, int) : 0;
    va_end(args);
    PASS(__real_fcntl(fd, command, value), .kind = IO_LOOK, .name = "fcntl", .fd = fd);
}

WRAP(void *, mmap, void *at, size_t n, int protection, int flags, int fd, off_t offset) {
    io_call call = {.kind = IO_MAP, .name = "mmap", .fd = fd, .at = (uint64_t)offset, .n = n};
    call.flags = (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0;
    call.placed = (flags & MAP_FIXED) != 0;
    if (!begin(&call))
        return MAP_FAILED;
    call.map = __real_mmap(at, n, protection, flags, fd, offset);
    (void)end(&call, call.map != MAP_FAILED ? 0 : -1);
    return call.map;
}

WRAP(int, munmap, void *at, size_t n) {
    PASS(__real_munmap(at, n), .kind = IO_UNMAP, .name = "munmap", .fd = -1, .map = at, .n = n);
}

/* Where a damaged file goes: whoever looks after the device may want it. */
#include "sdk/src/store/inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/src/base/random.h"

#define PATH_BYTES_MAX 4096u
#define QUARANTINE_FILES_MAX 16u
#define NAME_FORMAT "store-%016" PRIx64 ".mdb"
#define NAME_BYTES 32u
#define STAT_BLOCK_BYTES 512u
#define TAIL_BLOCK_BYTES 4096u

typedef struct quarantine_stock {
    uint64_t n;
    uint64_t bytes; /* on disk */
    struct timespec oldest_time;
    char oldest[NAME_BYTES];
} quarantine_stock;

static bool time_before(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static void file_count(quarantine_stock *stock, int dir_fd, const char *name) {
    struct stat st;
    uint64_t mark = 0;
    if (strlen(name) >= sizeof stock->oldest || sscanf(name, "store-%16" SCNx64 ".mdb", &mark) != 1 ||
        fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    /* The time of the change is when it was moved here. */
    if (stock->n == 0 || time_before(&st.st_ctim, &stock->oldest_time)) {
        stock->oldest_time = st.st_ctim;
        memcpy(stock->oldest, name, strlen(name) + 1);
    }
    stock->n++;
    stock->bytes += (uint64_t)st.st_blocks * STAT_BLOCK_BYTES;
}

static quarantine_stock stock_take(const char *dir) {
    quarantine_stock stock = {.n = 0};
    DIR *d = opendir(dir);
    if (d == NULL)
        return stock;
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        file_count(&stock, dirfd(d), e->d_name);
    closedir(d);
    return stock;
}

uint64_t wdi_quarantine_count(const char *dir) { return stock_take(dir).n; }

/* The oldest go until `bytes` more fit under the limit. What cannot be removed does not stop us. */
static void stock_trim(const wdi_store_options *opt, uint64_t bytes) {
    char path[PATH_BYTES_MAX];
    quarantine_stock stock = stock_take(opt->quarantine_dir);
    while (stock.n > 0 && (stock.n >= QUARANTINE_FILES_MAX || stock.bytes + bytes > opt->disk_bytes_max)) {
        int n = snprintf(path, sizeof path, "%s/%s", opt->quarantine_dir, stock.oldest);
        if (n < 0 || (size_t)n >= sizeof path || unlink(path) != 0)
            return;
        wdi_diagf(opt->diag, WADI_DIAG_WARN, "store: no room for more damaged files: %s is deleted", path);
        stock = stock_take(opt->quarantine_dir);
    }
}

/* Where the zeros begin that go on to the file's end, rounded up. Of a file that is damaged nothing else is
 * known to be of no use. */
static off_t tail_find(int fd, off_t end) {
    static const uint8_t zeros[TAIL_BLOCK_BYTES];
    uint8_t block[TAIL_BLOCK_BYTES];
    while (end >= (off_t)sizeof block) {
        off_t at = (end - 1) / (off_t)sizeof block * (off_t)sizeof block;
        size_t n = (size_t)(end - at);
        if (pread(fd, block, n, at) != (ssize_t)n || memcmp(block, zeros, n) != 0)
            break;
        end = at;
    }
    return end;
}

/* LMDB does without what it never wrote, should the file turn out to be sound after all. */
static void tail_release(const char *path) {
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0) {
        off_t end = tail_find(fd, st.st_size);
        if (end > 0 && end < st.st_size && ftruncate(fd, end) == 0)
            (void)fsync(fd);
    }
    close(fd);
}

void wdi_quarantine_make_room(const wdi_store_options *opt) {
    tail_release(opt->path);
    stock_trim(opt, opt->disk_bytes_max);
}

static wadi_err dir_sync(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0;
    if (fd >= 0)
        close(fd);
    return failed ? WADI_ERR_IO : WADI_OK;
}

static wadi_err parent_sync(const char *path) {
    char dir[PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL ? (size_t)(slash - path) : 0;
    if (n == 0 || n >= sizeof dir)
        return WADI_ERR_INVALID;
    memcpy(dir, path, n);
    dir[n] = '\0';
    return dir_sync(dir);
}

static wadi_err err_of(int code) {
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return WADI_ERR_DISK_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return WADI_ERR_PERMISSION;
    default:
        return WADI_ERR_IO;
    }
}

/* By a second name where the file system has them, so that at no moment there is no store. */
static wadi_err place_change(const wdi_store_options *opt, const char *path, const char *successor) {
    bool linked = successor != NULL && link(opt->path, path) == 0;
    if (!linked && rename(opt->path, path) != 0)
        return err_of(errno);
    if (successor != NULL && rename(successor, opt->path) != 0)
        return err_of(errno);
    return WADI_OK;
}

wadi_err wdi_quarantine_take(const wdi_store_options *opt, const char *why, const char *successor) {
    char path[PATH_BYTES_MAX];
    uint64_t mark = 0;
    struct stat st;
    bool made = mkdir(opt->quarantine_dir, 0700) == 0;
    if (!made && errno != EEXIST)
        return err_of(errno);
    if (!base_random(&mark, sizeof mark) || stat(opt->path, &st) != 0 ||
        (made && parent_sync(opt->quarantine_dir) != WADI_OK))
        return WADI_ERR_IO;
    stock_trim(opt, (uint64_t)st.st_blocks * STAT_BLOCK_BYTES);
    int n = snprintf(path, sizeof path, "%s/" NAME_FORMAT, opt->quarantine_dir, mark);
    if (n < 0 || (size_t)n >= sizeof path)
        return WADI_ERR_INVALID;
    wadi_err err = place_change(opt, path, successor);
    if (err != WADI_OK)
        return err;
    wdi_diagf(opt->diag, WADI_DIAG_ERROR, "store: %s: set aside as %s", why, path);
    err = dir_sync(opt->quarantine_dir);
    return err == WADI_OK ? parent_sync(opt->path) : err;
}

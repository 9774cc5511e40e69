#include "sdk/tools/store/lane.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/src/core/error.h"
#include "sdk/src/core/installation.h"

#define STAT_BLOCK_BYTES 512u
#define PID_NAMESPACE_FIRST 0xEFFFFFFCu /* PROC_PID_INIT_INO of Linux */

void lane_complain(const lane *l, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "wadi-store: %s: ", l->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

/* ---- the directory ------------------------------------------------------------------------------ */

static int names_compare(const void *a, const void *b) {
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t n = strlen(x), m = strlen(y);
    return n != m ? (n > m) - (n < m) : strcmp(x, y); /* numbers without leading zeros */
}

static bool name_is_number(const char *name) {
    return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0' && strlen(name) < 10;
}

static bool name_is_aside(const char *name) {
    size_t n = strlen(name);
    return n > 4 && n < LANE_NAME_BYTES_MAX - 16 && strcmp(name + n - 4, ".mdb") == 0;
}

/* Appends the names in `sub` that fit. False: no memory. A directory that is not there has none. */
static bool names_read(store_dir *dir, const char *sub, bool (*fits)(const char *), size_t *ret_n) {
    size_t first = dir->n_lanes + dir->n_aside, n = 0;
    int fd = openat(dir->fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return true;
    }
    for (const struct dirent *e = readdir(d); e != NULL && first + n < LANES_MAX; e = readdir(d)) {
        if (!fits(e->d_name))
            continue;
        dir->names[first + n] = strdup(e->d_name);
        if (dir->names[first + n] == NULL)
            break;
        n++;
    }
    closedir(d);
    if (n > 1)
        qsort(dir->names + first, n, sizeof *dir->names, names_compare);
    *ret_n = n;
    return true;
}

bool store_dir_open(const char *path, const char *machine_id, store_dir *ret_dir) {
    store_dir dir = {.path = path, .fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (dir.fd < 0) {
        fprintf(stderr, "wadi-store: %s: %s\n", path, strerror(errno));
        return false;
    }
    dir.names = calloc(LANES_MAX, sizeof *dir.names);
    bool good = dir.names != NULL && names_read(&dir, "lanes", name_is_number, &dir.n_lanes);
    good = good && names_read(&dir, "quarantine", name_is_aside, &dir.n_aside);
    if (good && dir.n_lanes + dir.n_aside == 0) {
        fprintf(stderr, "wadi-store: %s: not a store: there are no lanes in it\n", path);
        good = false;
    }
    dir.has_installation = good && wdi_installation_peek(dir.fd, machine_id, dir.installation);
    *ret_dir = dir;
    if (!good)
        store_dir_close(ret_dir);
    return good;
}

void store_dir_close(store_dir *dir) {
    for (size_t i = 0; dir->names != NULL && i < dir->n_lanes + dir->n_aside; i++)
        free(dir->names[i]);
    free(dir->names);
    if (dir->fd >= 0)
        close(dir->fd);
}

/* ---- the lock ----------------------------------------------------------------------------------- */

/* Whether the kernel's list of locks has everybody's: it leaves out those of processes that the reader cannot
 * see. The first namespace of a kernel has a number of its own. */
static bool lock_list_is_whole(void) {
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == PID_NAMESPACE_FIRST;
}

/* It names the file by its number only on some file systems, so the number has to do: a file elsewhere that
 * has the same one makes a free lane look held, which is the harmless side. */
static bool lock_is_listed(const struct stat *st, bool *ret_read) {
    char line[256];
    bool listed = false;
    FILE *locks = fopen("/proc/locks", "re");
    *ret_read = locks != NULL;
    while (locks != NULL && !listed && fgets(line, sizeof line, locks) != NULL) {
        uint64_t inode = 0;
        listed = sscanf(line, "%*u: FLOCK %*s %*s %*d %*x:%*x:%" SCNu64, &inode) == 1 &&
                 inode == (uint64_t)st->st_ino;
    }
    if (locks != NULL)
        (void)fclose(locks);
    return listed;
}

static bool lock_is_refused(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool refused = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return refused;
}

/* To try the lock is to take it for a moment, in which an application that wants it takes another lane. So
 * the list is asked, and the lock only where that does not tell: in a container. */
static bool lock_is_held(const char *path) {
    struct stat st;
    bool read = false;
    if (stat(path, &st) != 0)
        return false;
    return lock_is_listed(&st, &read) || ((!read || !lock_list_is_whole()) && lock_is_refused(path));
}

/* ---- copies ------------------------------------------------------------------------------------- */

/* A file without a name in TMPDIR. */
static int temporary_open(void) {
    char path[LANE_PATH_BYTES_MAX];
    const char *base = getenv("TMPDIR");
    if (base == NULL || base[0] == '\0')
        base = "/tmp";
    int fd = open(base, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    int n = snprintf(path, sizeof path, "%s/wadi-store-XXXXXX", base);
    if (n < 0 || (size_t)n >= sizeof path)
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

/* A lane that nobody holds is read where it is when there is no room for a copy. */
static wadi_err file_copy(lane *l, int fd) {
    int copy = temporary_open();
    wadi_err err = copy >= 0 ? WADI_OK : wdi_err_of_errno(errno);
    if (err == WADI_OK && lmdb_check_copy(fd, copy, NULL, &l->settled) != LMDB_CHECK_GOOD)
        err = WADI_ERR_IO;
    if (err == WADI_OK) {
        l->fd = copy;
        return WADI_OK;
    }
    if (copy >= 0)
        close(copy);
    if (l->held)
        return err;
    l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    l->settled = true;
    return l->fd >= 0 ? WADI_OK : WADI_ERR_SYSTEM;
}

static void file_open(lane *l, bool copy) {
    struct stat st = {.st_size = 0};
    int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT && l->kind == LANE_OF_STORE)
        return;
    l->err = fd < 0 || fstat(fd, &st) != 0 ? wdi_err_of_errno(errno) : WADI_OK;
    if (l->err == WADI_OK && !S_ISREG(st.st_mode))
        l->err = WADI_ERR_INVALID;
    if (l->err == WADI_OK) {
        l->disk_bytes += (uint64_t)st.st_blocks * STAT_BLOCK_BYTES;
        l->present = st.st_size > 0;
    }
    if (l->err == WADI_OK && l->present) {
        if (copy) {
            l->err = file_copy(l, fd);
        } else {
            l->fd = fd;
            l->settled = true;
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
}

static void ring_open(lane *l, const char *path) {
    struct stat st = {.st_size = 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        l->ring_err = errno == ENOENT ? WADI_OK : wdi_err_of_errno(errno);
        return;
    }
    if (fstat(fd, &st) == 0)
        l->disk_bytes += (uint64_t)st.st_blocks * STAT_BLOCK_BYTES;
    l->ring_err = st.st_size > 0 ? wdi_ring_open_copy(&l->ring, fd) : WADI_OK;
    l->has_ring = l->ring_err == WADI_OK && st.st_size > 0;
    close(fd);
}

/* ---- what the copy says ------------------------------------------------------------------------- */

static void file_read(lane *l) {
    if (l->err != WADI_OK || !l->present || !l->settled)
        return;
    l->result = lmdb_check(l->fd, NULL, &l->report);
    wadi_err err = wdi_found_state(l->fd, NULL, &l->state, &l->found);
    if (err == WADI_OK)
        l->has_state = true;
    else if (err != WADI_ERR_CORRUPT)
        l->err = err;
}

static void lane_init(lane *l, lane_kind kind) {
    memset(l, 0, sizeof *l);
    l->kind = kind;
    l->fd = -1;
    l->ring.fd = -1;
}

void lane_open(const store_dir *dir, size_t index, lane *ret_lane) {
    char path[LANE_PATH_BYTES_MAX];
    lane *l = ret_lane;
    bool aside = index >= dir->n_lanes;
    lane_init(l, aside ? LANE_ASIDE : LANE_OF_STORE);
    l->index = index;
    snprintf(l->name, sizeof l->name, "%s/%s", aside ? "quarantine" : "lanes", dir->names[index]);
    int n = snprintf(l->path, sizeof l->path, "%s/%s%s", dir->path, l->name, aside ? "" : "/store.mdb");
    if (n < 0 || (size_t)n >= sizeof l->path) {
        l->err = WADI_ERR_INVALID;
        return;
    }
    if (!aside) {
        (void)snprintf(path, sizeof path, "%.*s/lock", n - (int)sizeof "store.mdb", l->path);
        l->held = lock_is_held(path);
    }
    file_open(l, !aside);
    file_read(l);
    if (!aside) {
        (void)snprintf(path, sizeof path, "%.*s/ring", n - (int)sizeof "store.mdb", l->path);
        ring_open(l, path);
    }
}

void lane_open_file(const char *path, lane *ret_lane) {
    lane *l = ret_lane;
    const char *slash = strrchr(path, '/');
    lane_init(l, LANE_FILE);
    snprintf(l->name, sizeof l->name, "%s", slash != NULL ? slash + 1 : path);
    int n = snprintf(l->path, sizeof l->path, "%s", path);
    if (n < 0 || (size_t)n >= sizeof l->path)
        l->err = WADI_ERR_INVALID;
    else
        file_open(l, true);
    file_read(l);
}

void lane_close(lane *l) {
    if (l->fd >= 0)
        close(l->fd);
    if (l->has_ring)
        wdi_ring_close(&l->ring);
}

#include "file_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

#define NAME_BYTES_MAX 256u
#define MESSAGE_BYTES 160u
#define MANIFEST_BYTES_MAX (16u << 20)
#define STAGE_BYTES (256u << 10)
#define BLOCK_BYTES 4096u /* direct I/O wants memory, offsets and sizes of whole blocks */

struct file_store {
    int root;     /* <path> */
    int manifest; /* <path>/_wadi/<collector>/<sink> */
    int aside;    /* …/aside */
    int writing;  /* the slot being written; -1: none */
    bool direct;  /* it is written around the page cache: nobody reads it soon, and the copy into the cache
                     costs  more than all else that happens to an event here */
    uint8_t *stage;
    size_t staged;
    off_t written;
    char message[MESSAGE_BYTES]; /* what failed last */
};

static sink_err from_errno(int err) {
    if (err == ENOSPC || err == EDQUOT)
        return SINK_ERR_NO_SPACE;
    return err == ENOMEM ? SINK_ERR_MEMORY : SINK_ERR_IO;
}

/* Notes what errno says of `name`, if there is an error. */
static sink_err noted(file_store *s, sink_err err, const char *name) {
    if (err != SINK_OK)
        snprintf(s->message, sizeof s->message, "file: %.90s: %s", name, strerror(errno));
    return err;
}

static sink_err failed(file_store *s, const char *name) { return noted(s, from_errno(errno), name); }

/* Opens a directory below `at`, made if missing. Its entry is synced in any case: whoever made it may have
 * died before the sync. Negative errno. */
static int dir_open(int at, const char *name) {
    if (mkdirat(at, name, 0755) != 0 && errno != EEXIST)
        return -errno;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    CLEANUP_CLOSE int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fsync(parent) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

sink_err file_store_open(const char *path, const char *collector, const char *sink, file_store **ret_store) {
    file_store *s = malloc(sizeof *s);
    if (!s)
        return SINK_ERR_MEMORY;
    *s = (file_store){.root = -1, .manifest = -1, .aside = -1, .writing = -1};
    if (posix_memalign((void **)&s->stage, BLOCK_BYTES, STAGE_BYTES) != 0) {
        free(s);
        return SINK_ERR_MEMORY;
    }
    s->root = dir_open(AT_FDCWD, path);
    CLEANUP_CLOSE int wadi = s->root < 0 ? s->root : dir_open(s->root, "_wadi");
    CLEANUP_CLOSE int mine = wadi < 0 ? wadi : dir_open(wadi, collector);
    s->manifest = mine < 0 ? mine : dir_open(mine, sink);
    s->aside = s->manifest < 0 ? s->manifest : dir_open(s->manifest, "aside");
    if (s->aside < 0) {
        int err = -s->aside;
        file_store_close(s);
        errno = err;
        return from_errno(err);
    }
    if (flock(s->manifest, LOCK_EX | LOCK_NB) != 0) {
        file_store_close(s);
        return SINK_ERR_BUSY;
    }
    *ret_store = s;
    return SINK_OK;
}

void file_store_close(file_store *s) {
    if (!s)
        return;
    int *fds[] = {&s->root, &s->manifest, &s->aside, &s->writing};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        cleanup_close(fds[i]);
    free(s->stage);
    free(s);
}

/* ---- manifests -------------------------------------------------------------------------------------- */

static void manifest_name(char *out, sink_manifest kind, uint64_t epoch) {
    snprintf(out, NAME_BYTES_MAX, "%012" PRIu64 ".%s", epoch, kind == SINK_INTENT ? "intent" : "commit");
}

static sink_err store_last_commit(void *store, uint64_t *ret_epoch) {
    file_store *s = store;
    int fd = openat(s->manifest, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(s, "the manifests");
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return SINK_ERR_MEMORY;
    }
    uint64_t last = 0;
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir)) != NULL) {
        char *end;
        uint64_t epoch = strtoull(entry->d_name, &end, 10);
        if (end != entry->d_name && strcmp(end, ".commit") == 0 && epoch > last)
            last = epoch;
        errno = 0;
    }
    int err = errno;
    closedir(dir);
    if (err != 0) {
        errno = err;
        return failed(s, "the manifests");
    }
    *ret_epoch = last;
    return SINK_OK;
}

static sink_err read_whole(int fd, char **ret_text, size_t *ret_n) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return from_errno(errno);
    if (st.st_size > (off_t)MANIFEST_BYTES_MAX)
        return SINK_ERR_CHECKPOINT;
    size_t size = (size_t)st.st_size, n = 0;
    char *text = malloc(size + 1);
    if (!text)
        return SINK_ERR_MEMORY;
    while (n < size) {
        ssize_t got = read(fd, text + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            free(text);
            return SINK_ERR_IO;
        }
        n += (size_t)got;
    }
    text[n] = '\0';
    *ret_text = text;
    *ret_n = n;
    return SINK_OK;
}

static sink_err store_get(void *store, sink_manifest kind, uint64_t epoch, char **ret_text, size_t *ret_n) {
    file_store *s = store;
    char name[NAME_BYTES_MAX];
    manifest_name(name, kind, epoch);
    CLEANUP_CLOSE int fd = openat(s->manifest, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *ret_text = NULL;
        *ret_n = 0;
        return SINK_OK;
    }
    return fd < 0 ? failed(s, name) : noted(s, read_whole(fd, ret_text, ret_n), name);
}

static sink_err write_whole(int fd, const void *data, size_t n) {
    const char *at = data;
    while (n > 0) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return from_errno(errno);
        at += put;
        n -= (size_t)put;
    }
    return SINK_OK;
}

static sink_err store_put(void *store, sink_manifest kind, uint64_t epoch, const char *text, size_t n) {
    file_store *s = store;
    char name[NAME_BYTES_MAX];
    manifest_name(name, kind, epoch);
    CLEANUP_CLOSE int fd = openat(s->aside, "manifest", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return failed(s, name);
    sink_err err = write_whole(fd, text, n);
    if (err != SINK_OK)
        return noted(s, err, name);
    if (fsync(fd) != 0 || renameat(s->aside, "manifest", s->manifest, name) != 0 || fsync(s->manifest) != 0)
        return failed(s, name);
    return SINK_OK;
}

static sink_err unlink_synced(int dir, const char *name) {
    if (unlinkat(dir, name, 0) != 0)
        return errno == ENOENT ? SINK_OK : from_errno(errno);
    return fsync(dir) == 0 ? SINK_OK : from_errno(errno);
}

static sink_err store_remove_intent(void *store, uint64_t epoch) {
    file_store *s = store;
    char name[NAME_BYTES_MAX];
    manifest_name(name, SINK_INTENT, epoch);
    return noted(s, unlink_synced(s->manifest, name), name);
}

/* ---- objects ---------------------------------------------------------------------------------------- */

static void slot_name(char *out, uint32_t slot) { snprintf(out, NAME_BYTES_MAX, "%" PRIu32, slot); }

static void writing_close(file_store *s) {
    cleanup_close(&s->writing);
    s->writing = -1;
}

static sink_err store_aside_reset(void *store) {
    file_store *s = store;
    writing_close(s);
    int fd = openat(s->aside, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        cleanup_close(&fd);
        return failed(s, "what is aside");
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(s->aside, entry->d_name, 0); /* what stays is overwritten when its slot comes again */
    closedir(dir);
    return SINK_OK;
}

static sink_err store_aside_begin(void *store, uint32_t slot, const char *name) {
    file_store *s = store;
    (void)name; /* the rename will give it */
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    char file[NAME_BYTES_MAX];
    slot_name(file, slot);
    writing_close(s);
    s->staged = 0;
    s->written = 0;
    s->writing = openat(s->aside, file, flags | O_DIRECT, 0644);
    s->direct = s->writing >= 0;
    if (!s->direct) /* not every file system can */
        s->writing = openat(s->aside, file, flags, 0644);
    return s->writing < 0 ? failed(s, "an object aside") : SINK_OK;
}

static sink_err stage_write(file_store *s, size_t n) {
    sink_err err = write_whole(s->writing, s->stage, n);
    s->written += (off_t)s->staged;
    s->staged = 0;
    return noted(s, err, "an object aside");
}

/* Whole blocks at an aligned address need no copy. */
static size_t blocks_at(const file_store *s, const uint8_t *data, size_t n) {
    return s->staged == 0 && (uintptr_t)data % BLOCK_BYTES == 0 ? n / BLOCK_BYTES * BLOCK_BYTES : 0;
}

static sink_err store_aside_write(void *store, const void *data, size_t n) {
    file_store *s = store;
    const uint8_t *from = data;
    size_t whole = blocks_at(s, from, n);
    if (whole > 0) {
        sink_err err = write_whole(s->writing, from, whole);
        if (err != SINK_OK)
            return noted(s, err, "an object aside");
        s->written += (off_t)whole;
        from += whole;
        n -= whole;
    }
    while (n > 0) {
        size_t part = STAGE_BYTES - s->staged < n ? STAGE_BYTES - s->staged : n;
        memcpy(s->stage + s->staged, from, part);
        s->staged += part;
        from += part;
        n -= part;
        if (s->staged == STAGE_BYTES) {
            sink_err err = stage_write(s, STAGE_BYTES);
            if (err != SINK_OK)
                return err;
        }
    }
    return SINK_OK;
}

/* The last block is filled up for the disk, and cut off again. */
static sink_err store_aside_finish(void *store) {
    file_store *s = store;
    size_t whole = s->staged;
    if (s->direct) {
        whole = (s->staged + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
        memset(s->stage + s->staged, 0, whole - s->staged);
    }
    sink_err err = stage_write(s, whole);
    if (err == SINK_OK && s->direct && ftruncate(s->writing, s->written) != 0)
        err = failed(s, "an object aside");
    if (err == SINK_OK && fdatasync(s->writing) != 0)
        err = failed(s, "an object aside");
    writing_close(s);
    return err;
}

/* The directory of an object's name, made if missing, and the last part of the name. Negative errno. */
static int object_dir(const file_store *s, const char *name, const char **ret_last) {
    char path[NAME_BYTES_MAX];
    int dir = fcntl(s->root, F_DUPFD_CLOEXEC, 0);
    const char *slash;
    *ret_last = name;
    if (dir < 0)
        return -errno;
    while (dir >= 0 && (slash = strchr(name, '/')) != NULL) {
        snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
        int next = dir_open(dir, path);
        close(dir);
        dir = next;
        name = slash + 1;
    }
    *ret_last = name;
    return dir;
}

static sink_err store_publish(void *store, uint32_t slot, const char *name) {
    file_store *s = store;
    char from[NAME_BYTES_MAX];
    slot_name(from, slot);
    const char *last;
    CLEANUP_CLOSE int dir = object_dir(s, name, &last);
    if (dir < 0) {
        errno = -dir;
        return failed(s, name);
    }
    if (renameat(s->aside, from, dir, last) != 0 || fsync(dir) != 0)
        return failed(s, name);
    return SINK_OK;
}

static sink_err store_remove_object(void *store, const char *name) {
    file_store *s = store;
    const char *last;
    CLEANUP_CLOSE int dir = object_dir(s, name, &last);
    if (dir >= 0)
        return noted(s, unlink_synced(dir, last), name);
    errno = -dir;
    return failed(s, name);
}

static const char *store_message(void *store) {
    const file_store *s = store;
    return s->message[0] ? s->message : NULL;
}

static void store_close(void *store) { file_store_close(store); }

static const sink_store_ops file_store_ops = {
    .last_commit = store_last_commit,
    .get = store_get,
    .put = store_put,
    .remove_intent = store_remove_intent,
    .aside_reset = store_aside_reset,
    .aside_begin = store_aside_begin,
    .aside_write = store_aside_write,
    .aside_finish = store_aside_finish,
    .publish = store_publish,
    .remove_object = store_remove_object,
    .message = store_message,
    .close = store_close,
};

sink_store file_store_of(file_store *s) { return (sink_store){&file_store_ops, s}; }

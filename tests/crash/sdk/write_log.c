#include "tests/crash/sdk/write_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/sdk/io_shim.h"
#include "tests/crash/sdk/scene.h"
#include "tests/crash/sdk/write_log_ops.h"

write_log *wl;

/* ---- appending
 * ------------------------------------------------------------------------------------------------ */

static uint64_t arena_put(const void *data, uint64_t n) {
    if (wl->arena_n + n > LOG_ARENA_BYTES) {
        scene_wrong("the write log is full");
        return 0;
    }
    uint64_t at = wl->arena_n;
    memcpy(wl->arena + at, data, n);
    wl->arena_n += n;
    return at;
}

static log_op *op_add(log_kind kind, uint32_t file) {
    static log_op spare;
    if (wl->n_ops == LOG_OPS_MAX) {
        scene_wrong("the write log is full");
        return &spare;
    }
    log_op *op = &wl->ops[wl->n_ops++];
    *op = (log_op){.kind = kind, .file = file};
    return op;
}

static void name_set(char out[LOG_NAME_BYTES], const char *path) {
    const char *slash = strrchr(path, '/');
    snprintf(out, LOG_NAME_BYTES, "%s", slash != NULL ? slash + 1 : path);
}

static void write_add(uint32_t file, uint64_t at, const void *data, uint64_t n, bool synced) {
    log_op *op = op_add(LOG_WRITE, file);
    op->at = at;
    op->n = n;
    op->data = arena_put(data, n);
    op->synced = synced;
}

/* ---- files
 * ---------------------------------------------------------------------------------------------------- */

static uint32_t file_of_inode(ino_t inode) {
    for (uint32_t i = 0; i < wl->n_files; i++)
        if (wl->files[i].inode == inode)
            return i;
    return LOG_NO_FILE;
}

static uint32_t file_add(const struct stat *st) {
    if (wl->n_files == LOG_FILES_MAX) {
        scene_wrong("too many files");
        return 0;
    }
    wl->files[wl->n_files] = (log_file){.inode = st->st_ino, .is_dir = S_ISDIR(st->st_mode)};
    return wl->n_files++;
}

static uint32_t file_of_fd(int fd) {
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 ? file_of_inode(st.st_ino) : LOG_NO_FILE;
}

static uint32_t file_at(int dir_fd, const char *path) {
    struct stat st;
    return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? file_of_inode(st.st_ino) : LOG_NO_FILE;
}

/* The directory that a name is in. */
static uint32_t dir_of(int dir_fd, const char *path) {
    char dir[4096];
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash != NULL ? (int)(slash - path) : 1, slash != NULL ? path : ".");
    return file_at(dir_fd, dir);
}

/* Its inode may be another file's soon. */
static void file_forget(uint32_t file) {
    if (file != LOG_NO_FILE)
        wl->files[file].inode = 0;
}

/* ---- the ring
 * ------------------------------------------------------------------------------------------------- */

static uint8_t *ring_map; /* in this process */

static void ring_look(void) {
    for (uint64_t at = 0; ring_map != NULL && at < wl->ring_bytes; at += LOG_PAGE_BYTES) {
        uint8_t page[LOG_PAGE_BYTES];
        if (memcmp(ring_map + at, wl->ring + at, LOG_PAGE_BYTES) == 0)
            continue;
        memcpy(page, ring_map + at, LOG_PAGE_BYTES); /* once: its owner goes on writing */
        memcpy(wl->ring + at, page, LOG_PAGE_BYTES);
        write_add(wl->ring_file, at, page, LOG_PAGE_BYTES, false);
    }
}

static void ring_begin(const io_call *call) {
    uint32_t file = file_of_fd(call->fd);
    if (file == LOG_NO_FILE || call->at != 0 || !call->flags || call->n > LOG_RING_BYTES_MAX)
        return;
    if (wl->ring_file != file) { /* a new one: all zeros, or what it was imported with */
        wl->ring_file = file;
        memcpy(wl->ring, call->map, call->n);
    }
    wl->ring_bytes = call->n;
    ring_map = call->map;
}

/* ---- the device's calls
 * --------------------------------------------------------------------------------------- */

static void lock(void) { pthread_mutex_lock(&wl->lock); }
static void unlock(void) { pthread_mutex_unlock(&wl->lock); }

/* What is killed within a call may have done it or not, and nobody knows: it dies between two. */
static bool call_before(io_call *call) {
    lock();
    if (wl->calls_left == 0)
        wl->dying = true;
    else
        wl->calls_left--;
    while (wl->dying) {
        unlock();
        pause();
        lock();
    }
    wl->calls++;
    ring_look();
    call->noted = wl->n_ops;
    if (call->kind == IO_RENAME || call->kind == IO_UNLINK) { /* whose name it takes away */
        struct stat st;
        bool renamed = call->kind == IO_RENAME;
        int fd = renamed ? call->to_fd : call->fd;
        const char *path = renamed ? call->to_path : call->path;
        if (fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 1)
            file_forget(file_of_inode(st.st_ino));
    }
    if (call->kind == IO_UNMAP && call->map == ring_map)
        ring_map = NULL;
    unlock();
    return true;
}

static void name_add(log_kind kind, uint32_t dir, const char *path, uint32_t to, const char *to_path) {
    if (dir == LOG_NO_FILE && to == LOG_NO_FILE)
        return;
    log_op *op = op_add(kind, dir);
    op->to = to;
    name_set(op->name, path);
    name_set(op->to_name, to_path);
}

/* A new file or directory below one of ours. */
static void made_add(int dir_fd, const char *path) {
    struct stat st;
    uint32_t dir = dir_of(dir_fd, path);
    if (dir != LOG_NO_FILE && fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        name_add(LOG_NAME, dir, path, file_add(&st), "");
}

static void open_after(const io_call *call) {
    if (call->made)
        made_add(call->fd, call->path);
    else if ((call->flags & O_TRUNC) != 0 && file_of_fd((int)call->result) != LOG_NO_FILE)
        op_add(LOG_SIZE, file_of_fd((int)call->result));
}

static void write_after(const io_call *call, uint32_t file) {
    uint64_t at = call->at, left = (uint64_t)call->result;
    bool synced = (fcntl(call->fd, F_GETFL) & O_DSYNC) != 0;
    for (int i = 0; i < call->n_parts && left > 0; i++) {
        uint64_t n = call->parts[i].iov_len < left ? call->parts[i].iov_len : left;
        write_add(file, at, call->parts[i].iov_base, n, synced);
        at += n;
        left -= n;
    }
}

static void file_after(const io_call *call) {
    uint32_t file = file_of_fd(call->fd);
    if (file == LOG_NO_FILE)
        return;
    if (call->kind == IO_WRITE)
        write_after(call, file);
    else if (call->kind == IO_SYNC)
        op_add(LOG_SYNC, file)->at = call->noted;
    else if (call->kind == IO_RESIZE) {
        op_add(LOG_SIZE, file)->n = call->n;
        if (file == wl->ring_file)
            wl->ring_file = LOG_NO_FILE;
    } else {
        op_add(LOG_RESERVE, file)->n = call->at + call->n;
    }
}

static void call_done(const io_call *call) {
    switch (call->kind) {
    case IO_OPEN:
        open_after(call);
        break;
    case IO_MKDIR:
        made_add(call->fd, call->path);
        break;
    case IO_RENAME:
        name_add(LOG_RENAME, dir_of(call->fd, call->path), call->path, dir_of(call->to_fd, call->to_path),
                 call->to_path);
        break;
    case IO_LINK:
        name_add(LOG_LINK, dir_of(call->fd, call->path), call->path, dir_of(call->to_fd, call->to_path),
                 call->to_path);
        break;
    case IO_UNLINK:
        name_add(LOG_UNLINK, dir_of(call->fd, call->path), call->path, LOG_NO_FILE, "");
        break;
    case IO_MAP:
        ring_begin(call);
        break;
    case IO_WRITE:
    case IO_SYNC:
    case IO_RESIZE:
    case IO_RESERVE:
        file_after(call);
        break;
    case IO_READ:
    case IO_LOOK:
    case IO_LOCK:
    case IO_UNMAP:
        break;
    }
}

static void call_after(io_call *call) {
    lock();
    if (call->result >= 0)
        call_done(call);
    wl->calls--;
    unlock();
}

/* What the device has done and been told, in its place among the writes. */
static void note_add(uint32_t round) {
    lock();
    ring_look();
    log_op *op = op_add(LOG_NOTE, round);
    op->at = scene_now->rounds[round].returned;
    op->n = scene_now->rounds[round].told;
    op->data = scene_now->next_seq;
    op->synced = scene_now->installation[0] != '\0';
    unlock();
}

/* ---- beginning
 * ------------------------------------------------------------------------------------------------ */

static bool file_import(const char *path, uint32_t file) {
    static uint8_t chunk[1 << 16];
    uint64_t at = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, chunk, sizeof chunk) : -1;
    for (; n > 0; n = read(fd, chunk, sizeof chunk)) {
        write_add(file, at, chunk, (uint64_t)n, true);
        at += (uint64_t)n;
    }
    if (fd >= 0)
        close(fd);
    return n == 0;
}

static bool dir_import(const char *path, uint32_t file) {
    DIR *dir = opendir(path);
    bool good = dir != NULL;
    for (struct dirent *e = good ? readdir(dir) : NULL; good && e != NULL; e = readdir(dir)) {
        char name[4096];
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        good = lstat(name, &st) == 0;
        uint32_t child = good ? file_add(&st) : 0;
        if (good)
            name_add(LOG_NAME, file, e->d_name, child, "");
        if (good)
            good = S_ISDIR(st.st_mode) ? dir_import(name, child) : file_import(name, child);
    }
    if (dir != NULL)
        closedir(dir);
    op_add(LOG_SYNC, file)->at = wl->n_ops;
    return good;
}

bool write_log_begin(const char *dir) {
    struct stat st;
    if (wl == NULL) {
        wl =
            mmap(NULL, sizeof *wl, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (wl == MAP_FAILED)
            return false;
    }
    wl->n_ops = wl->n_files = 0;
    wl->arena_n = 0;
    wl->ring_file = LOG_NO_FILE;
    memcpy(&wl->began, scene_now, sizeof wl->began);
    write_log_restart();
    scene_changed = note_add;
    bool good = stat(dir, &st) == 0 && dir_import(dir, file_add(&st));
    wl->began_ops = wl->n_ops;
    return good;
}

void write_log_attach(uint32_t calls_max) {
    ring_map = NULL;
    wl->calls_left = calls_max;
    io_before = call_before;
    io_after = call_after;
}

/* A call that is under way is awaited, however long the disk takes. */
void write_log_kill(pid_t pid) {
    const struct timespec moment = {.tv_nsec = 100000};
    lock();
    wl->dying = true;
    unlock();
    while (__atomic_load_n(&wl->calls, __ATOMIC_ACQUIRE) > 0)
        nanosleep(&moment, NULL);
    kill(pid, SIGKILL);
}

void write_log_restart(void) {
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&wl->lock, &attr); /* whoever held it is dead */
    pthread_mutexattr_destroy(&attr);
    wl->dying = false;
    wl->calls = 0;
}

uint32_t write_log_first(void) { return wl->began_ops; }
uint32_t write_log_now(void) { return wl->n_ops; }

void write_log_scene(uint32_t moment) {
    char installation[sizeof scene_now->installation];
    uint8_t stream[sizeof scene_now->stream];
    memcpy(installation, scene_now->installation, sizeof installation);
    memcpy(stream, scene_now->stream, sizeof stream);
    memcpy(scene_now, &wl->began, sizeof wl->began);
    for (uint32_t i = 0; i < moment; i++) {
        const log_op *op = &wl->ops[i];
        if (op->kind != LOG_NOTE)
            continue;
        scene_now->rounds[op->file] = (scene_round){op->at, op->n};
        scene_now->next_seq = op->data;
        if (op->file >= scene_now->n_rounds)
            scene_now->n_rounds = op->file + 1;
        if (op->synced)
            memcpy(scene_now->installation, installation, sizeof installation);
        if (op->data > 1)
            memcpy(scene_now->stream, stream, sizeof stream);
    }
}

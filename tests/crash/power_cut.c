#include "power_cut.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#include "collector/base/cleanup.h"

/* ---- the disk ----------------------------------------------------------------------------------- */

static void writes_forget(power_disk *d) {
    for (uint32_t i = 0; i < d->n_writes; i++)
        free(d->writes[i].data);
    d->n_writes = 0;
}

static bool image_apply(power_disk *d, uint64_t at, const uint8_t *data, uint64_t n) {
    if (at + n > d->image_bytes) {
        uint8_t *grown = realloc(d->image, at + n);
        if (grown == NULL)
            return false;
        memset(grown + d->image_bytes, 0, at + n - d->image_bytes);
        d->image = grown;
        d->image_bytes = at + n;
    }
    memcpy(d->image + at, data, n);
    return true;
}

static uint8_t *file_read(const char *path, uint64_t at, uint64_t n) {
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *data = malloc(n + 1);
    if (fd < 0 || data == NULL || pread(fd, data, n, (off_t)at) != (ssize_t)n) {
        free(data);
        return NULL;
    }
    return data;
}

bool power_disk_open(power_disk *d, const char *path) {
    struct stat st;
    memset(d, 0, sizeof *d);
    d->path = path;
    if (stat(path, &st) != 0)
        return errno == ENOENT;
    d->image_bytes = (uint64_t)st.st_size;
    d->image = file_read(path, 0, d->image_bytes);
    return d->image != NULL;
}

void power_disk_close(power_disk *d) {
    writes_forget(d);
    free(d->image);
}

bool power_disk_cut(const power_disk *d, unsigned kept_percent) {
    CLEANUP_CLOSE int fd = open(d->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || (d->image_bytes > 0 && pwrite(fd, d->image, d->image_bytes, 0) != (ssize_t)d->image_bytes))
        return false;
    for (uint32_t i = 0; i < d->n_writes; i++) {
        const struct power_write *w = &d->writes[i];
        if ((unsigned)rand() % 100 < kept_percent && pwrite(fd, w->data, w->n, (off_t)w->at) != (ssize_t)w->n)
            return false;
    }
    return true;
}

/* ---- what the child does to the file -------------------------------------------------------------- */

typedef struct fd_state {
    bool ours, synced; /* our file; opened with O_DSYNC */
    uint64_t at;
} fd_state;

static fd_state fd_look(const power_disk *d, pid_t pid, uint64_t fd) {
    char name[64], target[4096];
    fd_state s = {.ours = false};
    snprintf(name, sizeof name, "/proc/%d/fd/%llu", (int)pid, (unsigned long long)fd);
    ssize_t n = readlink(name, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    s.ours = strcmp(target, d->path) == 0;
    snprintf(name, sizeof name, "/proc/%d/fdinfo/%llu", (int)pid, (unsigned long long)fd);
    CLEANUP_FILE FILE *info = s.ours ? fopen(name, "re") : NULL;
    unsigned long long at = 0, flags = 0;
    if (info != NULL && fscanf(info, "pos: %llu flags: %llo", &at, &flags) == 2) {
        s.at = at;
        s.synced = (flags & O_DSYNC) != 0;
    }
    return s;
}

static bool write_note(power_disk *d, uint64_t at, uint64_t n, bool synced) {
    uint8_t *data = file_read(d->path, at, n);
    if (data == NULL || d->n_writes == POWER_WRITES_MAX) {
        free(data);
        return false;
    }
    if (synced) {
        bool applied = image_apply(d, at, data, n);
        free(data);
        return applied;
    }
    d->writes[d->n_writes++] = (struct power_write){at, n, data};
    return true;
}

static bool sync_note(power_disk *d) {
    bool ok = true;
    for (uint32_t i = 0; ok && i < d->n_writes; i++)
        ok = image_apply(d, d->writes[i].at, d->writes[i].data, d->writes[i].n);
    writes_forget(d);
    return ok;
}

/* After a system call of the child that returned `result`. */
static bool call_note(power_disk *d, pid_t pid, const struct ptrace_syscall_info *call, int64_t result) {
    uint64_t nr = call->entry.nr;
    bool positioned = nr == SYS_pwrite64 || nr == SYS_pwritev;
    bool appended = nr == SYS_write || nr == SYS_writev;
    bool sync = nr == SYS_fsync || nr == SYS_fdatasync;
    if (result < 0 || (!positioned && !appended && !sync))
        return true;
    fd_state fd = fd_look(d, pid, call->entry.args[0]);
    if (!fd.ours)
        return true;
    if (sync)
        return sync_note(d);
    uint64_t n = (uint64_t)result;
    return write_note(d, positioned ? call->entry.args[3] : fd.at - n, n, fd.synced);
}

/* ---- the child ---------------------------------------------------------------------------------- */

static bool child_follow(power_disk *d, pid_t pid, uint32_t n, power_run *ret_run) {
    struct ptrace_syscall_info call = {.op = 0}, now;
    for (uint32_t stop = 1;; stop++) {
        int status = 0, passed = 0;
        if (ptrace(PTRACE_SYSCALL, pid, 0, 0) != 0 || waitpid(pid, &status, 0) != pid)
            return false;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            *ret_run = (power_run){.killed = false, .status = status};
            return true;
        }
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) { /* a signal of its own: none is expected to matter */
            stop--;
            continue;
        }
        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof now, &now) <= 0)
            return false;
        if (now.op == PTRACE_SYSCALL_INFO_ENTRY)
            call = now;
        else if (!call_note(d, pid, &call, now.exit.rval))
            return false;
        if (stop == n) {
            kill(pid, SIGKILL);
            *ret_run = (power_run){.killed = true};
            return waitpid(pid, &passed, 0) == pid;
        }
    }
}

bool power_run_child(power_disk *d, int (*work)(void *context), void *context, uint32_t n,
                     power_run *ret_run) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        _exit(work(context));
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0)
        return false;
    bool followed = child_follow(d, pid, n, ret_run);
    if (!followed) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    return followed;
}

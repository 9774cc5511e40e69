/* Puts a running process back to an earlier state, as a hypervisor does to a machine that it rolls back: the
 * memory and the registers of all its threads. Files are the caller's part.
 *
 *     putback PID     commands on standard input, one a line, each answered by a line, "ok" or why not:
 *       stop          the process stands still
 *       keep SLOT     remembers its state (0 … 3); it stands still
 *       back SLOT     puts that state back; it stands still
 *       run           it goes on
 *
 * A system call that was waiting at the time of `keep` has been interrupted when it is put back (EINTR), and
 * the sockets that are open then are shut down: what they were connected to has gone on without the process.
 * x86-64. */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 8
#define REGIONS_MAX 256
#define SLOTS 4
#define XSTATE_BYTES 16384
#define EINTERRUPTED_FIRST (-516) /* ERESTART_RESTARTBLOCK … ERESTARTSYS: the kernel's own, for signals */
#define EINTERRUPTED_LAST (-512)

typedef struct thread_state {
    pid_t tid;
    struct user_regs_struct regs;
    uint8_t xstate[XSTATE_BYTES];
    size_t xstate_bytes;
} thread_state;

typedef struct region {
    uint64_t begin, end;
    uint8_t *bytes;
} region;

typedef struct machine_state {
    int n_threads, n_regions;
    thread_state threads[THREADS_MAX];
    region regions[REGIONS_MAX];
} machine_state;

static pid_t pid;
static pid_t tids[THREADS_MAX];
static int n_tids;
static machine_state *slots[SLOTS];

static bool no(const char *why) {
    printf("no: %s: %s\n", why, strerror(errno));
    return false;
}

/* ---- threads ------------------------------------------------------------------------------------ */

static bool thread_stop(pid_t tid) {
    int status = 0;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0)
        return no("seize");
    while (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status)) {
        if (status >> 16 == PTRACE_EVENT_STOP)
            return true;
        ptrace(PTRACE_CONT, tid, NULL, WSTOPSIG(status)); /* a signal came first: it is the thread's */
    }
    return no("stop");
}

static bool machine_stop(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    if (d == NULL)
        return no(path);
    n_tids = 0;
    for (struct dirent *e = readdir(d); e != NULL && n_tids < THREADS_MAX; e = readdir(d))
        if (e->d_name[0] != '.')
            tids[n_tids++] = (pid_t)atoi(e->d_name);
    closedir(d);
    for (int i = 0; i < n_tids; i++)
        if (!thread_stop(tids[i]))
            return false;
    return true;
}

static bool machine_run(void) {
    for (int i = 0; i < n_tids; i++)
        if (ptrace(PTRACE_DETACH, tids[i], NULL, NULL) != 0)
            return no("detach");
    n_tids = 0;
    return true;
}

static bool thread_keep(thread_state *t, pid_t tid) {
    struct iovec regs = {&t->regs, sizeof t->regs}, xstate = {t->xstate, sizeof t->xstate};
    t->tid = tid;
    if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &regs) != 0 ||
        ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &xstate) != 0)
        return no("registers");
    t->xstate_bytes = xstate.iov_len;
    int64_t result = (int64_t)t->regs.rax;
    if ((int64_t)t->regs.orig_rax >= 0 && result >= EINTERRUPTED_FIRST && result <= EINTERRUPTED_LAST) {
        t->regs.rax = (unsigned long long)-EINTR;
        t->regs.orig_rax = (unsigned long long)-1;
    }
    return true;
}

static bool thread_back(thread_state *t) {
    struct iovec regs = {&t->regs, sizeof t->regs}, xstate = {t->xstate, t->xstate_bytes};
    return (ptrace(PTRACE_SETREGSET, t->tid, (void *)NT_PRSTATUS, &regs) == 0 &&
            ptrace(PTRACE_SETREGSET, t->tid, (void *)NT_X86_XSTATE, &xstate) == 0) ||
           no("registers");
}

/* ---- memory ------------------------------------------------------------------------------------- */

static int memory_open(int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    return open(path, flags | O_CLOEXEC);
}

static bool region_keep(machine_state *m, int fd, uint64_t begin, uint64_t end) {
    if (m->n_regions == REGIONS_MAX)
        return no("too many regions");
    region *r = &m->regions[m->n_regions];
    *r = (region){begin, end, malloc(end - begin)};
    if (r->bytes == NULL || pread(fd, r->bytes, end - begin, (off_t)begin) != (ssize_t)(end - begin)) {
        free(r->bytes);
        return no("memory");
    }
    m->n_regions++;
    return true;
}

/* All that is the process's own and may be written. */
static bool memory_keep(machine_state *m) {
    char path[64], line[512], perms[8];
    unsigned long begin, end;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    int fd = memory_open(O_RDONLY);
    bool good = maps != NULL && fd >= 0;
    while (good && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%lx %7s", &begin, &end, perms) == 3 && strncmp(perms, "rw", 2) == 0 &&
            perms[3] == 'p')
            good = region_keep(m, fd, begin, end);
    if (maps != NULL)
        fclose(maps);
    if (fd >= 0)
        close(fd);
    return good;
}

static bool memory_back(const machine_state *m) {
    int fd = memory_open(O_WRONLY);
    bool good = fd >= 0;
    for (int i = 0; good && i < m->n_regions; i++) {
        const region *r = &m->regions[i];
        good = pwrite(fd, r->bytes, r->end - r->begin, (off_t)r->begin) == (ssize_t)(r->end - r->begin);
    }
    if (fd >= 0)
        close(fd);
    return good || no("memory that is not there any more");
}

/* ---- sockets ------------------------------------------------------------------------------------ */

static void sockets_shut(void) {
    char path[64];
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
        struct stat st;
        int fd = e->d_name[0] != '.' ? (int)syscall(SYS_pidfd_getfd, process, atoi(e->d_name), 0) : -1;
        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
            shutdown(fd, SHUT_RDWR);
        if (fd >= 0)
            close(fd);
    }
    if (d != NULL)
        closedir(d);
    close(process);
}

/* ---- states ------------------------------------------------------------------------------------- */

static void state_free(machine_state *m) {
    for (int i = 0; m != NULL && i < m->n_regions; i++)
        free(m->regions[i].bytes);
    free(m);
}

static bool state_keep(unsigned slot) {
    machine_state *m = calloc(1, sizeof *m);
    bool good = m != NULL && n_tids > 0;
    for (int i = 0; good && i < n_tids; i++)
        good = thread_keep(&m->threads[m->n_threads++], tids[i]);
    if (!good || !memory_keep(m)) {
        state_free(m);
        return good ? false : no("state");
    }
    state_free(slots[slot]);
    slots[slot] = m;
    return true;
}

static bool state_back(unsigned slot) {
    machine_state *m = slots[slot];
    errno = ESRCH;
    if (m == NULL || m->n_threads != n_tids)
        return no("other threads");
    for (int i = 0; i < n_tids; i++)
        if (m->threads[i].tid != tids[i])
            return no("other threads");
    if (!memory_back(m))
        return false;
    for (int i = 0; i < n_tids; i++)
        if (!thread_back(&m->threads[i]))
            return false;
    sockets_shut();
    return true;
}

static bool command(const char *line) {
    unsigned slot = 0;
    errno = EINVAL;
    if (strcmp(line, "stop\n") == 0)
        return machine_stop();
    if (strcmp(line, "run\n") == 0)
        return machine_run();
    if (sscanf(line, "keep %u", &slot) == 1 && slot < SLOTS)
        return state_keep(slot);
    if (sscanf(line, "back %u", &slot) == 1 && slot < SLOTS)
        return state_back(slot);
    return no("what?");
}

int main(int argc, char **argv) {
    char line[64];
    pid = argc == 2 ? (pid_t)atoi(argv[1]) : 0;
    if (pid <= 0)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin) != NULL)
        if (command(line))
            puts("ok");
    return 0;
}

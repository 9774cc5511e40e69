/* wadi-storm-devices: processes that record and fork in one store directory, and are killed.
 *
 *     storm DIR ENDPOINT CA NOTES PROCESSES FORKS LANES SEED
 *                                                        until there were so many forks; then kills them all
 *     drain DIR ENDPOINT CA                              delivers what all lanes owe, until its input ends
 *     owed DIR                                           what the lanes' stores count, as JSON
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/base/clock.h"
#include "tests/crash/sdk/storm_notes.h"
#include "tests/sim/sim_random.h"

#define LANES_MAX 64u
#define DEPTH_MAX 3u
#define BURST_MAX 6u
#define KILL_US_MAX 30000u
#define STORM_US_MAX 240000000u
#define HUNG_US 45000000u

typedef struct place {
    const char *dir, *endpoint, *ca;
    uint32_t lanes_max;
} place;

static storm_notes *notes;
static pid_t group; /* of all that are to die */

static void nap_us(uint32_t us) {
    const struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...) {
    va_list args;
    if (atomic_exchange(&notes->is_wrong, true))
        return;
    va_start(args, format);
    vsnprintf(notes->wrong, sizeof notes->wrong, format, args);
    va_end(args);
}

static uint32_t processes_live(void) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < notes->n && i < STORM_WRITERS_MAX; i++)
        n += notes->at[i].lives && notes->at[i].leads;
    return n;
}

static wadi_err place_open(const place *p, wadi **ret_w) {
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = p->dir;
    opt.endpoint = p->endpoint;
    opt.ca_file = p->ca;
    opt.flush_ms = 20;
    opt.ring_bytes = 64 << 10;
    opt.disk_bytes_max = 4 << 20;
    opt.retry_min_ms = 5;
    opt.retry_max_ms = 100;
    opt.lanes_max = p->lanes_max;
    return wadi_open(&opt, ret_w);
}

/* ---- a writer ----------------------------------------------------------------------------------------- */

typedef struct writer {
    wadi *w;
    uint32_t id;
    storm_note *note;
    wadi_ticket ticket;
    sim_random chance;
    atomic_bool end;
} writer;

static void writer_init(writer *self, wadi *w, uint64_t seed) {
    memset(self, 0, sizeof *self);
    self->w = w;
    self->id = atomic_fetch_add(&notes->n, 1);
    if (self->id >= STORM_WRITERS_MAX)
        _exit(0);
    self->note = &notes->at[self->id];
    self->chance.state = seed * 1000003 + self->id;
    self->note->seen_us = base_mono_us();
    self->note->pid = (uint32_t)getpid();
    self->note->lives = true;
}

/* One event. False: refused, as it may be, for want of room or of a lane. */
static bool event_record(writer *self) {
    uint64_t index = self->note->ok;
    const wadi_prop props[] = {WADI_INT("writer", self->id), WADI_INT("index", (int64_t)index)};
    wadi_event ev = WADI_EVENT_INIT;
    ev.name = index % 2 == 0 ? "even" : "odd";
    ev.props = props;
    ev.n_props = 2;
    self->note->intent = index + 1;
    wadi_err err = wadi_track_ex(self->w, &ev, &self->ticket);
    if (err == WADI_OK)
        self->note->ok = index + 1;
    else
        self->note->refused++;
    if (err != WADI_OK && err != WADI_ERR_FULL && err != WADI_ERR_BUSY)
        wrong("writer %u: wadi_track: %s", self->id, wadi_err_name(err));
    return err == WADI_OK;
}

static void burst(writer *self) {
    uint32_t n = 1 + sim_below(&self->chance, BURST_MAX);
    self->note->seen_us = base_mono_us();
    while (n-- > 0 && event_record(self))
        continue;
    nap_us(1000 + sim_below(&self->chance, 3000));
}

/* Records while its process forks. */
static void *companion(void *context) {
    writer *self = context;
    while (!self->end)
        burst(self);
    self->note->lives = false;
    return NULL;
}

/* ---- the dead ----------------------------------------------------------------------------------------- */

/* Of a process's own children; of orphans too where it is the storm's. */
static void dead_reap(void) {
    int status = 0;
    while (waitpid(-1, &status, WNOHANG) > 0) {
        if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
            wrong("a process ended by signal %d", WTERMSIG(status));
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
            wrong("a process ended with status %d", WEXITSTATUS(status));
    }
}

/* ---- a process ---------------------------------------------------------------------------------------- */

typedef struct process {
    writer self, other;
    pthread_t thread;
    bool has_thread;
    uint32_t depth;
    uint64_t seed;
} process;

static _Noreturn void process_run(wadi *w, uint64_t seed, uint32_t depth);

static void process_fork(process *p) {
    if (p->depth == DEPTH_MAX || processes_live() >= LANES_MAX - 8)
        return;
    atomic_fetch_add(&notes->forks, 1);
    pid_t child = fork();
    if (child == 0)
        process_run(p->self.w, p->seed + 1, p->depth + 1);
    if (child < 0)
        wrong("fork: %s", strerror(errno));
}

static _Noreturn void process_end(process *p, bool close) {
    p->other.end = true;
    if (p->has_thread)
        pthread_join(p->thread, NULL);
    if (close)
        (void)wadi_close(p->self.w, 100);
    p->self.note->lives = false;
    _exit(0);
}

static void process_step(process *p) {
    writer *self = &p->self;
    char user[16];
    uint32_t what = sim_below(&self->chance, 1000);
    burst(self);
    dead_reap();
    if (what < 60) {
        process_fork(p);
    } else if (what < 110) {
        snprintf(user, sizeof user, "user %u", what);
        (void)!wadi_identify(self->w, user);
    } else if (what < 160) {
        (void)!wadi_flush(self->w);
    } else if (what < 210 && self->ticket != 0) {
        (void)!wadi_wait(self->w, self->ticket, WADI_DISK, 30);
    } else if (what >= 990) {
        process_end(p, what < 995);
    }
}

/* Never records, but for its child. */
static _Noreturn void process_be_silent(process *p) {
    process_fork(p);
    for (;; nap_us(20000), dead_reap())
        p->self.note->seen_us = base_mono_us();
}

static _Noreturn void process_run(wadi *w, uint64_t seed, uint32_t depth) {
    static process p;
    memset(&p, 0, sizeof p);
    p.depth = depth;
    p.seed = seed;
    writer_init(&p.self, w, seed);
    p.self.note->leads = true;
    if (sim_chance(&p.self.chance, 15))
        process_be_silent(&p);
    if (sim_chance(&p.self.chance, 50)) {
        writer_init(&p.other, w, seed);
        p.has_thread = pthread_create(&p.thread, NULL, companion, &p.other) == 0;
    }
    for (;;)
        process_step(&p);
}

static void member_begin(const place *p, uint64_t seed) {
    wadi *w = NULL;
    pid_t pid = fork();
    if (pid != 0)
        return;
    setpgid(0, group);
    wadi_err err = place_open(p, &w);
    if (err != WADI_OK) {
        if (err != WADI_ERR_BUSY)
            wrong("wadi_open: %s", wadi_err_name(err));
        _exit(0);
    }
    process_run(w, seed, 0);
}

/* ---- the storm ---------------------------------------------------------------------------------------- */

/* Before it dies: its number may be another process's as soon as it is reaped. */
static void dead_note(uint32_t pid) {
    for (uint32_t i = 0; i < notes->n && i < STORM_WRITERS_MAX; i++)
        if (notes->at[i].pid == pid)
            notes->at[i].lives = false;
}

/* The next one that lives, from anywhere on. */
static void one_kill(sim_random *chance) {
    uint32_t n = notes->n < STORM_WRITERS_MAX ? notes->n : STORM_WRITERS_MAX;
    uint32_t from = n > 0 ? sim_below(chance, n) : 0;
    for (uint32_t i = 0; i < n; i++) {
        storm_note *note = &notes->at[(from + i) % n];
        if (!note->lives)
            continue;
        dead_note(note->pid);
        kill((pid_t)note->pid, SIGKILL);
        return;
    }
}

/* AddressSanitizer's allocator has locks that it does not see to at a fork: there a child may hang for that.
 */
static void hung_look(void) {
#ifndef __SANITIZE_ADDRESS__
    uint64_t now_us = base_mono_us();
    for (uint32_t i = 0; i < notes->n && i < STORM_WRITERS_MAX; i++) {
        const storm_note *note = &notes->at[i];
        if (note->lives && note->seen_us + HUNG_US < now_us && kill((pid_t)note->pid, 0) == 0)
            wrong("writer %u of process %u hangs", i, note->pid);
    }
#endif
}

static int storm(const place *p, uint32_t processes, uint32_t forks, uint64_t seed) {
    sim_random chance = {seed};
    uint64_t until_us = base_mono_us() + STORM_US_MAX;
    uint32_t kills = 0;
    pid_t judge = getppid(); /* who ends early ends all of this */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    group = fork();
    if (group == 0)
        for (setpgid(0, 0);;)
            pause();
    setpgid(group, group);
    while ((notes->forks < forks || kills < forks) && !notes->is_wrong && base_mono_us() < until_us &&
           getppid() == judge) {
        dead_reap();
        for (uint32_t n = 0; processes_live() < processes && n < 2; n++)
            member_begin(p, seed + kills);
        nap_us(1000 + sim_below(&chance, KILL_US_MAX));
        one_kill(&chance);
        kills++;
        hung_look();
    }
    kill(-group, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        continue;
    if (notes->forks < forks)
        wrong("%u forks in so long a time", notes->forks);
    uint64_t ok = 0, refused = 0;
    for (uint32_t i = 0; i < notes->n && i < STORM_WRITERS_MAX; i++) {
        ok += notes->at[i].ok;
        refused += notes->at[i].refused;
    }
    printf("{\"forks\":%u,\"kills\":%u,\"writers\":%u,\"ok\":%llu,\"refused\":%llu,\"wrong\":\"%s\"}\n",
           notes->forks, kills, notes->n, (unsigned long long)ok, (unsigned long long)refused, notes->wrong);
    return 0;
}

/* ---- afterwards --------------------------------------------------------------------------------------- */

static int drain(const place *p) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    wadi *w = NULL;
    if (place_open(p, &w) != WADI_OK)
        return 1;
    while (poll(&input, 1, 1100) == 0) /* a flush looks for other lanes once a second at most */
        if (wadi_flush(w) != WADI_OK)
            return 1;
    (void)wadi_close(w, 5000);
    return 0;
}

static uint32_t lanes_count(const char *dir) {
    char path[512];
    uint32_t n = 0;
    snprintf(path, sizeof path, "%s/lanes", dir);
    DIR *d = opendir(path);
    if (d == NULL)
        return 0;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* All lanes at once, each handle with one. */
static int owed(const place *p) {
    wadi *handles[LANES_MAX];
    wadi_stats sum = WADI_STATS_INIT;
    uint32_t n = lanes_count(p->dir);
    uint64_t dropped = 0;
    for (uint32_t i = 0; i < n; i++) {
        wadi_stats stats = WADI_STATS_INIT;
        wadi_err err = place_open(p, &handles[i]);
        if (err == WADI_OK)
            err = wadi_stats_get(handles[i], &stats);
        if (err != WADI_OK) {
            fprintf(stderr, "lane %u of %u: %s\n", i, n, wadi_strerror(err));
            return 1;
        }
        sum.assigned += stats.assigned;
        sum.acked += stats.acked;
        sum.pending += stats.pending;
        sum.forks += stats.forks;
        sum.resent += stats.resent;
        sum.ring_lost += stats.ring_lost;
        sum.quarantined += stats.quarantined;
        for (uint32_t reason = 0; reason < WADI_DROP_COUNT; reason++)
            dropped += stats.dropped[reason];
    }
    for (uint32_t i = 0; i < n; i++)
        (void)wadi_close(handles[i], 0);
    printf("{\"lanes\":%u,\"assigned\":%llu,\"acked\":%llu,\"pending\":%llu,\"dropped\":%llu,\"forks\":%llu,"
           "\"resent\":%llu,\"ring_lost\":%llu,\"quarantined\":%llu}\n",
           n, (unsigned long long)sum.assigned, (unsigned long long)sum.acked,
           (unsigned long long)sum.pending, (unsigned long long)dropped, (unsigned long long)sum.forks,
           (unsigned long long)sum.resent, (unsigned long long)sum.ring_lost,
           (unsigned long long)sum.quarantined);
    return 0;
}

static bool notes_open(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *notes) != 0)
        return false;
    notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return notes != MAP_FAILED;
}

int main(int argc, char **argv) {
    const char *what = argc > 2 ? argv[1] : "";
    place p = {argv[2], argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL, LANES_MAX};
    if (strcmp(what, "storm") == 0 && argc == 10 && notes_open(argv[5])) {
        p.lanes_max = (uint32_t)atoi(argv[8]);
        return storm(&p, (uint32_t)atoi(argv[6]), (uint32_t)atoi(argv[7]), strtoull(argv[9], NULL, 10));
    }
    if (strcmp(what, "drain") == 0 && argc == 5)
        return drain(&p);
    if (strcmp(what, "owed") == 0 && argc == 3)
        return owed(&p);
    return 2;
}

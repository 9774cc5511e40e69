/* Every call to the system that concerns a file fails once, with EIO, with ENOSPC, with EINTR, and short;
 * every piece of memory is refused once; and the disk is dead for a while, from each call on, of which it
 * does what it says it could not: while a store is opened, new or with what an unclean end left in it, while
 * it commits, drops what is too much, uploads, and closes. Each time the host lives, nothing leaks, what was
 * called safe on the disk is safe, what wadi_track took is there, and the call says what was wrong and no
 * more.
 *
 *     sdk_faults_test [every] [seed]     every n-th call only; the seed says with which it begins */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/sdk/io_shim.h"
#include "tests/crash/sdk/memory_shim.h"
#include "tests/crash/sdk/scene.h"
#include "tests/crash/sdk/workplace.h"

#define EVERY 12u
#define CALLS_MAX 20000u
#define WAIT_MS 40u
#define DISK_BYTES (1u << 20)
#define LATE 1u /* noted of a call: done, and yet it fails */
#define EVENTS_BEFORE 20u
#define EVENTS_WITHIN 40u
#define EVENTS_FULL_MAX 3000u
#define EVICTIONS 4u

/* ---- the fault
 * ------------------------------------------------------------------------------------------------ */

typedef enum fault_kind {
    FAULT_EIO,
    FAULT_ENOSPC,
    FAULT_EINTR,
    FAULT_SHORT,
    FAULT_DEAD,
    FAULT_MEMORY,
    FAULTS
} fault_kind;
static const char *const fault_names[] = {"EIO", "ENOSPC", "EINTR", "short", "dead", "no memory"};

static struct {
    fault_kind kind;
    uint32_t at; /* the call that fails; 1 is the first */
    atomic_bool armed;
    atomic_uint calls;
    _Atomic(const char *) struck; /* the name of the call that did */
    atomic_bool looking;          /* it was to change nothing */
    atomic_int maps;
} trap;

static bool strikes(const char *name) {
    uint32_t call = trap.armed ? ++trap.calls : 0;
    if (call == 0 || (trap.kind == FAULT_DEAD ? call < trap.at : call != trap.at))
        return false;
    trap.struck = name;
    return true;
}

static bool concerns(const io_call *call) {
    if (trap.kind == FAULT_MEMORY)
        return call->kind == IO_MAP;
    if (trap.kind == FAULT_SHORT)
        return call->kind == IO_READ || call->kind == IO_WRITE;
    struct stat st; /* of a dead disk; an eventfd lives */
    if (trap.kind == FAULT_DEAD && call->path == NULL && fstat(call->fd, &st) == 0 && !S_ISREG(st.st_mode) &&
        !S_ISDIR(st.st_mode))
        return false;
    return call->kind != IO_MAP && call->kind != IO_UNMAP;
}

static bool call_before(io_call *call) {
    static const int errors[FAULTS] = {[FAULT_EIO] = EIO,
                                       [FAULT_ENOSPC] = ENOSPC,
                                       [FAULT_EINTR] = EINTR,
                                       [FAULT_DEAD] = EIO,
                                       [FAULT_MEMORY] = ENOMEM};
    if (call->kind == IO_UNMAP)
        trap.maps--;
    if (!concerns(call) || !strikes(call->name))
        return true;
    trap.looking = call->kind == IO_READ || call->kind == IO_LOOK;
    if (trap.kind == FAULT_SHORT)
        call->n /= 2;
    if (trap.kind == FAULT_DEAD && trap.calls == trap.at && (call->kind == IO_WRITE || call->kind == IO_SYNC))
        call->noted = LATE;
    if (trap.kind == FAULT_SHORT || call->noted == LATE)
        return true;
    call->result = -1;
    call->error = errors[trap.kind];
    return false;
}

static void call_after(io_call *call) {
    if (call->noted == LATE) {
        call->result = -1;
        call->error = EIO;
    }
    if (call->kind == IO_MAP && call->result == 0 && !call->placed)
        trap.maps++;
}

static bool memory_refuse(const char *name) { return trap.kind != FAULT_MEMORY || !strikes(name); }

/* ---- what must not be left
 * ------------------------------------------------------------------------------------ */

typedef struct holdings {
    int64_t memory;
    int maps, descriptors;
} holdings;

static int descriptors_count(void) {
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    for (; dir != NULL && readdir(dir) != NULL; n++) {
    }
    if (dir != NULL)
        closedir(dir);
    return n;
}

/* free() of what a directory's reading took is seen here, and its malloc is not: the count comes first. */
static holdings holdings_now(void) {
    holdings h = {.memory = memory_live, .maps = trap.maps};
    h.descriptors = descriptors_count();
    return h;
}

static void holdings_check(const holdings *before) {
    holdings now = holdings_now();
    if (now.memory != before->memory || now.maps != before->maps || now.descriptors != before->descriptors)
        scene_wrong("left behind: %lld pieces of memory, %d mappings, %d descriptors",
                    (long long)(now.memory - before->memory), now.maps - before->maps,
                    now.descriptors - before->descriptors);
}

/* ---- the phases
 * ----------------------------------------------------------------------------------------------- */

typedef enum phase { OPEN_NEW, OPEN_UNCLEAN, COMMIT, EVICTION, UPLOAD, CLOSE, PHASES } phase;
static const char *const phase_names[] = {"new", "unclean", "commit", "eviction", "upload", "close"};

static uint32_t outcomes[PHASES][FAULTS][32]; /* by wadi_err, of the call under test */

static void record(wadi *w, uint32_t n, uint32_t text_bytes, wadi_ticket *ret_ticket) {
    const device_event what = {.name = "event", .text_bytes = text_bytes};
    for (uint32_t i = 0; i < n; i++)
        if (device_record(w, scene_now->n_rounds - 1, &what, ret_ticket) != WADI_OK)
            return; /* full */
}

/* Another process records, part of it into the store, and ends without a word. */
static void unclean_end(const device_plan *plan) {
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        wadi *w = NULL;
        wadi_ticket ticket = 0;
        if (device_open(plan, false, &w) != WADI_OK)
            _exit(1);
        record(w, EVENTS_BEFORE, 20, &ticket);
        if (wadi_wait(w, ticket, WADI_DISK, 10000) != WADI_OK)
            _exit(2);
        record(w, EVENTS_BEFORE, 20, &ticket);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        scene_wrong("the process before ended with status %x", (unsigned)status);
}

/* Until the quota is about to act. */
static void fill(wadi *w) {
    wadi_stats stats = WADI_STATS_INIT;
    wadi_ticket ticket = 0;
    uint32_t n = 0;
    for (; n < EVENTS_FULL_MAX && stats.disk_bytes < DISK_BYTES / 100 * 72; n += EVENTS_BEFORE) {
        record(w, EVENTS_BEFORE, DEVICE_TEXT_BYTES - 1, &ticket);
        if (wadi_wait(w, ticket, WADI_DISK, 10000) != WADI_OK || wadi_stats_get(w, &stats) != WADI_OK)
            break;
    }
    if (n >= EVENTS_FULL_MAX || stats.disk_bytes == 0)
        scene_wrong("the store does not get full");
}

/* What was called safe is noted; the rest is in the ring, and safe from all but a power cut. */
static wadi_err promise_ask(wadi *w, wadi_ticket ticket, wadi_level level) {
    wadi_err err = wadi_wait(w, ticket, level, WAIT_MS);
    if (err == WADI_OK)
        scene_now->rounds[scene_now->n_rounds - 1].told = scene_now->rounds[scene_now->n_rounds - 1].returned;
    return err;
}

static wadi_err work(phase p, wadi *w) {
    wadi_ticket ticket = 0;
    if (p == COMMIT || p == UPLOAD || p == CLOSE)
        record(w, EVENTS_WITHIN, 30, &ticket);
    if (p == COMMIT || p == UPLOAD)
        return promise_ask(w, ticket, p == UPLOAD ? WADI_ACKED : WADI_DISK);
    wadi_err err = WADI_OK;
    for (uint32_t i = 0; p == EVICTION && err == WADI_OK && i < EVICTIONS; i++) {
        record(w, EVENTS_WITHIN, DEVICE_TEXT_BYTES - 1, &ticket);
        err = promise_ask(w, ticket, WADI_DISK);
    }
    return err;
}

static void arm(bool armed) { trap.armed = armed; }

/* Whatever it was, it is over, and the handle is as good as new. */
static void recovery_check(wadi *w) {
    const uint32_t recover_ms = 20000;
    wadi_ticket ticket = 0;
    arm(false);
    record(w, EVENTS_WITHIN, 30, &ticket);
    uint64_t until = (uint64_t)time(NULL) + recover_ms / 1000;
    wadi_err err = wadi_wait(w, ticket, WADI_DISK, recover_ms);
    while (err != WADI_OK &&
           (uint64_t)time(NULL) < until) { /* it says what is wrong, not when it will be well */
        usleep(WAIT_MS * 1000);
        err = wadi_wait(w, ticket, WADI_DISK, recover_ms);
    }
    if (err != WADI_OK)
        scene_wrong("it does not recover: %s", wadi_strerror(err));
}

/* One round in which the phase meets its fault. */
static wadi_err round_run(phase p, const device_plan *plan) {
    wadi *w = NULL;
    scene_round_begin();
    arm(p == OPEN_NEW || p == OPEN_UNCLEAN);
    wadi_err outcome = device_open(plan, false, &w);
    arm(false);
    if (outcome != WADI_OK)
        return outcome;
    if (p == EVICTION)
        fill(w);
    arm(p == COMMIT || p == EVICTION || p == UPLOAD);
    outcome = work(p, w);
    if (p == COMMIT && trap.struck != NULL)
        recovery_check(w);
    arm(p == CLOSE);
    wadi_err closed = wadi_close(w, WAIT_MS);
    arm(false);
    if (closed == WADI_OK)
        scene_now->rounds[scene_now->n_rounds - 1].told = scene_now->rounds[scene_now->n_rounds - 1].returned;
    return p == CLOSE ? closed : outcome;
}

/* The fault's own name, or that of what could not be had because of it. An interrupted call says nothing of
 * the disk, and a damaged store, or wrong arguments, nobody has seen. */
static bool outcome_true(fault_kind kind, wadi_err outcome) {
    if (outcome == WADI_ERR_IO) /* whatever a look or a read says, it is the disk that failed */
        return kind == FAULT_EIO || kind == FAULT_SHORT || kind == FAULT_DEAD ||
               ((kind == FAULT_ENOSPC || kind == FAULT_EINTR) && trap.looking);
    if (outcome == WADI_ERR_DISK_FULL) /* and a write that stops short has no room */
        return kind == FAULT_ENOSPC || kind == FAULT_SHORT;
    if (outcome == WADI_ERR_NO_MEMORY)
        return kind == FAULT_MEMORY;
    return outcome == WADI_OK || outcome == WADI_ERR_TIMEOUT /* not yet */ || outcome == WADI_ERR_SYSTEM;
}

/* False: the phase has no such call any more. */
static bool strike(phase p, fault_kind kind, uint32_t at) {
    char dir[WORKPLACE_BYTES], store[WORKPLACE_BYTES + 8];
    device_plan plan = {.dir = store, .disk_bytes_max = DISK_BYTES};
    trap.kind = kind;
    trap.at = at;
    trap.calls = 0;
    trap.struck = NULL;
    if (!workplace_make(dir))
        return false;
    snprintf(store, sizeof store, "%s/store", dir);
    scene_reset();
    scene_now->region_away = p != UPLOAD;
    scene_now->region_calm = true;
    if (p == OPEN_UNCLEAN) {
        plan.flush_ms = 3600000;
        scene_round_begin();
        unclean_end(&plan);
        plan.flush_ms = 10;
    }
    holdings before = holdings_now();
    wadi_err outcome = round_run(p, &plan);
    holdings_check(&before);
    if (!outcome_true(kind, outcome))
        scene_wrong("it said: %s", wadi_strerror(outcome));
    outcomes[p][kind][outcome]++;
    bool good = device_audit(&plan);
    holdings_check(&before);
    if (!good || scene_now->wrong[0] != '\0')
        printf("WRONG: %s %s, call %u (%s): %s: %s\n", phase_names[p], fault_names[kind], at,
               trap.struck != NULL ? trap.struck : "-", wadi_strerror(outcome), scene_now->wrong);
    workplace_remove(dir);
    return trap.struck != NULL;
}

static void outcomes_print(phase p, fault_kind kind, uint32_t calls) {
    printf("  %-9s %-10s %5u calls:", phase_names[p], fault_names[kind], calls);
    for (int err = 0; err < 32; err++)
        if (outcomes[p][kind][err] > 0)
            printf(" %s %u", wadi_err_name((wadi_err)err), outcomes[p][kind][err]);
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    uint32_t every = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : EVERY;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    every = every > 0 ? every : 1;
    if (!scene_init(seed))
        return 1;
    io_before = call_before;
    io_after = call_after;
    memory_before = memory_refuse;
    uint32_t struck = 0, wrong = 0;
    (void)strike(COMMIT, FAULT_EIO, CALLS_MAX); /* what libraries take for good */
    for (int p = 0; p < PHASES; p++) {
        for (int kind = 0; kind < FAULTS; kind++) {
            uint32_t at = 1 + (uint32_t)((seed + (uint64_t)p * FAULTS + (uint64_t)kind) % every);
            for (; at < CALLS_MAX && strike((phase)p, (fault_kind)kind, at); at += every, struck++) {
                wrong += scene_now->wrong[0] != '\0';
                scene_now->wrong[0] = '\0';
            }
            wrong += scene_now->wrong[0] != '\0';
            scene_now->wrong[0] = '\0';
            outcomes_print((phase)p, (fault_kind)kind, at);
        }
    }
    printf("sdk_faults_test: %u faults, %u wrong, every %u, seed %llu: %s\n", struck, wrong, every,
           (unsigned long long)seed, wrong == 0 && struck > 0 ? "good" : "WRONG");
    return wrong > 0 || struck == 0;
}

/* wadi_track of a 6-property event: one JSON line a case.
 *
 *   sdk.track           half of the calls have name and keys in buffers that hold something else each time
 *   sdk.track.literals  none has
 *   sdk.track.threads   the first, by four threads at once
 *
 * 200 event names; the background thread stores with synced commits. Bursts with pauses between them, since
 * nobody's store takes eight million events a second. In every other burst calls are timed by twenties, which
 * gives the median: a clock may have steps of 10 ns. In the rest each call is timed by itself, which gives
 * p99.99; the median cost of looking at the clock is taken off. Warm: the ring has been filled once, and the
 * first calls after a pause, which find cold caches, are not among them; `first` is the median of the very
 * first.
 *
 * The machine interrupts whatever runs, several hundred times a second. So each single call is followed by as
 * much time in which this program only looks at the clock, timed alike: `floor`. What is over 2 us there is
 * not wadi_track's. The whole is cut into slices; `best` is what the least disturbed one saw. Instructions
 * are counted by callgrind, if it is there. */
#include "sdk/include/wadi/wadi.h"

#include <ftw.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SLICES = 24,
    SLICE_BURSTS = 30,
    BURST_PAUSE_US = 4000, /* for each thread */
    BURST_EVENTS = 1000,
    GROUP = 20,          /* calls that are timed together */
    FLOOR_MAX_NS = 1000, /* a call that took longer was disturbed */
    SLOW_NS = 2000,
    WARM_EVENTS = 200000, /* more than the ring holds */
    SLICE_SINGLES = SLICE_BURSTS / 2 * BURST_EVENTS,
    SLICE_GROUPS = SLICE_BURSTS / 2 * (BURST_EVENTS / GROUP),
    BURSTS = SLICES * SLICE_BURSTS,
    COUNTED_EVENTS = 20000,
    THREADS_MAX = 4,
    NAMES = 200,
    KEYS = 6,
};

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void pause_us(long us) {
    struct timespec pause = {0, us * 1000};
    nanosleep(&pause, NULL);
}

/* ---- a handle in a directory of its own ---------------------------------------------------------------- */

typedef struct target {
    char dir[64];
    wadi *w;
} target;

static bool target_open(target *t) {
    wadi_options opt = WADI_OPTIONS_INIT;
    strcpy(t->dir, "/tmp/wadi-bench-XXXXXX");
    if (mkdtemp(t->dir) == NULL)
        return false;
    opt.dir = t->dir;
    opt.ring_bytes = 16u << 20;
    opt.disk_bytes_max = 512u << 20;
    if (wadi_open(&opt, &t->w) == WADI_OK)
        return true;
    fprintf(stderr, "sdk_track: no store could be opened in %s\n", t->dir);
    return false;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void target_close(target *t) {
    (void)wadi_close(t->w, 0);
    nftw(t->dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what is recorded ---------------------------------------------------------------------------------- */

typedef struct bench_case {
    const char *name;
    bool buffers; /* of half of the calls */
    uint32_t threads;
} bench_case;

static const bench_case cases[] = {
    {"sdk.track", true, 1},
    {"sdk.track.literals", false, 1},
    {"sdk.track.threads", true, THREADS_MAX},
};
#define CASES (sizeof cases / sizeof *cases)

static char names[NAMES][16]; /* written once */

typedef struct call {
    const char *name;
    wadi_prop props[KEYS];
    char buffers[1 + KEYS][16];
} call;

static void names_fill(void) {
    for (int i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof names[i], "page_view_%d", i);
}

/* Name and keys move to the call's buffers, each to another one than the last time. */
static void call_buffer(call *c, uint32_t i) {
    for (uint32_t k = 0; k <= KEYS; k++) {
        char *buffer = c->buffers[(k + i / 2) % (1 + KEYS)];
        const char **text = k == KEYS ? &c->name : &c->props[k].key;
        memcpy(buffer, *text, strlen(*text) + 1);
        *text = buffer;
    }
}

/* Outside of what is timed. */
static void call_fill(call *c, const bench_case *what, uint32_t i) {
    const wadi_prop props[KEYS] = {
        WADI_STR("path", i % 2 == 0 ? "/pricing/eur" : "/pricing/usd"),
        WADI_STR("referrer", i % 2 == 0 ? "news.example" : "mail.example"),
        WADI_INT("status", i % 2 == 0 ? 200 : 404),
        WADI_INT("bytes", i % 2 == 0 ? 51000 + i % 1000 : 800 + i % 100),
        WADI_F64("load_s", 0.25),
        WADI_BOOL("cached", i % 2 == 0),
    };
    c->name = names[i % NAMES];
    memcpy(c->props, props, sizeof props);
    if (what->buffers && i % 2 != 0)
        call_buffer(c, i);
}

static bool call_make(wadi *w, const call *c) { return wadi_track(w, c->name, c->props, KEYS) == WADI_OK; }

/* ---- timing -------------------------------------------------------------------------------------------- */

typedef struct slice {
    uint32_t singles[SLICE_SINGLES]; /* ns of a call */
    uint32_t floors[SLICE_SINGLES];  /* ns of as long a look at the clock */
    uint32_t groups[SLICE_GROUPS];   /* ns of GROUP calls */
} slice;

typedef struct worker {
    pthread_t thread;
    wadi *w;
    const bench_case *what;
    pthread_barrier_t *together;
    uint32_t clock_ns;
    uint32_t refused;
    uint32_t bursts;
    uint32_t firsts[BURSTS]; /* ns of the first call of each */
    call calls[GROUP];
    slice slices[SLICES];
} worker;

static worker workers[THREADS_MAX];

static int uint32_order(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t clock_cost_ns(void) {
    static uint32_t samples[BURST_EVENTS];
    for (uint32_t i = 0; i < BURST_EVENTS; i++) {
        uint64_t begin = now_ns();
        samples[i] = (uint32_t)(now_ns() - begin);
    }
    qsort(samples, BURST_EVENTS, sizeof *samples, uint32_order);
    return samples[BURST_EVENTS / 2];
}

static uint32_t took_ns(const worker *me, uint64_t begin_ns) {
    uint64_t took = now_ns() - begin_ns;
    return took > me->clock_ns ? (uint32_t)(took - me->clock_ns) : 0;
}

/* n of the calls that stand ready. */
static uint32_t calls_time(worker *me, const call *calls, uint32_t n) {
    uint32_t accepted = 0;
    __asm__ volatile("" : : "r"(calls) : "memory");
    uint64_t begin_ns = now_ns();
    for (uint32_t i = 0; i < n; i++)
        accepted += call_make(me->w, &calls[i]);
    uint32_t took = took_ns(me, begin_ns);
    me->refused += n - accepted;
    return accepted == n ? took : UINT32_MAX; /* a refusal is quick, and not what is measured */
}

static uint32_t floor_time(const worker *me, uint32_t call_ns) {
    uint32_t took, enough = call_ns < FLOOR_MAX_NS ? call_ns : FLOOR_MAX_NS;
    uint64_t begin_ns = now_ns();
    do {
        took = took_ns(me, begin_ns);
    } while (took < enough);
    return took;
}

static void calls_ready(worker *me, uint32_t i) {
    for (uint32_t k = 0; k < GROUP; k++)
        call_fill(&me->calls[k], me->what, i + k);
}

/* The first calls after a pause. */
static void calls_cold(worker *me) {
    calls_ready(me, 0);
    me->firsts[me->bursts++] = calls_time(me, me->calls, 1);
    (void)calls_time(me, me->calls + 1, GROUP - 1);
}

static void slice_time(worker *me, slice *s) {
    size_t n_singles = 0, n_groups = 0;
    for (uint32_t burst = 0; burst < SLICE_BURSTS; burst++) {
        pause_us(BURST_PAUSE_US * (long)me->what->threads);
        pthread_barrier_wait(me->together);
        calls_cold(me);
        for (uint32_t i = 0; i < BURST_EVENTS; i += GROUP) {
            calls_ready(me, i);
            if (burst % 2 == 0) {
                s->groups[n_groups++] = calls_time(me, me->calls, GROUP);
                continue;
            }
            for (uint32_t k = 0; k < GROUP; k++, n_singles++) {
                s->singles[n_singles] = calls_time(me, &me->calls[k], 1);
                s->floors[n_singles] = floor_time(me, s->singles[n_singles]);
            }
        }
    }
}

static void *worker_run(void *argument) {
    worker *me = argument;
    for (uint32_t i = 0; i < SLICES; i++)
        slice_time(me, &me->slices[i]);
    return NULL;
}

static void ring_warm(worker *me) {
    for (uint32_t i = 0; i < WARM_EVENTS; i += GROUP) {
        calls_ready(me, i);
        (void)calls_time(me, me->calls, GROUP);
        if (i % BURST_EVENTS == 0)
            pause_us(BURST_PAUSE_US / 2);
    }
    me->refused = 0;
}

/* Returns how many threads could be started and have ended. */
static uint32_t workers_run(wadi *w, const bench_case *what) {
    pthread_barrier_t together;
    uint32_t clock_ns = clock_cost_ns();
    if (pthread_barrier_init(&together, NULL, what->threads) != 0)
        return 0;
    for (uint32_t i = 0; i < what->threads; i++) {
        worker *me = &workers[i];
        memset(me, 0, sizeof *me);
        me->w = w;
        me->what = what;
        me->together = &together;
        me->clock_ns = clock_ns;
        if (i == 0)
            ring_warm(me);
        if (pthread_create(&me->thread, NULL, worker_run, me) != 0)
            abort(); /* the others would wait for it */
    }
    for (uint32_t i = 0; i < what->threads; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&together);
    return what->threads;
}

/* ---- instructions -------------------------------------------------------------------------------------- */

/* What callgrind runs: this program, counting from the entry of wadi_track to its return. */
static int run_counted(const char *name) {
    static target t;
    static call c;
    const bench_case *what = cases;
    while (what < cases + CASES - 1 && strcmp(what->name, name) != 0)
        what++;
    if (!target_open(&t))
        return 1;
    for (uint32_t i = 0; i < COUNTED_EVENTS; i++) {
        call_fill(&c, what, i);
        if (!call_make(t.w, &c))
            pause_us(2000);
    }
    target_close(&t);
    return 0;
}

/* Instructions of one call; 0: valgrind is not there. */
static double instructions_each(const char *self, const bench_case *what) {
    char command[512], line[256];
    snprintf(command, sizeof command,
             "exec valgrind --tool=callgrind --toggle-collect=wadi_track --callgrind-out-file=/dev/null %s "
             "counted %s 2>&1",
             self, what->name);
    FILE *output = popen(command, "re");
    if (output == NULL)
        return 0;
    unsigned long long collected = 0;
    while (fgets(line, sizeof line, output) != NULL) {
        const char *at = strstr(line, "Collected : ");
        if (at != NULL)
            collected = strtoull(at + strlen("Collected : "), NULL, 10);
    }
    return pclose(output) == 0 ? (double)collected / COUNTED_EVENTS : 0;
}

/* ---- report -------------------------------------------------------------------------------------------- */

typedef struct times {
    double p50_ns, p9999_ns, floor_p9999_ns;
    uint32_t singles, slow, floor_slow;
} times;

static uint32_t slow_count(const uint32_t *sorted, size_t n) {
    size_t slow = 0;
    while (slow < n && sorted[n - 1 - slow] > SLOW_NS)
        slow++;
    return (uint32_t)slow;
}

/* Of the given slices of all threads. */
static times times_of(uint32_t threads, uint32_t first, uint32_t n) {
    static uint32_t singles[THREADS_MAX * SLICES * SLICE_SINGLES],
        floors[THREADS_MAX * SLICES * SLICE_SINGLES];
    static uint32_t groups[THREADS_MAX * SLICES * SLICE_GROUPS];
    size_t n_singles = 0, n_groups = 0;
    for (uint32_t i = 0; i < threads; i++) {
        for (uint32_t k = first; k < first + n; k++) {
            const slice *s = &workers[i].slices[k];
            memcpy(singles + n_singles, s->singles, sizeof s->singles);
            memcpy(floors + n_singles, s->floors, sizeof s->floors);
            memcpy(groups + n_groups, s->groups, sizeof s->groups);
            n_singles += SLICE_SINGLES;
            n_groups += SLICE_GROUPS;
        }
    }
    qsort(singles, n_singles, sizeof *singles, uint32_order);
    qsort(floors, n_singles, sizeof *floors, uint32_order);
    qsort(groups, n_groups, sizeof *groups, uint32_order);
    size_t middle = n_groups / 2, near_end = n_singles * 9999 / 10000;
    return (times){
        .p50_ns = (double)groups[middle] / GROUP,
        .p9999_ns = singles[near_end],
        .floor_p9999_ns = floors[near_end],
        .singles = (uint32_t)n_singles,
        .slow = slow_count(singles, n_singles),
        .floor_slow = slow_count(floors, n_singles),
    };
}

static uint32_t first_p50_ns(uint32_t threads) {
    static uint32_t firsts[THREADS_MAX * BURSTS];
    for (uint32_t i = 0; i < threads; i++)
        memcpy(firsts + i * BURSTS, workers[i].firsts, sizeof workers[i].firsts);
    qsort(firsts, threads * BURSTS, sizeof *firsts, uint32_order);
    return firsts[threads * BURSTS / 2];
}

static void report(const bench_case *what, uint32_t threads, double instructions) {
    times all = times_of(threads, 0, SLICES), best = all;
    uint32_t refused = 0;
    for (uint32_t i = 0; i < SLICES; i++) {
        times one = times_of(threads, i, 1);
        best.p50_ns = one.p50_ns < best.p50_ns ? one.p50_ns : best.p50_ns;
        best.p9999_ns = one.p9999_ns < best.p9999_ns ? one.p9999_ns : best.p9999_ns;
    }
    for (uint32_t i = 0; i < threads; i++)
        refused += workers[i].refused;
    printf("{\"bench\":\"%s\",\"threads\":%u,\"p50_ns\":%.1f,\"p9999_ns\":%.0f,\"floor_p9999_ns\":%.0f,"
           "\"best_p50_ns\":%.1f,\"best_p9999_ns\":%.0f,\"first_p50_ns\":%u,",
           what->name, threads, all.p50_ns, all.p9999_ns, all.floor_p9999_ns, best.p50_ns, best.p9999_ns,
           first_p50_ns(threads));
    printf("\"singles\":%u,\"over_2us\":%u,\"floor_over_2us\":%u,", all.singles, all.slow, all.floor_slow);
    if (instructions > 0)
        printf("\"instructions\":%.0f,", instructions);
    else
        printf("\"instructions\":null,");
    printf("\"refused\":%u}\n", refused);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static target t;
    names_fill();
    if (argc > 2 && strcmp(argv[1], "counted") == 0)
        return run_counted(argv[2]);
    for (size_t i = 0; i < CASES; i++) {
        if (!target_open(&t))
            return 1;
        uint32_t threads = workers_run(t.w, &cases[i]);
        target_close(&t);
        if (threads == 0)
            return 1;
        report(&cases[i], threads, instructions_each(argv[0], &cases[i]));
    }
    return 0;
}

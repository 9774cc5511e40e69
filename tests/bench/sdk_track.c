/* wadi_track of a 6-property event on one thread: one JSON line.
 *
 * Half of the calls have their name and keys in buffers that are written anew. Every call is timed by itself,
 * and the median cost of looking at the clock is taken off. Bursts with pauses between them, since nobody's
 * store takes eight million events a second. Instructions are counted by callgrind, if it is there. */
#include "sdk/include/wadi/wadi.h"

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BURSTS = 600,
    BURST_PAUSE_US = 4000,
    BURST_EVENTS = 1000,
    CALLS = BURSTS * BURST_EVENTS,
    COUNTED_EVENTS = 20000
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

/* ---- a handle in a directory of its own -----------------------------------------------------------------
 */

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
    opt.disk_bytes_max = 256u << 20;
    return wadi_open(&opt, &t->w) == WADI_OK;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void target_close(target *t) {
    (void)wadi_close(t->w, 0);
    nftw(t->dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what is measured -------------------------------------------------------------------------------- */

typedef struct buffers {
    char name[16], path[16], referrer[16];
} buffers;

/* Outside of what is timed. */
static void buffers_fill(buffers *b) {
    memcpy(b->name, "page_view", 10);
    memcpy(b->path, "path", 5);
    memcpy(b->referrer, "referrer", 9);
    __asm__ volatile("" : : "r"(b) : "memory");
}

static wadi_err track_one(wadi *w, const buffers *b, uint32_t i) {
    if (i % 2 == 0)
        return WADI_TRACK(w, "page_view", WADI_STR("path", "/pricing/eur"),
                          WADI_STR("referrer", "news.example"), WADI_INT("status", 200),
                          WADI_INT("bytes", 51000 + i % 1000), WADI_F64("load_s", 0.23),
                          WADI_BOOL("cached", 1));
    return WADI_TRACK(w, b->name, WADI_STR(b->path, "/pricing/usd"), WADI_STR(b->referrer, "mail.example"),
                      WADI_INT("status", 404), WADI_INT("bytes", 800 + i % 100), WADI_F64("load_s", 0.25),
                      WADI_BOOL("cached", 0));
}

static int uint32_order(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t clock_cost_ns(uint32_t *samples) {
    for (uint32_t i = 0; i < BURST_EVENTS; i++) {
        uint64_t begin = now_ns();
        samples[i] = (uint32_t)(now_ns() - begin);
    }
    qsort(samples, BURST_EVENTS, sizeof *samples, uint32_order);
    return samples[BURST_EVENTS / 2];
}

/* Returns how many calls were accepted, and their times in `samples`. */
static uint32_t measure(wadi *w, uint32_t *samples) {
    uint32_t overhead_ns = clock_cost_ns(samples);
    uint32_t n = 0;
    buffers b;
    for (uint32_t i = 0; i < CALLS; i++) {
        if (i % BURST_EVENTS == 0)
            pause_us(BURST_PAUSE_US);
        buffers_fill(&b);
        uint64_t begin = now_ns();
        wadi_err err = track_one(w, &b, i);
        uint32_t took_ns = (uint32_t)(now_ns() - begin);
        if (err == WADI_OK)
            samples[n++] = took_ns > overhead_ns ? took_ns - overhead_ns : 0;
    }
    return n;
}

/* ---- instructions ------------------------------------------------------------------------------------ */

/* What callgrind runs: this program, counting from the entry of wadi_track to its return. */
static void run_counted(target *t) {
    buffers b;
    for (uint32_t i = 0; i < COUNTED_EVENTS; i++) {
        buffers_fill(&b);
        if (track_one(t->w, &b, i) == WADI_ERR_FULL)
            pause_us(2000);
    }
}

/* Instructions of one call; 0: valgrind is not there. */
static double instructions_each(const char *self) {
    char command[512], line[256];
    snprintf(command, sizeof command,
             "exec valgrind --tool=callgrind --toggle-collect=wadi_track --callgrind-out-file=/dev/null %s "
             "counted 2>&1",
             self);
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

static void report(uint32_t *samples, uint32_t n, double instructions) {
    qsort(samples, n, sizeof *samples, uint32_order);
    printf("{\"bench\":\"sdk.track\",\"p50_ns\":%u,\"p9999_ns\":%u,", samples[n / 2],
           samples[(uint64_t)n * 9999 / 10000]);
    if (instructions > 0)
        printf("\"instructions\":%.0f,", instructions);
    else
        printf("\"instructions\":null,");
    printf("\"calls\":%u,\"refused\":%u}\n", n, CALLS - n);
}

int main(int argc, char **argv) {
    static target t;
    static uint32_t samples[CALLS];
    if (!target_open(&t)) {
        fprintf(stderr, "sdk_track: no store could be opened in %s\n", t.dir);
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "counted") == 0) {
        run_counted(&t);
        target_close(&t);
        return 0;
    }
    uint32_t n = measure(t.w, samples);
    target_close(&t);
    if (n == 0)
        return 1;
    report(samples, n, instructions_each(argv[0]));
    return 0;
}

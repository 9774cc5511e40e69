/* From wadi_track through the ring into LMDB, synced: one JSON line.
 *
 * A thousand events of six properties are recorded, and then moved by the drainer's own function, in one
 * commit; both are timed. After every tenth commit, and not in its time, as many bytes are written and synced
 * without any of our code: `sync_us`, for a disk that others use, too; LMDB syncs twice a commit. `best` is
 * the least disturbed slice. `space` and `written` compare what the file grew by, and what the system was
 * given to write in all, with the bytes of the events themselves. */
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/core/drain.h"
#include "sdk/src/event/track.h"

enum {
    COMMITS = 1000,
    SLICE = 100,
    SYNC_EVERY = 10,
    SYNC_BYTES = 100000, /* about what a commit writes */
    WARM_COMMITS = 50,
    COMMIT_EVENTS = 1000,
    NAMES = 200,
    KEYS = 6,
};
#define RING_BYTES (1u << 20)
#define DISK_BYTES (512u << 20)

typedef struct bench {
    wdi_tracker tracker; /* first: wadi_track takes the handle for it */
    char dir[64];
    int dir_fd;
    wdi_store *store;
    wdi_drain_stats drained;
    uint64_t refused;
    int floor_fd;
} bench;

static bench b;
static char names[NAMES][16];

static double now_s(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- ring and store in a directory of their own -------------------------------------------------------- */

static wadi_err store_open(void) {
    char path[96], quarantine[96];
    snprintf(path, sizeof path, "%s/store.mdb", b.dir);
    snprintf(quarantine, sizeof quarantine, "%s/quarantine", b.dir);
    const wdi_store_options opt = {.path = path, .quarantine_dir = quarantine, .disk_bytes_max = DISK_BYTES};
    return wdi_store_open(&opt, &b.store);
}

static wadi_err bench_open(void) {
    const wdi_run_id run = {.ordinal = 1, .nonce = 7};
    const wire_run stored = {.nonce = run.nonce, .sdk = {(const uint8_t *)"bench", 5}};
    strcpy(b.dir, "/tmp/wadi-bench-XXXXXX");
    if (mkdtemp(b.dir) == NULL || (b.dir_fd = open(b.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return WADI_ERR_IO;
    wadi_err err = store_open();
    if (err == WADI_OK)
        err = wdi_ring_open(&b.tracker.ring, b.dir_fd, RING_BYTES);
    if (err == WADI_OK)
        err = wdi_store_run_begin(b.store, &stored, WDI_RING_RECORD_HEADER);
    if (err == WADI_OK)
        err = wdi_ring_start(&b.tracker.ring, &run, WDI_RING_RECORD_HEADER, RING_BYTES);
    return err == WADI_OK ? wdi_tracker_init(&b.tracker, base_boot_us()) : err;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void bench_close(void) {
    wdi_tracker_fini(&b.tracker);
    wdi_ring_close(&b.tracker.ring);
    wdi_store_close(b.store);
    nftw(b.dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what is timed ------------------------------------------------------------------------------------- */

static void record(uint32_t i) {
    const wadi_prop props[KEYS] = {
        WADI_STR("path", i % 2 == 0 ? "/pricing/eur" : "/pricing/usd"),
        WADI_STR("referrer", i % 2 == 0 ? "news.example" : "mail.example"),
        WADI_INT("status", i % 2 == 0 ? 200 : 404),
        WADI_INT("bytes", i % 2 == 0 ? 51000 + i % 1000 : 800 + i % 100),
        WADI_F64("load_s", 0.25),
        WADI_BOOL("cached", i % 2 == 0),
    };
    b.refused += wadi_track((wadi *)(void *)&b, names[i % NAMES], props, KEYS) != WADI_OK;
}

static void record_all(void) {
    for (uint32_t i = 0; i < COMMIT_EVENTS; i++)
        record(i);
}

/* What is in the ring, without what the ring adds. */
static uint64_t own_bytes(void) {
    wdi_ring *ring = &b.tracker.ring;
    wdi_record record;
    uint64_t bytes = 0, start = wdi_ring_cursor(ring);
    while (wdi_ring_read(ring, &record) == WDI_RING_RECORD)
        bytes += record.n;
    wdi_ring_seek(ring, start);
    return bytes;
}

static bool commit(void) {
    bool blocked;
    return wdi_drain_ring(b.store, &b.tracker.ring, &b.drained, &blocked) == WADI_OK && !blocked;
}

/* What this process had written to the disk by now. */
static uint64_t written_bytes(void) {
    char line[128];
    unsigned long long bytes = 0;
    FILE *f = fopen("/proc/self/io", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        (void)sscanf(line, "write_bytes: %llu", &bytes);
    if (f != NULL)
        fclose(f);
    return bytes;
}

/* Each time to a place of its own, in reserved space, like a store that fills. */
static double sync_time_s(uint32_t i) {
    static uint8_t data[SYNC_BYTES];
    double begin_s = now_s(CLOCK_MONOTONIC);
    bool fine = pwrite(b.floor_fd, data, SYNC_BYTES, (off_t)i * SYNC_BYTES) == SYNC_BYTES &&
                fdatasync(b.floor_fd) == 0;
    return fine ? now_s(CLOCK_MONOTONIC) - begin_s : 0;
}

static bool floor_open(void) {
    b.floor_fd = openat(b.dir_fd, "floor", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return b.floor_fd >= 0 &&
           posix_fallocate(b.floor_fd, 0, (off_t)(COMMITS / SYNC_EVERY + 1) * SYNC_BYTES) == 0;
}

typedef struct times {
    double commit_s[COMMITS], sync_s[COMMITS / SYNC_EVERY];
    double cpu_s;
    uint64_t written, own;
} times;

static bool commits_time(times *t) {
    for (uint32_t i = 0; i < COMMITS; i++) {
        uint64_t written = written_bytes();
        double cpu_s = now_s(CLOCK_THREAD_CPUTIME_ID), begin_s = now_s(CLOCK_MONOTONIC);
        record_all();
        t->commit_s[i] = now_s(CLOCK_MONOTONIC) - begin_s;
        t->own += own_bytes();
        begin_s = now_s(CLOCK_MONOTONIC);
        if (!commit())
            return false;
        t->commit_s[i] += now_s(CLOCK_MONOTONIC) - begin_s;
        t->cpu_s += now_s(CLOCK_THREAD_CPUTIME_ID) - cpu_s;
        t->written += written_bytes() - written;
        if (i % SYNC_EVERY == 0)
            t->sync_s[i / SYNC_EVERY] = sync_time_s(i / SYNC_EVERY);
    }
    return true;
}

/* ---- report -------------------------------------------------------------------------------------------- */

static int double_order(const void *x, const void *y) {
    const double a = *(const double *)x, c = *(const double *)y;
    return (a > c) - (a < c);
}

static double sum(const double *each, size_t n) {
    double all = 0;
    for (size_t i = 0; i < n; i++)
        all += each[i];
    return all;
}

static void report(times *t, double grown) {
    const double own = (double)t->own;
    const double events = (double)COMMITS * COMMIT_EVENTS;
    double best_s = sum(t->commit_s, SLICE), all_s = sum(t->commit_s, COMMITS);
    for (size_t i = SLICE; i < COMMITS; i += SLICE) {
        double slice_s = sum(t->commit_s + i, SLICE);
        best_s = slice_s < best_s ? slice_s : best_s;
    }
    qsort(t->commit_s, COMMITS, sizeof *t->commit_s, double_order);
    qsort(t->sync_s, COMMITS / SYNC_EVERY, sizeof *t->sync_s, double_order);
    printf("{\"bench\":\"sdk.store\",\"events_per_s\":%.0f,\"best_events_per_s\":%.0f,\"commit_p50_us\":%.0f,"
           "\"sync_p50_us\":%.0f,\"cpu_ns\":%.0f,\"event_bytes\":%.1f,\"space\":%.2f,\"written\":%.2f,"
           "\"refused\":%llu}\n",
           events / all_s, (double)SLICE * COMMIT_EVENTS / best_s, t->commit_s[COMMITS / 2] * 1e6,
           t->sync_s[COMMITS / SYNC_EVERY / 2] * 1e6, t->cpu_s / events * 1e9, own / events, grown / own,
           (double)t->written / own, (unsigned long long)b.refused);
}

static bool run(void) {
    static times t;
    wadi_stats before = WADI_STATS_INIT, after = WADI_STATS_INIT;
    for (uint32_t i = 0; i < WARM_COMMITS; i++) {
        record_all();
        if (!commit())
            return false;
    }
    wdi_store_stats(b.store, &before);
    if (!floor_open() || !commits_time(&t))
        return false;
    wdi_store_stats(b.store, &after);
    report(&t, (double)(after.disk_bytes - before.disk_bytes));
    return b.refused == 0 && b.drained.events == (uint64_t)(COMMITS + WARM_COMMITS) * COMMIT_EVENTS;
}

int main(void) {
    for (int i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof names[i], "page_view_%d", i);
    wadi_err err = bench_open();
    bool fine = err == WADI_OK && run();
    if (!fine)
        fprintf(stderr, "sdk_store: %s\n",
                err != WADI_OK ? wadi_strerror(err) : "not every event was stored");
    bench_close();
    return fine ? 0 : 1;
}

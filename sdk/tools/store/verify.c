#include "sdk/tools/store/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/src/core/error.h"
#include "sdk/src/core/lock.h"
#include "sdk/tools/store/events.h"

#define FAULTS_SHOWN_MAX 20u
#define DISK_BYTES_LEAST (UINT64_C(1) << 20)

/* ---- verify ------------------------------------------------------------------------------------- */

typedef struct fault_list {
    const lane *l;
    uint64_t n;
} fault_list;

static void fault_show(void *context, event_fault fault, uint64_t number, uint64_t through, uint64_t page) {
    fault_list *faults = context;
    if (faults->n++ >= FAULTS_SHOWN_MAX)
        return;
    printf("%s: ", faults->l->name);
    switch (fault) {
    case FAULT_RECORD:
        printf("page %" PRIu64 ": a record of the wrong checksum", page);
        if (number != 0)
            printf(", of events from number %" PRIu64 " on", number);
        break;
    case FAULT_EVENT:
        printf("event %" PRIu64 ", from page %" PRIu64 " on: its checksum is wrong", number, page);
        break;
    case FAULT_MISSING:
        printf("numbers %" PRIu64 " to %" PRIu64 " are owed, and nowhere", number, through);
        break;
    case FAULT_RING:
        printf("ring: %" PRIu64 " bytes that were recorded cannot be read", number);
        break;
    }
    putchar('\n');
}

/* The chain and the order of numbers, which single records do not show. */
typedef struct chunk_order {
    wdi_chunk_audit audit;
    wdi_state state; /* counts into it */
    uint64_t broken; /* first number of the chunk that does not fit; 0: all do */
} chunk_order;

static void order_visit(void *context, const lmdb_check_entry *e) {
    chunk_order *order = context;
    wdi_chunk chunk;
    if (!e->reached || order->broken != 0 || !wdi_found_chunk(e, &chunk))
        return;
    if (!wdi_chunk_audit_take(&order->state, &chunk, &order->audit))
        order->broken = chunk.first;
}

static verdict order_verify(const lane *l) {
    chunk_order order = {.state = l->state};
    bool doubtful = false;
    if (wdi_found_pass(l->fd, order_visit, &order, &doubtful) != WADI_OK)
        return VERDICT_UNKNOWN;
    if (order.broken == 0 && wdi_chunk_audit_end(&order.state, &order.audit))
        return VERDICT_SOUND;
    printf("%s: the events from number %" PRIu64 " on do not follow those before\n", l->name,
           order.broken != 0 ? order.broken : order.audit.next);
    return VERDICT_DAMAGED;
}

static verdict records_verify(const lane *l) {
    fault_list faults = {.l = l};
    const events_want want = {.fault = fault_show, .context = &faults};
    events_sum sum;
    wadi_err err = events_walk(l, &want, &sum);
    if (err != WADI_OK) {
        lane_complain(l, "%s", wadi_strerror(err));
        return VERDICT_UNKNOWN;
    }
    if (faults.n > FAULTS_SHOWN_MAX)
        printf("%s: and %" PRIu64 " more\n", l->name, faults.n - FAULTS_SHOWN_MAX);
    verdict v = faults.n == 0 ? VERDICT_SOUND : VERDICT_DAMAGED;
    if (l->ring_err == WADI_ERR_CORRUPT) {
        printf("%s: ring: not of a ring's size\n", l->name);
        v = VERDICT_DAMAGED;
    }
    if (v == VERDICT_SOUND)
        v = order_verify(l);
    if (v == VERDICT_SOUND)
        printf("%s: sound: %" PRIu64 " events, %" PRIu64 " dropped numbers, %" PRIu64
               " events in the ring%s\n",
               l->name, sum.events, sum.tombstones, sum.in_ring,
               l->held ? " (held by a process: its ring is not looked at)" : "");
    return v;
}

verdict lane_verify(const lane *l) {
    if (l->err != WADI_OK || !l->settled) {
        if (l->err == WADI_OK && !l->present) {
            printf("%s: sound: nothing in it yet\n", l->name);
            return VERDICT_SOUND;
        }
        lane_complain(l, "%s",
                      l->err != WADI_OK ? wadi_strerror(l->err) : "it changed all the time: try again");
        return VERDICT_UNKNOWN;
    }
    if (l->result == LMDB_CHECK_FAILED) {
        lane_complain(l, "%s", lmdb_check_text(l->report.reason));
        return VERDICT_UNKNOWN;
    }
    if (l->result != LMDB_CHECK_GOOD) {
        printf("%s: page %" PRIu64 ": %s\n", l->name, l->report.page, lmdb_check_text(l->report.reason));
        return VERDICT_DAMAGED;
    }
    if (l->report.entries == 0) {
        printf("%s: sound: nothing in it yet\n", l->name);
        return VERDICT_SOUND;
    }
    if (!l->has_state || !l->found.sure) {
        printf("%s: its numbers and streams cannot be read\n", l->name);
        return VERDICT_DAMAGED;
    }
    return records_verify(l);
}

/* ---- repair ------------------------------------------------------------------------------------- */

static void diag_show(void *context, wadi_diag_level level, const char *line) {
    (void)level;
    printf("%s: %s\n", ((const lane *)context)->name, line);
}

/* Numbers of events that the store's own bytes no longer hold: an upload would drop them when it met them. */
typedef struct bad_events {
    uint64_t *numbers;
    size_t n, cap;
} bad_events;

static void bad_take(void *context, event_fault fault, uint64_t number, uint64_t through, uint64_t page) {
    bad_events *bad = context;
    (void)through;
    (void)page;
    if (fault != FAULT_EVENT)
        return;
    if (bad->n == bad->cap) {
        size_t cap = bad->cap == 0 ? 256 : 2 * bad->cap;
        uint64_t *moved = realloc(bad->numbers, cap * sizeof *moved);
        if (moved == NULL)
            return; /* the upload's then */
        bad->numbers = moved;
        bad->cap = cap;
    }
    bad->numbers[bad->n++] = number;
}

static wadi_err bad_drop(wdi_store *store, const wdi_state *state, uint64_t number) {
    for (uint32_t i = 0; i < state->n_streams; i++) {
        const wdi_stream *stream = &state->streams[i];
        if (number >= stream->record.low && number < wdi_stream_end(state, stream))
            return wdi_store_drop(store, stream->record.id, number, number, WADI_DROP_CORRUPT);
    }
    return WADI_OK;
}

static wadi_err bad_events_drop(const lane *l, wdi_store *store) {
    bad_events bad = {.n = 0};
    const events_want want = {.fault = bad_take, .context = &bad};
    events_sum sum;
    wadi_err err = events_walk(l, &want, &sum);
    for (size_t i = 0; err == WADI_OK && i < bad.n; i++)
        err = bad_drop(store, &l->state, bad.numbers[i]);
    if (err == WADI_OK && bad.n > 0)
        printf("%s: %zu damaged events are dropped\n", l->name, bad.n);
    free(bad.numbers);
    return err;
}

/* What the ring's head knows of the numbers, as an open would ask it. */
static bool numbers_get(const store_dir *dir, const lane *l, wdi_store_numbers *ret_numbers) {
    int dir_fd = openat(dir->fd, l->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return false;
    bool good = wdi_ring_note_get(dir_fd, ret_numbers, sizeof *ret_numbers);
    close(dir_fd);
    return good;
}

/* As large as it is: an open preallocates to the limit that its application gives. */
static wadi_err store_repair(const store_dir *dir, const lane *l, const char *quarantine) {
    struct stat st;
    const wdi_diag diag = {.fn = diag_show, .context = (void *)(uintptr_t)l, .level = WADI_DIAG_WARN};
    wdi_store_numbers numbers;
    wdi_store *store = NULL;
    wdi_store_options opt = {.path = l->path, .quarantine_dir = quarantine, .diag = &diag};
    opt.disk_bytes_max = DISK_BYTES_LEAST;
    if (stat(l->path, &st) == 0 && (uint64_t)st.st_size > opt.disk_bytes_max)
        opt.disk_bytes_max = (uint64_t)st.st_size;
    if (numbers_get(dir, l, &numbers))
        opt.numbers = &numbers;
    wadi_err err = wdi_store_open(&opt, &store);
    if (err != WADI_OK)
        return err;
    lane *after = malloc(sizeof *after);
    if (after == NULL) {
        err = WADI_ERR_NO_MEMORY;
    } else {
        lane_open(dir, l->index, after);
        err = bad_events_drop(after, store);
        lane_close(after);
    }
    free(after);
    wdi_store_close(store);
    return err;
}

/* With the lane's lock, so that nobody opens it meanwhile. */
static wadi_err lock_take(const store_dir *dir, const lane *l, wdi_lock *lock) {
    int dir_fd = openat(dir->fd, l->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return wdi_err_of_errno(errno);
    wadi_err err = wdi_lock_take(lock, dir_fd, "lock");
    close(dir_fd);
    return err;
}

verdict lane_repair(const store_dir *dir, const lane *l) {
    char quarantine[LANE_PATH_BYTES_MAX];
    wdi_lock lock = WDI_LOCK_NONE;
    int n = snprintf(quarantine, sizeof quarantine, "%s/quarantine", dir->path);
    if (n < 0 || (size_t)n >= sizeof quarantine)
        return VERDICT_UNKNOWN;
    wadi_err err = lock_take(dir, l, &lock);
    if (err == WADI_OK && l->present)
        err = store_repair(dir, l, quarantine);
    wdi_lock_release(&lock);
    if (err == WADI_OK)
        printf("%s: ready to be opened\n", l->name);
    else
        lane_complain(l, "%s", err == WADI_ERR_BUSY ? "a process holds it: not touched" : wadi_strerror(err));
    return err == WADI_OK ? VERDICT_SOUND : VERDICT_UNKNOWN;
}

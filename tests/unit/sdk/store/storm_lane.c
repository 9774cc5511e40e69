#include "tests/unit/sdk/store/storm_lane.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/ring/ring.h"
#include "sdk/src/store/found.h"

#define TEXT_MAX 120u
#define RING_HEADER_BYTES 4096u

/* ---- directories and files ---------------------------------------------------------------------- */

void storm_dir_make(char dir[STORM_DIR_BYTES]) {
    const char *base = getenv("TMPDIR");
    snprintf(dir, STORM_DIR_BYTES, "%.30s/wadi-storm-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(dir));
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void storm_dir_remove(const char *dir) { nftw(dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS); }

static image file_read(const char *dir, const char *name) {
    char path[STORM_DIR_BYTES + 32];
    struct stat st = {.st_size = 0};
    snprintf(path, sizeof path, "%s/lanes/0/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    image i = {malloc((size_t)st.st_size + 1), (size_t)st.st_size};
    assert_non_null(i.bytes);
    assert_int_equal(pread(fd, i.bytes, i.n, 0), st.st_size);
    close(fd);
    return i;
}

static void file_write(const char *dir, const char *name, const image *i) {
    char path[STORM_DIR_BYTES + 32];
    snprintf(path, sizeof path, "%s/lanes/0/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, i->bytes, i->n, 0), i->n);
    close(fd);
}

void storm_lane_place(const storm_lane *l, const image *store, const image *ring) {
    char path[STORM_DIR_BYTES + 32];
    snprintf(path, sizeof path, "%s/quarantine", l->dir);
    storm_dir_remove(path);
    file_write(l->dir, "store.mdb", store);
    file_write(l->dir, "ring", ring);
}

void storm_lane_free(storm_lane *l) {
    storm_dir_remove(l->dir);
    image_free(&l->store);
    image_free(&l->ring);
}

/* ---- events ------------------------------------------------------------------------------------- */

wadi *storm_open(const char *dir) {
    wadi *w = NULL;
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = dir;
    opt.flush_ms = 3600000;
    opt.ring_bytes = 64 * 1024;
    opt.disk_bytes_max = STORM_DISK_BYTES;
    return wadi_open(&opt, &w) == WADI_OK ? w : NULL;
}

wadi_err storm_track(wadi *w, uint64_t index, wadi_ticket *ret_ticket) {
    char text[TEXT_MAX + 1] = {0};
    memset(text, 'a' + (int)(index % 26), (index * 2654435761u >> 3) % TEXT_MAX);
    const wadi_prop props[] = {WADI_INT("index", (int64_t)index), WADI_STR("text", text)};
    wadi_event ev = WADI_EVENT_INIT;
    ev.name = "recorded";
    ev.props = props;
    ev.n_props = 2;
    return wadi_track_ex(w, &ev, ret_ticket);
}

uint64_t storm_index(const uint8_t *event, size_t n) {
    wire_event_view view;
    wire_props it;
    wire_prop_view index = {0};
    if (wire_event_scan(event, n, &view) != WIRE_OK || view.n_props != 2)
        return UINT64_MAX;
    (void)wire_props_begin(&it, &view);
    return wire_props_next(&it, &index) && index.type == WIRE_INT && index.i >= 0 ? (uint64_t)index.i
                                                                                  : UINT64_MAX;
}

/* ---- a life ------------------------------------------------------------------------------------- */

/* A process that records and is killed: `stored` of the events are on disk, the rest is in the ring. */
static void life(const char *dir, uint64_t from, uint64_t stored, uint64_t ringed, unsigned commits) {
    (void)fflush(NULL);
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        wadi_ticket ticket = 0;
        wadi *w = storm_open(dir);
        if (w == NULL)
            _exit(2);
        for (uint64_t i = 0; i < stored + ringed; i++) {
            if (storm_track(w, from + i, &ticket) != WADI_OK)
                _exit(3);
            bool last = i + 1 == stored, between = i < stored && i % (stored / commits + 1) == 0;
            if ((last || between) && wadi_wait(w, ticket, WADI_DISK, 60000) != WADI_OK)
                _exit(4);
        }
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void store_paths(const char *dir, char path[STORM_DIR_BYTES + 32], char aside[STORM_DIR_BYTES + 32]) {
    snprintf(path, STORM_DIR_BYTES + 32, "%s/lanes/0/store.mdb", dir);
    snprintf(aside, STORM_DIR_BYTES + 32, "%s/quarantine", dir);
}

/* Sends some, and settles some of that. */
static void deliver(const char *dir, history *chance) {
    static uint8_t out[64 * 1024];
    char path[STORM_DIR_BYTES + 32], aside[STORM_DIR_BYTES + 32];
    wdi_store *store = NULL;
    wdi_store_batch b;
    bool any = false;
    store_paths(dir, path, aside);
    const wdi_store_options opt = {.path = path, .quarantine_dir = aside, .disk_bytes_max = STORM_DISK_BYTES};
    const wdi_store_want want = {
        .now_us = 1, .numbers_max = 1 + (uint32_t)history_random(chance, 150), .out = out, .cap = sizeof out};
    assert_int_equal(wdi_store_open(&opt, &store), WADI_OK);
    assert_int_equal(wdi_store_peek(store, &want, &b, &any), WADI_OK);
    if (any) {
        assert_int_equal(wdi_store_sending(store, b.head.stream, b.last_seq), WADI_OK);
        if (history_random(chance, 3) > 0)
            assert_int_equal(wdi_store_settle(store, b.head.stream, b.last_seq), WADI_OK);
    }
    wdi_store_close(store);
}

/* ---- what is true ------------------------------------------------------------------------------- */

static page_span span_of(uint64_t from, uint64_t n) {
    return (page_span){(uint32_t)(from / HISTORY_PAGE_BYTES),
                       (uint32_t)((from + n - 1) / HISTORY_PAGE_BYTES)};
}

/* Where the value's bytes stand in the file. */
static uint64_t value_place(const storm_lane *l, const lmdb_check_entry *e) {
    if (e->value_page != 0)
        return e->value_page * HISTORY_PAGE_BYTES + 16;
    const uint8_t *page = l->store.bytes + e->page * HISTORY_PAGE_BYTES;
    const uint8_t *at = memmem(page, HISTORY_PAGE_BYTES, e->value, e->value_n);
    assert_non_null(at);
    return (uint64_t)(at - l->store.bytes);
}

typedef struct truth {
    storm_lane *l;
    const wdi_state *state;
} truth;

static void chunk_visit(void *context, const lmdb_check_entry *e) {
    truth *t = context;
    wdi_chunk chunk;
    if (!e->reached || !wdi_found_chunk(e, &chunk))
        return;
    uint64_t place = value_place(t->l, e);
    size_t head = sizeof chunk.head + chunk.head.count * sizeof(wdi_chunk_entry), at = head;
    for (uint32_t i = 0; i < chunk.head.count; i++) {
        wdi_chunk_entry entry = wdi_chunk_get(&chunk, i);
        assert_int_equal(entry.reason, 0);
        size_t frame = wire_frame_size(entry.n);
        uint64_t index = storm_index(e->value + at + frame, entry.n);
        assert_true(index < t->l->n_events);
        t->l->events[index] = (storm_event){.number = chunk.first + i,
                                            .crc = entry.crc,
                                            .owed = wdi_number_owed(t->state, chunk.first + i),
                                            .bytes = span_of(place + at, frame + entry.n),
                                            .table = span_of(place, head),
                                            .leaf = (uint32_t)e->page};
        at += frame + entry.n;
    }
}

typedef struct run_search {
    uint64_t ordinal;
    wdi_run_record run;
} run_search;

static void run_visit(void *context, const lmdb_check_entry *e) {
    run_search *s = context;
    wdi_run_record run;
    if (e->reached && wdi_found_is(e, WDI_KEY_RUN) && wdi_found_record(e, &run, sizeof run) &&
        run.ordinal == s->ordinal)
        s->run = run;
}

static void ring_truth(storm_lane *l, int ring_fd, const wdi_state *state, const wdi_run_record *run) {
    wdi_ring ring;
    wdi_recovery recovery;
    wdi_record r;
    uint8_t boot_id[WIRE_ID_BYTES];
    wdi_run_id id = {.ordinal = run->ordinal, .nonce = run->nonce};
    memcpy(id.boot_id, run->boot_id, sizeof id.boot_id);
    base_boot_id(boot_id);
    assert_int_equal(wdi_ring_open_copy(&ring, ring_fd), WADI_OK);
    wdi_ring_recover(&ring, &id, state->meta.ring_pos, boot_id, &recovery);
    while (wdi_recovery_next(&recovery, &r)) {
        if (r.kind != WDI_RECORD_EVENT)
            continue;
        uint64_t index = storm_index(r.data, r.n);
        assert_true(index < l->n_events);
        page_span span = span_of(RING_HEADER_BYTES + (r.pos & ring.mask), r.end - r.pos);
        l->events[index] = (storm_event){.crc = r.crc, .owed = true, .bytes = span, .table = span};
    }
    wdi_ring_close(&ring);
}

static void truth_take(storm_lane *l) {
    lmdb_check_report report;
    lmdb_check_sweep sweep;
    wdi_found found;
    static wdi_state state;
    truth t = {l, &state};
    int fd = image_fd(&l->store), ring_fd = image_fd(&l->ring);
    assert_int_equal(lmdb_check(fd, NULL, &report), LMDB_CHECK_GOOD);
    assert_int_equal(wdi_found_state(fd, NULL, &state, &found), WADI_OK);
    assert_true(found.sure && !found.doubtful);
    run_search s = {.ordinal = state.meta.run};
    assert_int_equal(lmdb_check_read(fd, NULL, NULL, 1u << 20, chunk_visit, &t, &sweep), LMDB_CHECK_GOOD);
    assert_int_equal(lmdb_check_read(fd, NULL, NULL, 1u << 20, run_visit, &s, &sweep), LMDB_CHECK_GOOD);
    assert_int_equal(s.run.ordinal, state.meta.run);
    ring_truth(l, ring_fd, &state, &s.run);
    l->next_seq = state.meta.next_seq;
    l->last_page = (uint32_t)report.last_page;
    close(fd);
    close(ring_fd);
}

void storm_lane_make(storm_lane *l, uint64_t seed) {
    history chance = {.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1};
    memset(l, 0, sizeof *l);
    storm_dir_make(l->dir);
    uint64_t index = 0;
    for (uint64_t lives = 1 + history_random(&chance, 4); lives > 0; lives--) {
        uint64_t stored = 50 + history_random(&chance, 500), ringed = history_random(&chance, 60);
        life(l->dir, index, stored, ringed, 1 + (unsigned)history_random(&chance, 8));
        index += stored + ringed;
        if (lives > 1 && history_random(&chance, 2) == 0)
            deliver(l->dir, &chance);
    }
    l->n_events = (uint32_t)index;
    assert_true(index <= STORM_EVENTS_MAX);
    l->store = file_read(l->dir, "store.mdb");
    l->ring = file_read(l->dir, "ring");
    truth_take(l);
}

#include "tests/crash/store_events.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sdk/src/store/store.h"

static void diag_print(void *context, wadi_diag_level level, const char *line) {
    (void)context;
    fprintf(stderr, "  diag %d: %s\n", (int)level, line);
}

void lane_dir_make(char dir[LANE_DIR_BYTES]) {
    const char *base = getenv("TMPDIR");
    snprintf(dir, LANE_DIR_BYTES, "%.40s/wadi-lane-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(dir));
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void lane_dir_remove(const char *dir) { nftw(dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS); }

wadi *lane_open(const char *dir, uint32_t flush_ms) {
    wadi *w = NULL;
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = dir;
    opt.flush_ms = flush_ms;
    opt.ring_bytes = 64 * 1024;
    opt.disk_bytes_max = 16 << 20;
    opt.diag = diag_print;
    opt.diag_level = WADI_DIAG_WARN;
    return wadi_open(&opt, &w) == WADI_OK ? w : NULL;
}

wadi_err lane_track(wadi *w, uint64_t round, uint64_t index, wadi_ticket *ret_ticket) {
    const wadi_prop props[] = {WADI_INT("round", (int64_t)round), WADI_INT("index", (int64_t)index)};
    wadi_event ev = WADI_EVENT_INIT;
    ev.name = "recorded";
    ev.props = props;
    ev.n_props = 2;
    return wadi_track_ex(w, &ev, ret_ticket);
}

void lane_record(wadi *w, uint64_t from, uint64_t n, wadi_ticket *ret_ticket) {
    for (uint64_t i = from; i < from + n; i++)
        assert_int_equal(lane_track(w, 0, i, ret_ticket), WADI_OK);
}

wadi_stats lane_stats(wadi *w) {
    wadi_stats stats = WADI_STATS_INIT;
    assert_int_equal(wadi_stats_get(w, &stats), WADI_OK);
    return stats;
}

/* ---- reading --------------------------------------------------------------------------------------------
 */

static void event_visit(const uint8_t *event, size_t n, lane_visit visit, void *context) {
    wire_event_view view;
    wire_props it;
    wire_prop_view round = {0}, index = {0};
    assert_int_equal(wire_event_scan(event, n, &view), WIRE_OK);
    (void)wire_props_begin(&it, &view);
    assert_true(wire_props_next(&it, &round) && wire_props_next(&it, &index));
    visit(context, (uint64_t)round.i, (uint64_t)index.i);
}

/* A frame is a tag and a varint length. */
static void batch_visit(const wdi_store_batch *b, const uint8_t *framed, lane_visit visit, void *context) {
    const uint8_t *at = framed;
    assert_int_equal(b->head.n_dropped, 0);
    for (uint64_t q = b->head.first_seq; q <= b->last_seq; q++) {
        size_t n = 0;
        unsigned shift = 0;
        for (at++; *at & 0x80; at++, shift += 7)
            n |= (size_t)(*at & 0x7f) << shift;
        n |= (size_t)*at++ << shift;
        event_visit(at, n, visit, context);
        at += n;
    }
    assert_int_equal(at - framed, b->events_bytes);
}

uint64_t lane_settle_number(const char *dir, uint32_t lane, lane_visit visit, void *context) {
    static uint8_t out[256 * 1024];
    char path[LANE_DIR_BYTES + 32], quarantine[LANE_DIR_BYTES + 32];
    wdi_store *store = NULL;
    uint64_t numbers = 0;
    snprintf(path, sizeof path, "%s/lanes/%u/store.mdb", dir, lane);
    snprintf(quarantine, sizeof quarantine, "%s/quarantine", dir);
    const wdi_store_options opt = {.path = path, .quarantine_dir = quarantine, .disk_bytes_max = 16 << 20};
    const wdi_store_want want = {.out = out, .cap = sizeof out};
    assert_int_equal(wdi_store_open(&opt, &store), WADI_OK);
    for (;;) {
        wdi_store_batch b;
        bool any = false;
        assert_int_equal(wdi_store_peek(store, &want, &b, &any), WADI_OK);
        if (!any)
            break;
        batch_visit(&b, out, visit, context);
        numbers += b.last_seq - b.head.first_seq + 1;
        assert_int_equal(wdi_store_sending(store, b.head.stream, b.last_seq), WADI_OK);
        assert_int_equal(wdi_store_settle(store, b.head.stream, b.last_seq), WADI_OK);
    }
    assert_int_equal(wdi_store_pending(store), 0);
    wdi_store_close(store);
    return numbers;
}

uint64_t lane_settle(const char *dir, lane_visit visit, void *context) {
    return lane_settle_number(dir, 0, visit, context);
}

void lane_visit_in_order(void *context, uint64_t round, uint64_t index) {
    uint64_t *next = context;
    assert_int_equal(round, 0);
    assert_int_equal(index, *next);
    (*next)++;
}

void lane_visit_any(void *context, uint64_t round, uint64_t index) {
    (void)context;
    (void)round;
    (void)index;
}

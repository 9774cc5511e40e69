#include "sdk/tools/store/events.h"

#include <stdlib.h>
#include <string.h>

#include "sdk/src/base/clock.h"
#include "sdk/tools/store/book.h"

#define WALL_US_LEAST INT64_C(1577836800000000) /* 2020: an earlier wall clock was never set */
#define DEFINITION_ID_BYTES 4u

typedef struct seq_range {
    uint64_t first, last;
} seq_range;

typedef struct walk {
    const lane *l;
    const events_want *want;
    events_sum sum;
    book book;
    seq_range *ranges; /* of the chunks that were taken */
    size_t n_ranges, cap_ranges;
    event_entry tombstone; /* as far as it goes; through 0: none */
    bool done, failed;
} walk;

/* ---- records ------------------------------------------------------------------------------------ */

static void fault_tell(walk *w, event_fault fault, uint64_t number, uint64_t through, uint64_t page) {
    if (w->want->fault != NULL)
        w->want->fault(w->want->context, fault, number, through, page);
}

static bool is_wanted(const walk *w, const lmdb_check_entry *e) { return e->reached || w->want->strays; }

/* Records other than chunks: with their checksum, but for what follows it. */
static void record_visit(void *context, const lmdb_check_entry *e) {
    walk *w = context;
    wdi_key key = {.n = (uint8_t)e->key_n};
    if (!is_wanted(w, e) || wdi_found_is(e, WDI_KEY_CHUNK))
        return;
    if (!wdi_found_record(e, NULL, 0)) {
        w->sum.bad_records += e->reached;
        if (e->reached)
            fault_tell(w, FAULT_RECORD, 0, 0, e->value_page != 0 ? e->value_page : e->page);
        return;
    }
    memcpy(key.bytes, e->key, e->key_n);
    if (wdi_found_is(e, WDI_KEY_RUN) || wdi_found_is(e, WDI_KEY_BOOT) || wdi_found_is(e, WDI_KEY_CONTEXT) ||
        wdi_found_is(e, WDI_KEY_DEFINITION))
        book_add(&w->book, &key, e->value, e->value_n - sizeof(uint32_t));
}

static const wdi_run_record *run_get(const walk *w, uint64_t run, wdi_run_record *out) {
    wdi_key key = wdi_key_number(WDI_KEY_RUN, run);
    wire_span data;
    if (!book_get(&w->book, &key, &data) || data.n != sizeof *out)
        return NULL;
    memcpy(out, data.data, sizeof *out);
    return out;
}

/* ---- what an entry refers to -------------------------------------------------------------------- */

wire_span event_text(const event_entry *entry, uint32_t id) {
    wdi_key key = wdi_key_pair(WDI_KEY_DEFINITION, entry->run, id);
    wire_span text = {NULL, 0};
    (void)book_get(entry->book, &key, &text);
    return text;
}

bool event_context(const event_entry *entry, wire_context_view *ret_view) {
    wdi_key key = wdi_key_pair(WDI_KEY_CONTEXT, entry->run, entry->view.context);
    wire_span message;
    return entry->view.context != 0 && book_get(entry->book, &key, &message) &&
           wire_context_scan(message, ret_view) == WIRE_OK;
}

const char *event_time(const event_entry *entry, int64_t *ret_us) {
    const wdi_run_record *run = entry->run_record;
    wdi_boot_record boot;
    wire_span data;
    if (entry->view.has_time) {
        *ret_us = entry->view.time_us;
        return "explicit";
    }
    if (run == NULL)
        return NULL;
    wdi_key key = wdi_key_boot(run->boot_id);
    if (entry->view.at_us > INT64_MAX / 4 || run->boot_us > INT64_MAX / 4)
        return NULL;
    int64_t since_boot = (int64_t)(run->boot_us + entry->view.at_us);
    if (book_get(entry->book, &key, &data) && data.n == sizeof boot) {
        memcpy(&boot, data.data, sizeof boot);
        int64_t offset_us = 0;
        uint64_t error_us = 0;
        wdi_clock_at(&boot, (uint64_t)since_boot, &offset_us, &error_us);
        return __builtin_add_overflow(offset_us, since_boot, ret_us) ? NULL : "exact";
    }
    if (run->wall_us < WALL_US_LEAST ||
        __builtin_add_overflow(run->wall_us, (int64_t)entry->view.at_us, ret_us))
        return NULL;
    return "estimated";
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static void tombstone_flush(walk *w) {
    if (w->tombstone.through == 0)
        return;
    if (w->want->visit != NULL && !w->done)
        w->done = !w->want->visit(w->want->context, &w->tombstone);
    w->tombstone.through = 0;
}

static const wdi_stream_record *stream_of(const wdi_state *state, uint64_t number) {
    for (uint32_t i = 0; i < state->n_streams; i++) {
        const wdi_stream *stream = &state->streams[i];
        if (number >= stream->record.low && number < wdi_stream_end(state, stream))
            return &stream->record;
    }
    return NULL;
}

static void tombstone_take(walk *w, const event_entry *entry) {
    event_entry *last = &w->tombstone;
    w->sum.tombstones++;
    if (last->through + 1 == entry->seq && last->through != 0 && last->reason == entry->reason &&
        last->stream == entry->stream && last->run == entry->run) {
        last->through = entry->seq;
        return;
    }
    tombstone_flush(w);
    *last = *entry;
    last->run_record = NULL; /* not for longer than the chunk */
}

/* Events whose bytes are not what their checksum says are not shown. */
static void event_take(walk *w, event_entry *entry, const wdi_chunk_entry *e, uint64_t page) {
    bool good = entry->run_record != NULL &&
                wire_crc_event(wire_crc_seed(entry->run_record->nonce), entry->event, entry->n) == e->crc &&
                wire_event_scan(entry->event, entry->n, &entry->view) == WIRE_OK;
    tombstone_flush(w);
    if (!good) {
        w->sum.bad_events++;
        fault_tell(w, FAULT_EVENT, entry->seq, entry->seq, page);
        return;
    }
    w->sum.events++;
    if (w->want->visit != NULL && !w->done)
        w->done = !w->want->visit(w->want->context, entry);
}

static void chunk_show(walk *w, const wdi_chunk *chunk, const lmdb_check_entry *from) {
    const lane *l = w->l;
    wdi_run_record run_record;
    const wdi_run_record *run = run_get(w, chunk->head.run, &run_record);
    const uint8_t *payload = chunk->payload;
    for (uint32_t i = 0; i < chunk->head.count; i++) {
        wdi_chunk_entry e = wdi_chunk_get(chunk, i);
        size_t frame = e.reason != 0 ? 0 : wire_frame_size(e.n);
        event_entry entry = {.seq = chunk->first + i,
                             .through = chunk->first + i,
                             .stream = stream_of(&l->state, chunk->first + i),
                             .run = chunk->head.run,
                             .run_record = run,
                             .priority = (wadi_priority)e.priority,
                             .reason = e.reason,
                             .stray = !from->reached,
                             .event = payload + frame,
                             .n = e.reason != 0 ? 0 : e.n,
                             .book = &w->book};
        payload += frame + entry.n;
        if (entry.stream == NULL)
            continue; /* settled */
        entry.resent = entry.seq <= entry.stream->resent_through;
        if (e.reason != 0)
            tombstone_take(w, &entry);
        else
            event_take(w, &entry, &e, from->value_page != 0 ? from->value_page : from->page);
    }
}

static bool range_add(walk *w, uint64_t first, uint64_t last) {
    if (w->n_ranges == w->cap_ranges) {
        size_t cap = w->cap_ranges == 0 ? 256 : 2 * w->cap_ranges;
        seq_range *moved = realloc(w->ranges, cap * sizeof *moved);
        if (moved == NULL)
            return false;
        w->ranges = moved;
        w->cap_ranges = cap;
    }
    w->ranges[w->n_ranges++] = (seq_range){first, last};
    return true;
}

static bool range_is_new(const walk *w, const wdi_chunk *chunk) {
    for (size_t i = 0; i < w->n_ranges; i++)
        if (chunk->first <= w->ranges[i].last && wdi_chunk_last(chunk) >= w->ranges[i].first)
            return false;
    return true;
}

static void chunk_visit(void *context, const lmdb_check_entry *e) {
    walk *w = context;
    wdi_chunk chunk;
    if (!wdi_found_is(e, WDI_KEY_CHUNK) || !is_wanted(w, e))
        return;
    if (!wdi_found_chunk(e, &chunk)) {
        w->sum.bad_records += e->reached;
        if (e->reached)
            fault_tell(w, FAULT_RECORD, wdi_key_number_of(wdi_found_key(e)), 0,
                       e->value_page != 0 ? e->value_page : e->page);
        return;
    }
    if (!wdi_range_owed(&w->l->state, chunk.first, wdi_chunk_last(&chunk)) ||
        (!e->reached && !range_is_new(w, &chunk)))
        return;
    w->failed = w->failed || !range_add(w, chunk.first, wdi_chunk_last(&chunk));
    chunk_show(w, &chunk, e);
}

/* ---- what is missing ---------------------------------------------------------------------------- */

static int ranges_compare(const void *a, const void *b) {
    const seq_range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static void missing_tell(walk *w, uint64_t from, uint64_t to) {
    if (from >= to)
        return;
    w->sum.missing += to - from;
    fault_tell(w, FAULT_MISSING, from, to - 1, 0);
}

static void missing_find(walk *w) {
    const wdi_state *state = &w->l->state;
    if (w->n_ranges > 1)
        qsort(w->ranges, w->n_ranges, sizeof *w->ranges, ranges_compare);
    for (uint32_t s = 0; s < state->n_streams; s++) {
        uint64_t next = state->streams[s].record.low, end = wdi_stream_end(state, &state->streams[s]);
        for (size_t i = 0; i < w->n_ranges && next < end; i++) {
            if (w->ranges[i].last < next)
                continue;
            missing_tell(w, next, w->ranges[i].first < end ? w->ranges[i].first : end);
            next = w->ranges[i].last + 1;
        }
        missing_tell(w, next, end);
    }
}

/* ---- the ring ----------------------------------------------------------------------------------- */

static void ring_define(walk *w, uint64_t run, const wdi_record *r) {
    uint32_t id = 0;
    wire_context_view view;
    if (r->kind == WDI_RECORD_DEFINITION && r->n > DEFINITION_ID_BYTES) {
        for (unsigned i = 0; i < DEFINITION_ID_BYTES; i++)
            id |= (uint32_t)r->data[i] << (8 * i);
        wdi_key key = wdi_key_pair(WDI_KEY_DEFINITION, run, id);
        book_add(&w->book, &key, r->data + DEFINITION_ID_BYTES, r->n - DEFINITION_ID_BYTES);
    } else if (r->kind == WDI_RECORD_CONTEXT && wire_context_scan((wire_span){r->data, r->n}, &view) == 0) {
        wdi_key key = wdi_key_pair(WDI_KEY_CONTEXT, run, view.id);
        book_add(&w->book, &key, r->data, r->n);
    }
}

static void ring_show(walk *w, const wdi_run_record *run, const wdi_record *r) {
    event_entry entry = {.run = run->ordinal,
                         .run_record = run,
                         .priority = r->priority,
                         .event = r->data,
                         .n = r->n,
                         .book = &w->book};
    if (wire_event_scan(r->data, r->n, &entry.view) != WIRE_OK)
        return;
    w->sum.in_ring++;
    if (w->want->visit != NULL && !w->done)
        w->done = !w->want->visit(w->want->context, &entry);
}

/* Only of a lane that nobody holds: else it changes under our eyes. `show` false: takes the definitions. */
static void ring_walk(walk *w, bool show) {
    const wdi_meta *meta = &w->l->state.meta;
    wdi_run_record run;
    wdi_recovery recovery;
    wdi_record record;
    uint8_t boot_id[WIRE_ID_BYTES];
    wdi_ring ring = w->l->ring;
    if (!show)
        book_sort(&w->book);
    if (!w->l->has_ring || w->l->held || run_get(w, meta->run, &run) == NULL)
        return;
    wdi_run_id id = {.ordinal = run.ordinal, .nonce = run.nonce};
    memcpy(id.boot_id, run.boot_id, sizeof id.boot_id);
    base_boot_id(boot_id);
    wdi_ring_recover(&ring, &id, meta->ring_pos, boot_id, &recovery);
    while (wdi_recovery_next(&recovery, &record)) {
        if (!show)
            ring_define(w, run.ordinal, &record);
        else if (record.kind == WDI_RECORD_EVENT)
            ring_show(w, &run, &record);
    }
    if (!show)
        return;
    w->sum.ring_lost_bytes = recovery.lost_bytes;
    if (recovery.lost_bytes > 0)
        fault_tell(w, FAULT_RING, recovery.lost_bytes, 0, 0);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

wadi_err events_walk(const lane *l, const events_want *want, events_sum *ret_sum) {
    walk w = {.l = l, .want = want};
    bool doubtful = false;
    wadi_err err = WADI_OK;
    if (l->has_state) {
        err = wdi_found_pass(l->fd, record_visit, &w, &doubtful);
        ring_walk(&w, false);
        book_sort(&w.book);
        if (err == WADI_OK)
            err = wdi_found_pass(l->fd, chunk_visit, &w, &doubtful);
        tombstone_flush(&w);
        missing_find(&w);
        ring_walk(&w, true);
        if (err == WADI_OK && (w.failed || w.book.failed))
            err = WADI_ERR_NO_MEMORY;
    }
    *ret_sum = w.sum;
    book_fini(&w.book);
    free(w.ranges);
    return err;
}

#include "mem_journal.h"

#include <stdlib.h>
#include <string.h>

#define BODY_BYTES_MAX 2048u
#define NAME_ID 1u
#define UID_ID 2u

void mem_journal_init(mem_journal *j, sim_random *random) {
    *j = (mem_journal){.random = random, .now_us = INT64_C(1700000000000000)};
    for (uint32_t s = 0; s < MEM_STREAMS; s++)
        j->streams[s].next_seq = 1;
}

void mem_journal_fini(mem_journal *j) {
    for (uint64_t i = 0; i < j->n; i++)
        free(j->entries[i].body);
    free(j->entries);
}

static mem_entry *entry_add(mem_journal *j, entry_kind kind) {
    if (j->n == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 64;
        j->entries = realloc(j->entries, j->cap * sizeof *j->entries);
        if (!j->entries)
            abort();
    }
    mem_entry *e = &j->entries[j->n++];
    memset(e, 0, sizeof *e);
    int64_t last_us = j->n > 1 ? e[-1].entry.received_us : 0;
    e->entry.position = j->n;
    e->entry.kind = (uint8_t)kind;
    e->entry.received_us = j->now_us > last_us ? j->now_us : last_us;
    return e;
}

void mem_journal_tick(mem_journal *j) { entry_add(j, ENTRY_TICK); }

void mem_journal_start(mem_journal *j, uint8_t ret_id[16]) {
    mem_entry *e = entry_add(j, ENTRY_START);
    for (size_t i = 0; i < 16; i++)
        e->entry.start_id[i] = (uint8_t)sim_next(j->random);
    e->entry.prev_position = j->last_start;
    j->last_start = e->entry.position;
    memcpy(ret_id, e->entry.start_id, 16);
}

void mem_journal_restore(mem_journal *j, uint64_t n, uint64_t base) {
    for (uint64_t i = n; i < j->n; i++)
        free(j->entries[i].body);
    j->n = n;
    j->base = base;
    j->last_start = 0;
    for (uint64_t i = 0; i < n; i++)
        if (j->entries[i].entry.kind == ENTRY_START)
            j->last_start = i + 1;
}

/* ---- batches ---------------------------------------------------------------------------------------- */

typedef struct building {
    uint8_t events[BODY_BYTES_MAX];
    size_t n;
    uint32_t crcs[MEM_BATCH_EVENTS_MAX];
    wire_dropped dropped[MEM_BATCH_EVENTS_MAX];
    size_t n_dropped;
} building;

/* A displaced moment: most events are fresh, some come late. */
static int64_t moment(mem_journal *j) {
    static const int64_t back_us[] = {0, 0, 300000, 1000000, 2000000, 5000000, 60000000};
    return j->now_us - back_us[sim_below(j->random, sizeof back_us / sizeof *back_us)];
}

static void event_build(mem_journal *j, mem_event *e, building *b) {
    wire_prop uid = {.key_id = UID_ID, .type = WIRE_INT, .v.i = e->uid};
    wire_event ev = {.name_id = NAME_ID, .props = &uid, .n_props = 1};
    int64_t at = moment(j);
    if (e->explicit_time) {
        ev.has_time = true;
        ev.time_us = at + (int64_t)sim_below(j->random, 5) * 1000000;
    } else {
        ev.at_us = (uint64_t)at;
    }
    size_t size = wire_event_size(&ev);
    b->n += wire_frame_put(b->events + b->n, size);
    wire_event_encode(b->events + b->n, &ev);
    b->n += size;
}

static void tombstone_build(const mem_event *e, building *b, size_t i) {
    b->crcs[i] = e->uid;
    b->dropped[b->n_dropped++] =
        (wire_dropped){.first_seq = e->seq, .reason = 1, .crcs = &b->crcs[i], .n = 1};
}

static size_t body_build(mem_entry *e, const building *b, uint8_t *out) {
    static const wire_definition definitions[] = {{NAME_ID, {(const uint8_t *)"e", 1}},
                                                  {UID_ID, {(const uint8_t *)"uid", 3}}};
    wire_batch_head head = {.first_seq = e->entry.first_seq,
                            .low = e->entry.first_seq,
                            .chain = e->entry.chain_before,
                            .run = {.ordinal = 1, .sdk = {(const uint8_t *)"sim", 3}},
                            .definitions = definitions,
                            .n_definitions = 2,
                            .dropped = b->dropped,
                            .n_dropped = b->n_dropped};
    memcpy(head.stream, e->entry.stream, sizeof head.stream);
    size_t n = 0;
    if (wire_batch_head_encode(&head, out, BODY_BYTES_MAX, &n) != WIRE_OK)
        abort();
    memcpy(out + n, b->events, b->n);
    return n + b->n;
}

/* The journal's part: times and counts of what ingress would have scanned. */
static void entry_fill(mem_journal *j, mem_entry *e, size_t n) {
    static wire_dict dict;
    static wire_batch batch;
    wire_item items[MEM_BATCH_EVENTS_MAX];
    journal_entry *je = &e->entry;
    if (wire_batch_scan(e->body, n, items, MEM_BATCH_EVENTS_MAX, &dict, &batch) != WIRE_OK)
        abort();
    je->raw_bytes = je->body_bytes = (uint32_t)n;
    je->n_items = batch.n_items;
    je->n_events = batch.n_events;
    je->events_bytes = (uint32_t)batch.events_bytes;
    je->chain_after = batch.chain_after;
    je->floor_us = j->streams[je->stream[0]].floor_us;
    je->ceil_us = je->received_us;
    je->min_us = INT64_MAX;
    je->max_us = INT64_MIN;
    je->time_quality = 1;
    strcpy(je->tenant, "default");
    int64_t floor_us = je->floor_us;
    for (uint32_t i = 0; i < batch.n_items; i++) {
        int64_t us = entry_item_us(je, &items[i], &floor_us);
        e->events[i].us = us;
        je->min_us = us < je->min_us ? us : je->min_us;
        je->max_us = us > je->max_us ? us : je->max_us;
        if (items[i].flags & WIRE_ITEM_EXPLICIT)
            je->flags |= ENTRY_HAS_EXPLICIT;
    }
    je->last_us = floor_us;
    j->streams[je->stream[0]].floor_us = floor_us;
}

void mem_journal_batch(mem_journal *j) {
    mem_entry *e = entry_add(j, ENTRY_BATCH);
    building b = {0};
    uint8_t s = (uint8_t)sim_below(j->random, MEM_STREAMS);
    memset(e->entry.stream, 0, sizeof e->entry.stream);
    e->entry.stream[0] = s;
    e->entry.run_ordinal = 1;
    e->entry.first_seq = j->streams[s].next_seq;
    e->entry.chain_before = j->streams[s].chain;
    e->n_events = 1 + sim_below(j->random, MEM_BATCH_EVENTS_MAX);
    for (uint32_t i = 0; i < e->n_events; i++) {
        mem_event *event = &e->events[i];
        bool dropped = sim_chance(j->random, 5);
        *event = (mem_event){.stream = s, .seq = j->streams[s].next_seq++};
        event->explicit_time = !dropped && j->explicit_times && sim_chance(j->random, 30);
        event->uid = dropped ? 0 : ++j->last_uid;
        if (dropped)
            tombstone_build(event, &b, i);
        else
            event_build(j, event, &b);
    }
    uint8_t out[2 * BODY_BYTES_MAX];
    size_t n = body_build(e, &b, out);
    e->body = malloc(n);
    if (!e->body)
        abort();
    memcpy(e->body, out, n);
    entry_fill(j, e, n);
    j->streams[s].chain = e->entry.chain_after;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static bool source_get(void *context, uint64_t position, const journal_entry **ret_entry,
                       wire_span *ret_body) {
    mem_journal *j = context;
    if (position <= j->base || position > j->n)
        return false;
    const mem_entry *e = &j->entries[position - 1];
    *ret_entry = &e->entry;
    *ret_body = (wire_span){e->body, e->entry.body_bytes};
    return true;
}

static void source_range(void *context, uint64_t *ret_first, uint64_t *ret_last) {
    const mem_journal *j = context;
    *ret_first = j->base + 1;
    *ret_last = j->n;
}

static uint64_t source_last_start(void *context) { return ((const mem_journal *)context)->last_start; }

static void source_release(void *context) { (void)context; }

entry_source mem_journal_source(mem_journal *j) {
    return (entry_source){.get = source_get,
                          .range = source_range,
                          .last_start = source_last_start,
                          .release = source_release,
                          .context = j};
}

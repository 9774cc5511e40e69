/* The way in: what the drainer takes out of the ring becomes numbers, in chunks. */
#include "sdk/src/store/inside.h"

#include <string.h>

/* Of the map, the larger of the two: what settling, dropping and the note of what is sent need, since they
 * write, too, and LMDB reuses pages only two transactions later. What an earlier run left may take half of
 * it. */
#define RESERVE_PERCENT 10u
#define RESERVE_BYTES (256u * 1024u)

static uint64_t reserve_bytes(const wdi_store *s) {
    uint64_t part = s->map_bytes / 100 * RESERVE_PERCENT;
    return part > RESERVE_BYTES ? part : RESERVE_BYTES;
}

bool wdi_room_left(const wdi_store *s, wdi_room room) {
    return s->used_bytes + reserve_bytes(s) / 4 * (uint64_t)room <= s->map_bytes;
}

bool wdi_store_is_full(const wdi_store *s) { return !wdi_room_left(s, WDI_ROOM_DRAIN); }

/* ---- the chunk at hand -------------------------------------------------------------------------- */

static void builder_start(wdi_store *s) {
    wdi_builder *b = &s->builder;
    memset(&b->head, 0, sizeof b->head);
    b->first = s->state.meta.next_seq;
    b->head.run = s->state.meta.run;
    b->head.chain = s->state.meta.chain;
    b->head.ring_begin = s->state.meta.ring_pos;
}

static wadi_err builder_flush(wdi_store *s) {
    wdi_builder *b = &s->builder;
    void *out = NULL;
    if (b->head.count == 0)
        return WADI_OK;
    wdi_key key = wdi_key_number(WDI_KEY_CHUNK, b->first);
    wadi_err err =
        wdi_lmdb_err(base_lmdb_reserve(s->txn, 0, wdi_key_val(&key), wdi_chunk_bytes(&b->head), &out));
    if (err != WADI_OK)
        return err;
    uint8_t *at = out;
    size_t table_bytes = b->head.count * sizeof *b->table;
    memcpy(at, &b->head, sizeof b->head);
    memcpy(at + sizeof b->head, b->table, table_bytes);
    memcpy(at + sizeof b->head + table_bytes, b->payload, b->head.payload_bytes);
    wdi_chunk_seal(b->first, at);
    builder_start(s);
    return WADI_OK;
}

/* LMDB gives a chunk whole pages, with a header in front. So a chunk that is nearly full ends where its last
 * page does, and wastes nothing of it. */
#define PAGE_BYTES 4096u
#define PAGE_HEADER 16u
#define NEARLY(max) ((max) - (max) / 8)

static bool builder_is_full(const wdi_builder *b, size_t n) {
    const wdi_chunk_head *head = &b->head;
    size_t bytes = wdi_chunk_bytes(head) + PAGE_HEADER;
    size_t payload = wire_frame_size(n) + n;
    if (head->count == 0)
        return false;
    if (head->count == b->table_max || head->payload_bytes + payload > b->payload_max)
        return true;
    bool nearly = head->count >= NEARLY(b->table_max) || head->payload_bytes >= NEARLY(b->payload_max);
    return nearly && (bytes - 1) / PAGE_BYTES != (bytes + sizeof *b->table + payload - 1) / PAGE_BYTES;
}

static void builder_put(wdi_store *s, const uint8_t *event, size_t n, const wdi_chunk_entry *e) {
    wdi_builder *b = &s->builder;
    uint8_t *at = b->payload + b->head.payload_bytes;
    size_t frame = wire_frame_put(at, n);
    memcpy(at + frame, event, n);
    b->head.payload_bytes += (uint32_t)(frame + n);
    b->head.priorities |= 1u << e->priority;
    b->table[b->head.count++] = *e;
}

/* ---- the drainer's calls ------------------------------------------------------------------------ */

/* The map is full of what the quota may drop: it acts from now on, and deeper each time that this happens
 * again, since a chunk needs pages in a row. A file system that is full is none of its business: what it
 * drops would make no room there. */
static wadi_err full_note(wdi_store *s, wadi_err err) {
    const uint32_t step_percent = 5, percent_min = 40;
    uint64_t percent = s->used_bytes * 100 / s->map_bytes;
    if (err != WADI_ERR_DISK_FULL || percent < percent_min)
        return err;
    if (percent < s->quota_percent && s->quota_percent >= percent_min + step_percent)
        s->quota_percent -= step_percent;
    s->quota_acting = true;
    return err;
}

/* Inside a transaction. What the last one freed is of use only to the one after this: a first failure says
 * nothing yet. */
static wadi_err pages_note(wdi_store *s, wadi_err err) {
    bool again = s->pages_waited;
    s->pages_waited = err == WADI_ERR_DISK_FULL;
    return err == WADI_ERR_DISK_FULL && !again ? err : full_note(s, err);
}

/* Slowly, so that a map whose free pages are scattered does not end up where it was at once. */
static void full_forget(wdi_store *s) {
    const uint32_t commits_a_percent = 16;
    if (s->quota_percent < WDI_QUOTA_PERCENT_STOP && ++s->commits_well % commits_a_percent == 0)
        s->quota_percent++;
}

wadi_err wdi_store_touch(wdi_store *s) {
    wdi_key key = wdi_key_plain(WDI_KEY_META);
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK)
        err = wdi_record_put(s, &key, &s->state.meta, sizeof s->state.meta);
    return wdi_txn_end(s, err);
}

static wadi_err fill_begin(wdi_store *s) {
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK)
        builder_start(s);
    return err;
}

wadi_err wdi_store_begin(wdi_store *s) {
    return wdi_store_is_full(s) ? full_note(s, WADI_ERR_DISK_FULL) : fill_begin(s);
}

wadi_err wdi_store_begin_recovery(wdi_store *s) {
    return wdi_room_left(s, WDI_ROOM_RUN) ? fill_begin(s) : WADI_ERR_DISK_FULL;
}

wadi_err wdi_store_put_event(wdi_store *s, const uint8_t *event, size_t n, uint32_t crc,
                             wadi_priority priority, uint64_t ring_end) {
    wdi_builder *b = &s->builder;
    wdi_meta *meta = &s->state.meta;
    if (s->txn == NULL || n == 0 || n > WIRE_EVENT_BYTES_MAX || (unsigned)priority >= WDI_PRIORITIES ||
        ring_end < meta->ring_pos)
        return WADI_ERR_INVALID;
    if (builder_is_full(b, n)) {
        wadi_err err = builder_flush(s);
        if (err != WADI_OK)
            return pages_note(s, err);
    }
    const wdi_chunk_entry e = {.crc = crc,
                               .n = (uint16_t)n,
                               .priority = (uint8_t)priority,
                               .ring_end = (uint32_t)(ring_end - b->head.ring_begin)};
    builder_put(s, event, n, &e);
    if (ring_end <= meta->resent_ring_pos) {
        s->state.streams[s->state.n_streams - 1].record.resent_through = meta->next_seq;
        meta->resent++;
    }
    meta->next_seq++;
    meta->chain = wire_chain(meta->chain, crc);
    meta->ring_pos = ring_end;
    s->state.live[priority]++;
    return WADI_OK;
}

wadi_err wdi_store_put_definition(wdi_store *s, uint32_t id, const void *text, size_t n) {
    if (s->txn == NULL || id == 0 || id > WDI_DICT_ID_MAX || n == 0 || n > WIRE_TEXT_BYTES_MAX)
        return WADI_ERR_INVALID;
    wdi_key key = wdi_key_pair(WDI_KEY_DEFINITION, s->state.meta.run, id);
    wadi_err err = wdi_record_put(s, &key, text, n);
    return err == WADI_OK ? err : pages_note(s, err);
}

wadi_err wdi_store_put_context(wdi_store *s, uint32_t id, const void *encoded, size_t n) {
    if (s->txn == NULL || id == 0 || n == 0 || n > WIRE_EVENT_BYTES_MAX)
        return WADI_ERR_INVALID;
    wdi_key key = wdi_key_pair(WDI_KEY_CONTEXT, s->state.meta.run, id);
    wadi_err err = wdi_record_put(s, &key, encoded, n);
    if (err != WADI_OK)
        return pages_note(s, err);
    s->context_last = id;
    return WADI_OK;
}

wadi_err wdi_store_commit(wdi_store *s, uint64_t ring_pos) {
    wadi_err err = s->txn != NULL ? builder_flush(s) : WADI_ERR_INVALID;
    if (err == WADI_OK)
        s->state.meta.ring_pos = ring_pos > s->state.meta.ring_pos ? ring_pos : s->state.meta.ring_pos;
    s->no_space = false;
    err = wdi_txn_end(s, err);
    if (err == WADI_OK)
        full_forget(s);
    return s->no_space ? err : pages_note(s, err);
}

void wdi_store_abort(wdi_store *s) {
    wadi_err expected = wdi_txn_end(s, WADI_ERR_CLOSED); /* ends without a commit for any error */
    (void)expected;
}

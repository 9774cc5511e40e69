#include "sdk/src/store/inside.h"

#include <string.h>

/* ---- walking ------------------------------------------------------------------------------------ */

void wdi_chunk_walk_end(wdi_store *s) {
    base_lmdb_cursor_close(s->walk);
    s->walk = NULL;
}

static wadi_err walk_move(wdi_store *s, base_lmdb_move move, base_lmdb_val *key, wdi_chunk *ret_chunk,
                          bool *ret_found) {
    base_lmdb_val val;
    bool found = false;
    base_lmdb_err err = base_lmdb_cursor_move(s->walk, move, key, &val, &found);
    if (err != BASE_LMDB_OK)
        return wdi_lmdb_err(err);
    *ret_found = found && wdi_key_is(*key, WDI_KEY_CHUNK);
    if (*ret_found && !wdi_chunk_read(wdi_key_number_of(*key), val, ret_chunk))
        return WADI_ERR_CORRUPT;
    return WADI_OK;
}

wadi_err wdi_chunk_next(wdi_store *s, wdi_chunk *ret_chunk, bool *ret_found) {
    base_lmdb_val key = {NULL, 0};
    return walk_move(s, BASE_LMDB_NEXT, &key, ret_chunk, ret_found);
}

static wadi_err walk_open(wdi_store *s) {
    if (s->walk != NULL)
        return WADI_OK;
    return wdi_lmdb_err(base_lmdb_cursor_open(s->txn != NULL ? s->txn : s->reader, 0, &s->walk));
}

/* The chunk that begins at or before the number holds it, or the next one is the first behind it. */
wadi_err wdi_chunk_seek(wdi_store *s, uint64_t number, wdi_chunk *ret_chunk, bool *ret_found) {
    wadi_err err = walk_open(s);
    if (err != WADI_OK)
        return err;
    wdi_key wanted = wdi_key_number(WDI_KEY_CHUNK, number);
    base_lmdb_val key = wdi_key_val(&wanted);
    base_lmdb_val val;
    bool any = false, found = false;
    base_lmdb_err lmdb_err = base_lmdb_cursor_move(s->walk, BASE_LMDB_AT_LEAST, &key, &val, &any);
    if (lmdb_err != BASE_LMDB_OK)
        return wdi_lmdb_err(lmdb_err);
    if (!any || !wdi_key_is(key, WDI_KEY_CHUNK) || wdi_key_number_of(key) != number) {
        wdi_chunk before;
        err = walk_move(s, any ? BASE_LMDB_PREV : BASE_LMDB_LAST, &key, &before, &found);
        if (err != WADI_OK)
            return err;
        if (found && wdi_chunk_last(&before) >= number) {
            *ret_chunk = before;
            *ret_found = true;
            return WADI_OK;
        }
        key = wdi_key_val(&wanted);
    }
    return walk_move(s, BASE_LMDB_AT_LEAST, &key, ret_chunk, ret_found);
}

wadi_err wdi_chunk_del(wdi_store *s, uint64_t first) {
    wdi_key key = wdi_key_number(WDI_KEY_CHUNK, first);
    wdi_chunk_walk_end(s);
    return wdi_record_del(s, &key);
}

/* ---- tombstones --------------------------------------------------------------------------------- */

/* Writes the chunk to `out` with the accepted events turned into tombstones; returns how many. */
static uint32_t chunk_bury_copy(wdi_store *s, const wdi_chunk *c, wdi_entry_test which, const void *context,
                                wadi_drop reason, uint8_t *out) {
    wdi_chunk_head head = c->head;
    uint8_t *table = out + sizeof head;
    uint8_t *payload = table + head.count * sizeof(wdi_chunk_entry);
    const uint8_t *from = c->payload;
    uint32_t buried = 0;
    head.payload_bytes = 0;
    head.priorities = 0;
    for (uint32_t i = 0; i < head.count; i++) {
        wdi_chunk_entry e = wdi_chunk_get(c, i);
        uint64_t number = c->first + i;
        size_t n = e.reason != 0 ? 0 : wire_frame_size(e.n) + e.n;
        if (e.reason == 0 && wdi_number_owed(&s->state, number) && which(context, number, &e)) {
            s->state.live[e.priority]--;
            e.reason = (uint8_t)reason;
            e.n = 0;
            buried++;
        } else if (e.reason == 0) {
            memcpy(payload + head.payload_bytes, from, n);
            head.payload_bytes += (uint32_t)n;
            head.priorities |= 1u << e.priority;
        }
        from += n;
        memcpy(table + i * sizeof e, &e, sizeof e);
    }
    memcpy(out, &head, sizeof head);
    wdi_chunk_seal(c->first, out);
    return buried;
}

/* Not beyond the size of an ordinary chunk: in a small map pages in a row are rare. */
static bool chunks_join(const wdi_store *s, const wdi_chunk *a, const wdi_chunk *b) {
    return !s->scattered && a->head.payload_bytes == 0 && b->head.payload_bytes == 0 &&
           a->head.run == b->head.run && wdi_chunk_last(a) + 1 == b->first &&
           a->head.count + b->head.count <= WDI_CHUNK_NUMBERS_MAX &&
           (a->head.count + b->head.count) * sizeof(wdi_chunk_entry) <= s->builder.payload_max &&
           b->head.ring_begin - a->head.ring_begin < UINT32_MAX / 2;
}

/* Appends b's entries to the copy of a at `out`. */
static void chunk_join_copy(const wdi_chunk *a, const wdi_chunk *b, uint8_t *out) {
    wdi_chunk_head head = a->head;
    head.count += b->head.count;
    memcpy(out + sizeof head, a->table, a->head.count * sizeof(wdi_chunk_entry));
    for (uint32_t i = 0; i < b->head.count; i++) {
        wdi_chunk_entry e = wdi_chunk_get(b, i);
        e.ring_end += (uint32_t)(b->head.ring_begin - a->head.ring_begin);
        memcpy(out + sizeof head + (a->head.count + i) * sizeof e, &e, sizeof e);
    }
    memcpy(out, &head, sizeof head);
    wdi_chunk_seal(a->first, out);
}

static wadi_err chunk_write(wdi_store *s, uint64_t first, const uint8_t *value) {
    wdi_chunk_head head;
    memcpy(&head, value, sizeof head);
    wdi_key key = wdi_key_number(WDI_KEY_CHUNK, first);
    return wdi_lmdb_err(
        base_lmdb_put(s->txn, 0, wdi_key_val(&key), (base_lmdb_val){value, wdi_chunk_bytes(&head)}));
}

/* Writes the chunk at `value`, or the one before it with this one's entries behind its own. */
static wadi_err chunk_write_joined(wdi_store *s, uint64_t first, uint8_t *value) {
    wdi_chunk_head head;
    wdi_chunk chunk, before;
    bool found = false;
    memcpy(&head, value, sizeof head);
    if (head.payload_bytes == 0 && first > 1 &&
        wdi_chunk_read(first, (base_lmdb_val){value, wdi_chunk_bytes(&head)}, &chunk)) {
        wadi_err err = wdi_chunk_seek(s, first - 1, &before, &found);
        if (err != WADI_OK)
            return err;
        if (found && chunks_join(s, &before, &chunk)) {
            uint8_t *joined = s->scratch + WDI_CHUNK_BYTES_MAX;
            chunk_join_copy(&before, &chunk, joined);
            err = wdi_chunk_del(s, first);
            return err != WADI_OK ? err : chunk_write(s, before.first, joined);
        }
    }
    wdi_chunk_walk_end(s);
    return chunk_write(s, first, value);
}

wadi_err wdi_chunk_bury(wdi_store *s, const wdi_chunk *chunk, wdi_entry_test which, const void *context,
                        wadi_drop reason, uint32_t *ret_n) {
    uint64_t first = chunk->first;
    uint32_t n = chunk_bury_copy(s, chunk, which, context, reason, s->scratch);
    wdi_chunk_walk_end(s);
    wadi_err err = n == 0 ? WADI_OK : chunk_write_joined(s, first, s->scratch);
    if (err == WADI_OK)
        *ret_n = n;
    return err;
}

typedef struct seq_range {
    uint64_t first, last;
} seq_range;

static bool entry_in_range(const void *context, uint64_t number, const wdi_chunk_entry *e) {
    const seq_range *range = context;
    (void)e;
    return number >= range->first && number <= range->last;
}

wadi_err wdi_drop_matching(wdi_store *s, uint64_t first, uint64_t last, wdi_entry_test which,
                           const void *context, wadi_drop reason) {
    uint64_t at = first;
    while (at <= last) {
        wdi_chunk chunk;
        bool found = false;
        uint32_t n = 0;
        wadi_err err = wdi_chunk_seek(s, at, &chunk, &found);
        if (err != WADI_OK)
            return err;
        if (!found || chunk.first > last)
            break;
        at = wdi_chunk_last(&chunk) + 1;
        err = wdi_chunk_bury(s, &chunk, which, context, reason, &n);
        if (err != WADI_OK)
            return err;
    }
    return WADI_OK;
}

wadi_err wdi_drop_range(wdi_store *s, uint64_t first, uint64_t last, wadi_drop reason) {
    const seq_range range = {first, last};
    return wdi_drop_matching(s, first, last, entry_in_range, &range, reason);
}

/* What a file must look like for us to go on with it. LMDB's pages have been walked before it mapped
 * the file; they carry no checksum, our records do. */
#include "sdk/src/store/inside.h"

#include <string.h>

static wadi_err stream_load(wdi_state *state, base_lmdb_val key_val, base_lmdb_val val) {
    wdi_stream stream = {.cursor = 0};
    wdi_stream_record *r = &stream.record;
    wdi_key key = wdi_key_number(WDI_KEY_STREAM, wdi_key_number_of(key_val));
    uint32_t crc;
    if (val.n != sizeof *r + sizeof crc || state->n_streams == WDI_STREAMS_MAX)
        return WADI_ERR_CORRUPT;
    memcpy(r, val.data, sizeof *r);
    memcpy(&crc, (const uint8_t *)val.data + sizeof *r, sizeof crc);
    if (crc != wdi_record_crc(&key, r, sizeof *r) || memchr(r->collector, 0, sizeof r->collector) == NULL)
        return WADI_ERR_CORRUPT;
    uint64_t end = wdi_stream_end(state, &stream);
    if (r->low == 0 || r->low > end || end > state->meta.next_seq || r->sent_max + 1 < r->low ||
        r->sent_max >= end)
        return WADI_ERR_CORRUPT;
    stream.cursor = r->low;
    uint32_t at = state->n_streams++;
    for (; at > 0 && state->streams[at - 1].record.low > r->low; at--)
        state->streams[at] = state->streams[at - 1];
    state->streams[at] = stream;
    return WADI_OK;
}

static wadi_err streams_load(wdi_store *s) {
    wdi_state *state = &s->state;
    base_lmdb_cursor *cursor = NULL;
    base_lmdb_val val;
    bool found = false;
    wdi_key from = wdi_key_plain(WDI_KEY_STREAM);
    base_lmdb_val key = wdi_key_val(&from);
    base_lmdb_err err = base_lmdb_cursor_open(s->reader, 0, &cursor);
    wadi_err ret = WADI_OK;
    if (err == BASE_LMDB_OK)
        err = base_lmdb_cursor_move(cursor, BASE_LMDB_AT_LEAST, &key, &val, &found);
    while (err == BASE_LMDB_OK && ret == WADI_OK && found && wdi_key_is(key, WDI_KEY_STREAM)) {
        ret = stream_load(state, key, val);
        err = base_lmdb_cursor_move(cursor, BASE_LMDB_NEXT, &key, &val, &found);
    }
    base_lmdb_cursor_close(cursor);
    return ret != WADI_OK ? ret : wdi_lmdb_err(err);
}

/* Ascending, disjoint, and only the last one is open. */
static bool streams_fit(const wdi_state *state) {
    if (state->n_streams == 0)
        return false;
    for (uint32_t i = 0; i + 1 < state->n_streams; i++) {
        const wdi_stream_record *r = &state->streams[i].record;
        if (r->end == 0 || r->end > state->streams[i + 1].record.low)
            return false;
    }
    return state->streams[state->n_streams - 1].record.end == 0;
}

bool wdi_chunk_audit_take(wdi_state *state, const wdi_chunk *c, wdi_chunk_audit *audit) {
    const wdi_meta *meta = &state->meta;
    if (c->first < audit->next || wdi_chunk_last(c) >= meta->next_seq || c->head.run < audit->run ||
        c->head.run < meta->oldest_run || c->head.run > meta->run)
        return false;
    if (c->first == audit->next && c->head.chain != audit->chain)
        return false;
    for (uint32_t i = 0; i < c->head.count; i++) {
        wdi_chunk_entry e = wdi_chunk_get(c, i);
        if (!wdi_number_owed(state, c->first + i))
            continue;
        audit->owed++;
        if (e.reason == 0)
            state->live[e.priority]++;
    }
    audit->next = wdi_chunk_last(c) + 1;
    audit->chain = wdi_chunk_chain(c, audit->next);
    audit->run = c->head.run;
    return true;
}

bool wdi_chunk_audit_end(const wdi_state *state, const wdi_chunk_audit *audit) {
    uint64_t pending = 0;
    for (uint32_t i = 0; i < state->n_streams; i++)
        pending += wdi_stream_end(state, &state->streams[i]) - state->streams[i].record.low;
    return audit->owed == pending &&
           (audit->next != state->meta.next_seq || audit->chain == state->meta.chain);
}

static wadi_err chunks_check(wdi_store *s) {
    wdi_chunk chunk;
    wdi_chunk_audit audit = {.owed = 0};
    bool found = false;
    wadi_err err = wdi_chunk_seek(s, 0, &chunk, &found);
    while (err == WADI_OK && found) {
        if (!wdi_chunk_audit_take(&s->state, &chunk, &audit))
            return WADI_ERR_CORRUPT;
        err = wdi_chunk_next(s, &chunk, &found);
    }
    if (err == WADI_OK && !wdi_chunk_audit_end(&s->state, &audit))
        err = WADI_ERR_CORRUPT;
    return err;
}

/* ---- all other records -------------------------------------------------------------------------- */

static bool record_is_good(base_lmdb_val key_val, base_lmdb_val val) {
    wdi_key key = {.n = (uint8_t)key_val.n};
    uint32_t crc;
    if (key_val.n > sizeof key.bytes || val.n < sizeof crc)
        return false;
    memcpy(key.bytes, key_val.data, key_val.n);
    memcpy(&crc, (const uint8_t *)val.data + val.n - sizeof crc, sizeof crc);
    return crc == wdi_record_crc(&key, val.data, val.n - sizeof crc);
}

/* Now, while what is left can be salvaged: a definition, a context or a run that turns out damaged when an
 * event needs it would stop the upload at that event for good. */
static wadi_err records_check(wdi_store *s) {
    const wdi_meta *meta = &s->state.meta;
    base_lmdb_cursor *cursor = NULL;
    base_lmdb_val key = {NULL, 0}, val;
    bool found = false, good = true;
    uint64_t runs = 0;
    base_lmdb_err err = base_lmdb_cursor_open(s->reader, 0, &cursor);
    if (err == BASE_LMDB_OK)
        err = base_lmdb_cursor_move(cursor, BASE_LMDB_FIRST, &key, &val, &found);
    while (err == BASE_LMDB_OK && found && good) {
        good = wdi_key_is(key, WDI_KEY_CHUNK) || record_is_good(key, val);
        uint64_t number = wdi_key_number_of(key);
        runs += wdi_key_is(key, WDI_KEY_RUN) && number >= meta->oldest_run && number <= meta->run;
        err = base_lmdb_cursor_move(cursor, BASE_LMDB_NEXT, &key, &val, &found);
    }
    base_lmdb_cursor_close(cursor);
    if (err != BASE_LMDB_OK)
        return wdi_lmdb_err(err);
    uint64_t wanted = meta->run != 0 ? meta->run + 1 - meta->oldest_run : 0;
    return good && runs == wanted ? WADI_OK : WADI_ERR_CORRUPT;
}

wadi_err wdi_store_load(wdi_store *s, bool *ret_fresh) {
    wdi_key key = wdi_key_plain(WDI_KEY_META);
    wire_span record;
    bool found = false;
    memset(&s->state, 0, sizeof s->state);
    wadi_err err = wdi_record_get(s, &key, &record, &found);
    if (err != WADI_OK)
        return err;
    *ret_fresh = !found;
    if (!found)
        return WADI_OK;
    if (record.n != sizeof s->state.meta)
        return WADI_ERR_CORRUPT;
    memcpy(&s->state.meta, record.data, sizeof s->state.meta);
    if (s->state.meta.format != WDI_STORE_FORMAT || s->state.meta.next_seq == 0)
        return WADI_ERR_CORRUPT;
    err = streams_load(s);
    if (err == WADI_OK && !streams_fit(&s->state))
        err = WADI_ERR_CORRUPT;
    if (err == WADI_OK && s->state.meta.run != 0)
        err = wdi_run_load(s, s->state.meta.run, &s->run);
    if (err == WADI_OK && s->state.meta.run != 0)
        err = wdi_clock_load(s, &s->clock);
    if (err == WADI_OK)
        err = wdi_boots_load(s);
    if (err == WADI_OK)
        err = chunks_check(s);
    if (err == WADI_OK)
        err = records_check(s);
    if (err == WADI_OK)
        err = wdi_lmdb_err(base_lmdb_used(s->reader, &s->used_bytes));
    return err;
}

#include "sdk/src/store/inside.h"

#include <string.h>

wadi_err wdi_lmdb_err(base_lmdb_err err) {
    switch (err) {
    case BASE_LMDB_OK:
        return WADI_OK;
    case BASE_LMDB_FULL:
    case BASE_LMDB_NO_SPACE:
        return WADI_ERR_DISK_FULL;
    case BASE_LMDB_IO:
    case BASE_LMDB_GIVEN_UP:
        return WADI_ERR_IO;
    case BASE_LMDB_CORRUPT:
        return WADI_ERR_CORRUPT;
    case BASE_LMDB_MEMORY:
        return WADI_ERR_NO_MEMORY;
    case BASE_LMDB_PERMISSION:
        return WADI_ERR_PERMISSION;
    case BASE_LMDB_SYSTEM:
        break;
    }
    return WADI_ERR_SYSTEM;
}

/* ---- records ---------------------------------------------------------------------------------------------
 */

static base_lmdb_txn *txn_of(wdi_store *s) { return s->txn != NULL ? s->txn : s->reader; }

wadi_err wdi_record_put(wdi_store *s, const wdi_key *key, const void *record, size_t n) {
    void *out = NULL;
    uint32_t crc = wdi_record_crc(key, record, n);
    base_lmdb_err err = base_lmdb_reserve(s->txn, 0, wdi_key_val(key), n + sizeof crc, &out);
    if (err != BASE_LMDB_OK)
        return wdi_lmdb_err(err);
    memcpy(out, record, n);
    memcpy((uint8_t *)out + n, &crc, sizeof crc);
    return WADI_OK;
}

wadi_err wdi_record_get(wdi_store *s, const wdi_key *key, wire_span *ret_record, bool *ret_found) {
    base_lmdb_val val;
    bool found = false;
    uint32_t crc;
    base_lmdb_err err = base_lmdb_get(txn_of(s), 0, wdi_key_val(key), &val, &found);
    if (err != BASE_LMDB_OK)
        return wdi_lmdb_err(err);
    if (found) {
        if (val.n < sizeof crc)
            return WADI_ERR_CORRUPT;
        size_t n = val.n - sizeof crc;
        memcpy(&crc, (const uint8_t *)val.data + n, sizeof crc);
        if (crc != wdi_record_crc(key, val.data, n))
            return WADI_ERR_CORRUPT;
        *ret_record = (wire_span){val.data, n};
    }
    *ret_found = found;
    return WADI_OK;
}

wadi_err wdi_record_load(wdi_store *s, const wdi_key *key, void *ret_record, size_t n) {
    wire_span record;
    bool found = false;
    wadi_err err = wdi_record_get(s, key, &record, &found);
    if (err != WADI_OK)
        return err;
    if (!found || record.n != n)
        return WADI_ERR_CORRUPT;
    memcpy(ret_record, record.data, n);
    return WADI_OK;
}

wadi_err wdi_record_del(wdi_store *s, const wdi_key *key) {
    return wdi_lmdb_err(base_lmdb_del(s->txn, 0, wdi_key_val(key), NULL));
}

/* ---- transactions ------------------------------------------------------------------------------- */

void wdi_reader_end(wdi_store *s) {
    if (s->reader == NULL)
        return;
    wdi_chunk_walk_end(s);
    base_lmdb_abort(s->reader);
    s->reader = NULL;
}

/* A file that LMDB has given up is opened again, and this call still fails, as the commit before had: what
 * the caller knows of the store may not be so any more. */
static wadi_err env_begin(wdi_store *s, bool write, base_lmdb_txn **ret_txn) {
    base_lmdb_err err = s->env != NULL ? base_lmdb_begin(s->env, write, ret_txn) : BASE_LMDB_GIVEN_UP;
    if (err != BASE_LMDB_GIVEN_UP)
        return wdi_lmdb_err(err);
    wadi_err opened = wdi_store_reopen(s);
    return opened == WADI_OK ? s->commit_failed : opened;
}

wadi_err wdi_reader_begin(wdi_store *s) {
    wdi_reader_end(s);
    if (s->failed != WADI_OK)
        return s->failed;
    if (s->txn != NULL)
        return WADI_ERR_INVALID; /* the drainer's is still open */
    return env_begin(s, false, &s->reader);
}

wadi_err wdi_txn_begin(wdi_store *s) {
    wdi_reader_end(s);
    if (s->failed != WADI_OK)
        return s->failed;
    if (s->txn != NULL)
        return WADI_ERR_INVALID; /* the drainer's is still open */
    return env_begin(s, true, &s->txn);
}

static const wdi_stream *stream_by_ordinal(const wdi_state *state, uint32_t ordinal) {
    for (uint32_t i = 0; i < state->n_streams; i++)
        if (state->streams[i].record.ordinal == ordinal)
            return &state->streams[i];
    return NULL;
}

static wadi_err streams_save(wdi_store *s) {
    for (uint32_t i = 0; i < s->kept.n_streams; i++) {
        uint32_t ordinal = s->kept.streams[i].record.ordinal;
        if (stream_by_ordinal(&s->state, ordinal) != NULL)
            continue;
        wdi_key key = wdi_key_number(WDI_KEY_STREAM, ordinal);
        wadi_err err = wdi_record_del(s, &key);
        if (err != WADI_OK)
            return err;
    }
    for (uint32_t i = 0; i < s->state.n_streams; i++) {
        const wdi_stream_record *now = &s->state.streams[i].record;
        const wdi_stream *was = stream_by_ordinal(&s->kept, now->ordinal);
        if (was != NULL && memcmp(&was->record, now, sizeof *now) == 0)
            continue;
        wdi_key key = wdi_key_number(WDI_KEY_STREAM, now->ordinal);
        wadi_err err = wdi_record_put(s, &key, now, sizeof *now);
        if (err != WADI_OK)
            return err;
    }
    return WADI_OK;
}

static wadi_err state_save(wdi_store *s) {
    wadi_err err = streams_save(s);
    if (err != WADI_OK || memcmp(&s->state.meta, &s->kept.meta, sizeof s->kept.meta) == 0)
        return err;
    wdi_key key = wdi_key_plain(WDI_KEY_META);
    return wdi_record_put(s, &key, &s->state.meta, sizeof s->state.meta);
}

static wadi_err txn_commit(wdi_store *s, base_lmdb_txn *txn) {
    base_lmdb_err err = base_lmdb_commit(txn);
    s->no_space = err == BASE_LMDB_NO_SPACE;
    s->commit_failed = wdi_lmdb_err(err);
    return s->commit_failed;
}

wadi_err wdi_txn_end(wdi_store *s, wadi_err err) {
    if (s->txn == NULL)
        return err;
    wdi_chunk_walk_end(s);
    if (err == WADI_OK)
        err = state_save(s);
    uint64_t used = s->used_bytes;
    if (err == WADI_OK)
        err = wdi_lmdb_err(base_lmdb_used(s->txn, &used));
    base_lmdb_txn *txn = s->txn;
    s->txn = NULL;
    if (err == WADI_OK)
        err = txn_commit(s, txn);
    else
        base_lmdb_abort(txn);
    if (err != WADI_OK) {
        s->state = s->kept;
        if (err == WADI_ERR_CORRUPT)
            s->failed = err;
        return err;
    }
    s->kept = s->state;
    s->used_bytes = used;
    return WADI_OK;
}

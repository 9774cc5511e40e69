#include "db.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sdk/src/base/lmdb.h"

enum { ENTRIES, STREAMS, INSTALLATIONS, META, DBS };

static const base_lmdb_db dbs[DBS] = {
    [ENTRIES] = {"entries", true},
    [STREAMS] = {"streams", false},
    [INSTALLATIONS] = {"installations", false},
    [META] = {"meta", false},
};

static journal_err err_of(base_lmdb_err err) {
    switch (err) {
    case BASE_LMDB_OK:
        return JOURNAL_OK;
    case BASE_LMDB_FULL:
    case BASE_LMDB_NO_SPACE:
        return JOURNAL_ERR_FULL;
    case BASE_LMDB_IO:
    case BASE_LMDB_GIVEN_UP:
        return JOURNAL_ERR_IO;
    case BASE_LMDB_CORRUPT:
        return JOURNAL_ERR_CORRUPT;
    case BASE_LMDB_MEMORY:
    case BASE_LMDB_PERMISSION:
    case BASE_LMDB_SYSTEM:
        break;
    }
    return JOURNAL_ERR_SYSTEM;
}

static base_lmdb_val position_key(const uint64_t *position) {
    return (base_lmdb_val){position, sizeof *position};
}

static base_lmdb_val name_key(const char *name) { return (base_lmdb_val){name, strlen(name)}; }

/* ---- environment and transactions ------------------------------------------------------------------- */

journal_err db_open(const char *dir, uint64_t max_bytes, db **ret_db) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/journal.mdb", dir) >= (int)sizeof path)
        return JOURNAL_ERR_SYSTEM;
    base_lmdb_options opt = {
        .path = path, .map_bytes = (size_t)max_bytes, .dbs = dbs, .n_dbs = DBS, .readers = true};
    return err_of(base_lmdb_open(&opt, ret_db, NULL));
}

void db_close(db *d) { base_lmdb_close(d); }
journal_err db_begin(db *d, bool write, db_txn **ret_txn) {
    return err_of(base_lmdb_begin(d, write, ret_txn));
}
journal_err db_commit(db_txn *txn) { return err_of(base_lmdb_commit(txn)); }
void db_abort(db_txn *txn) { base_lmdb_abort(txn); }
journal_err db_used(db_txn *txn, uint64_t *ret_bytes) { return err_of(base_lmdb_used(txn, ret_bytes)); }
journal_err db_streams_used(db_txn *txn, uint64_t *ret_bytes) {
    return err_of(base_lmdb_db_used(txn, STREAMS, ret_bytes));
}

/* ---- entries ------------------------------------------------------------------------------------ */

static journal_err entry_read(db_txn *txn, uint64_t position, bool verify, journal_entry *ret_entry,
                              wire_span *ret_body, bool *ret_found) {
    base_lmdb_val val;
    bool found = false;
    base_lmdb_err err = base_lmdb_get(txn, ENTRIES, position_key(&position), &val, &found);
    if (err == BASE_LMDB_OK && found &&
        (!record_entry_get(val.data, val.n, ret_entry, ret_body) || ret_entry->position != position ||
         (verify && !record_entry_intact(val.data, val.n))))
        err = BASE_LMDB_CORRUPT;
    if (err == BASE_LMDB_OK)
        *ret_found = found;
    return err_of(err);
}

journal_err db_entry_get(db_txn *txn, uint64_t position, journal_entry *ret_entry, wire_span *ret_body,
                         bool *ret_found) {
    return entry_read(txn, position, false, ret_entry, ret_body, ret_found);
}

journal_err db_entry_verify(db_txn *txn, uint64_t position, journal_entry *ret_entry, wire_span *ret_body,
                            bool *ret_found) {
    return entry_read(txn, position, true, ret_entry, ret_body, ret_found);
}

journal_err db_entry_append(db_txn *txn, journal_entry *entry, const uint8_t *body) {
    void *out = NULL;
    base_lmdb_err err = base_lmdb_append(txn, ENTRIES, position_key(&entry->position),
                                         sizeof *entry + entry->body_bytes, &out);
    if (err == BASE_LMDB_OK)
        record_entry_put(out, entry, body);
    return err_of(err);
}

journal_err db_entry_delete(db_txn *txn, uint64_t position) {
    return err_of(base_lmdb_del(txn, ENTRIES, position_key(&position), NULL));
}

static base_lmdb_err end_get(base_lmdb_cursor *cursor, base_lmdb_move move, uint64_t *ret_position) {
    base_lmdb_val key = {NULL, 0}, val;
    bool found = false;
    base_lmdb_err err = base_lmdb_cursor_move(cursor, move, &key, &val, &found);
    *ret_position = 0;
    if (err == BASE_LMDB_OK && found) {
        if (key.n != sizeof *ret_position)
            return BASE_LMDB_CORRUPT;
        memcpy(ret_position, key.data, sizeof *ret_position);
    }
    return err;
}

journal_err db_entry_range(db_txn *txn, uint64_t *ret_first, uint64_t *ret_last) {
    base_lmdb_cursor *cursor = NULL;
    base_lmdb_err err = base_lmdb_cursor_open(txn, ENTRIES, &cursor);
    if (err == BASE_LMDB_OK)
        err = end_get(cursor, BASE_LMDB_FIRST, ret_first);
    if (err == BASE_LMDB_OK)
        err = end_get(cursor, BASE_LMDB_LAST, ret_last);
    base_lmdb_cursor_close(cursor);
    return err_of(err);
}

/* ---- streams ------------------------------------------------------------------------------------ */

journal_err db_stream_get(db_txn *txn, const char *tenant, const uint8_t *stream, dedup_state *ret_state) {
    uint8_t key[RECORD_KEY_BYTES_MAX];
    base_lmdb_val val;
    bool found = false;
    size_t n = record_stream_key(key, tenant, stream);
    base_lmdb_err err = base_lmdb_get(txn, STREAMS, (base_lmdb_val){key, n}, &val, &found);
    if (err != BASE_LMDB_OK)
        return err_of(err);
    memset(ret_state, 0, sizeof *ret_state);
    return found && !record_state_get(val.data, val.n, ret_state) ? JOURNAL_ERR_CORRUPT : JOURNAL_OK;
}

journal_err db_stream_put(db_txn *txn, const char *tenant, const uint8_t *stream, const dedup_state *state) {
    uint8_t key[RECORD_KEY_BYTES_MAX], val[RECORD_STATE_BYTES_MAX];
    size_t n = record_stream_key(key, tenant, stream);
    size_t val_n = record_state_put(val, state);
    return err_of(base_lmdb_put(txn, STREAMS, (base_lmdb_val){key, n}, (base_lmdb_val){val, val_n}));
}

/* ---- installations ------------------------------------------------------------------------------ */

journal_err db_installation_put(db_txn *txn, const char *tenant, const uint8_t *installation,
                                const uint8_t *stream) {
    uint8_t key[RECORD_KEY_BYTES_MAX];
    size_t n = record_installation_key(key, tenant, installation, stream);
    return err_of(base_lmdb_put(txn, INSTALLATIONS, (base_lmdb_val){key, n}, (base_lmdb_val){"", 0}));
}

journal_err db_installations_open(db_txn *txn, db_cursor **ret_cursor) {
    return err_of(base_lmdb_cursor_open(txn, INSTALLATIONS, ret_cursor));
}

void db_installations_close(db_cursor *cursor) { base_lmdb_cursor_close(cursor); }

static journal_err installations_move(db_cursor *cursor, base_lmdb_move move, base_lmdb_val key,
                                      db_installation_key *ret_key, bool *ret_found) {
    base_lmdb_val val;
    bool found = false;
    base_lmdb_err err = base_lmdb_cursor_move(cursor, move, &key, &val, &found);
    if (err == BASE_LMDB_OK && found &&
        !record_installation_key_get(key.data, key.n, ret_key->tenant, ret_key->installation,
                                     ret_key->stream))
        err = BASE_LMDB_CORRUPT;
    if (err == BASE_LMDB_OK)
        *ret_found = found;
    return err_of(err);
}

journal_err db_installations_next(db_cursor *cursor, db_installation_key *ret_key, bool *ret_found) {
    return installations_move(cursor, BASE_LMDB_NEXT, (base_lmdb_val){NULL, 0}, ret_key, ret_found);
}

journal_err db_installations_seek_behind(db_cursor *cursor, const char *tenant, const uint8_t *installation,
                                         db_installation_key *ret_key, bool *ret_found) {
    static const uint8_t none[WIRE_ID_BYTES];
    uint8_t last[WIRE_ID_BYTES], key[RECORD_KEY_BYTES_MAX];
    if (tenant[0] == 0 && memcmp(installation, none, sizeof none) == 0)
        return installations_move(cursor, BASE_LMDB_FIRST, (base_lmdb_val){NULL, 0}, ret_key, ret_found);
    memset(last, 0xff, sizeof last); /* no random id is all ones */
    size_t n = record_installation_key(key, tenant, installation, last);
    return installations_move(cursor, BASE_LMDB_AT_LEAST, (base_lmdb_val){key, n}, ret_key, ret_found);
}

/* ---- totals ------------------------------------------------------------------------------------- */

journal_err db_totals_get(db_txn *txn, db_totals *ret_totals) {
    base_lmdb_val val;
    bool found = false;
    db_totals totals = {.last_start = 0};
    base_lmdb_err err = base_lmdb_get(txn, META, name_key("total"), &val, &found);
    if (err == BASE_LMDB_OK && found && !record_ledger_get(val.data, val.n, &totals.sums))
        err = BASE_LMDB_CORRUPT;
    if (err == BASE_LMDB_OK)
        err = base_lmdb_get(txn, META, name_key("last_start"), &val, &found);
    if (err == BASE_LMDB_OK && found && val.n != sizeof totals.last_start)
        err = BASE_LMDB_CORRUPT;
    if (err == BASE_LMDB_OK && found)
        memcpy(&totals.last_start, val.data, sizeof totals.last_start);
    if (err == BASE_LMDB_OK)
        *ret_totals = totals;
    return err_of(err);
}

journal_err db_totals_put(db_txn *txn, const db_totals *totals) {
    uint8_t sums[RECORD_LEDGER_BYTES_MAX];
    size_t n = record_ledger_put(sums, &totals->sums);
    base_lmdb_err err = base_lmdb_put(txn, META, name_key("total"), (base_lmdb_val){sums, n});
    if (err == BASE_LMDB_OK)
        err = base_lmdb_put(txn, META, name_key("last_start"), position_key(&totals->last_start));
    return err_of(err);
}

/* The ledger of journal.h, read by any thread. */
#include "state.h"

#include <string.h>

static journal_err snapshot_begin(journal *j, db_txn **ret_txn) {
    if (!gate_enter(&j->gate))
        return JOURNAL_ERR_IO;
    journal_err err = db_begin(j->db, false, ret_txn);
    if (err != JOURNAL_OK)
        gate_leave(&j->gate);
    return err;
}

static void snapshot_end(journal *j, db_txn *txn) {
    db_abort(txn);
    gate_leave(&j->gate);
}

journal_err journal_ledger_total(journal *j, ledger *ret_total) {
    db_txn *txn = NULL;
    db_totals totals;
    journal_err err = snapshot_begin(j, &txn);
    if (err != JOURNAL_OK)
        return err;
    err = db_totals_get(txn, &totals);
    if (err == JOURNAL_OK)
        *ret_total = totals.sums;
    snapshot_end(j, txn);
    return err;
}

/* Adds a stream to the row of its installation, or begins the next row. False: there is no room for one. */
static bool row_take(ledger_row *rows, size_t max, size_t *n, const db_installation_key *key,
                     const dedup_state *state) {
    ledger_row *last = *n > 0 ? &rows[*n - 1] : NULL;
    if (last == NULL || strcmp(last->tenant, key->tenant) != 0 ||
        memcmp(last->installation, key->installation, sizeof key->installation) != 0) {
        if (*n == max)
            return false;
        last = &rows[(*n)++];
        memset(last, 0, sizeof *last);
        memcpy(last->tenant, key->tenant, sizeof last->tenant);
        memcpy(last->installation, key->installation, sizeof last->installation);
    }
    ledger_add(&last->sums, &state->sums);
    return true;
}

static journal_err page_read(db_txn *txn, db_cursor *cursor, const ledger_row *after, size_t max,
                             ledger_row *rows, size_t *n) {
    db_installation_key key = {.tenant = ""};
    bool found = false;
    journal_err err = db_installations_seek_behind(cursor, after->tenant, after->installation, &key, &found);
    while (err == JOURNAL_OK && found) {
        dedup_state state;
        err = db_stream_get(txn, key.tenant, key.stream, &state);
        if (err != JOURNAL_OK || !row_take(rows, max, n, &key, &state))
            break;
        err = db_installations_next(cursor, &key, &found);
    }
    return err;
}

journal_err journal_ledger_page(journal *j, const ledger_row *after, size_t max, ledger_row *ret_rows,
                                size_t *ret_n) {
    db_txn *txn = NULL;
    db_cursor *cursor = NULL;
    size_t n = 0;
    journal_err err = snapshot_begin(j, &txn);
    if (err != JOURNAL_OK)
        return err;
    err = db_installations_open(txn, &cursor);
    if (err == JOURNAL_OK)
        err = page_read(txn, cursor, after, max, ret_rows, &n);
    db_installations_close(cursor);
    snapshot_end(j, txn);
    if (err == JOURNAL_OK)
        *ret_n = n;
    return err;
}

#include "state.h"

#include <stdlib.h>

#include "diag.h"
#include "ready.h"
#include "sdk/src/base/clock.h"

/* A snapshot keeps the pages of its time from being used again, so none is held for long. */
#define SNAPSHOT_GETS_MAX 256u
#define SNAPSHOT_US_MAX 20000u

struct journal_reader {
    journal *j;
    db_txn *txn;   /* NULL: outside */
    uint64_t last; /* position that the snapshot surely has */
    uint64_t since_us;
    uint32_t gets;
    journal_entry entry; /* the one that is lent; the database aligns nothing */
};

journal_err journal_reader_open(journal *j, journal_reader **ret_reader) {
    journal_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return JOURNAL_ERR_SYSTEM;
    r->j = j;
    *ret_reader = r;
    return JOURNAL_OK;
}

static void reader_release(void *context) {
    journal_reader *r = context;
    if (r->txn == NULL)
        return;
    db_abort(r->txn);
    r->txn = NULL;
    gate_leave(&r->j->gate);
}

void journal_reader_close(journal_reader *r) {
    if (r == NULL)
        return;
    reader_release(r);
    free(r);
}

static bool snapshot_is_stale(const journal_reader *r, uint64_t position) {
    return position > r->last || r->gets >= SNAPSHOT_GETS_MAX ||
           base_mono_us() - r->since_us > SNAPSHOT_US_MAX || gate_is_closed(&r->j->gate);
}

static bool snapshot_take(journal_reader *r) {
    if (!gate_enter(&r->j->gate))
        return false;
    r->last = atomic_load(&r->j->last);
    r->since_us = base_mono_us();
    r->gets = 0;
    if (db_begin(r->j->db, false, &r->txn) == JOURNAL_OK)
        return true;
    r->txn = NULL;
    gate_leave(&r->j->gate);
    return false;
}

/* What is damaged is not handed on: the sink stands still at it, and says so by its lag. */
static void unreadable_report(uint64_t position, journal_err err) {
    ready_set("journal", false, "an entry is damaged: a sink stands still at it");
    diag_error("an entry of the journal cannot be read", DIAG_UINT("position", position),
               DIAG_STR("reason", journal_err_name(err)));
}

static bool reader_get(void *context, uint64_t position, const journal_entry **ret_entry,
                       wire_span *ret_body) {
    journal_reader *r = context;
    if (position < atomic_load(&r->j->first) || position > atomic_load(&r->j->last))
        return false;
    if (r->txn != NULL && snapshot_is_stale(r, position))
        reader_release(r);
    if (r->txn == NULL && !snapshot_take(r))
        return false;
    r->gets++;
    bool found = false;
    journal_err err = db_entry_verify(r->txn, position, &r->entry, ret_body, &found);
    if (err != JOURNAL_OK)
        unreadable_report(position, err);
    *ret_entry = &r->entry;
    return err == JOURNAL_OK && found;
}

static void reader_range(void *context, uint64_t *ret_first, uint64_t *ret_last) {
    const journal_reader *r = context;
    *ret_first = atomic_load(&r->j->first);
    *ret_last = atomic_load(&r->j->last);
}

static uint64_t reader_last_start(void *context) {
    const journal_reader *r = context;
    return atomic_load(&r->j->last_start);
}

entry_source journal_reader_source(journal_reader *r) {
    return (entry_source){reader_get, reader_range, reader_last_start, reader_release, r};
}

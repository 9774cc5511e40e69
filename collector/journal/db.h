/* db: the journal's database, in its own terms: entries by position, the state of streams, which streams an
 * installation began, and the totals. One file, journal.mdb.
 *
 * One thread writes; readers in other threads have a transaction each. Pointers that are lent stand in the
 * transaction they came from. */
#ifndef JOURNAL_DB_H
#define JOURNAL_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "journal.h"
#include "record.h"

typedef struct base_lmdb db;
typedef struct base_lmdb_txn db_txn;
typedef struct base_lmdb_cursor db_cursor;

journal_err db_open(const char *dir, uint64_t max_bytes, db **ret_db);
void db_close(db *d); /* accepts NULL; every transaction has ended */

journal_err db_begin(db *d, bool write, db_txn **ret_txn);
journal_err db_commit(db_txn *txn); /* ends it in any case; synced when OK */
void db_abort(db_txn *txn);         /* accepts NULL */

/* *ret_found false: not there. */
journal_err db_entry_get(db_txn *txn, uint64_t position, journal_entry *ret_entry, wire_span *ret_body,
                         bool *ret_found);
/* The same, and JOURNAL_ERR_CORRUPT when its CRC does not hold. */
journal_err db_entry_verify(db_txn *txn, uint64_t position, journal_entry *ret_entry, wire_span *ret_body,
                            bool *ret_found);
/* entry->position is above all others; sets entry->crc. */
journal_err db_entry_append(db_txn *txn, journal_entry *entry, const uint8_t *body);
journal_err db_entry_delete(db_txn *txn, uint64_t position);
/* Both 0 when there is none. */
journal_err db_entry_range(db_txn *txn, uint64_t *ret_first, uint64_t *ret_last);

/* An unknown stream reads as a state of zeros. */
journal_err db_stream_get(db_txn *txn, const char *tenant, const uint8_t *stream, dedup_state *ret_state);
journal_err db_stream_put(db_txn *txn, const char *tenant, const uint8_t *stream, const dedup_state *state);

/* Notes that the installation began the stream. */
journal_err db_installation_put(db_txn *txn, const char *tenant, const uint8_t *installation,
                                const uint8_t *stream);

typedef struct db_installation_key {
    char tenant[SUBMISSION_TENANT_MAX];
    uint8_t installation[WIRE_ID_BYTES];
    uint8_t stream[WIRE_ID_BYTES];
} db_installation_key;

/* Walks (tenant, installation, stream) upwards; a cursor ends before its transaction. */
journal_err db_installations_open(db_txn *txn, db_cursor **ret_cursor);
void db_installations_close(db_cursor *cursor); /* accepts NULL */
journal_err db_installations_next(db_cursor *cursor, db_installation_key *ret_key, bool *ret_found);
/* The first key behind all streams of (tenant, installation). */
journal_err db_installations_seek_behind(db_cursor *cursor, const char *tenant, const uint8_t *installation,
                                         db_installation_key *ret_key, bool *ret_found);

typedef struct db_totals {
    ledger sums;
    uint64_t last_start; /* position of the newest ENTRY_START */
} db_totals;

journal_err db_totals_get(db_txn *txn, db_totals *ret_totals); /* zeros in a new database */
journal_err db_totals_put(db_txn *txn, const db_totals *totals);

/* Bytes of pages that hold something; those of the streams' states. */
journal_err db_used(db_txn *txn, uint64_t *ret_bytes);
journal_err db_streams_used(db_txn *txn, uint64_t *ret_bytes);

#endif

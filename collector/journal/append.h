/* append: one submission inside a transaction: dedup check, state, entry, answer. */
#ifndef JOURNAL_APPEND_H
#define JOURNAL_APPEND_H

#include "db.h"
#include "history.h"
#include "timebase.h"

/* The end of the journal, as the transaction that is open leaves it. A copy brings it back. */
typedef struct tail {
    uint64_t first, last; /* positions */
    int64_t received_us;  /* of the last entry */
    int64_t newest_us;    /* of all events; no window ends before received_us has passed it */
    db_totals totals;
    uint64_t accepted, duplicate;                   /* events and numbers, since the start of the process */
    uint64_t conflicts[WIRE_STATUS_UNVERIFIED + 1]; /* by status */
} tail;

typedef struct appender appender;

/* NULL: out of memory. */
appender *appender_new(const char *collector);
void appender_free(appender *a);

/* A new transaction: what follows goes to it and is counted in `t`. Both are borrowed until the next call. */
void appender_begin(appender *a, db_txn *txn, tail *t);

/* An entry without a batch: ENTRY_TICK, or ENTRY_START with its id. */
journal_err append_mark(appender *a, entry_kind kind, const uint8_t *start_id, int64_t received_us);

/* Takes the submission in and writes its answer, which counts only once the transaction is committed. On
 * error the transaction is of no more use. */
journal_err append_submission(appender *a, submission *s, int64_t received_us, int64_t arrived_us);

/* The answer that asks a device to come back. */
void answer_retry(submission *s, const char *collector, const char *message, uint32_t retry_after_ms);

#endif

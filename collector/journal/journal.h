/* journal: the durable log in the middle of the collector, with the dedup state in the same database.
 *
 * One writer thread. One LMDB transaction takes many submissions: dedup check, state, append; one fsync.
 * Every answer, a duplicate's too, waits for the commit that holds the state it was computed from.
 * A failed fsync is never retried: no more acknowledgements, close, reopen, verify.
 *
 * May use: base, config. May not use: ingress, order, sinks. Diag: logs through collector/base/diag.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entry.h"
#include "ledger.h"
#include "submission.h"

typedef struct journal journal;
typedef struct journal_reader journal_reader;

typedef enum journal_err {
    JOURNAL_OK = 0,
    JOURNAL_ERR_IO,
    JOURNAL_ERR_FULL, /* disk or journal.max_bytes: submissions are answered 503 */
    JOURNAL_ERR_CORRUPT,
    JOURNAL_ERR_BUSY, /* another collector holds the directory */
    JOURNAL_ERR_SYSTEM,
} journal_err;

typedef struct journal_options {
    const char *dir;
    const char *collector; /* id, for Ack.collector */
    uint64_t max_bytes;
    double high_watermark; /* share of max_bytes at which submissions are refused with 503 */
    uint64_t commit_delay_us;
    uint64_t keep_us, keep_bytes; /* kept past the sinks for comparing chains, whichever ends first */
    bool unchecked;               /* at the start: LMDB maps the file, whatever is in it */
    int64_t window_max_us;        /* largest window of all sinks: ticks are needed that long */
    uint64_t clock_step_max_us;
    void *zmq;        /* the process's ZeroMQ context */
    uint32_t n_loops; /* ingress loops; loop i pulls its answers from JOURNAL_ANSWERS_FMT */
    uint32_t n_sinks;
    uint32_t queue_max; /* high-water mark of the submissions' socket */
} journal_options;

/* inproc endpoints. The journal binds all of them in journal_open, before any other stage starts. */
#define JOURNAL_SUBMIT "inproc://journal.submit"          /* PULL: submission * from ingress */
#define JOURNAL_ANSWERS_FMT "inproc://journal.answers.%u" /* PUSH: submission * back to loop i */
#define JOURNAL_ADVANCED_FMT \
    "inproc://journal.advanced.%u" /* PUSH, conflated: uint64 last position, to sink i */

journal_err journal_open(const journal_options *opt, journal **ret_journal);

/* The incarnation of this start: appended to the journal by journal_open. */
void journal_start_id(const journal *j, uint8_t ret_id[16]);

/* Starts and stops the writer thread. Stop takes what is queued, commits, answers, and returns. */
journal_err journal_run(journal *j);
void journal_stop(journal *j);
void journal_close(journal *j);

/* The clock that stamps received_us, at this moment; any thread. */
int64_t journal_now_us(journal *j);

/* Sink i has confirmed that it needs nothing before `low`; any thread. The journal is trimmed below the least
 * of all sinks, and not before `keep`. Until every sink has confirmed once, nothing is trimmed. */
void journal_confirm(journal *j, uint32_t sink, uint64_t low);

/* A sink's own view of the journal; one thread each. */
journal_err journal_reader_open(journal *j, journal_reader **ret_reader);
void journal_reader_close(journal_reader *r);
entry_source journal_reader_source(journal_reader *r);

/* ---- ledger ----------------------------------------------------------------------------------- */

/* The total, and a page of installations after `after` (16 zero bytes to begin); any thread. */
journal_err journal_ledger_total(journal *j, ledger *ret_total);
journal_err journal_ledger_page(journal *j, const ledger_row *after, size_t max, ledger_row *ret_rows,
                                size_t *ret_n);

#endif

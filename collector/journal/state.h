/* state: what the parts of the journal share. Only for files of this directory. */
#ifndef JOURNAL_STATE_H
#define JOURNAL_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "append.h"
#include "db.h"
#include "gate.h"
#include "jclock.h"
#include "journal.h"
#include "ports.h"

#define GROUP_SUBMISSIONS_MAX 256u
#define GROUP_BYTES_MAX (8u << 20)

/* What a transaction appends beside the group. */
typedef enum journal_mark { MARK_NONE, MARK_TICK, MARK_START } journal_mark;

struct journal {
    journal_options opt; /* strings are our own */
    int dir_fd;          /* locked: one collector a directory */
    uint8_t start_id[16];
    gate gate; /* of everybody but the writer, into `db` */
    db *db;
    ports *ports;

    /* The writer's, once it runs; journal_open's before. */
    appender *appender;
    jclock clock;       /* `told` has a copy of it */
    tail tail;          /* as committed */
    bool full, stepped; /* as last reported */
    bool down;          /* a commit failed, and the database could not be opened anew yet */
    uint64_t damaged;   /* position of an entry at which trimming stopped; 0: none */
    bool trim_more;     /* the last trim ended for its time, not for want of entries */
    uint64_t space_checked_us;
    uint64_t appended_us; /* monotonic, of the last commit with an entry: ticks count from here */
    submission *group[GROUP_SUBMISSIONS_MAX];
    uint32_t n_group;
    uint32_t wait_skips, wait_skips_next; /* groups that do not wait for company, since it did not come */

    pthread_mutex_t told_lock;
    jclock told;

    /* Read by any thread, written after each commit. */
    _Atomic uint64_t first, last, last_start;
    _Atomic uint64_t *lows; /* one a sink: what it has confirmed; 0: nothing yet */
    _Atomic bool stopping;
    bool running;
    pthread_t thread;
};

/* journal.c: opens the database, checks the end of it, and reads `tail`. */
journal_err journal_db_open(journal *j);
void journal_tail_publish(journal *j);

/* clock.c: the time by j->clock; the writer's. */
int64_t clock_read(journal *j, uint64_t mono_us);

/* writer.c: the thread. */
void *writer_main(void *journal);
/* One transaction with everything in j->group and a mark; with neither it only trims. */
journal_err writer_commit(journal *j, journal_mark mark);

/* space.c: how full it is, and what may go. */
bool space_is_short(journal *j);
bool space_can_trim(journal *j);
/* Deletes old entries that nobody needs, as many as a short time allows. */
journal_err space_trim(journal *j, db_txn *txn, tail *t, uint32_t entries_max);

/* report.c: metrics and /readyz. */
void report_totals(const tail *before, const tail *after);
void report_commit(uint64_t begin_us, uint64_t sync_us, uint64_t end_us);
void report_space(const journal *j, db_txn *txn, uint64_t used_bytes);
void report_clock(journal *j);
void report_full(journal *j, bool full);
/* Trimming stands still at this entry. */
void report_damaged(journal *j, uint64_t position);
void report_failed(journal *j, journal_err err);
void report_recovered(journal *j);
const char *journal_err_name(journal_err err);

#endif

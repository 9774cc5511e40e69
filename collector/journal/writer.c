#include "state.h"

#include <fcntl.h>
#include <time.h>

#include "cleanup.h"
#include "diag.h"
#include "metrics.h"
#include "sdk/src/base/clock.h"

#define TICK_US 250000u
#define IDLE_MS 1000u /* without events in any window: only to trim by age */
#define WAIT_SLICE_US 500u
#define WAIT_SKIPS_MAX 63u
#define RETRY_FULL_MS 5000u
#define RETRY_FAILED_MS 2000u
#define REOPEN_MS 1000u
#define READERS_LEAVE_MS 100u /* readers hold a snapshot for a fifth of it */
#define ARRIVED_AGO_US_MAX 60000000u
#define TRIM_ENTRIES_IDLE 256u

/* ---- answers ------------------------------------------------------------------------------------ */

static int64_t clock_now(journal *j) { return clock_read(j, base_mono_us()); }

static void group_answer(journal *j) {
    int64_t now_us = clock_now(j);
    for (uint32_t i = 0; i < j->n_group; i++) {
        j->group[i]->ack.sent_us = now_us;
        ports_answer(j->ports, j->group[i]);
    }
    j->n_group = 0;
}

static void group_refuse(journal *j, const char *message, uint32_t retry_after_ms) {
    metric_add(METRIC_BACKPRESSURE, METRIC_RETRY_CODE_503, j->n_group);
    for (uint32_t i = 0; i < j->n_group; i++)
        answer_retry(j->group[i], j->opt.collector, message, retry_after_ms);
    group_answer(j);
}

/* ---- one transaction ---------------------------------------------------------------------------- */

static journal_err group_append(journal *j, int64_t received_us, uint64_t mono_us) {
    journal_err err = JOURNAL_OK;
    for (uint32_t i = 0; i < j->n_group && err == JOURNAL_OK; i++) {
        submission *s = j->group[i];
        uint64_t ago_us = mono_us > s->arrived_us ? mono_us - s->arrived_us : 0;
        ago_us = ago_us < ARRIVED_AGO_US_MAX ? ago_us : ARRIVED_AGO_US_MAX;
        err = append_submission(j->appender, s, received_us, received_us - (int64_t)ago_us);
    }
    return err;
}

/* The order of received_us in the journal is the clock's, which never falls. */
static journal_err transaction_fill(journal *j, db_txn *txn, tail *t, journal_mark mark) {
    uint64_t mono_us = base_mono_us();
    int64_t received_us = clock_read(j, mono_us);
    appender_begin(j->appender, txn, t);
    journal_err err = JOURNAL_OK;
    if (mark != MARK_NONE)
        err =
            append_mark(j->appender, mark == MARK_TICK ? ENTRY_TICK : ENTRY_START, j->start_id, received_us);
    if (err == JOURNAL_OK)
        err = group_append(j, received_us, mono_us);
    if (err == JOURNAL_OK) /* twice as many as come, so that a backlog shrinks under load */
        err = space_trim(j, txn, t, j->n_group > 0 ? 2 * j->n_group : TRIM_ENTRIES_IDLE);
    return err == JOURNAL_OK ? db_totals_put(txn, &t->totals) : err;
}

journal_err writer_commit(journal *j, journal_mark mark) {
    uint64_t begin_us = base_mono_us();
    tail t = j->tail;
    db_txn *txn = NULL;
    journal_err err = db_begin(j->db, true, &txn);
    if (err == JOURNAL_OK)
        err = transaction_fill(j, txn, &t, mark);
    if (err != JOURNAL_OK) {
        db_abort(txn);
        return err;
    }
    uint64_t sync_us = base_mono_us();
    err = db_commit(txn);
    if (err != JOURNAL_OK)
        return err == JOURNAL_ERR_FULL ? JOURNAL_ERR_IO : err; /* what the disk has of it, nobody knows */
    report_commit(begin_us, sync_us, base_mono_us());
    report_totals(&j->tail, &t);
    if (t.last > j->tail.last)
        j->appended_us = begin_us;
    j->tail = t;
    journal_tail_publish(j);
    return JOURNAL_OK;
}

/* ---- ticks -------------------------------------------------------------------------------------- */

/* No window of any sink ends before it has seen a time beyond the newest event. */
static bool tick_is_needed(const journal *j) {
    return j->tail.newest_us > j->tail.received_us - j->opt.window_max_us;
}

static bool tick_is_due(const journal *j) {
    return tick_is_needed(j) && base_mono_us() - j->appended_us >= TICK_US;
}

/* ---- failure ------------------------------------------------------------------------------------ */

/* While there is no database everybody is asked to come back. */
static void refuse_for_a_while(journal *j) {
    uint64_t until_us = base_mono_us() + 1000u * REOPEN_MS;
    do {
        submission *s = ports_receive(j->ports, REOPEN_MS / 10);
        if (s != NULL) {
            j->group[j->n_group++] = s;
            group_refuse(j, "the journal's disk failed", RETRY_FAILED_MS);
        }
    } while (base_mono_us() < until_us && !atomic_load(&j->stopping));
}

/* So that the disk is read, not what the kernel only believes to have written. */
static void cache_drop(const journal *j) {
    CLEANUP_CLOSE int fd = openat(j->dir_fd, "journal.mdb", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* A reader that hangs, in a disk of its own perhaps, keeps the failed database open for as long as it does;
 * devices are told so and come back. False: we are to stop, and a reader is still inside. */
static bool readers_leave(journal *j) {
    while (!gate_close(&j->gate, READERS_LEAVE_MS)) {
        if (atomic_load(&j->stopping))
            return false;
        diag_error("the journal cannot be reopened while a reader holds on to it");
        refuse_for_a_while(j);
    }
    return true;
}

/* A failed sync is never retried: the kernel may have dropped the pages and call them clean. What counts is
 * what a new environment finds. When we are to stop before that, the journal stays down and the gate closed.
 */
static void reopen(journal *j, journal_err err) {
    tail before = j->tail;
    report_failed(j, err);
    j->down = true;
    if (!readers_leave(j))
        return;
    db_close(j->db);
    j->db = NULL;
    cache_drop(j);
    while ((err = journal_db_open(j)) != JOURNAL_OK && !atomic_load(&j->stopping)) {
        diag_error("the journal cannot be opened again", DIAG_STR("reason", journal_err_name(err)));
        refuse_for_a_while(j);
    }
    if (err != JOURNAL_OK)
        return;
    gate_open(&j->gate);
    j->down = false;
    report_totals(&before, &j->tail); /* the disk may have the commit that was reported as failed */
    report_recovered(j);
}

static void group_refuse_full(journal *j) {
    report_full(j, true);
    group_refuse(j, "the journal is full", RETRY_FULL_MS);
}

/* What may go has to go without the group that did not fit: with it the deletions were undone too. LMDB takes
 * freed pages only in the transaction after the next, so it is two, even when nothing may go any more. */
static journal_err trim_alone(journal *j) {
    journal_err err = writer_commit(j, MARK_NONE);
    return err == JOURNAL_OK ? writer_commit(j, MARK_NONE) : err;
}

/* Commits the group and answers it, whatever happens. Ticks do not depend on whether devices get through:
 * without them no window ends, no sink confirms, and a journal that is full stays so. */
static void group_commit(journal *j) {
    if (space_is_short(j))
        group_refuse_full(j);
    else
        report_full(j, false);
    journal_mark mark = tick_is_due(j) ? MARK_TICK : MARK_NONE;
    if (j->n_group == 0 && mark == MARK_NONE && !space_can_trim(j))
        return;
    journal_err err = writer_commit(j, mark);
    if (err == JOURNAL_OK) {
        group_answer(j);
        ports_announce(j->ports, j->tail.last);
    } else if (err == JOURNAL_ERR_FULL) {
        group_refuse_full(j);
        err = trim_alone(j);
    }
    if (err != JOURNAL_OK && err != JOURNAL_ERR_FULL) {
        group_refuse(j, "the journal's disk failed", RETRY_FAILED_MS);
        reopen(j, err);
    }
}

/* ---- groups ------------------------------------------------------------------------------------- */

static uint64_t group_bytes(const journal *j) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < j->n_group; i++)
        bytes += j->group[i]->body_bytes;
    return bytes;
}

/* Takes what is queued. True: something came. */
static bool group_drain(journal *j) {
    uint32_t before = j->n_group;
    uint64_t bytes = group_bytes(j);
    submission *s;
    while (j->n_group < GROUP_SUBMISSIONS_MAX && bytes < GROUP_BYTES_MAX &&
           (s = ports_receive(j->ports, 0)) != NULL) {
        bytes += s->body_bytes;
        j->group[j->n_group++] = s;
    }
    return j->n_group > before;
}

/* A sync costs the same for one and for many, so a group waits for company, a slice at a time and while
 * company comes. Where none came the next groups do not wait: a lone device is answered at once. */
static void group_wait(journal *j) {
    if (j->wait_skips > 0) {
        j->wait_skips--;
        return;
    }
    bool company = false, more = true;
    for (uint64_t us = WAIT_SLICE_US; more && us <= j->opt.commit_delay_us; us += WAIT_SLICE_US) {
        const struct timespec slice = {.tv_nsec = 1000 * WAIT_SLICE_US};
        nanosleep(&slice, NULL);
        more = group_drain(j) && j->n_group < GROUP_SUBMISSIONS_MAX;
        company |= more;
    }
    uint32_t skips = 2 * j->wait_skips_next + 1;
    j->wait_skips_next = company ? 0 : skips < WAIT_SKIPS_MAX ? skips : WAIT_SKIPS_MAX;
    j->wait_skips = j->wait_skips_next;
}

static uint32_t wait_ms(const journal *j) {
    if (atomic_load(&j->stopping))
        return 0;
    if (j->trim_more)
        return 1;
    if (!tick_is_needed(j))
        return IDLE_MS;
    uint64_t now_us = base_mono_us(), due_us = j->appended_us + TICK_US;
    return due_us > now_us ? (uint32_t)((due_us - now_us) / 1000 + 1) : 0;
}

static bool group_receive(journal *j) {
    submission *s = ports_receive(j->ports, wait_ms(j));
    if (s == NULL)
        return false;
    j->group[j->n_group++] = s;
    group_drain(j);
    group_wait(j);
    return true;
}

void *writer_main(void *journal_ptr) {
    journal *j = journal_ptr;
    bool stopping = false, received = true;
    while (!stopping || received) {
        stopping = atomic_load(&j->stopping);
        received = group_receive(j);
        (void)clock_now(j); /* idle or not, a step of the wall clock shows */
        report_clock(j);
        if (j->down) /* stopping, with a disk that failed */
            group_refuse(j, "the journal's disk failed", RETRY_FAILED_MS);
        else
            group_commit(j);
    }
    return NULL;
}

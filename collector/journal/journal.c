#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "diag.h"
#include "ready.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/base/random.h"
#include "verify.h"

/* Entries at the end whose CRC is checked at every opening: what the last commits before a crash wrote. */
#define VERIFY_ENTRIES 64u

/* ---- opening ------------------------------------------------------------------------------------ */

static journal_err dir_lock(const char *dir, int *ret_fd) {
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return JOURNAL_ERR_SYSTEM;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return JOURNAL_ERR_SYSTEM;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool busy = errno == EWOULDBLOCK;
        close(fd);
        return busy ? JOURNAL_ERR_BUSY : JOURNAL_ERR_SYSTEM;
    }
    *ret_fd = fd;
    return JOURNAL_OK;
}

/* Reads the last entries; the very last one goes into the tail. */
static journal_err end_verify(db_txn *txn, tail *t) {
    uint64_t from = t->last - t->first < VERIFY_ENTRIES ? t->first : t->last - VERIFY_ENTRIES;
    for (uint64_t position = from; t->last != 0 && position <= t->last; position++) {
        journal_entry e;
        wire_span body;
        bool found = false;
        journal_err err = db_entry_verify(txn, position, &e, &body, &found);
        if (err != JOURNAL_OK || !found)
            return err != JOURNAL_OK ? err : JOURNAL_ERR_CORRUPT;
        t->received_us = e.received_us;
        t->newest_us = e.received_us; /* nothing is later; perhaps a few ticks too many */
    }
    return JOURNAL_OK;
}

static journal_err tail_read(db_txn *txn, tail *t) {
    journal_err err = db_entry_range(txn, &t->first, &t->last);
    if (err == JOURNAL_OK)
        err = db_totals_get(txn, &t->totals);
    return err == JOURNAL_OK ? end_verify(txn, t) : err;
}

journal_err journal_db_open(journal *j) {
    tail t = j->tail;
    db_txn *txn = NULL;
    journal_err err = db_open(j->opt.dir, j->opt.max_bytes, &j->db);
    if (err != JOURNAL_OK) {
        j->db = NULL;
        return err;
    }
    err = db_begin(j->db, false, &txn);
    if (err == JOURNAL_OK)
        err = tail_read(txn, &t);
    db_abort(txn);
    if (err != JOURNAL_OK) {
        db_close(j->db);
        j->db = NULL;
        return err;
    }
    j->tail = t;
    journal_tail_publish(j);
    return JOURNAL_OK;
}

void journal_tail_publish(journal *j) {
    atomic_store(&j->first, j->tail.first);
    atomic_store(&j->last, j->tail.last);
    atomic_store(&j->last_start, j->tail.totals.last_start);
}

static bool parts_make(journal *j, const journal_options *opt) {
    j->opt = *opt;
    j->opt.dir = strdup(opt->dir);
    j->opt.collector = strdup(opt->collector);
    j->lows = calloc(opt->n_sinks + 1, sizeof *j->lows);
    if (j->opt.dir == NULL || j->opt.collector == NULL || j->lows == NULL)
        return false;
    j->appender = appender_new(j->opt.collector);
    return j->appender != NULL && base_random(j->start_id, sizeof j->start_id);
}

static journal_err journal_begin(journal *j) {
    journal_err err = dir_lock(j->opt.dir, &j->dir_fd);
    if (err == JOURNAL_OK && !j->opt.unchecked)
        err = journal_pages_check(j->opt.dir);
    if (err == JOURNAL_OK)
        err = journal_db_open(j);
    if (err != JOURNAL_OK)
        return err;
    jclock_init(&j->clock, j->tail.received_us, base_mono_us(), base_wall_us());
    static const tail nothing;
    report_totals(&nothing, &j->tail);
    j->ports = ports_open(&j->opt);
    if (j->ports == NULL)
        return JOURNAL_ERR_SYSTEM;
    err = writer_commit(j, MARK_START);
    if (err == JOURNAL_OK) {
        ready_set("journal", true, NULL);
        ready_set("clock", true, NULL);
        report_clock(j);
        diag_info("journal open", DIAG_STR("dir", j->opt.dir), DIAG_UINT("first", j->tail.first),
                  DIAG_UINT("last", j->tail.last), DIAG_UINT("streams", j->tail.totals.sums.streams),
                  DIAG_ID("start", j->start_id));
    }
    return err;
}

journal_err journal_open(const journal_options *opt, journal **ret_journal) {
    journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return JOURNAL_ERR_SYSTEM;
    j->dir_fd = -1;
    gate_init(&j->gate);
    pthread_mutex_init(&j->told_lock, NULL);
    journal_err err = parts_make(j, opt) ? journal_begin(j) : JOURNAL_ERR_SYSTEM;
    if (err != JOURNAL_OK) {
        diag_error("the journal cannot be opened", DIAG_STR("dir", opt->dir),
                   DIAG_STR("reason", journal_err_name(err)));
        journal_close(j);
        return err;
    }
    *ret_journal = j;
    return JOURNAL_OK;
}

void journal_close(journal *j) {
    if (j == NULL)
        return;
    journal_stop(j);
    ports_close(j->ports);
    appender_free(j->appender);
    db_close(j->db);
    cleanup_close(&j->dir_fd);
    gate_fini(&j->gate);
    pthread_mutex_destroy(&j->told_lock);
    free(j->lows);
    cleanup_free(&j->opt.dir);
    cleanup_free(&j->opt.collector);
    free(j);
}

/* ---- the thread --------------------------------------------------------------------------------- */

journal_err journal_run(journal *j) {
    if (pthread_create(&j->thread, NULL, writer_main, j) != 0)
        return JOURNAL_ERR_SYSTEM;
    pthread_setname_np(j->thread, "journal");
    j->running = true;
    return JOURNAL_OK;
}

void journal_stop(journal *j) {
    if (j == NULL || !j->running)
        return;
    atomic_store(&j->stopping, true);
    ports_wake(j->ports);
    pthread_join(j->thread, NULL);
    j->running = false;
}

void journal_start_id(const journal *j, uint8_t ret_id[16]) {
    memcpy(ret_id, j->start_id, sizeof j->start_id);
}

void journal_confirm(journal *j, uint32_t sink, uint64_t low) {
    if (sink < j->opt.n_sinks)
        atomic_store_explicit(&j->lows[sink], low, memory_order_relaxed);
}

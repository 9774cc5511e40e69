#include "state.h"

#include <stdio.h>

#include "diag.h"
#include "metrics.h"
#include "ready.h"

const char *journal_err_name(journal_err err) {
    static const char *const names[] = {"ok", "io", "full", "corrupt", "busy", "system"};
    return names[err];
}

_Static_assert((unsigned)METRIC_DROP_VALUES == LEDGER_REASONS, "every reason has its label");

void report_totals(const tail *before, const tail *after) {
    const ledger *from = &before->totals.sums, *to = &after->totals.sums;
    metric_add(METRIC_LEDGER_ASSIGNED, 0, to->numbers - from->numbers);
    metric_add(METRIC_LEDGER_DELIVERED, 0, to->delivered - from->delivered);
    metric_add(METRIC_LEDGER_GAP, 0, to->gap - from->gap);
    for (unsigned i = 0; i < LEDGER_REASONS; i++)
        metric_add(METRIC_DEVICE_DROPPED, i, to->dropped[i] - from->dropped[i]);
    metric_set(METRIC_DEDUP_STREAMS, 0, (int64_t)to->streams);
    metric_add(METRIC_INGEST_EVENTS_ACCEPTED, 0, after->accepted - before->accepted);
    metric_add(METRIC_INGEST_EVENTS_DUPLICATE, 0, after->duplicate - before->duplicate);
    static const struct {
        wire_status status;
        unsigned label;
    } conflicts[] = {{WIRE_STATUS_REWIND, METRIC_CONFLICT_REWIND},
                     {WIRE_STATUS_FORK, METRIC_CONFLICT_FORK},
                     {WIRE_STATUS_UNVERIFIED, METRIC_CONFLICT_UNVERIFIED}};
    for (size_t i = 0; i < sizeof conflicts / sizeof conflicts[0]; i++)
        metric_add(METRIC_DEDUP_CONFLICTS, conflicts[i].label,
                   after->conflicts[conflicts[i].status] - before->conflicts[conflicts[i].status]);
}

void report_commit(uint64_t begin_us, uint64_t sync_us, uint64_t end_us) {
    metric_add(METRIC_JOURNAL_COMMITS, 0, 1);
    metric_observe(METRIC_JOURNAL_COMMIT_DURATION, 0, end_us - begin_us);
    metric_observe(METRIC_JOURNAL_FSYNC_DURATION, 0, end_us - sync_us);
}

void report_space(const journal *j, db_txn *txn, uint64_t used_bytes) {
    uint64_t streams_bytes = 0;
    journal_entry oldest;
    wire_span body;
    bool found = false;
    metric_set(METRIC_JOURNAL_BYTES, 0, (int64_t)used_bytes);
    if (db_streams_used(txn, &streams_bytes) == JOURNAL_OK)
        metric_set(METRIC_DEDUP_STATE_BYTES, 0, (int64_t)streams_bytes);
    if (db_entry_get(txn, j->tail.first, &oldest, &body, &found) == JOURNAL_OK && found)
        metric_set(METRIC_JOURNAL_OLDEST_AGE, 0, j->tail.received_us - oldest.received_us);
}

void report_clock(journal *j) {
    metric_set(METRIC_CLOCK_OFFSET, 0, j->clock.ahead_us);
    bool stepped = jclock_distance_us(&j->clock) > j->opt.clock_step_max_us;
    if (stepped == j->stepped)
        return;
    j->stepped = stepped;
    char reason[128];
    snprintf(reason, sizeof reason, "the wall clock stepped: received times are %lld s off and slew",
             (long long)(j->clock.ahead_us / 1000000));
    ready_set("clock", !stepped, reason);
    if (stepped)
        diag_warn("the wall clock stepped", DIAG_INT("ahead_us", j->clock.ahead_us));
    else
        diag_info("received times are back at the wall clock");
}

void report_full(journal *j, bool full) {
    if (full == j->full)
        return;
    j->full = full;
    ready_set("journal", !full, "full: submissions are answered 503");
    if (full)
        diag_error("the journal is full; submissions are answered 503", DIAG_STR("dir", j->opt.dir),
                   DIAG_UINT("first", j->tail.first), DIAG_UINT("last", j->tail.last));
    else
        diag_info("the journal has room again", DIAG_UINT("first", j->tail.first));
}

void report_damaged(journal *j, uint64_t position) {
    if (position == j->damaged)
        return;
    j->damaged = position;
    ready_set("journal.trim", false, "the oldest entry is damaged: nothing is trimmed any more");
    diag_error("an entry of the journal is damaged: nothing from it on is trimmed",
               DIAG_UINT("position", position));
}

void report_failed(journal *j, journal_err err) {
    metric_add(METRIC_JOURNAL_FAILURES, 0, 1);
    ready_set("journal", false, "a commit failed: it is being reopened and verified");
    diag_error("a commit failed; nothing of it was acknowledged", DIAG_STR("reason", journal_err_name(err)),
               DIAG_UINT("last", j->tail.last));
}

void report_recovered(journal *j) {
    ready_set("journal", !j->full, "full: submissions are answered 503");
    diag_info("the journal is open again, its end verified", DIAG_UINT("last", j->tail.last));
}

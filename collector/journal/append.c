#include "append.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

struct appender {
    const char *collector;
    db_txn *txn;
    tail *tail;
    history *history;
    timebase_boots boots;
};

static bool entry_read(void *context, uint64_t position, journal_entry *ret_entry, wire_span *ret_body) {
    const appender *a = context;
    bool found = false;
    return db_entry_get(a->txn, position, ret_entry, ret_body, &found) == JOURNAL_OK && found;
}

appender *appender_new(const char *collector) {
    appender *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->collector = collector;
    a->history = history_new(entry_read, a);
    if (a->history == NULL) {
        free(a);
        return NULL;
    }
    return a;
}

void appender_free(appender *a) {
    if (a == NULL)
        return;
    history_free(a->history);
    free(a);
}

void appender_begin(appender *a, db_txn *txn, tail *t) {
    a->txn = txn;
    a->tail = t;
}

/* ---- entries ------------------------------------------------------------------------------------ */

static journal_err entry_append(appender *a, journal_entry *entry, const uint8_t *body) {
    entry->position = a->tail->last + 1;
    journal_err err = db_entry_append(a->txn, entry, body);
    if (err == JOURNAL_OK) {
        a->tail->last = entry->position;
        a->tail->received_us = entry->received_us;
        if (a->tail->first == 0)
            a->tail->first = entry->position;
    }
    return err;
}

journal_err append_mark(appender *a, entry_kind kind, const uint8_t *start_id, int64_t received_us) {
    journal_entry entry = {.received_us = received_us, .kind = (uint8_t)kind};
    if (kind == ENTRY_START) {
        memcpy(entry.start_id, start_id, sizeof entry.start_id);
        entry.prev_position = a->tail->totals.last_start;
        a->tail->totals.last_start = a->tail->last + 1;
    }
    return entry_append(a, &entry, NULL);
}

/* What a run of new items adds up to; the times as whoever reads the entry will compute them. */
static void entry_times(journal_entry *e, const wire_item *items) {
    int64_t floor_us = e->floor_us;
    e->min_us = INT64_MAX;
    e->max_us = INT64_MIN;
    for (uint32_t i = 0; i < e->n_items; i++) {
        int64_t us = entry_item_us(e, &items[i], &floor_us);
        e->min_us = us < e->min_us ? us : e->min_us;
        e->max_us = us > e->max_us ? us : e->max_us;
        e->n_events += !(items[i].flags & WIRE_ITEM_DROPPED);
        e->events_bytes += items[i].len;
        if (items[i].flags & WIRE_ITEM_EXPLICIT)
            e->flags |= ENTRY_HAS_EXPLICIT;
    }
    e->last_us = floor_us;
}

static bool item_is_stamped(const wire_item *item) {
    return (item->flags & (WIRE_ITEM_DROPPED | WIRE_ITEM_EXPLICIT)) == 0;
}

/* A stream's first tombstones have no event before them: they take the time of the first one behind. */
static int64_t first_floor_us(const journal_entry *e, const wire_item *items) {
    for (uint32_t i = 0; i < e->n_items; i++) {
        int64_t floor_us = 0;
        if (item_is_stamped(&items[i]))
            return entry_item_us(e, &items[i], &floor_us);
    }
    return e->received_us;
}

static int64_t stamp_us(const journal_entry *e, const wire_item *item) {
    int64_t us;
    return __builtin_add_overflow(item->at_us, e->basis_us, &us) ? e->ceil_us : us;
}

/* An exact time that the stream's last one, or the moment of reception, has moved by more than its error is
 * not exact any more. The batch's own events need no look: they are lifted to their predecessor's only where
 * calls of several threads overlapped. */
static bool entry_moved(const journal_entry *e, const wire_item *items) {
    const wire_item *first = NULL, *last = NULL;
    for (uint32_t i = 0; i < e->n_items; i++) {
        if (!item_is_stamped(&items[i]))
            continue;
        first = first == NULL ? &items[i] : first;
        last = &items[i];
    }
    int64_t slack = (int64_t)(e->error_us < INT64_MAX / 4 ? e->error_us : INT64_MAX / 4) + TIMEBASE_MOVED_US;
    return first != NULL &&
           (stamp_us(e, first) < e->floor_us - slack || stamp_us(e, last) - slack > e->ceil_us);
}

static void entry_fix_times(appender *a, journal_entry *e, const submission *s, const wire_item *items,
                            const dedup_state *state, int64_t arrived_us) {
    timebase_moment moment = {.tenant = s->tenant,
                              .received_us = e->received_us,
                              .arrived_us = arrived_us,
                              .floor_us = state->last_us};
    bool stamped = false;
    for (uint32_t i = e->n_items; i-- > 0 && !stamped;)
        if ((stamped = item_is_stamped(&items[i])))
            moment.last_at_us = items[i].at_us;
    timebase t = timebase_fix(&a->boots, &s->facts, &moment);
    e->basis_us = t.basis_us;
    e->ceil_us = t.ceil_us;
    e->time_quality = (uint8_t)t.quality;
    e->error_us = t.error_us;
    e->floor_us = state->last_us > 0 ? state->last_us : first_floor_us(e, items);
    if (t.quality == TIMEBASE_EXACT && entry_moved(e, items))
        e->time_quality = TIMEBASE_ESTIMATED;
    entry_times(e, items);
    if (!stamped) /* nothing that moves the floor of the next entry */
        e->last_us = state->last_us;
}

static journal_err batch_append(appender *a, const submission *s, const dedup_state *state,
                                const dedup_decision *decision, int64_t received_us, int64_t arrived_us,
                                journal_entry *ret_entry) {
    const batch_facts *f = &s->facts;
    journal_entry e = {.received_us = received_us,
                       .kind = ENTRY_BATCH,
                       .encoding = s->encoding,
                       .prev_position = state->last_position,
                       .mile_position = state->mile_position,
                       .first_seq = f->first_seq + decision->known,
                       .n_items = decision->n_new,
                       .skip = decision->known,
                       .chain_before = f->chain,
                       .chain_after = f->chain_after,
                       .gap_first = decision->gap_first,
                       .resent_through = f->resent_through,
                       .run_ordinal = f->run_ordinal,
                       .raw_bytes = f->raw_bytes,
                       .body_bytes = s->body_bytes};
    if (decision->known > 0) /* all that is known reaches to the end of the stream */
        e.chain_before = state->chain;
    memcpy(e.installation, f->installation, sizeof e.installation);
    memcpy(e.stream, f->stream, sizeof e.stream);
    snprintf(e.tenant, sizeof e.tenant, "%s", s->tenant);
    entry_fix_times(a, &e, s, s->items + decision->known, state, arrived_us);
    journal_err err = entry_append(a, &e, s->body);
    if (err == JOURNAL_OK && e.max_us > a->tail->newest_us)
        a->tail->newest_us = e.max_us;
    if (e.last_us > 0 && e.last_us <= received_us) /* of its newest event */
        metric_observe(METRIC_EVENT_LAG, 0, (uint64_t)(received_us - e.last_us));
    *ret_entry = e;
    return err;
}

/* ---- answers ------------------------------------------------------------------------------------ */

static void answer_begin(submission *s, const char *collector, wire_status status, uint16_t http_status) {
    memset(&s->ack, 0, sizeof s->ack);
    s->ack.status = status;
    s->http_status = http_status;
    snprintf(s->ack.collector, sizeof s->ack.collector, "%s", collector);
}

void answer_retry(submission *s, const char *collector, const char *message, uint32_t retry_after_ms) {
    answer_begin(s, collector, WIRE_STATUS_RETRY, 503);
    s->ack.retry_after_ms = retry_after_ms;
    snprintf(s->ack.message, sizeof s->ack.message, "%s", message);
}

static void answer_decision(submission *s, const char *collector, const dedup_decision *d) {
    answer_begin(s, collector, d->status, d->status == WIRE_STATUS_OK ? 200 : 409);
    s->ack.agreed_through = d->agreed_through;
    s->ack.next_seq = d->next_seq;
    s->ack.chain = d->chain;
}

/* ---- submissions -------------------------------------------------------------------------------- */

static journal_err state_write(appender *a, const submission *s, const ledger *before,
                               const dedup_state *state) {
    journal_err err = db_stream_put(a->txn, s->tenant, s->facts.stream, state);
    if (err == JOURNAL_OK && before->streams == 0)
        err = db_installation_put(a->txn, s->tenant, state->installation, s->facts.stream);
    ledger_subtract(&a->tail->totals.sums, before);
    ledger_add(&a->tail->totals.sums, &state->sums);
    return err;
}

journal_err append_submission(appender *a, submission *s, int64_t received_us, int64_t arrived_us) {
    if (!dedup_acceptable(&s->facts)) {
        answer_begin(s, a->collector, WIRE_STATUS_REFUSED, 400);
        snprintf(s->ack.message, sizeof s->ack.message, "the batch's numbers cannot be");
        return JOURNAL_OK;
    }
    dedup_state state;
    journal_err err = db_stream_get(a->txn, s->tenant, s->facts.stream, &state);
    if (err != JOURNAL_OK)
        return err;
    dedup_history past = history_of(a->history, &state);
    dedup_decision decision;
    dedup_decide(&state, &s->facts, s->items, &past, &decision);

    journal_entry entry = {.last_us = state.last_us};
    if (decision.n_new > 0)
        err = batch_append(a, s, &state, &decision, received_us, arrived_us, &entry);
    if (err != JOURNAL_OK)
        return err;
    ledger before = state.sums;
    if (dedup_apply(&state, &s->facts, s->items, &decision, entry.position, entry.last_us))
        err = state_write(a, s, &before, &state);
    a->tail->accepted += entry.n_events;
    a->tail->duplicate += decision.known;
    a->tail->conflicts[decision.status]++;
    answer_decision(s, a->collector, &decision);
    s->ack.received_us = arrived_us;
    return err;
}

/* Where a sink stands when it starts. */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "epochs_state.h"
#include "text.h"

#define NO_CONFLICT UINT64_MAX

/* ---- was the journal restored? ----------------------------------------------------------------------- */

/* The position of the first start at or below the checkpoint that it has not seen; NO_CONFLICT. A journal
 * that cannot be read is no answer. */
static sink_err conflict_find(const epochs *e, const checkpoint *c, uint64_t *ret_position) {
    uint64_t first, last;
    e->source.range(e->source.context, &first, &last);
    *ret_position = NO_CONFLICT;
    uint64_t position = e->source.last_start(e->source.context);
    const journal_entry *entry;
    wire_span stored;
    for (; position >= first; position = entry->prev_position) {
        if (!e->source.get(e->source.context, position, &entry, &stored) || entry->kind != ENTRY_START)
            return SINK_ERR_JOURNAL;
        if (checkpoint_start_known(c, position, entry->start_id))
            break; /* up to here the two histories are one */
        if (position <= c->mark.position)
            *ret_position = position;
    }
    return SINK_OK;
}

/* ---- what was held ----------------------------------------------------------------------------------- */

/* For order_output: what leaves in time was committed long ago. */
static order_err late_hold(void *context, const order_event *events, size_t n, bool late) {
    epochs *e = context;
    return !late || held_add(&e->held, events, n) ? ORDER_OK : ORDER_ERR_MEMORY;
}

static void order_cleanup(order **o) { order_free(*o); }

/* Feeds the entries behind `position` up to `until`. */
static sink_err late_feed(epochs *e, order *late, uint64_t position, uint64_t until) {
    uint64_t fed_bytes = 0;
    order_err err = ORDER_OK;
    while (err == ORDER_OK && position < until) {
        const journal_entry *entry;
        wire_span stored;
        if (!e->source.get(e->source.context, ++position, &entry, &stored))
            return SINK_ERR_JOURNAL;
        fed_bytes += entry->events_bytes;
        e->held_journal_bytes += entry->body_bytes;
        err = order_feed(late, entry);
        if (err == ORDER_OK && fed_bytes >= EPOCHS_RELEASE_BYTES) {
            fed_bytes = 0;
            err = order_release(late);
        }
    }
    return epochs_from_order(e, err == ORDER_OK ? order_release(late) : err);
}

static bool marks_equal(order_mark a, order_mark b) {
    return a.position == b.position && a.low == b.low && order_key_covers(a.watermark, b.watermark) &&
           order_key_covers(b.watermark, a.watermark);
}

static uint64_t late_end(const checkpoint *c) {
    return c->late_until != 0 ? c->late_until : c->mark.position;
}

/* Holds what was held at the checkpoint, by way of a stage that goes there with the settings of then. */
static sink_err held_rebuild(epochs *e, const checkpoint *c, order_options opt) {
    held_forget(&e->held);
    e->held_journal_bytes = 0;
    if (!c->holds_late)
        return SINK_OK;
    opt.open_bytes_max = e->opt.order.open_bytes_max;
    e->taken = SINK_OK;
    order_output released = {late_hold, e};
    CLEANUP(order_cleanup) order *late = order_new(&opt, &c->late, &e->source, released);
    if (!late)
        return SINK_ERR_MEMORY;
    sink_err err = epochs_from_order(e, order_rebuild(late, UINT64_MAX));
    if (err == SINK_OK)
        err = late_feed(e, late, c->late.position, late_end(c));
    bool arrived = e->held.n > 0 && marks_equal(order_where(late), c->mark);
    return err == SINK_OK && c->late_until == 0 && !arrived ? SINK_ERR_REPLAY : err;
}

/* What is held is written before anything else if it could not be found again with what comes now: with other
 * settings, or behind a part of the journal that is gone. */
static sink_err held_settle(epochs *e) {
    const checkpoint *c = &e->committed;
    const order_options *was = &e->committed_order, *is = &e->opt.order;
    bool same = was->window_us == is->window_us && was->pending_bytes_max == is->pending_bytes_max;
    if (e->held.n == 0 || (same && c->late_until == 0))
        return SINK_OK;
    sink_err err = epochs_manifest_begin(e);
    e->open.order = e->committed_order;
    if (err == SINK_OK)
        err = epochs_stage_begin(e, &c->mark);
    if (err == SINK_OK)
        err = epochs_from_order(e, order_rebuild(e->order, UINT64_MAX));
    return err == SINK_OK ? epochs_open_commit(e, true) : err;
}

/* How long the first of them has waited, by the journal's clock. */
static void held_age_note(epochs *e) {
    uint64_t first, last;
    const journal_entry *entry;
    wire_span stored;
    e->source.range(e->source.context, &first, &last);
    if (e->held.n == 0 || !e->source.get(e->source.context, last, &entry, &stored))
        return;
    int64_t age_us = entry->received_us - e->held.events[0].body->entry.received_us;
    e->held_age_us = age_us > 0 ? (uint64_t)age_us : 0;
}

/* ---- what was decided -------------------------------------------------------------------------------- */

/* Whether somebody who knows of this start, and so began after it, has decided `m`: his journal is another
 * one, and this collector would go on at a position of that. A start is the last one in a journal as long as
 * its process runs, so that in a checkpoint of its own nothing stands behind it. */
static bool is_overtaken(const epochs *e, const manifest *m) {
    for (size_t i = 0; i < m->to.n_starts; i++)
        if (memcmp(m->to.starts[i].id, e->opt.start_id, sizeof e->opt.start_id) == 0)
            return i + 1 < m->to.n_starts || strcmp(m->incarnation, e->incarnation) != 0;
    return false;
}

/* The last commit's checkpoint; a new sink starts at the oldest entry. */
static sink_err checkpoint_load(epochs *e) {
    CLEANUP(manifest_fini) manifest last = {0};
    sink_err err = e->target.ops->recover(e->target.self, &last);
    if (err == SINK_OK && is_overtaken(e, &last))
        err = SINK_ERR_FENCED;
    if (err != SINK_OK)
        return err;
    e->epoch = last.epoch;
    e->committed_order = last.order;
    e->committed_order.open_bytes_max = e->opt.order.open_bytes_max;
    if (e->epoch == 0) {
        uint64_t first, end;
        e->source.range(e->source.context, &first, &end);
        last.to.mark = (order_mark){first - 1, first, ORDER_KEY_LEAST};
    }
    return checkpoint_copy(&e->committed, &last.to) && checkpoint_copy(&e->reading, &last.to)
               ? SINK_OK
               : SINK_ERR_MEMORY;
}

/* Feeds the intent's entries to a stage that stands where it began. */
static sink_err intent_feed(epochs *e, const manifest *intent) {
    sink_err err = epochs_from_order(e, order_rebuild(e->order, UINT64_MAX));
    if (err == SINK_OK)
        err = epochs_from_order(e, order_settle(e->order));
    uint64_t position = intent->from.mark.position;
    while (err == SINK_OK && position < intent->to.mark.position) {
        err = epochs_feed(e, ++position);
        if (err == SINK_OK && e->fed_bytes >= EPOCHS_RELEASE_BYTES) {
            e->fed_bytes = 0;
            err = epochs_from_order(e, order_release(e->order));
        }
    }
    if (err == SINK_OK)
        err = epochs_from_order(e, order_release(e->order));
    return err == SINK_OK && !intent->to.holds_late ? epochs_held_give(e) : err;
}

/* Writes the intent's epoch again from the journal: with an encoder of another build the same events under
 * the same names. */
static sink_err intent_replay(epochs *e, const manifest *intent) {
    sink_err err = epochs_manifest_begin(e);
    if (err != SINK_OK)
        return err;
    e->open.order = intent->order;
    e->open.order.open_bytes_max = e->opt.order.open_bytes_max;
    memcpy(e->open.incarnation, intent->incarnation, sizeof e->open.incarnation);
    if (!manifest_encoding_set(&e->open, intent->codec, intent->format, intent->columns, intent->n_columns) ||
        !checkpoint_copy(&e->open.from, &intent->from) || !checkpoint_copy(&e->open.to, &intent->to))
        return SINK_ERR_MEMORY;
    err = held_rebuild(e, &intent->from, intent->order);
    if (err == SINK_OK)
        err = epochs_stage_begin(e, &intent->from.mark);
    if (err == SINK_OK)
        err = intent_feed(e, intent);
    if (err == SINK_OK)
        err = epochs_commit(e, intent);
    held_forget(&e->held); /* found again by who goes on */
    return err;
}

/* An intent that this journal cannot repeat. Whoever decided it may be alive, its commit on the way: so the
 * epoch is taken first, with a commit that goes nowhere. From then on the owner of the intent fails, and its
 * objects are nobody's. */
static sink_err intent_supersede(epochs *e, const manifest *intent) {
    sink_err err = epochs_manifest_begin(e);
    if (err != SINK_OK)
        return err;
    if (e->epoch > 0)
        e->open.order = e->committed_order;
    if (!checkpoint_copy(&e->open.from, &e->committed) || !checkpoint_copy(&e->open.to, &e->committed))
        return SINK_ERR_MEMORY;
    err = e->target.ops->begin(e->target.self, &e->open);
    if (err == SINK_OK)
        err = epochs_commit(e, NULL);
    return err == SINK_OK ? e->target.ops->intent_remove(e->target.self, intent) : err;
}

static sink_err intent_settle(epochs *e) {
    CLEANUP(manifest_fini) manifest intent = {0};
    bool there = false;
    if (!e->target.ops->intent_get)
        return SINK_OK;
    sink_err err = e->target.ops->intent_get(e->target.self, e->epoch + 1, &intent, &there);
    if (err != SINK_OK || !there)
        return err;
    if (is_overtaken(e, &intent))
        return SINK_ERR_FENCED;
    uint64_t first, last, conflict;
    err = conflict_find(e, &intent.to, &conflict);
    if (err != SINK_OK)
        return err;
    e->source.range(e->source.context, &first, &last);
    bool foreign = intent.to.mark.position > last || conflict != NO_CONFLICT; /* of a journal now replaced */
    bool trimmed = checkpoint_low(&intent.from) < first; /* while the sink was not configured */
    return foreign || trimmed ? intent_supersede(e, &intent) : intent_replay(e, &intent);
}

/* ---- where to go on ---------------------------------------------------------------------------------- */

/* Stores that the sink goes on where the journal and the checkpoint still meet, with entries up to `until`.
 * What was held of them is still to be written; without the entries that recovery would need it is part of
 * the gap. */
static sink_err gap_store(epochs *e, manifest_gap gap, uint64_t until) {
    uint64_t first, last;
    e->source.range(e->source.context, &first, &last);
    order_mark mark = e->committed.mark;
    mark.low = first;
    if (mark.position < first - 1)
        mark.position = first - 1;
    sink_err err = epochs_manifest_begin(e);
    e->open.order = e->committed_order;
    if (err == SINK_OK)
        err = epochs_stage_begin(e, &mark);
    if (err == SINK_OK)
        err = epochs_from_order(e, order_rebuild(e->order, until));
    checkpoint *to = &e->reading;
    to->late_until = late_end(to) < until ? late_end(to) : until;
    to->mark = order_where(e->order);
    to->holds_late = to->holds_late && to->late.low >= first && to->late_until > to->late.position;
    if (err == SINK_OK)
        err = held_rebuild(e, to, e->committed_order);
    if (err != SINK_OK)
        return err;
    to->holds_late = e->held.n > 0;
    e->open.gap = e->stats.gap = gap;
    return epochs_reading_commit(e); /* no object, so no intent: there is nothing to replay */
}

static sink_err stage_place(epochs *e) {
    if (!checkpoint_copy(&e->reading, &e->committed))
        return SINK_ERR_MEMORY;
    uint64_t conflict, first, last;
    sink_err err = conflict_find(e, &e->committed, &conflict);
    if (err != SINK_OK)
        return err;
    e->source.range(e->source.context, &first, &last);
    if (conflict != NO_CONFLICT)
        err = gap_store(e, MANIFEST_GAP_RESTORED, conflict - 1);
    else if (checkpoint_low(&e->committed) < first)
        err = gap_store(e, MANIFEST_GAP_TRIMMED, UINT64_MAX);
    if (err == SINK_OK)
        err = held_rebuild(e, &e->committed, e->committed_order);
    if (err == SINK_OK)
        err = held_settle(e);
    if (err == SINK_OK)
        err = epochs_manifest_begin(e);
    if (err == SINK_OK)
        err = epochs_stage_begin(e, &e->committed.mark);
    if (err == SINK_OK)
        err = epochs_from_order(e, order_rebuild(e->order, UINT64_MAX));
    return err == SINK_OK ? epochs_from_order(e, order_settle(e->order)) : err;
}

sink_err epochs_open(const epochs_options *opt, sink_target target, const entry_source *source,
                     epochs **ret_epochs) {
    epochs *e = calloc(1, sizeof *e);
    if (!e)
        return SINK_ERR_MEMORY;
    e->opt = *opt;
    e->target = target;
    e->source = *source;
    hex_encode(e->incarnation, opt->start_id, (sizeof e->incarnation - 1) / 2);
    sink_err err = checkpoint_load(e);
    if (err == SINK_OK)
        err = intent_settle(e);
    if (err == SINK_OK)
        err = stage_place(e);
    if (err == SINK_OK)
        held_age_note(e);
    e->source.release(e->source.context);
    if (err != SINK_OK) {
        epochs_close(e);
        return err;
    }
    *ret_epochs = e;
    return SINK_OK;
}

void epochs_close(epochs *e) {
    if (!e)
        return;
    order_free(e->order);
    held_fini(&e->held);
    manifest_fini(&e->open);
    checkpoint_fini(&e->committed);
    checkpoint_fini(&e->reading);
    free(e);
}

#include "epochs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "epochs_state.h"
#include "text.h"

#define RELEASE_US 100000u   /* time since the last merge that justifies one */
#define PARTITIONS_MAX 1000u /* of one epoch, so that its manifest stays small */

sink_err epochs_from_order(const epochs *e, order_err err) {
    if (err == ORDER_OK)
        return SINK_OK;
    if (e->taken != SINK_OK)
        return e->taken;
    if (err == ORDER_ERR_MISSING)
        return SINK_ERR_JOURNAL;
    return err == ORDER_ERR_MEMORY ? SINK_ERR_MEMORY : SINK_ERR_ENCODE;
}

/* Without a window nothing is late, and nothing leaves in the order of time. */
static bool is_windowless(const epochs *e) { return e->open.order.window_us == 0; }

/* For order_output: what leaves the order stage. */
static order_err events_take(void *context, const order_event *events, size_t n, bool late) {
    epochs *e = context;
    if (e->target.ops->late_last && (late || is_windowless(e)))
        e->taken = held_add(&e->held, events, n) ? SINK_OK : SINK_ERR_MEMORY;
    else
        e->taken = e->target.ops->take(e->target.self, events, n, late);
    return e->taken == SINK_OK ? ORDER_OK : ORDER_ERR_BODY;
}

static target_progress progress(const epochs *e) { return e->target.ops->progress(e->target.self); }

/* ---- one epoch --------------------------------------------------------------------------------------- */

sink_err epochs_stage_begin(epochs *e, const order_mark *from) {
    order_free(e->order); /* before the target changes its encoder: bodies hold on to what it rendered */
    e->order = NULL;
    e->taken = SINK_OK;
    sink_err err = e->target.ops->begin(e->target.self, &e->open);
    if (err != SINK_OK)
        return err;
    order_output released = {events_take, e};
    e->order = order_new(&e->open.order, from, &e->source, released);
    return e->order ? SINK_OK : SINK_ERR_MEMORY;
}

sink_err epochs_manifest_begin(epochs *e) {
    manifest_fini(&e->open);
    e->open.epoch = e->epoch + 1;
    e->open.order = e->opt.order;
    memcpy(e->open.incarnation, e->incarnation, sizeof e->open.incarnation);
    bool set = manifest_encoding_set(&e->open, e->opt.codec, e->opt.format, e->opt.columns, e->opt.n_columns);
    return set ? SINK_OK : SINK_ERR_MEMORY;
}

sink_err epochs_held_give(epochs *e) {
    if (e->held.n == 0)
        return SINK_OK;
    held_sort(&e->held);
    sink_err err = e->target.ops->take(e->target.self, e->held.events, e->held.n, !is_windowless(e));
    held_forget(&e->held);
    e->held_waiting = false;
    e->held_age_us = 0;
    return err;
}

sink_err epochs_commit(epochs *e, const manifest *repeated) {
    manifest *m = &e->open;
    sink_err err = e->target.ops->commit(e->target.self, m, repeated);
    if (err != SINK_OK)
        return err;
    if (!checkpoint_copy(&e->committed, &m->to))
        return SINK_ERR_MEMORY;
    e->committed_order = m->order;
    e->epoch = m->epoch;
    e->stats.epochs++;
    e->stats.lines += m->lines;
    e->stats.late += m->late_lines;
    e->stats.bytes += m->bytes;
    return SINK_OK;
}

sink_err epochs_reading_commit(epochs *e) {
    checkpoint_starts_trim(&e->reading);
    if (!checkpoint_copy(&e->open.from, &e->committed) || !checkpoint_copy(&e->open.to, &e->reading))
        return SINK_ERR_MEMORY;
    sink_err err = epochs_commit(e, NULL);
    if (err != SINK_OK)
        return err;
    if (!e->committed.holds_late)
        e->held_journal_bytes = 0;
    err = epochs_manifest_begin(e);
    return err != SINK_OK ? err : e->target.ops->begin(e->target.self, &e->open);
}

sink_err epochs_open_commit(epochs *e, bool with_held) {
    sink_err err = with_held ? epochs_held_give(e) : SINK_OK;
    const checkpoint *from = &e->committed;
    e->reading.mark = order_where(e->order);
    e->reading.holds_late = e->held.n > 0;
    e->reading.late = from->holds_late ? from->late : from->mark;
    e->reading.late_until = 0;
    return err == SINK_OK ? epochs_reading_commit(e) : err;
}

/* ---- when to cut ------------------------------------------------------------------------------------- */

static uint64_t held_waited_us(const epochs *e) {
    return e->held_waiting ? e->held_age_us + (e->now_us - e->held_us) : 0;
}

static bool held_is_large(const epochs *e) {
    return e->held.bytes >= e->opt.held_bytes_max ||
           (e->held.n > 0 && e->held_journal_bytes >= e->opt.held_journal_bytes_max) ||
           e->held.n_hours + progress(e).partitions >= PARTITIONS_MAX;
}

static bool cut_due(const epochs *e) {
    uint64_t held_max_us = e->opt.roll_interval_us;
    if (!is_windowless(e) && e->opt.late_roll_interval_us > held_max_us)
        held_max_us = e->opt.late_roll_interval_us;
    return (e->waiting && e->now_us - e->first_us >= e->opt.roll_interval_us) ||
           (e->held_waiting && held_waited_us(e) >= held_max_us) || progress(e).bytes >= e->opt.roll_bytes ||
           held_is_large(e);
}

/* Whether the epoch that is cut now takes along what is held: if it would be too late with the next one. */
static bool held_goes(const epochs *e) {
    return is_windowless(e) || held_is_large(e) ||
           held_waited_us(e) + e->opt.roll_interval_us >= e->opt.late_roll_interval_us;
}

static sink_err epoch_cut(epochs *e, bool everything) {
    sink_err err = epochs_from_order(e, order_release(e->order));
    e->source.release(e->source.context); /* what follows blocks for the target */
    e->fed_bytes = 0;
    e->waiting = false;
    if (err != SINK_OK)
        return err;
    bool with_held = e->held.n > 0 && (everything || held_goes(e));
    return progress(e).empty && !with_held ? SINK_OK : epochs_open_commit(e, with_held);
}

sink_err epochs_flush(epochs *e) { return epoch_cut(e, false); }
sink_err epochs_finish(epochs *e) { return epoch_cut(e, true); }

/* ---- reading ----------------------------------------------------------------------------------------- */

sink_err epochs_feed(epochs *e, uint64_t position) {
    const journal_entry *entry;
    wire_span stored;
    if (!e->source.get(e->source.context, position, &entry, &stored))
        return SINK_ERR_JOURNAL;
    if (entry->kind == ENTRY_START && !checkpoint_start_add(&e->reading, position, entry->start_id))
        return SINK_ERR_MEMORY;
    e->fed_bytes += entry->events_bytes;
    e->held_journal_bytes += entry->body_bytes;
    return epochs_from_order(e, order_feed(e->order, entry));
}

/* Since when does what has left the order stage wait? */
static void waiting_note(epochs *e) {
    if (!e->waiting && !progress(e).empty) {
        e->waiting = true;
        e->first_us = e->now_us;
    }
    if (!e->held_waiting && e->held.n > 0) {
        e->held_waiting = true;
        e->held_us = e->now_us;
    }
}

static sink_err release_if_due(epochs *e) {
    if (e->fed_bytes < EPOCHS_RELEASE_BYTES && e->now_us - e->released_us < RELEASE_US)
        return SINK_OK;
    e->released_us = e->now_us;
    e->fed_bytes = 0;
    sink_err err = epochs_from_order(e, order_release(e->order));
    if (err == SINK_OK)
        waiting_note(e);
    return err;
}

sink_err epochs_step(epochs *e, uint64_t now_us, size_t entries_max, bool *ret_more) {
    uint64_t first, last;
    e->now_us = now_us;
    e->source.range(e->source.context, &first, &last);
    uint64_t position = order_where(e->order).position;
    sink_err err = SINK_OK;
    for (size_t i = 0; i < entries_max && position < last && err == SINK_OK; i++) {
        err = epochs_feed(e, ++position);
        if (err == SINK_OK && e->fed_bytes >= EPOCHS_RELEASE_BYTES)
            err = release_if_due(e);
        if (err == SINK_OK && cut_due(e))
            err = epochs_flush(e);
    }
    if (err == SINK_OK)
        err = release_if_due(e);
    if (err == SINK_OK && cut_due(e))
        err = epochs_flush(e);
    e->source.release(e->source.context);
    *ret_more = position < last;
    return err;
}

epochs_stats epochs_stats_get(const epochs *e) {
    epochs_stats s = e->stats;
    order_mark mark = order_where(e->order);
    s.position = e->committed.mark.position;
    s.low = checkpoint_low(&e->committed);
    s.read_position = mark.position;
    s.watermark_us = mark.watermark.us;
    s.pending_events = order_pending_events(e->order);
    s.pending_bytes = order_pending_bytes(e->order);
    s.held_late = is_windowless(e) ? 0 : e->held.n;
    s.uncommitted_events = s.pending_events + progress(e).rows + e->held.n;
    s.waiting_us = e->waiting ? e->now_us - e->first_us : is_windowless(e) ? held_waited_us(e) : 0;
    return s;
}

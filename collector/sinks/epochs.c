#include "epochs.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "epoch_writer.h"
#include "jsonl.h"
#include "text.h"

#define RELEASE_BYTES (2u << 20) /* events read that justify a merge … */
#define RELEASE_US 100000u       /* … or time since the last one */
#define NO_CONFLICT UINT64_MAX
#define HOURS_MAX 1000u /* partitions of one epoch, so that its manifest stays small */

struct epochs {
    epochs_options opt;
    sink_store store;
    entry_source source;
    char incarnation[17];
    order *order;
    epoch_writer *writer;
    uint64_t epoch;       /* last committed */
    checkpoint committed; /* what its commit says */
    checkpoint reading;   /* the starts seen by `order`; its mark is taken at the cut */
    uint64_t fed_bytes;   /* since the last release */
    uint64_t now_us, released_us, first_us;
    bool waiting; /* first_us is set: something waits to be cut */
    epochs_stats stats;
};

static sink_err from_order(const epochs *e, order_err err) {
    if (err == ORDER_OK)
        return SINK_OK;
    if (epoch_writer_err(e->writer) != SINK_OK)
        return epoch_writer_err(e->writer);
    if (err == ORDER_ERR_MISSING)
        return SINK_ERR_JOURNAL;
    return err == ORDER_ERR_MEMORY ? SINK_ERR_MEMORY : SINK_ERR_ENCODE;
}

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

/* ---- one epoch --------------------------------------------------------------------------------------- */

/* A stage that stands behind `from`, and a writer for what it releases. */
static sink_err stage_begin(epochs *e, const order_mark *from, const order_options *opt, output_codec codec) {
    order_free(e->order);
    epoch_writer_free(e->writer);
    e->order = NULL;
    e->writer = epoch_writer_new(e->store, (epoch_naming){e->opt.collector, e->opt.sink}, codec);
    if (!e->writer)
        return SINK_ERR_MEMORY;
    epoch_writer_hold_all(e->writer, opt->window_us == 0);
    order_output released = {epoch_writer_take, e->writer};
    e->order = order_new(opt, from, &e->source, released);
    return e->order ? SINK_OK : SINK_ERR_MEMORY;
}

static sink_err manifest_put(const epochs *e, const manifest *m, sink_manifest kind) {
    size_t n = 0;
    CLEANUP_FREE char *text = manifest_encode(m, kind, &n);
    return text ? e->store.ops->put(e->store.self, kind, m->epoch, text, n) : SINK_ERR_MEMORY;
}

/* From the objects aside to the commit. */
static sink_err epoch_publish(epochs *e, const manifest *m) {
    for (size_t i = 0; i < m->n_objects; i++) {
        sink_err err = e->store.ops->publish(e->store.self, (uint32_t)i, m->objects[i].name);
        if (err != SINK_OK)
            return err;
    }
    sink_err err = manifest_put(e, m, SINK_COMMIT);
    if (err == SINK_OK)
        err = e->store.ops->remove_intent(e->store.self, m->epoch);
    if (err != SINK_OK)
        return err;
    if (!checkpoint_copy(&e->committed, &m->to))
        return SINK_ERR_MEMORY;
    e->epoch = m->epoch;
    e->stats.epochs++;
    e->stats.lines += m->lines;
    e->stats.late += m->late_lines;
    for (size_t i = 0; i < m->n_objects; i++)
        e->stats.bytes += m->objects[i].bytes;
    return SINK_OK;
}

/* The next epoch's manifest, from the last checkpoint to where the stage stands. */
static bool manifest_begin(epochs *e, manifest *ret) {
    *ret = (manifest){.epoch = e->epoch + 1,
                      .order = e->opt.order,
                      .codec = e->opt.codec,
                      .encoder_version = JSONL_VERSION};
    memcpy(ret->incarnation, e->incarnation, sizeof ret->incarnation);
    checkpoint_starts_trim(&e->reading);
    e->reading.mark = order_where(e->order);
    return checkpoint_copy(&ret->from, &e->committed) && checkpoint_copy(&ret->to, &e->reading);
}

sink_err epochs_flush(epochs *e) {
    sink_err err = from_order(e, order_release(e->order));
    e->source.release(e->source.context); /* what follows blocks for the store */
    e->fed_bytes = 0;
    e->waiting = false;
    if (err != SINK_OK || epoch_writer_empty(e->writer))
        return err;
    CLEANUP(manifest_fini) manifest m = {0};
    if (!manifest_begin(e, &m))
        return SINK_ERR_MEMORY;
    err = epoch_writer_finish(e->writer, &m);
    if (err == SINK_OK)
        err = manifest_put(e, &m, SINK_INTENT);
    return err == SINK_OK ? epoch_publish(e, &m) : err;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

static sink_err entry_feed(epochs *e, uint64_t position) {
    const journal_entry *entry;
    wire_span stored;
    if (!e->source.get(e->source.context, position, &entry, &stored))
        return SINK_ERR_JOURNAL;
    if (entry->kind == ENTRY_START && !checkpoint_start_add(&e->reading, position, entry->start_id))
        return SINK_ERR_MEMORY;
    e->fed_bytes += entry->events_bytes;
    return from_order(e, order_feed(e->order, entry));
}

static sink_err release_if_due(epochs *e, uint64_t now_us) {
    if (e->fed_bytes < RELEASE_BYTES && now_us - e->released_us < RELEASE_US)
        return SINK_OK;
    e->released_us = now_us;
    e->fed_bytes = 0;
    sink_err err = from_order(e, order_release(e->order));
    if (err == SINK_OK && !e->waiting && !epoch_writer_empty(e->writer)) {
        e->waiting = true;
        e->first_us = now_us;
    }
    return err;
}

static bool cut_due(const epochs *e, uint64_t now_us) {
    return (e->waiting && now_us - e->first_us >= e->opt.roll_interval_us) ||
           epoch_writer_bytes(e->writer) >= e->opt.roll_bytes ||
           epoch_writer_held_bytes(e->writer) >= e->opt.held_bytes_max ||
           epoch_writer_hours(e->writer) >= HOURS_MAX;
}

sink_err epochs_step(epochs *e, uint64_t now_us, size_t entries_max, bool *ret_more) {
    uint64_t first, last;
    e->now_us = now_us;
    e->source.range(e->source.context, &first, &last);
    uint64_t position = order_where(e->order).position;
    sink_err err = SINK_OK;
    for (size_t i = 0; i < entries_max && position < last && err == SINK_OK; i++) {
        err = entry_feed(e, ++position);
        if (err == SINK_OK && e->fed_bytes >= RELEASE_BYTES)
            err = release_if_due(e, now_us);
        if (err == SINK_OK && cut_due(e, now_us))
            err = epochs_flush(e);
    }
    if (err == SINK_OK)
        err = release_if_due(e, now_us);
    if (err == SINK_OK && cut_due(e, now_us))
        err = epochs_flush(e);
    e->source.release(e->source.context);
    *ret_more = position < last;
    return err;
}

/* ---- recovery ---------------------------------------------------------------------------------------- */

static sink_err manifest_get(const epochs *e, sink_manifest kind, uint64_t epoch, manifest *ret,
                             bool *ret_there) {
    CLEANUP_FREE char *text = NULL;
    size_t n = 0;
    sink_err err = e->store.ops->get(e->store.self, kind, epoch, &text, &n);
    *ret_there = err == SINK_OK && text != NULL;
    return *ret_there ? manifest_decode(text, n, ret) : err;
}

/* The last commit's checkpoint; a new sink starts at the oldest entry. */
static sink_err checkpoint_load(epochs *e) {
    sink_err err = e->store.ops->last_commit(e->store.self, &e->epoch);
    if (err != SINK_OK)
        return err;
    if (e->epoch == 0) {
        uint64_t first, last;
        e->source.range(e->source.context, &first, &last);
        e->committed.mark = (order_mark){first - 1, first, ORDER_KEY_LEAST};
        return SINK_OK;
    }
    CLEANUP(manifest_fini) manifest m = {0};
    bool there;
    err = manifest_get(e, SINK_COMMIT, e->epoch, &m, &there);
    if (err != SINK_OK)
        return err;
    return there && checkpoint_copy(&e->committed, &m.to) ? SINK_OK : SINK_ERR_CHECKPOINT;
}

/* An intent of a journal that was replaced: what it published is nobody's. */
static sink_err intent_remove(epochs *e, const manifest *m) {
    for (size_t i = 0; i < m->n_objects; i++) {
        sink_err err = e->store.ops->remove_object(e->store.self, m->objects[i].name);
        if (err != SINK_OK)
            return err;
    }
    return e->store.ops->remove_intent(e->store.self, m->epoch);
}

static bool names_equal(const manifest *a, const manifest *b) {
    if (a->n_objects != b->n_objects)
        return false;
    for (size_t i = 0; i < a->n_objects; i++)
        if (strcmp(a->objects[i].name, b->objects[i].name) != 0)
            return false;
    return true;
}

/* Writes the intent's epoch again, to the same bytes, from the journal. */
static sink_err intent_replay(epochs *e, manifest *m) {
    m->encoder_version = JSONL_VERSION; /* of another build: the same events under the same names */
    m->order.open_bytes_max = e->opt.order.open_bytes_max;
    sink_err err = stage_begin(e, &m->from.mark, &m->order, m->codec);
    if (err != SINK_OK)
        return err;
    err = from_order(e, order_rebuild(e->order, UINT64_MAX));
    if (err == SINK_OK)
        err = from_order(e, order_settle(e->order));
    for (uint64_t position = m->from.mark.position; err == SINK_OK && position < m->to.mark.position;
         position++) {
        err = entry_feed(e, position + 1);
        if (err == SINK_OK && e->fed_bytes >= RELEASE_BYTES) {
            e->fed_bytes = 0;
            err = from_order(e, order_release(e->order));
        }
    }
    if (err == SINK_OK)
        err = from_order(e, order_release(e->order));
    CLEANUP(manifest_fini) manifest written = {.epoch = m->epoch};
    memcpy(written.incarnation, m->incarnation, sizeof written.incarnation);
    if (err == SINK_OK)
        err = epoch_writer_finish(e->writer, &written);
    if (err != SINK_OK)
        return err;
    if (!names_equal(m, &written))
        return SINK_ERR_CHECKPOINT;
    object_info *objects = m->objects; /* with their counts now */
    m->objects = written.objects;
    written.objects = objects;
    m->lines = written.lines;
    m->late_lines = written.late_lines;
    return epoch_publish(e, m);
}

static sink_err intent_settle(epochs *e) {
    CLEANUP(manifest_fini) manifest m = {0};
    bool there = false;
    sink_err err = SINK_OK;
    if (e->epoch > 0) /* whoever stored the last commit may have died before he removed its intent */
        err = e->store.ops->remove_intent(e->store.self, e->epoch);
    if (err == SINK_OK)
        err = manifest_get(e, SINK_INTENT, e->epoch + 1, &m, &there);
    if (err != SINK_OK || !there)
        return err;
    uint64_t first, last, conflict;
    err = conflict_find(e, &m.to, &conflict);
    if (err != SINK_OK)
        return err;
    e->source.range(e->source.context, &first, &last);
    bool foreign = m.to.mark.position > last || conflict != NO_CONFLICT;
    bool trimmed = m.from.mark.low < first; /* while the sink was not configured */
    return foreign || trimmed ? intent_remove(e, &m) : intent_replay(e, &m);
}

/* Goes on where the journal and the checkpoint still meet, with entries up to `until`, and stores that first.
 */
static sink_err gap_go_on(epochs *e, manifest_gap gap, uint64_t until) {
    uint64_t first, last;
    e->source.range(e->source.context, &first, &last);
    order_mark mark = e->committed.mark;
    mark.low = first;
    if (mark.position < first - 1)
        mark.position = first - 1;
    sink_err err = stage_begin(e, &mark, &e->opt.order, e->opt.codec);
    if (err == SINK_OK)
        err = from_order(e, order_rebuild(e->order, until));
    CLEANUP(manifest_fini) manifest m = {0};
    if (err != SINK_OK || !manifest_begin(e, &m))
        return err != SINK_OK ? err : SINK_ERR_MEMORY;
    m.gap = e->stats.gap = gap;
    return epoch_publish(e, &m); /* no object, so no intent: there is nothing to replay */
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
        return gap_go_on(e, MANIFEST_GAP_RESTORED, conflict - 1);
    if (e->committed.mark.low < first)
        return gap_go_on(e, MANIFEST_GAP_TRIMMED, UINT64_MAX);
    err = stage_begin(e, &e->committed.mark, &e->opt.order, e->opt.codec);
    return err == SINK_OK ? from_order(e, order_rebuild(e->order, UINT64_MAX)) : err;
}

static sink_err stage_resume(epochs *e) {
    sink_err err = stage_place(e);
    return err == SINK_OK ? from_order(e, order_settle(e->order)) : err;
}

sink_err epochs_open(const epochs_options *opt, sink_store store, const entry_source *source,
                     epochs **ret_epochs) {
    epochs *e = calloc(1, sizeof *e);
    if (!e)
        return SINK_ERR_MEMORY;
    e->opt = *opt;
    e->store = store;
    e->source = *source;
    hex_encode(e->incarnation, opt->start_id, (sizeof e->incarnation - 1) / 2);
    sink_err err = store.ops->aside_reset(store.self);
    if (err == SINK_OK)
        err = checkpoint_load(e);
    if (err == SINK_OK && !checkpoint_copy(&e->reading, &e->committed))
        err = SINK_ERR_MEMORY;
    if (err == SINK_OK)
        err = intent_settle(e);
    if (err == SINK_OK)
        err = stage_resume(e);
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
    epoch_writer_free(e->writer);
    checkpoint_fini(&e->committed);
    checkpoint_fini(&e->reading);
    free(e);
}

epochs_stats epochs_stats_get(const epochs *e) {
    epochs_stats s = e->stats;
    order_mark mark = order_where(e->order);
    s.position = e->committed.mark.position;
    s.low = e->committed.mark.low;
    s.read_position = mark.position;
    s.watermark_us = mark.watermark.us;
    s.pending_events = order_pending_events(e->order);
    s.pending_bytes = order_pending_bytes(e->order);
    s.uncommitted_events = s.pending_events + epoch_writer_events(e->writer);
    s.waiting_us = e->waiting ? e->now_us - e->first_us : 0;
    return s;
}

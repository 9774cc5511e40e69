#include "epoch_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "partition.h"
#include "rfc3339.h"

#define PART_IN_ORDER 0u
#define PART_LATE 1u

struct epoch_writer {
    epoch_naming naming;
    const encoder_ops *ops;
    void *encoder;
    const manifest *epoch;
    bool open;         /* the last of `objects` is being written */
    int64_t partition; /* of the open object */
    object_info *objects;
    size_t n_objects, objects_cap;
    uint64_t bytes, lines, late_lines;
};

epoch_writer *epoch_writer_new(sink_store store, epoch_naming naming, const encoder_ops *encoder,
                               const encoder_options *opt) {
    epoch_writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->naming = naming;
    w->ops = encoder;
    w->encoder = encoder->create(opt, store);
    if (!w->encoder) {
        free(w);
        return NULL;
    }
    return w;
}

void epoch_writer_free(epoch_writer *w) {
    if (!w)
        return;
    w->ops->destroy(w->encoder);
    free(w->objects);
    free(w);
}

void epoch_writer_begin(epoch_writer *w, const manifest *m) {
    w->epoch = m;
    w->open = false;
    w->n_objects = 0;
    w->lines = w->late_lines = w->bytes = 0;
}

target_progress epoch_writer_progress(const epoch_writer *w) {
    return (target_progress){.empty = w->n_objects == 0,
                             .rows = w->lines,
                             .bytes = w->bytes + (w->open ? w->ops->bytes(w->encoder) : 0),
                             .partitions = w->n_objects};
}

/* ---- objects ---------------------------------------------------------------------------------------- */

static void object_name(const epoch_writer *w, int64_t partition, object_info *o) {
    struct civil_time t = civil_time_of(partition * PARTITION_US);
    snprintf(o->name, sizeof o->name, "dt=%04u-%02u-%02u/hr=%02u/%s-%s-%s-%012" PRIu64 "-%u%s", t.year,
             t.month, t.day, t.hour, w->naming.collector, w->epoch->incarnation, w->naming.sink,
             w->epoch->epoch, o->late ? PART_LATE : PART_IN_ORDER, w->ops->suffix(w->encoder));
}

static sink_err object_begin(epoch_writer *w, int64_t partition, bool late) {
    if (w->n_objects == w->objects_cap) {
        size_t cap = w->objects_cap ? w->objects_cap * 2 : 16;
        object_info *grown = realloc(w->objects, cap * sizeof *grown);
        if (!grown)
            return SINK_ERR_MEMORY;
        w->objects = grown;
        w->objects_cap = cap;
    }
    object_info *o = &w->objects[w->n_objects];
    *o = (object_info){.late = late, .min_us = INT64_MAX, .max_us = INT64_MIN};
    object_name(w, partition, o);
    sink_err err = w->ops->begin(w->encoder, (uint32_t)w->n_objects, o->name);
    if (err != SINK_OK)
        return err;
    w->n_objects++;
    w->open = true;
    w->partition = partition;
    return SINK_OK;
}

static sink_err object_finish(epoch_writer *w) {
    if (!w->open)
        return SINK_OK;
    object_info *o = &w->objects[w->n_objects - 1];
    w->open = false;
    sink_err err = w->ops->finish(w->encoder, &o->bytes, &o->crc32c);
    w->bytes += o->bytes;
    return err;
}

/* How many of the events, which stand in time order, lie in the partition of the first. */
static size_t partition_run(const order_event *events, size_t n, int64_t partition) {
    size_t in = 1, out = n; /* the first `in` lie in it, those from `out` on do not */
    if (partition_of(events[n - 1].us) == partition)
        return n;
    while (in < out) {
        size_t middle = in + (out - in) / 2;
        if (partition_of(events[middle].us) == partition)
            in = middle + 1;
        else
            out = middle;
    }
    return in;
}

static sink_err run_put(epoch_writer *w, const order_event *events, size_t n, bool late) {
    uint64_t rows = 0;
    sink_err err = w->ops->put(w->encoder, events, n, late, &rows);
    if (err != SINK_OK)
        return err;
    object_info *o = &w->objects[w->n_objects - 1];
    o->lines += rows;
    w->lines += rows;
    w->late_lines += late ? rows : 0;
    o->min_us = events[0].us < o->min_us ? events[0].us : o->min_us;
    o->max_us = events[n - 1].us;
    return SINK_OK;
}

/* A new object for each partition, and for the late ones. */
sink_err epoch_writer_take(epoch_writer *w, const order_event *events, size_t n, bool late) {
    sink_err err = SINK_OK;
    while (n > 0 && err == SINK_OK) {
        int64_t partition = partition_of(events[0].us);
        if (!w->open || partition != w->partition || late != w->objects[w->n_objects - 1].late) {
            err = object_finish(w);
            if (err == SINK_OK)
                err = object_begin(w, partition, late);
        }
        size_t run = partition_run(events, n, partition);
        if (err == SINK_OK)
            err = run_put(w, events, run, late);
        events += run;
        n -= run;
    }
    return err;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

static void counts_move(epoch_writer *w, manifest *m) {
    free(m->objects);
    m->objects = w->objects;
    m->n_objects = w->n_objects;
    m->lines = w->lines;
    m->late_lines = w->late_lines;
    m->bytes = w->bytes;
    m->encoder_version = w->ops->version;
    m->min_us = INT64_MAX;
    m->max_us = INT64_MIN;
    for (size_t i = 0; i < m->n_objects; i++) {
        m->min_us = m->objects[i].min_us < m->min_us ? m->objects[i].min_us : m->min_us;
        m->max_us = m->objects[i].max_us > m->max_us ? m->objects[i].max_us : m->max_us;
    }
    w->objects = NULL;
    w->n_objects = w->objects_cap = 0;
    w->lines = w->late_lines = w->bytes = 0;
}

sink_err epoch_writer_finish(epoch_writer *w, manifest *m) {
    sink_err err = object_finish(w);
    if (err == SINK_OK)
        counts_move(w, m);
    return err;
}

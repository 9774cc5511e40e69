#include "epoch_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonl.h"
#include "rfc3339.h"
#include "sort.h"

#define HOUR_US INT64_C(3600000000)
#define PART_IN_ORDER 0u
#define PART_LATE 1u
#define PREFETCH 6u /* events ahead */
#define HOURS_TABLE 4096u
#define HOURS_COUNTED (HOURS_TABLE / 2)

struct epoch_writer {
    sink_store store;
    epoch_naming naming;
    output *output;
    jsonl *jsonl;
    output_codec codec;
    bool hold_all;
    bool open;    /* the last of `objects` is being written */
    int64_t hour; /* of the open object */
    object_info *objects;
    size_t n_objects, objects_cap;
    uint64_t bytes, lines, late_lines;
    order_event *held, *scratch; /* late events, each with a reference on its body */
    size_t n_held, held_cap;
    uint64_t held_bytes;
    bool held_late;             /* held because late, not because of hold_all */
    int64_t hours[HOURS_TABLE]; /* of held events, each once: a table by hash */
    size_t n_hours;
    sink_err err;
};

static void held_forget(epoch_writer *w) {
    for (size_t i = 0; i < w->n_held; i++)
        body_unref(w->held[i].body);
    w->n_held = 0;
    w->held_bytes = 0;
    w->n_hours = 0;
    for (size_t i = 0; i < HOURS_TABLE; i++)
        w->hours[i] = INT64_MIN;
}

void epoch_writer_free(epoch_writer *w) {
    if (!w)
        return;
    held_forget(w);
    output_free(w->output);
    jsonl_free(w->jsonl);
    free(w->objects);
    free(w->held);
    free(w->scratch);
    free(w);
}

epoch_writer *epoch_writer_new(sink_store store, epoch_naming naming, output_codec codec) {
    epoch_writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    held_forget(w);
    w->store = store;
    w->naming = naming;
    w->codec = codec;
    w->output = output_new(store, codec);
    w->jsonl = jsonl_new();
    if (!w->output || !w->jsonl) {
        epoch_writer_free(w);
        return NULL;
    }
    return w;
}

void epoch_writer_hold_all(epoch_writer *w, bool hold) { w->hold_all = hold; }
sink_err epoch_writer_err(const epoch_writer *w) { return w->err; }
bool epoch_writer_empty(const epoch_writer *w) { return w->n_objects == 0 && w->n_held == 0; }
uint64_t epoch_writer_held_bytes(const epoch_writer *w) { return w->held_bytes; }

uint64_t epoch_writer_events(const epoch_writer *w) { return w->lines + w->n_held; }
size_t epoch_writer_hours(const epoch_writer *w) { return w->n_objects + w->n_hours; }

uint64_t epoch_writer_bytes(const epoch_writer *w) {
    return w->bytes + (w->open ? output_bytes(w->output) : 0);
}

/* ---- objects ---------------------------------------------------------------------------------------- */

static int64_t hour_of(int64_t us) {
    int64_t hour = us / HOUR_US;
    return us % HOUR_US < 0 ? hour - 1 : hour;
}

static sink_err object_begin(epoch_writer *w, int64_t hour, bool late) {
    if (w->n_objects == w->objects_cap) {
        size_t cap = w->objects_cap ? w->objects_cap * 2 : 16;
        object_info *grown = realloc(w->objects, cap * sizeof *grown);
        if (!grown)
            return SINK_ERR_MEMORY;
        w->objects = grown;
        w->objects_cap = cap;
    }
    sink_err err = output_begin(w->output, (uint32_t)w->n_objects);
    if (err != SINK_OK)
        return err;
    w->objects[w->n_objects++] = (object_info){.late = late, .min_us = INT64_MAX, .max_us = INT64_MIN};
    w->open = true;
    w->hour = hour;
    return SINK_OK;
}

static sink_err object_finish(epoch_writer *w) {
    if (!w->open)
        return SINK_OK;
    object_info *o = &w->objects[w->n_objects - 1];
    w->open = false;
    sink_err err = output_finish(w->output, &o->bytes, &o->crc32c);
    w->bytes += o->bytes;
    return err;
}

static sink_err line_put(epoch_writer *w, const order_event *event, bool late) {
    if (!jsonl_prepare(w->jsonl, event->body))
        return SINK_ERR_MEMORY;
    char *at = output_reserve(w->output, jsonl_bytes_max(event));
    if (!at)
        return SINK_ERR_MEMORY;
    unsigned lines;
    size_t n = jsonl_put(w->jsonl, at, event, late, &lines);
    if (n == 0)
        return SINK_ERR_ENCODE;
    object_info *o = &w->objects[w->n_objects - 1];
    o->lines += lines;
    w->lines += lines;
    w->late_lines += late ? lines : 0;
    o->min_us = event->us < o->min_us ? event->us : o->min_us;
    o->max_us = event->us > o->max_us ? event->us : o->max_us;
    return output_advance(w->output, n);
}

/* Events in time order lie all over the memory: fetches what is needed soon, first the item and then the
 * event that it points to. */
static void event_prefetch(const order_event *events, size_t i, size_t n) {
    if (i + 3 * PREFETCH < n)
        __builtin_prefetch(events[i + 3 * PREFETCH].body);
    if (i + 2 * PREFETCH < n) {
        const body *b = events[i + 2 * PREFETCH].body;
        __builtin_prefetch(&b->items[events[i + 2 * PREFETCH].index]);
        __builtin_prefetch(b->cache);
        __builtin_prefetch((const char *)b->cache + 64); /* at most behind it: a prefetch never faults */
        __builtin_prefetch((const char *)b->cache + 128);
    }
    if (i + PREFETCH < n) {
        const body *b = events[i + PREFETCH].body;
        const uint8_t *event = b->raw + b->items[events[i + PREFETCH].index].off;
        __builtin_prefetch(event);
        __builtin_prefetch(event + 64);
        __builtin_prefetch(event + 128);
    }
}

/* Events in time order: a new object for each hour. */
static sink_err lines_put(epoch_writer *w, const order_event *events, size_t n, bool late) {
    for (size_t i = 0; i < n; i++) {
        event_prefetch(events, i, n);
        int64_t hour = hour_of(events[i].us);
        if (!w->open || hour != w->hour) {
            sink_err err = object_finish(w);
            if (err == SINK_OK)
                err = object_begin(w, hour, late);
            if (err != SINK_OK)
                return err;
        }
        sink_err err = line_put(w, &events[i], late);
        if (err != SINK_OK)
            return err;
    }
    return SINK_OK;
}

/* ---- events in -------------------------------------------------------------------------------------- */

static void hour_count(epoch_writer *w, int64_t hour) {
    size_t i = (size_t)((uint64_t)hour * UINT64_C(0x9E3779B97F4A7C15) >> 52);
    while (w->hours[i] != hour && w->hours[i] != INT64_MIN)
        i = (i + 1) % HOURS_TABLE;
    if (w->hours[i] != hour && w->n_hours < HOURS_COUNTED) {
        w->hours[i] = hour;
        w->n_hours++;
    }
}

static sink_err events_hold(epoch_writer *w, const order_event *events, size_t n) {
    if (w->n_held + n > w->held_cap) {
        size_t cap = w->held_cap ? w->held_cap : 1024;
        while (cap < w->n_held + n)
            cap *= 2;
        order_event *held = realloc(w->held, cap * sizeof *held);
        if (!held)
            return SINK_ERR_MEMORY;
        w->held = held;
        order_event *scratch = realloc(w->scratch, cap * sizeof *scratch);
        if (!scratch)
            return SINK_ERR_MEMORY;
        w->scratch = scratch;
        w->held_cap = cap;
    }
    const body *last = w->n_held > 0 ? w->held[w->n_held - 1].body : NULL;
    for (size_t i = 0; i < n; i++) {
        w->held[w->n_held] = events[i];
        body_ref(w->held[w->n_held++].body);
        hour_count(w, hour_of(events[i].us));
        w->held_bytes += sizeof *events + (events[i].body != last ? events[i].body->entry.raw_bytes : 0);
        last = events[i].body;
    }
    return SINK_OK;
}

order_err epoch_writer_take(void *context, const order_event *events, size_t n, bool late) {
    epoch_writer *w = context;
    bool hold = late || w->hold_all;
    if (hold)
        w->held_late = late;
    w->err = hold ? events_hold(w, events, n) : lines_put(w, events, n, false);
    return w->err == SINK_OK ? ORDER_OK : ORDER_ERR_BODY;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

static void object_name(const epoch_writer *w, const manifest *m, object_info *o) {
    struct civil_time t = civil_time_of(o->min_us);
    snprintf(o->name, sizeof o->name, "dt=%04u-%02u-%02u/hr=%02u/%s-%s-%s-%012" PRIu64 "-%u.jsonl%s", t.year,
             t.month, t.day, t.hour, w->naming.collector, m->incarnation, w->naming.sink, m->epoch,
             o->late ? PART_LATE : PART_IN_ORDER, output_codec_suffix(w->codec));
}

sink_err epoch_writer_finish(epoch_writer *w, manifest *m) {
    sink_err err = object_finish(w);
    if (err != SINK_OK)
        return err;
    order_sort(w->held, w->scratch, w->n_held); /* held in entry order, so equal times stay in key order */
    err = lines_put(w, w->held, w->n_held, w->held_late);
    held_forget(w);
    if (err == SINK_OK)
        err = object_finish(w);
    if (err != SINK_OK)
        return err;
    for (size_t i = 0; i < w->n_objects; i++)
        object_name(w, m, &w->objects[i]);
    free(m->objects);
    m->objects = w->objects;
    m->n_objects = w->n_objects;
    m->lines = w->lines;
    m->late_lines = w->late_lines;
    w->objects = NULL;
    w->n_objects = w->objects_cap = 0;
    w->lines = w->late_lines = w->bytes = 0;
    return SINK_OK;
}

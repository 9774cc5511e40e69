#include "step_target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "row.h"

typedef struct step_target {
    mem_store *store;
    void *rows;          /* of row_format_jsonl */
    mem_object taken[2]; /* in time order as far as there is a window; late */
    uint64_t lines[2];
} step_target;

static sink_err step_recover(void *self, manifest *ret_last) {
    const step_target *t = self;
    *ret_last = (manifest){0};
    (void)mem_store_last(t->store, ret_last);
    return SINK_OK;
}

static sink_err step_begin(void *self, const manifest *m) {
    step_target *t = self;
    for (unsigned late = 0; late < 2; late++) {
        mem_object *o = &t->taken[late];
        o->n = 0;
        snprintf(o->name, sizeof o->name, "dt=any/hr=any/step-%012" PRIu64 "-%u.jsonl", m->epoch, late);
    }
    t->lines[0] = t->lines[1] = 0;
    return SINK_OK;
}

static void row_add(step_target *t, mem_object *o, const row *r) {
    o->data = realloc(o->data, o->n + row_format_jsonl.bytes_max(t->rows, r) + 1);
    if (!o->data)
        abort();
    o->n += row_format_jsonl.put(t->rows, o->data + o->n, r);
    o->data[o->n++] = '\n';
}

static sink_err step_take(void *self, const order_event *events, size_t n, bool late) {
    step_target *t = self;
    if (mem_store_dies(t->store))
        return SINK_ERR_IO;
    for (size_t i = 0; i < n; i++) {
        row rows[ROWS_MAX];
        if (!row_format_jsonl.prepare(t->rows, events[i].body))
            abort();
        unsigned count = rows_of(&events[i], late, rows);
        for (unsigned k = 0; k < count; k++)
            row_add(t, &t->taken[late], &rows[k]);
        t->lines[late] += count;
    }
    return SINK_OK;
}

static target_progress step_progress(const void *self) {
    const step_target *t = self;
    uint64_t lines = t->lines[0] + t->lines[1];
    return (target_progress){.empty = lines == 0, .rows = lines, .bytes = t->taken[0].n};
}

static sink_err step_commit(void *self, manifest *m, const manifest *repeated) {
    step_target *t = self;
    if (repeated)
        t->store->violation = "an epoch is repeated without an intent";
    m->objects = calloc(2, sizeof *m->objects);
    if (!m->objects)
        abort();
    m->lines = t->lines[0] + t->lines[1];
    m->late_lines = t->lines[1];
    for (unsigned late = 0; late < 2; late++)
        if (t->lines[late] > 0) {
            object_info *o = &m->objects[m->n_objects++];
            *o = (object_info){.late = late != 0, .lines = t->lines[late], .bytes = t->taken[late].n};
            strcpy(o->name, t->taken[late].name);
        }
    return mem_store_commit(t->store, m, t->taken, 2);
}

static void step_close(void *self) {
    step_target *t = self;
    row_format_jsonl.destroy(t->rows);
    free(t->taken[0].data);
    free(t->taken[1].data);
    free(t);
}

static const sink_target_ops step_target_ops = {
    .recover = step_recover,
    .begin = step_begin,
    .take = step_take,
    .progress = step_progress,
    .commit = step_commit,
    .close = step_close,
};

sink_target step_target_open(mem_store *s) {
    step_target *t = calloc(1, sizeof *t);
    if (!t || !(t->rows = row_format_jsonl.create()))
        abort();
    t->store = s;
    return (sink_target){&step_target_ops, t};
}

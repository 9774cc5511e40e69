/* epoch_writer: the objects of one epoch, written aside as the events come: those in time order, then the
 * late ones. Partitioned by event date and hour. One thread; does not log. */
#ifndef SINKS_EPOCH_WRITER_H
#define SINKS_EPOCH_WRITER_H

#include "encoder.h"
#include "manifest.h"
#include "order.h"
#include "target.h"

typedef struct epoch_writer epoch_writer;

/* What all objects' names of a sink have in common. Borrowed. */
typedef struct epoch_naming {
    const char *collector, *sink;
} epoch_naming;

/* Options are borrowed like the store. NULL: out of memory. */
epoch_writer *epoch_writer_new(sink_store store, epoch_naming naming, const encoder_ops *encoder,
                               const encoder_options *opt);
void epoch_writer_free(epoch_writer *w);

/* Forgets what was taken and not finished. Objects are named for m->epoch and m->incarnation. `m` is borrowed
 * until the next begin. */
void epoch_writer_begin(epoch_writer *w, const manifest *m);

/* Not-late events come in time order over all calls of an epoch; then, in one call, late ones do. */
sink_err epoch_writer_take(epoch_writer *w, const order_event *events, size_t n, bool late);

target_progress epoch_writer_progress(const epoch_writer *w);

/* Completes all objects aside and moves their descriptions and the counts into *m; object i is in slot i. */
sink_err epoch_writer_finish(epoch_writer *w, manifest *m);

#endif

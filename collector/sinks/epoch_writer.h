/* epoch_writer: the objects of one epoch, written aside: events in time order as they come, late ones held
 * and sorted at the end. Partitioned by event date and hour. One thread; does not log. */
#ifndef SINKS_EPOCH_WRITER_H
#define SINKS_EPOCH_WRITER_H

#include "manifest.h"
#include "order.h"
#include "output.h"

typedef struct epoch_writer epoch_writer;

/* What all objects' names of a sink have in common. Borrowed. */
typedef struct epoch_naming {
    const char *collector, *sink;
} epoch_naming;

/* NULL: out of memory. */
epoch_writer *epoch_writer_new(sink_store store, epoch_naming naming, output_codec codec);
void epoch_writer_free(epoch_writer *w);

/* For order_output.take; `context` is the writer. Not-late events come in key order over all calls of an
 * epoch, unless the writer was told to hold them. */
order_err epoch_writer_take(void *context, const order_event *events, size_t n, bool late);

/* With a window of 0 nothing is in time order: everything is held and sorted, and still not late. */
void epoch_writer_hold_all(epoch_writer *w, bool hold);

/* Of the error that epoch_writer_take reported. */
sink_err epoch_writer_err(const epoch_writer *w);

bool epoch_writer_empty(const epoch_writer *w);
uint64_t epoch_writer_events(const epoch_writer *w);     /* written aside or held */
uint64_t epoch_writer_bytes(const epoch_writer *w);      /* stored for the objects in time order */
uint64_t epoch_writer_held_bytes(const epoch_writer *w); /* memory that held events pin */
size_t epoch_writer_hours(const epoch_writer *w);        /* partitions that the epoch has, about */

/* Completes all objects aside and moves their descriptions, named for m->epoch and m->incarnation, and the
 * counts into *m; object i is in slot i. The writer is empty then. */
sink_err epoch_writer_finish(epoch_writer *w, manifest *m);

#endif

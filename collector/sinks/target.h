/* target: what an epoch is written to and committed in. The epochs above it read the journal, order it and
 * decide where an epoch ends; they are the same for all targets.
 *
 *     epochs ──▶ object_target: encoder ▶ store (file, s3); intent, publish, commit
 *            └─▶ kafka_target:  one transaction: messages and the checkpoint
 *
 * One thread. Blocks for the disk or the network. */
#ifndef SINKS_TARGET_H
#define SINKS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest.h"
#include "order.h"
#include "store.h"

typedef struct target_progress {
    bool empty;        /* nothing taken since begin that commit would write */
    uint64_t rows;     /* taken, and not yet committed */
    uint64_t bytes;    /* stored for the events in time order, about: decides roll_bytes */
    size_t partitions; /* of the epoch */
} target_progress;

typedef struct sink_target_ops {
    /* An epoch's late events come last, in one call and sorted by time; with a window of 0 all of them do.
     * They may have waited for several epochs. Otherwise every event comes when it leaves the order stage. */
    bool late_last;

    /* The last commit; ret_last->epoch is 0 when there is none. Afterwards nothing that an earlier process
     * had begun can be committed any more, but for what intent_get finds. */
    sink_err (*recover)(void *self, manifest *ret_last);

    /* What an earlier process had decided behind the last commit. NULL: a target whose commit is one step. */
    sink_err (*intent_get)(void *self, uint64_t epoch, manifest *ret_intent, bool *ret_there);
    /* And what it names. Only when its epoch has another commit: else its owner, if alive, could still commit
     * what is gone. */
    sink_err (*intent_remove)(void *self, const manifest *intent);

    /* A new epoch: forgets what was taken and not committed. `m` has everything that decides its content:
     * epoch, incarnation, order, codec, format. Borrowed until the next begin. */
    sink_err (*begin)(void *self, const manifest *m);
    sink_err (*take)(void *self, const order_event *events, size_t n, bool late);
    target_progress (*progress)(const void *self);

    /* Durable with all that was taken and the checkpoint m->to when it returns SINK_OK; fills the counts,
     * objects and encoder_version of *m. Also called when nothing was taken: then only the checkpoint counts.
     * repeated: the intent that this epoch writes again, whose names it must have; or NULL.
     * After an error nobody knows whether it is committed: close, and recover anew. */
    sink_err (*commit)(void *self, manifest *m, const manifest *repeated);

    /* What went wrong last, for people: "kafka: broker unreachable". Lent until the next call. May be NULL,
     * and may answer NULL. */
    const char *(*message)(void *self);
    void (*close)(void *self);
} sink_target_ops;

typedef struct sink_target {
    const sink_target_ops *ops;
    void *self;
} sink_target;

#endif

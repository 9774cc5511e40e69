/* epochs: what a sink writes, decided first and then written exactly once.
 *
 * An epoch ends only at the end of a journal entry. Its objects are written aside while the order stage
 * releases events; then the intent is stored, which holds everything that decides their content and names;
 * then they are published under these names; then the commit is stored, which holds the new checkpoint. A
 * crash before the intent leaves nothing. A crash after it is repaired by replaying the journal between the
 * intent's checkpoints, to the same bytes under the same names.
 *
 * Checkpoints live in the store. If the journal was restored from an older copy, it holds a start that the
 * checkpoint does not list: then the sink keeps its watermark and what is above it of the common part, and
 * goes on from there.
 *
 * Invariant: every event of the journal is in exactly one committed epoch or above the last one's
 * watermark at a position not below its `low`.
 *
 * No thread, no clock of its own: time is an argument. Blocks for the store. Does not log.
 */
#ifndef SINKS_EPOCHS_H
#define SINKS_EPOCHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest.h"
#include "order.h"
#include "output.h"
#include "store.h"

typedef struct epochs_options {
    const char *collector, *sink; /* borrowed; part of every name */
    uint8_t start_id[16];         /* the collector's incarnation */
    order_options order;
    output_codec codec;
    uint64_t roll_bytes;       /* an epoch is cut when its object in time order has that many bytes … */
    uint64_t roll_interval_us; /* … or its first event has waited that long … */
    uint64_t held_bytes_max;   /* … or its late events hold that much memory */
} epochs_options;

typedef struct epochs_stats {
    uint64_t epochs, lines, late, bytes; /* committed since epochs_open */
    uint64_t position, low;              /* of the last commit */
    uint64_t read_position;              /* last entry read */
    int64_t watermark_us;
    uint64_t pending_events, pending_bytes;
    uint64_t uncommitted_events; /* read, and not in a commit: pending ones too */
    uint64_t waiting_us;         /* how long the first of them that the watermark has passed has waited */
    manifest_gap gap;            /* that epochs_open found */
} epochs_stats;

typedef struct epochs epochs;

/* Recovers: finishes or removes an open intent, then stands where the last commit says. The options' strings,
 * the store and the source are borrowed until epochs_close. */
sink_err epochs_open(const epochs_options *opt, sink_store store, const entry_source *source,
                     epochs **ret_epochs);
void epochs_close(epochs *e);

/* Reads up to `entries_max` entries, and cuts an epoch when one is due. now_us: any clock that does not go
 * back. *ret_more: the journal holds more. After an error only epochs_close is allowed. */
sink_err epochs_step(epochs *e, uint64_t now_us, size_t entries_max, bool *ret_more);

/* Cuts an epoch now if there is anything to write. */
sink_err epochs_flush(epochs *e);

epochs_stats epochs_stats_get(const epochs *e);

#endif

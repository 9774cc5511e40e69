/* epochs: what a sink writes, decided first and then written exactly once.
 *
 * An epoch ends only at the end of a journal entry. Its events go to a `sink_target` while the order stage
 * releases them; the target then commits them together with the new checkpoint, from which the next epoch
 * goes on. What a target had decided and not committed before a crash (an intent) is repeated from the
 * journal between the intent's checkpoints, event by event the same.
 *
 * Checkpoints live in the target. If the journal was restored from an older copy, it holds a start that the
 * checkpoint does not list: then the sink keeps its watermark and what is above it of the common part, and
 * goes on from there.
 *
 * Late events of a target that wants them last are held, for `late_roll_interval_us` at most, over as many
 * epochs as that takes: else every epoch would make a tiny object of them in every partition. They are in
 * memory only. A checkpoint that holds some has the mark `late` of the last one that held none; a stage that
 * goes from there to the checkpoint with the settings of then finds them again, and nothing else: what it
 * releases in time was committed, and all that it calls late was not. So all epochs between the two have the
 * same settings, and an epoch writes all that is held or nothing of it. With other settings, and behind a
 * part of the journal that is gone, what is held is written first, in an epoch of its own.
 *
 * So intents and held events rely on an order stage that decides the same in every build. Where one decides
 * otherwise it does not arrive at what was stored: SINK_ERR_REPLAY, again and again, or of an intent
 * SINK_ERR_CHECKPOINT, and /readyz says so. A clean stop leaves neither, so the way out is to start the build
 * of before and to stop it cleanly. Without it the sink can have another name, and writes again all that the
 * journal keeps. A checkpoint that listed what is held, by position and index, could be written out by any
 * build; it does not, because it would be as long as that.
 *
 * Invariant: every event of the journal is in exactly one committed epoch; or above the last one's watermark
 * at a position not below its `low`; or, if it holds late events, late on the way from `late` to its end.
 *
 * No thread, no clock of its own: time is an argument. Blocks for the target. Does not log.
 */
#ifndef SINKS_EPOCHS_H
#define SINKS_EPOCHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest.h"
#include "order.h"
#include "output.h"
#include "target.h"

typedef struct epochs_options {
    uint8_t start_id[16]; /* the collector's incarnation */
    order_options order;
    const char *format; /* of the objects; borrowed, like the columns of formats that have them */
    const encoder_column *columns;
    size_t n_columns;
    output_codec codec;
    uint64_t roll_bytes;       /* an epoch is cut when its objects in time order have that many bytes … */
    uint64_t roll_interval_us; /* … or its first event has waited that long … */
    /* … or the first late one has waited that long, or they take that much memory, or that much of the
     * journal has been read that recovery would need for them. Late events also go with an epoch that is cut
     * anyway, if the next one would come too late for them. */
    uint64_t late_roll_interval_us;
    uint64_t held_bytes_max;
    uint64_t held_journal_bytes_max;
} epochs_options;

typedef struct epochs_stats {
    uint64_t epochs, lines, late, bytes; /* committed since epochs_open */
    uint64_t position;                   /* of the last commit */
    uint64_t low;                        /* nothing before it is needed any more */
    uint64_t read_position;              /* last entry read */
    int64_t watermark_us;
    uint64_t pending_events, pending_bytes;
    uint64_t held_late;          /* late events held */
    uint64_t uncommitted_events; /* read, and not in a commit: pending and held ones too */
    uint64_t waiting_us;         /* how long the first one that waits for the epoch's end has waited */
    manifest_gap gap;            /* that epochs_open found */
} epochs_stats;

typedef struct epochs epochs;

/* Recovers: repeats an open intent, or takes its epoch and removes what it left; then stands where the last
 * commit says. SINK_ERR_FENCED: another collector began after this one and has decided an epoch. The target
 * and the source are borrowed until epochs_close, which comes before the target's. */
sink_err epochs_open(const epochs_options *opt, sink_target target, const entry_source *source,
                     epochs **ret_epochs);
void epochs_close(epochs *e);

/* Reads up to `entries_max` entries, and cuts an epoch when one is due. now_us: any clock that does not go
 * back. *ret_more: the journal holds more. After an error only epochs_close is allowed. */
sink_err epochs_step(epochs *e, uint64_t now_us, size_t entries_max, bool *ret_more);

/* Cuts an epoch now if there is anything to write; late events may go on being held. */
sink_err epochs_flush(epochs *e);

/* The same with all that is held. */
sink_err epochs_finish(epochs *e);

epochs_stats epochs_stats_get(const epochs *e);

#endif

/* The inside of `epochs`: what cutting (epochs.c) and recovering (epochs_open.c) share. */
#ifndef SINKS_EPOCHS_STATE_H
#define SINKS_EPOCHS_STATE_H

#include "epochs.h"
#include "held.h"

#define EPOCHS_RELEASE_BYTES (2u << 20) /* events read that justify a merge */

struct epochs {
    epochs_options opt;
    sink_target target;
    entry_source source;
    char incarnation[17];
    order *order;
    manifest open;        /* the epoch that the target takes events for; `from` and `to` come at the cut */
    sink_err taken;       /* what became of what left the order stage last */
    uint64_t epoch;       /* last committed */
    checkpoint committed; /* what its commit says */
    order_options committed_order;
    checkpoint reading;          /* the starts seen by `order`; the rest of it is taken at the cut */
    held held;                   /* late events; with a window of 0 all that left in this epoch */
    uint64_t held_journal_bytes; /* of entries read since the last checkpoint that held nothing */
    uint64_t fed_bytes;          /* since the last release */
    uint64_t now_us, released_us, first_us, held_us;
    uint64_t held_age_us; /* how long the first of `held` had waited when it was found again */
    bool waiting;         /* first_us is set: something waits to be cut */
    bool held_waiting;    /* held_us is set: the first of `held` waits since then */
    epochs_stats stats;
};

sink_err epochs_from_order(const epochs *e, order_err err);

/* Describes the epoch behind the last committed one in e->open. */
sink_err epochs_manifest_begin(epochs *e);

/* A stage that stands behind `from`, whose events go to e->open. */
sink_err epochs_stage_begin(epochs *e, const order_mark *from);

/* Feeds the entry behind the stage's position. */
sink_err epochs_feed(epochs *e, uint64_t position);

/* Hands to the target what is held. */
sink_err epochs_held_give(epochs *e);

/* Commits e->open with the checkpoints that it has. */
sink_err epochs_commit(epochs *e, const manifest *repeated);

/* Commits e->open from e->committed to e->reading, and begins the next epoch. */
sink_err epochs_reading_commit(epochs *e);

/* The same where the stage stands, with what is held or without it. */
sink_err epochs_open_commit(epochs *e, bool with_held);

#endif

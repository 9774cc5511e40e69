/* dedup: what is new in a batch. The table of schemas/README.md, row by row.
 *
 * Pure: the state of the stream and a way to look at the chain's past come in, the answer and the next
 * state go out. It runs in the simulator (tests/sim/dedup_sim.c) as it runs in the collector. */
#ifndef JOURNAL_DEDUP_H
#define JOURNAL_DEDUP_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"
#include "submission.h"

/* Every DEDUP_MILE-th entry of a stream is a milestone, so that a walk into the past has a shortcut. */
#define DEDUP_MILE 64u

/* What is kept of a stream, for good. */
typedef struct dedup_state {
    uint64_t next_seq;                   /* the number that is expected; 0: the stream is not known */
    uint64_t chain;                      /* before next_seq */
    uint64_t last_position;              /* of the stream's last journal entry */
    uint64_t mile_position;              /* of its last milestone */
    uint64_t entries;                    /* appended so far */
    int64_t last_us;                     /* time of the last event stamped by the SDK */
    uint8_t installation[WIRE_ID_BYTES]; /* the one that began the stream */
    ledger sums;                         /* numbers = next_seq - start */
} dedup_state;

/* The chain at earlier numbers, recomputed from the journal while it keeps them. */
typedef struct dedup_history {
    /* The chain after number `seq` as the journal holds it. False: not known (any more). Called for falling
     * numbers, with at most one jump back up. */
    bool (*chain_at)(void *context, uint64_t seq, uint64_t *ret_chain);
    /* A number below `seq` whose chain costs little: where the entry that holds `seq` begins. NULL: all
     * numbers cost the same. */
    uint64_t (*start_below)(void *context, uint64_t seq);
    void *context; /* of both */
} dedup_history;

typedef struct dedup_decision {
    wire_status status;      /* OK, REWIND, FORK, UNVERIFIED */
    uint64_t agreed_through; /* OK, FORK */
    uint64_t next_seq;       /* REWIND, UNVERIFIED */
    uint64_t chain;          /* UNVERIFIED: before next_seq */
    uint32_t known;          /* numbers at the head of the batch that the journal has, by chain */
    uint32_t n_new;          /* numbers behind them to append; 0 unless OK */
    uint64_t gap_first;      /* gap_first … first_seq-1 were settled elsewhere; 0: none */
} dedup_decision;

/* A batch that the table is made for: numbers without holes or overflow, low <= first_seq. Ingress checks
 * shapes; this is what the journal itself relies on. */
bool dedup_acceptable(const batch_facts *facts);

/* Decides about an acceptable batch. `items` are facts->n_items. */
void dedup_decide(const dedup_state *state, const batch_facts *facts, const wire_item *items,
                  const dedup_history *history, dedup_decision *ret_decision);

/* Takes the decision into the state. `position` is where the new numbers, if any, are appended, and
 * `last_us` the stream's floor after them. False: the state stays as it was. */
bool dedup_apply(dedup_state *state, const batch_facts *facts, const wire_item *items,
                 const dedup_decision *decision, uint64_t position, int64_t last_us);

#endif

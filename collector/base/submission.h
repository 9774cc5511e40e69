/* submission: one request on its way from ingress through the journal and back.
 *
 * Ingress makes it, checks the batch's shape and owns it again when it comes back with the answer; while
 * the journal has it, ingress touches nothing of it. It travels as a pointer over ZeroMQ inproc sockets.
 */
#ifndef BASE_SUBMISSION_H
#define BASE_SUBMISSION_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define SUBMISSION_TENANT_MAX 64u

/* What the journal needs of a Batch; copied from wire_batch, borrows nothing. */
typedef struct batch_facts {
    uint8_t installation[WIRE_ID_BYTES];
    uint8_t stream[WIRE_ID_BYTES];
    uint64_t first_seq, last_seq;
    uint64_t chain, chain_after; /* before first_seq, after last_seq */
    uint64_t low, resent_through, pending, refused;
    uint64_t run_ordinal;
    uint8_t run_boot_id[WIRE_ID_BYTES];
    uint64_t run_boot_us;
    int64_t run_wall_us;
    wire_clock clock;
    uint32_t n_items, n_events;
    uint32_t raw_bytes; /* of the decompressed body */
} batch_facts;

typedef struct submission {
    uint32_t loop;       /* the ingress loop that waits for the answer */
    uint64_t connection; /* names the connection there; it may be gone when the answer comes */
    uint64_t arrived_us; /* monotonic clock when the request was complete */
    char tenant[SUBMISSION_TENANT_MAX];
    uint8_t encoding; /* entry_encoding */
    uint8_t *body;    /* as received; malloc, freed with the submission */
    uint32_t body_bytes;
    batch_facts facts;
    wire_item *items;     /* facts.n_items of them; malloc, freed with the submission */
    uint16_t http_status; /* set by the journal with the answer */
    wire_ack ack;
    atomic_uint passes; /* of submission_release */
} submission;

/* Before the pointer is sent, and after it was received: what was written before the one is seen after the
 * other. ZeroMQ sees to it as well, but compilers and race detectors do not look into it. */
static inline void submission_release(submission *sub) {
    atomic_fetch_add_explicit(&sub->passes, 1, memory_order_release);
}

static inline void submission_acquire(submission *sub) {
    (void)atomic_load_explicit(&sub->passes, memory_order_acquire);
}

#endif

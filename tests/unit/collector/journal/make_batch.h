/* Batches as a device makes them, for the tests of the journal: one event a number, told apart by `salt`. */
#ifndef TEST_MAKE_BATCH_H
#define TEST_MAKE_BATCH_H

#include "submission.h"

typedef struct batch_plan {
    uint8_t stream, installation; /* ids are this byte, 16 times */
    uint64_t first_seq, last_seq, low;
    uint64_t chain;          /* before first_seq */
    uint64_t at_us, step_us; /* number n is stamped at_us + n * step_us */
    uint32_t salt;
    uint64_t dropped_first, dropped_last; /* tombstones; 0: none */
    uint64_t resent_through;
    uint32_t padding_bytes; /* in every event */
} batch_plan;

/* Numbers 1 … last_seq of stream 1, a millisecond apart; and the next ones behind a plan's. */
batch_plan batch_plan_first(uint64_t last_seq);
batch_plan batch_plan_next(const batch_plan *before, uint64_t numbers);

/* A submission as ingress hands it over: encoded, scanned, not compressed. Fails the test when the codec
 * refuses it. submission_free takes it back. */
submission *submission_make(const batch_plan *plan);
void submission_free(submission *s);

/* The chain after last_seq of a plan. */
uint64_t batch_chain_after(const batch_plan *plan);

#endif

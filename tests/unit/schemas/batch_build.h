/* Batches for tests, with what a scan must find in them. */
#ifndef BATCH_BUILD_H
#define BATCH_BUILD_H

#include "tests/unit/schemas/random_event.h"

enum { BUILD_NUMBERS_MAX = 64, BUILD_IDS = 20, BUILD_CONTEXTS = 3, BUILD_BYTES_MAX = 3 << 20 };

typedef struct built_batch {
    wire_batch_head head;
    wire_definition definitions[BUILD_IDS];
    char texts[BUILD_IDS][16];
    wire_span contexts[BUILD_CONTEXTS];
    uint8_t context_bytes[BUILD_CONTEXTS][256];
    wire_dropped dropped[BUILD_NUMBERS_MAX];
    uint32_t crcs[BUILD_NUMBERS_MAX];
    size_t head_bytes; /* of the body, before the first event */
    /* What a scan must find. */
    wire_item items[BUILD_NUMBERS_MAX];
    uint32_t n_items, n_events;
    uint64_t events_bytes, chain_after;
    size_t n;
    uint8_t body[BUILD_BYTES_MAX];
} built_batch;

/* One letter a number: E an event, any other a tombstone; equal letters beside each other are one range.
 * Ids are id_base + 1 … id_base + BUILD_IDS, their definitions in a random order. */
void batch_build(built_batch *built, const char *plan, uint32_t id_base, random_source *random);

#endif

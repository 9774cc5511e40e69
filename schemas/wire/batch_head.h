/* Everything of a Batch but its events. Internal to wire. */
#ifndef WIRE_BATCH_HEAD_H
#define WIRE_BATCH_HEAD_H

#include "schemas/wire/reader.h"

typedef struct batch_scan {
    wire_reader r;
    const uint8_t *body;
    wire_item *items;
    uint32_t items_max;
    wire_dict *dict;
    wire_batch *batch;
    uint32_t dropped_end; /* items before this one are tombstones, or gaps (flags 0) for events to fill */
    uint32_t n_dropped;   /* ranges */
    uint32_t seen;        /* bit per field number below 16 */
    bool check;           /* look into contexts too */
} batch_scan;

/* Reads up to the first event, places the tombstones in `items`, and checks that nothing is missing. */
wire_err batch_head_scan(batch_scan *s);

/* What follows the events: only unknown fields may. */
wire_err batch_rest_check(batch_scan *s);

#endif

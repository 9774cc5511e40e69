/* The same messages by nanopb's generic coder: what the hand-written one is held against. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "schemas/wire/wire.h"

#include "wadi/v1/batch.pb.h"
#include "wadi/v1/event.pb.h"

/* Texts of one repeated field; borrowed. */
typedef struct reference_texts {
    uint32_t n;
    wire_span items[WIRE_PROPS_MAX + 1];
} reference_texts;

typedef struct reference_event {
    wadi_v1_Event message;
    reference_texts strings, blobs, inlined;
} reference_event;

/* Returns the number of bytes written; 0 on failure. */
size_t reference_event_encode(const wire_event *ev, uint8_t *out, size_t cap);

/* Texts borrow from `data`. */
bool reference_event_decode(const uint8_t *data, size_t n, reference_event *ret_event);

/* Whole batch, with every event, definition, context and range in it; counts what it saw. */
typedef struct reference_batch {
    wadi_v1_Batch message;
    uint32_t n_definitions, n_contexts, n_attributes, n_events;
    uint64_t n_dropped; /* numbers */
} reference_batch;
bool reference_batch_decode(const uint8_t *data, size_t n, reference_batch *ret_batch);

/* Both ways of taking an event apart, brought to one form. `props` has room for WIRE_PROPS_MAX. */
void event_from_reference(const reference_event *reference, wire_event *ret_ev, wire_prop *props);
void event_from_view(const wire_event_view *view, wire_event *ret_ev, wire_prop *props);

/* Equal, bit by bit for doubles. */
bool event_equal(const wire_event *a, const wire_event *b);

#endif

/* shared: what the events of one batch have in common, read once for all of them: ids, names, keys, contexts.
 * It hangs on the body. Each piece remembers its number in the row group's dictionary. Texts are UTF-8. */
#ifndef PARQUET_SHARED_H
#define PARQUET_SHARED_H

#include "body.h"
#include "encoder.h"

#define SHARED_ID_DIGITS 32u
#define SHARED_NO_REF UINT32_MAX /* not looked up in this row group */

typedef struct shared_text {
    wire_span text;
    uint32_t ref;
} shared_text;

typedef struct shared_number {
    int64_t value;
    uint32_t ref;
} shared_number;

/* A definition, which may be an event's name as well as a property's key. */
typedef struct shared_term {
    wire_span text;
    uint32_t name_ref, key_ref;
    uint32_t typed; /* 1 + number of the property's own column; 0: it has none */
    uint32_t mark;  /* shared_mark of the text */
} shared_term;

typedef struct shared_attribute {
    shared_text key, value;
} shared_attribute;

typedef struct shared_context {
    uint32_t id;
    shared_text user, session; /* empty: none */
    uint32_t n_attributes;
    shared_attribute *attributes; /* every key once */
} shared_context;

typedef struct shared {
    uint64_t generation; /* of the refs */
    shared_text installation, stream, tenant;
    shared_number received_us, run;
    uint32_t n_terms, ids_max;
    shared_term *terms;
    uint16_t *by_id; /* 1 + index of the ids below ids_max */
    uint32_t n_contexts;
    shared_context *contexts;
    struct shared_block *blocks; /* memory of all of it */
    char installation_text[SHARED_ID_DIGITS + 1], stream_text[SHARED_ID_DIGITS + 1];
} shared;

/* The body's, made when there is none of this owner yet. NULL: out of memory, or a damaged context. */
shared *shared_of(body *b, uint32_t owner, const encoder_options *opt);

/* Forgets all refs: another row group. */
void shared_renew(shared *s, uint64_t generation);

shared_term *shared_term_search(shared *s, const body *b, uint32_t id);

/* NULL: there is none of that id. */
static inline shared_term *shared_term_of(shared *s, const body *b, uint32_t id) {
    if (id >= s->ids_max)
        return shared_term_search(s, b, id);
    return s->by_id[id] > 0 ? &s->terms[s->by_id[id] - 1] : NULL;
}

/* Below 64; equal for equal texts, mostly not for others. */
static inline uint32_t shared_mark(wire_span text) {
    return text.n > 0 ? (uint32_t)(text.n * 11 + text.data[0] + text.data[text.n - 1] * 5u) & 63 : 0;
}

shared_context *shared_context_of(shared *s, uint32_t id);

/* 1 + number of the column that the property has to itself; 0: none. */
uint32_t shared_typed_of(const encoder_options *opt, wire_span property);

#endif

/* Records by nanopb's generic coder: what the hand-written renderer is held against. */
#ifndef REFERENCE_RECORD_H
#define REFERENCE_RECORD_H

#include "schemas/wire/wire.h"

typedef struct reference_field {
    wire_span key;
    wire_type type;
    wire_span s; /* WIRE_STRING, WIRE_BYTES */
    int64_t i;
    double d;
} reference_field;

typedef struct reference_record {
    wire_span name, user, session, tenant; /* empty: left out */
    int64_t time_us, received_us;
    uint32_t time_quality;
    const uint8_t *installation, *stream; /* WIRE_ID_BYTES each */
    uint64_t seq, run, time_error_us;
    bool late, resent;
    const reference_field *context, *properties;
    size_t n_context, n_properties;
} reference_record;

/* Returns the number of bytes written; 0 on failure. */
size_t reference_record_encode(const reference_record *record, uint8_t *out, size_t cap);

/* Whether the bytes are a Record, with a Field wherever one belongs. */
bool reference_record_decodes(const uint8_t *data, size_t n);

#endif

/* Protobuf field by field, also wrong on purpose. */
#ifndef RAW_H
#define RAW_H

#include "schemas/wire/wire.h"

typedef struct raw {
    size_t n;
    uint8_t data[1 << 20];
} raw;

void raw_append(raw *out, const void *data, size_t n);
void raw_varint(raw *out, uint64_t value);
void raw_number(raw *out, uint32_t field, uint64_t value);
void raw_bytes(raw *out, uint32_t field, const void *data, size_t n);

/* A field of n bytes 'x'. */
void raw_filler(raw *out, uint32_t field, size_t n);

/* A wire_span of bytes written down: RAW("\x08\x01") to initialize, (wire_span)RAW("…") as a value. */
/* clang-format off */
#define RAW(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
/* clang-format on */

#endif

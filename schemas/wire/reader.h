/* Reading protobuf by hand: varints, tags, and the fields of small messages in canonical order. Internal to
 * wire; every function is safe on any bytes. */
#ifndef WIRE_READER_H
#define WIRE_READER_H

#include "schemas/wire/wire.h"

#include <endian.h>
#include <string.h>

#define wire_hot static inline __attribute__((always_inline))
#define wire_unlikely(x) __builtin_expect(!!(x), 0)

enum { WIRE_WT_VARINT = 0, WIRE_WT_FIXED64 = 1, WIRE_WT_LEN = 2, WIRE_WT_FIXED32 = 5 };

typedef struct wire_reader {
    const uint8_t *p, *end;
} wire_reader;

/* What is left of the reader. */
wire_hot size_t reader_left(const wire_reader *r) { return (size_t)(r->end - r->p); }

/* The general varint, and why it failed. */
wire_err reader_varint_long(wire_reader *r, uint64_t *ret_value);

/* Where the varint in these 8 bytes ends, as the lowest bit of the result; 0: it is longer. */
wire_hot uint64_t varint_stops(uint64_t word) { return ~word & UINT64_C(0x8080808080808080); }

/* Closes the gaps that the continuation bits leave: pairs, then quarters, then halves. */
wire_hot uint64_t varint_compact(uint64_t word) {
    word = (word & UINT64_C(0x7f007f007f007f00)) >> 1 | (word & UINT64_C(0x007f007f007f007f));
    word = (word & UINT64_C(0x3fff00003fff0000)) >> 2 | (word & UINT64_C(0x00003fff00003fff));
    return (word & UINT64_C(0x0fffffff00000000)) >> 4 | (word & UINT64_C(0x000000000fffffff));
}

wire_hot uint64_t word_load(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return le64toh(word);
}

wire_hot wire_err reader_varint(wire_reader *r, uint64_t *ret_value) {
    const uint8_t *p = r->p;
    if (p != r->end && p[0] < 0x80) {
        *ret_value = p[0];
        r->p = p + 1;
        return WIRE_OK;
    }
    if (reader_left(r) >= 8) {
        const uint64_t word = word_load(p), stops = varint_stops(word);
        if (stops != 0) {
            *ret_value = varint_compact(word & (stops ^ (stops - 1)));
            r->p = p + __builtin_ctzll(stops) / 8 + 1;
            return WIRE_OK;
        }
    }
    return reader_varint_long(r, ret_value);
}

/* Length and bytes of a length-delimited value. */
wire_hot wire_err reader_span(wire_reader *r, wire_span *ret_span) {
    uint64_t n;
    const wire_err err = reader_varint(r, &n);
    if (wire_unlikely(err))
        return err;
    if (wire_unlikely(n > reader_left(r)))
        return WIRE_ERR_TRUNCATED;
    *ret_span = (wire_span){r->p, (size_t)n};
    r->p += n;
    return WIRE_OK;
}

wire_hot int64_t reader_zigzag(uint64_t value) { return (int64_t)(value >> 1 ^ (0 - (value & 1))); }

/* ---- small messages --------------------------------------------------------------------------- */

typedef struct wire_field {
    uint32_t number; /* 0 before the first */
    uint8_t type;
    uint64_t value; /* varint, fixed32, fixed64 */
    wire_span span; /* length-delimited */
} wire_field;

#define WIRE_REPEATED 0x80u

/* The known fields of a message: types[number], WIRE_REPEATED where it may come again. */
typedef struct wire_shape {
    const uint8_t *types;
    uint32_t n;        /* the least unknown number */
    uint32_t required; /* a bit for every number that must be there */
} wire_shape;

/* Reads the next field into *field, which holds the one before; checks the order and the wire type. Unknown
 * fields are returned too. The reader must not be at its end. */
wire_err reader_field(wire_reader *r, const wire_shape *shape, wire_field *field);

typedef wire_err (*wire_field_fn)(const wire_field *field, void *arg);

/* Hands every field of a message to `on_field`, until one is refused. WIRE_ERR_VALUE: a required one is
 * missing. */
wire_err reader_message(wire_span message, const wire_shape *shape, wire_field_fn on_field, void *arg);

/* A value that must fit 32 bits. */
wire_err reader_u32(const wire_field *field, uint32_t *ret_value);

/* A span of exactly WIRE_ID_BYTES. */
wire_err reader_id(const wire_field *field, uint8_t ret_id[WIRE_ID_BYTES]);

/* A duration or clock reading without sign, at most WIRE_US_MAX. */
wire_err reader_us(const wire_field *field, uint64_t *ret_us);

/* What a device's wall clock believed, brought back to WIRE_US_MIN … WIRE_US_MAX: a wrong clock refuses
 * nothing. */
int64_t reader_wall(const wire_field *field);

/* A zigzag time between WIRE_US_MIN and WIRE_US_MAX. */
wire_err reader_time(const wire_field *field, int64_t *ret_us);

#endif

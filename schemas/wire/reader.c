#include "schemas/wire/reader.h"

wire_err reader_varint_long(wire_reader *r, uint64_t *ret_value) {
    uint64_t value = 0;
    const uint8_t *p = r->p;
    for (unsigned shift = 0; shift < 70; shift += 7, p++) {
        if (p == r->end)
            return WIRE_ERR_TRUNCATED;
        if (shift == 63 && *p > 1)
            return WIRE_ERR_MALFORMED;
        value |= (uint64_t)(*p & 0x7f) << shift;
        if (*p < 0x80) {
            r->p = p + 1;
            *ret_value = value;
            return WIRE_OK;
        }
    }
    return WIRE_ERR_MALFORMED;
}

static wire_err reader_fixed(wire_reader *r, size_t n, uint64_t *ret_value) {
    if (reader_left(r) < n)
        return WIRE_ERR_TRUNCATED;
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)r->p[i] << 8 * i;
    r->p += n;
    *ret_value = value;
    return WIRE_OK;
}

static wire_err reader_value(wire_reader *r, wire_field *field) {
    switch (field->type) {
    case WIRE_WT_VARINT:
        return reader_varint(r, &field->value);
    case WIRE_WT_FIXED64:
        return reader_fixed(r, 8, &field->value);
    case WIRE_WT_LEN:
        return reader_span(r, &field->span);
    case WIRE_WT_FIXED32:
        return reader_fixed(r, 4, &field->value);
    default: /* groups, which proto3 does not have */
        return WIRE_ERR_MALFORMED;
    }
}

wire_err reader_field(wire_reader *r, const wire_shape *shape, wire_field *field) {
    uint64_t tag;
    const wire_err err = reader_varint(r, &tag);
    if (err)
        return err;
    if (tag > UINT32_MAX || tag < 8)
        return WIRE_ERR_MALFORMED;
    const uint32_t before = field->number;
    field->number = (uint32_t)tag >> 3;
    field->type = tag & 7;
    if (field->number < shape->n) {
        const uint8_t known = shape->types[field->number];
        if (field->type != (known & 7u))
            return WIRE_ERR_TYPE;
        if (field->number < before || (field->number == before && !(known & WIRE_REPEATED)))
            return WIRE_ERR_MALFORMED;
    }
    return reader_value(r, field);
}

wire_err reader_message(wire_span message, const wire_shape *shape, wire_field_fn on_field, void *arg) {
    wire_reader r = {message.data, message.data + message.n};
    wire_field field = {.number = 0};
    uint32_t seen = 0;
    while (r.p != r.end) {
        wire_err err = reader_field(&r, shape, &field);
        if (!err)
            err = on_field(&field, arg);
        if (err)
            return err;
        if (field.number < shape->n)
            seen |= 1u << field.number;
    }
    return (seen & shape->required) == shape->required ? WIRE_OK : WIRE_ERR_VALUE;
}

wire_err reader_u32(const wire_field *field, uint32_t *ret_value) {
    if (field->value > UINT32_MAX)
        return WIRE_ERR_VALUE;
    *ret_value = (uint32_t)field->value;
    return WIRE_OK;
}

wire_err reader_id(const wire_field *field, uint8_t ret_id[WIRE_ID_BYTES]) {
    if (field->span.n != WIRE_ID_BYTES)
        return WIRE_ERR_VALUE;
    memcpy(ret_id, field->span.data, WIRE_ID_BYTES);
    return WIRE_OK;
}

wire_err reader_us(const wire_field *field, uint64_t *ret_us) {
    if (field->value > (uint64_t)WIRE_US_MAX)
        return WIRE_ERR_VALUE;
    *ret_us = field->value;
    return WIRE_OK;
}

int64_t reader_wall(const wire_field *field) {
    const int64_t us = reader_zigzag(field->value);
    if (us < WIRE_US_MIN)
        return WIRE_US_MIN;
    return us > WIRE_US_MAX ? WIRE_US_MAX : us;
}

wire_err reader_time(const wire_field *field, int64_t *ret_us) {
    const int64_t us = reader_zigzag(field->value);
    if (us < WIRE_US_MIN || us > WIRE_US_MAX)
        return WIRE_ERR_VALUE;
    *ret_us = us;
    return WIRE_OK;
}

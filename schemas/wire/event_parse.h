/* One walk over an encoded Event that takes it apart and checks it; inlined into wire_event_scan and into the
 * loop of wire_batch_scan, which also has the definitions. Internal to wire. */
#ifndef WIRE_EVENT_PARSE_H
#define WIRE_EVENT_PARSE_H

#include "schemas/wire/dict.h"
#include "schemas/wire/reader.h"
#include "schemas/wire/tags.h"

/* How many values each type must have: nine bits a type, which WIRE_PROPS_MAX cannot overflow. */
typedef struct event_counts {
    uint64_t by_type;
    uint32_t inlined;
} event_counts;

wire_hot uint32_t count_of(const event_counts *counts, wire_type type) {
    return (uint32_t)(counts->by_type >> (unsigned)type * 9) & 511u;
}

wire_hot bool reader_at(const wire_reader *r, uint8_t tag) { return r->p != r->end && *r->p == tag; }

wire_hot wire_err scalar_parse(wire_reader *r, uint8_t tag, uint64_t max, uint64_t *ret_value) {
    *ret_value = 0;
    if (!reader_at(r, tag))
        return WIRE_OK;
    r->p++;
    const wire_err err = reader_varint(r, ret_value);
    if (wire_unlikely(err))
        return err;
    return wire_unlikely(*ret_value > max) ? WIRE_ERR_VALUE : WIRE_OK;
}

/* The contents of a packed list; empty if it is not there. */
wire_hot wire_err packed_parse(wire_reader *r, uint8_t tag, wire_span *ret_span) {
    *ret_span = (wire_span){r->p, 0};
    if (!reader_at(r, tag))
        return WIRE_OK;
    r->p++;
    return reader_span(r, ret_span);
}

wire_hot wire_err keys_parse(wire_span keys, const wire_dict *dict, wire_event_view *view,
                             event_counts *counts) {
    wire_reader r = {keys.data, keys.data + keys.n};
    uint32_t n = 0;
    counts->by_type = 0;
    counts->inlined = view->name == 0;
    while (r.p != r.end) {
        uint64_t key;
        const wire_err err = reader_varint(&r, &key);
        if (wire_unlikely(err))
            return err;
        if (wire_unlikely(key > UINT32_MAX))
            return WIRE_ERR_VALUE;
        if (wire_unlikely(++n > WIRE_PROPS_MAX))
            return WIRE_ERR_LIMIT;
        counts->by_type += UINT64_C(1) << (key & 7) * 9;
        counts->inlined += key < 8;
        if (dict && key >= 8 && wire_unlikely(!dict_find(dict, (uint32_t)key >> 3)))
            return WIRE_ERR_UNDEFINED;
    }
    view->n_props = n;
    /* Types 6 and 7 are reserved. */
    return wire_unlikely(counts->by_type >> 6 * 9) ? WIRE_ERR_VALUE : WIRE_OK;
}

/* What follows the known fields: unknown ones, and known ones that are out of order or of the wrong type. */
wire_err event_rest_check(wire_reader *r);

/* Why a value is not where it belongs: something wrong stands there, or nothing. */
wire_err event_missing(wire_reader *r);

/* Exactly n texts that each begin with the tag. */
wire_hot wire_err texts_parse(wire_reader *r, uint8_t tag, uint32_t n, wire_span *ret_list) {
    const uint8_t *const begin = r->p;
    for (; n > 0; n--) {
        if (wire_unlikely(!reader_at(r, tag)))
            return event_missing(r);
        r->p++;
        wire_span text;
        const wire_err err = reader_span(r, &text);
        if (wire_unlikely(err))
            return err;
    }
    *ret_list = (wire_span){begin, (size_t)(r->p - begin)};
    return WIRE_OK;
}

/* The same for names and keys, whose length is bounded. */
static inline wire_err inlined_parse(wire_reader *r, uint32_t n, wire_span *ret_list) {
    const uint8_t *const begin = r->p;
    for (; n > 0; n--) {
        wire_span text;
        if (!reader_at(r, TAG_INLINED))
            return event_missing(r);
        r->p++;
        const wire_err err = reader_span(r, &text);
        if (err)
            return err;
        if (text.n == 0)
            return WIRE_ERR_VALUE;
        if (text.n > WIRE_TEXT_BYTES_MAX)
            return WIRE_ERR_LIMIT;
    }
    *ret_list = (wire_span){begin, (size_t)(r->p - begin)};
    return WIRE_OK;
}

/* Exactly n varints. They are read with the event's end as bound, so that the last ones are quick too. */
wire_hot wire_err ints_check(wire_span ints, uint32_t n, const uint8_t *event_end) {
    wire_reader r = {ints.data, event_end};
    for (; n > 0; n--) {
        uint64_t value;
        const wire_err err = reader_varint(&r, &value);
        if (wire_unlikely(err))
            return err;
    }
    return wire_unlikely(r.p != ints.data + ints.n) ? WIRE_ERR_MALFORMED : WIRE_OK;
}

wire_hot wire_err values_parse(wire_reader *r, const event_counts *counts, wire_event_view *view) {
    wire_err err = texts_parse(r, TAG_STRINGS, count_of(counts, WIRE_STRING), &view->strings);
    if (wire_unlikely(err))
        return err;
    if (wire_unlikely(err = packed_parse(r, TAG_INTS, &view->ints)))
        return err;
    if (wire_unlikely(err = ints_check(view->ints, count_of(counts, WIRE_INT), r->end)))
        return err;
    if (wire_unlikely(err = packed_parse(r, TAG_DOUBLES, &view->doubles)))
        return err;
    if (wire_unlikely(view->doubles.n != (size_t)count_of(counts, WIRE_DOUBLE) * 8))
        return WIRE_ERR_MALFORMED;
    if (wire_unlikely(err = texts_parse(r, TAG_BLOBS, count_of(counts, WIRE_BYTES), &view->blobs)))
        return err;
    return inlined_parse(r, counts->inlined, &view->inlined);
}

wire_hot wire_err event_parse(wire_span event, const wire_dict *dict, wire_event_view *view) {
    wire_reader r = {event.data, event.data + event.n};
    wire_span keys;
    event_counts counts;
    uint64_t name, context, priority, time;
    wire_err err = scalar_parse(&r, TAG_NAME, UINT32_MAX, &name);
    if (wire_unlikely(err))
        return err;
    if (wire_unlikely(err = scalar_parse(&r, TAG_AT_US, (uint64_t)WIRE_US_MAX, &view->at_us)))
        return err;
    if (wire_unlikely(err = scalar_parse(&r, TAG_CONTEXT, UINT32_MAX, &context)))
        return err;
    if (wire_unlikely(err = packed_parse(&r, TAG_KEYS, &keys)))
        return err;
    view->name = (uint32_t)name;
    view->context = (uint32_t)context;
    view->keys = keys;
    if (dict && name != 0 && wire_unlikely(!dict_find(dict, (uint32_t)name)))
        return WIRE_ERR_UNDEFINED;
    if (wire_unlikely(err = keys_parse(keys, dict, view, &counts)))
        return err;
    if (wire_unlikely(err = values_parse(&r, &counts, view)))
        return err;
    view->has_time = reader_at(&r, TAG_TIME_US);
    if (wire_unlikely(err = scalar_parse(&r, TAG_TIME_US, UINT64_MAX, &time)))
        return err;
    view->time_us = reader_zigzag(time);
    if (wire_unlikely(view->time_us < WIRE_US_MIN || view->time_us > WIRE_US_MAX))
        return WIRE_ERR_VALUE;
    if (wire_unlikely(err = scalar_parse(&r, TAG_PRIORITY, UINT32_MAX, &priority)))
        return err;
    view->priority = (uint32_t)priority;
    return r.p == r.end ? WIRE_OK : event_rest_check(&r);
}

#endif

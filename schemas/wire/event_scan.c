#include "schemas/wire/event_parse.h"
#include "schemas/wire/props.h"

wire_err event_rest_check(wire_reader *r) {
    static const uint8_t types[] = {
        0,           WIRE_WT_VARINT, WIRE_WT_VARINT, WIRE_WT_VARINT, WIRE_WT_LEN,    WIRE_WT_LEN,
        WIRE_WT_LEN, WIRE_WT_LEN,    WIRE_WT_LEN,    WIRE_WT_LEN,    WIRE_WT_VARINT, WIRE_WT_VARINT,
    };
    static const wire_shape shape = {types, sizeof types, 0};
    wire_field field = {.number = sizeof types};
    while (r->p != r->end) {
        const wire_err err = reader_field(r, &shape, &field);
        if (err)
            return err;
    }
    return WIRE_OK;
}

wire_err event_missing(wire_reader *r) {
    const wire_err err = event_rest_check(r);
    return err ? err : WIRE_ERR_MALFORMED;
}

wire_err wire_event_scan(const uint8_t *data, size_t n, wire_event_view *ret_view) {
    if (n > WIRE_EVENT_BYTES_MAX)
        return WIRE_ERR_LIMIT;
    wire_event_view view;
    const wire_err err = event_parse((wire_span){data, n}, NULL, &view);
    if (!err)
        *ret_view = view;
    return err;
}

/* ---- an accepted event once more ---------------------------------------------------------------- */

/* However many texts begin with the tag here. */
wire_hot wire_err texts_again(wire_reader *r, uint8_t tag, wire_span *ret_list) {
    const uint8_t *const begin = r->p;
    while (reader_at(r, tag)) {
        r->p++;
        wire_span text;
        const wire_err err = reader_span(r, &text);
        if (wire_unlikely(err))
            return err;
    }
    *ret_list = (wire_span){begin, (size_t)(r->p - begin)};
    return WIRE_OK;
}

wire_hot wire_err head_again(wire_reader *r, wire_event_view *view) {
    uint64_t name, context;
    wire_err err = scalar_parse(r, TAG_NAME, UINT64_MAX, &name);
    if (wire_unlikely(err))
        return err;
    if (wire_unlikely(err = scalar_parse(r, TAG_AT_US, UINT64_MAX, &view->at_us)))
        return err;
    if (wire_unlikely(err = scalar_parse(r, TAG_CONTEXT, UINT64_MAX, &context)))
        return err;
    view->name = (uint32_t)name;
    view->context = (uint32_t)context;
    return packed_parse(r, TAG_KEYS, &view->keys);
}

wire_hot wire_err lists_again(wire_reader *r, wire_event_view *view) {
    wire_err err = texts_again(r, TAG_STRINGS, &view->strings);
    if (wire_unlikely(err))
        return err;
    if (wire_unlikely(err = packed_parse(r, TAG_INTS, &view->ints)))
        return err;
    if (wire_unlikely(err = packed_parse(r, TAG_DOUBLES, &view->doubles)))
        return err;
    if (wire_unlikely(err = texts_again(r, TAG_BLOBS, &view->blobs)))
        return err;
    return texts_again(r, TAG_INLINED, &view->inlined);
}

bool wire_event_rescan(const uint8_t *data, size_t n, wire_event_view *ret_view) {
    wire_reader r = {data, data + n};
    uint64_t time, priority;
    ret_view->n_props = 0;
    if (head_again(&r, ret_view) != WIRE_OK || lists_again(&r, ret_view) != WIRE_OK)
        return false;
    ret_view->has_time = reader_at(&r, TAG_TIME_US);
    if (scalar_parse(&r, TAG_TIME_US, UINT64_MAX, &time) != WIRE_OK ||
        scalar_parse(&r, TAG_PRIORITY, UINT64_MAX, &priority) != WIRE_OK)
        return false;
    ret_view->time_us = reader_zigzag(time);
    ret_view->priority = (uint32_t)priority;
    return true;
}

/* ---- properties of an accepted event ---------------------------------------------------------- */

wire_span wire_props_begin(wire_props *it, const wire_event_view *view) { return props_begin(it, view); }

bool wire_props_next(wire_props *it, wire_prop_view *ret_prop) {
    *ret_prop = (wire_prop_view){.key_id = 0};
    return props_next(it, ret_prop);
}

#include "schemas/wire/event_parse.h"

#include <endian.h>

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

/* Stretches a list of texts over one more. */
wire_hot bool text_add(wire_reader *r, wire_span *list) {
    const uint8_t *const tag = r->p - 1;
    wire_span text;
    if (reader_span(r, &text) != WIRE_OK)
        return false;
    if (list->n == 0)
        list->data = tag;
    list->n = (size_t)(r->p - list->data);
    return true;
}

wire_hot bool scalar_take(wire_reader *r, uint64_t *ret_value) {
    return reader_varint(r, ret_value) == WIRE_OK;
}

bool wire_event_rescan(const uint8_t *data, size_t n, wire_event_view *ret_view) {
    wire_reader r = {data, data + n};
    wire_event_view v = {.name = 0};
    uint64_t name = 0, context = 0, time = 0, priority = 0;
    bool ok = true;
    for (bool known = true; ok && known && r.p != r.end;) {
        switch (*r.p++) {
        case TAG_NAME:
            ok = scalar_take(&r, &name);
            break;
        case TAG_AT_US:
            ok = scalar_take(&r, &v.at_us);
            break;
        case TAG_CONTEXT:
            ok = scalar_take(&r, &context);
            break;
        case TAG_KEYS:
            ok = reader_span(&r, &v.keys) == WIRE_OK;
            break;
        case TAG_STRINGS:
            ok = text_add(&r, &v.strings);
            break;
        case TAG_INTS:
            ok = reader_span(&r, &v.ints) == WIRE_OK;
            break;
        case TAG_DOUBLES:
            ok = reader_span(&r, &v.doubles) == WIRE_OK;
            break;
        case TAG_BLOBS:
            ok = text_add(&r, &v.blobs);
            break;
        case TAG_INLINED:
            ok = text_add(&r, &v.inlined);
            break;
        case TAG_TIME_US:
            v.has_time = ok = scalar_take(&r, &time);
            break;
        case TAG_PRIORITY:
            ok = scalar_take(&r, &priority);
            break;
        default:
            known = false; /* what a later version adds stands last */
        }
    }
    v.name = (uint32_t)name;
    v.context = (uint32_t)context;
    v.time_us = reader_zigzag(time);
    v.priority = (uint32_t)priority;
    *ret_view = v;
    return ok;
}

/* ---- properties of an accepted event ---------------------------------------------------------- */

static uint64_t varint_take(const uint8_t **p) {
    uint64_t value = 0;
    unsigned shift = 0;
    while (**p >= 0x80) {
        value |= (uint64_t)(*(*p)++ & 0x7f) << shift;
        shift += 7;
    }
    return value | (uint64_t) * (*p)++ << shift;
}

static wire_span text_take(const uint8_t **p) {
    (*p)++; /* the tag */
    const size_t n = (size_t)varint_take(p);
    const wire_span text = {*p, n};
    *p += n;
    return text;
}

wire_span wire_props_begin(wire_props *it, const wire_event_view *view) {
    *it = (wire_props){
        .keys = view->keys.data,
        .keys_end = view->keys.data + view->keys.n,
        .ints = view->ints.data,
        .doubles = view->doubles.data,
        .strings = view->strings.data,
        .blobs = view->blobs.data,
        .inlined = view->inlined.data,
    };
    return view->name != 0 ? (wire_span){NULL, 0} : text_take(&it->inlined);
}

bool wire_props_next(wire_props *it, wire_prop_view *ret_prop) {
    if (it->keys == it->keys_end)
        return false;
    const uint32_t key = (uint32_t)varint_take(&it->keys);
    *ret_prop = (wire_prop_view){.key_id = key >> 3, .type = (wire_type)(key & 7)};
    if (ret_prop->key_id == 0)
        ret_prop->key = text_take(&it->inlined);
    switch (ret_prop->type) {
    case WIRE_STRING:
        ret_prop->s = text_take(&it->strings);
        break;
    case WIRE_BYTES:
        ret_prop->s = text_take(&it->blobs);
        break;
    case WIRE_INT:
        ret_prop->i = reader_zigzag(varint_take(&it->ints));
        break;
    case WIRE_DOUBLE: {
        uint64_t bits;
        memcpy(&bits, it->doubles, 8);
        bits = le64toh(bits);
        memcpy(&ret_prop->d, &bits, 8);
        it->doubles += 8;
        break;
    }
    case WIRE_FALSE:
    case WIRE_TRUE:
        break;
    }
    return true;
}

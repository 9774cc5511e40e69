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

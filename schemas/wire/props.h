/* The walk over an accepted event's properties, inline: for those who render millions a second. */
#ifndef WIRE_PROPS_H
#define WIRE_PROPS_H

#include "schemas/wire/reader.h"

wire_hot uint64_t props_varint(const uint8_t **p) {
    uint64_t value = *(*p)++;
    if (value < 0x80)
        return value;
    value &= 0x7f;
    for (unsigned shift = 7;; shift += 7) {
        const uint64_t byte = *(*p)++;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
}

wire_hot wire_span props_text(const uint8_t **p) {
    (*p)++; /* the tag */
    const size_t n = (size_t)props_varint(p);
    const wire_span text = {*p, n};
    *p += n;
    return text;
}

wire_hot wire_span props_begin(wire_props *it, const wire_event_view *view) {
    *it = (wire_props){
        .keys = view->keys.data,
        .keys_end = view->keys.data + view->keys.n,
        .ints = view->ints.data,
        .doubles = view->doubles.data,
        .strings = view->strings.data,
        .blobs = view->blobs.data,
        .inlined = view->inlined.data,
    };
    return view->name != 0 ? (wire_span){NULL, 0} : props_text(&it->inlined);
}

/* As wire_props_next, but that nothing is set that the property does not have. */
wire_hot bool props_next(wire_props *it, wire_prop_view *ret_prop) {
    if (it->keys == it->keys_end)
        return false;
    const uint32_t key = (uint32_t)props_varint(&it->keys);
    ret_prop->key_id = key >> 3;
    ret_prop->type = (wire_type)(key & 7);
    if (ret_prop->key_id == 0)
        ret_prop->key = props_text(&it->inlined);
    switch (ret_prop->type) {
    case WIRE_STRING:
        ret_prop->s = props_text(&it->strings);
        break;
    case WIRE_BYTES:
        ret_prop->s = props_text(&it->blobs);
        break;
    case WIRE_INT:
        ret_prop->i = reader_zigzag(props_varint(&it->ints));
        break;
    case WIRE_DOUBLE: {
        const uint64_t bits = word_load(it->doubles);
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

#endif

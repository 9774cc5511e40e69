#include "tests/unit/schemas/reference.h"

#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

/* ---- encoding --------------------------------------------------------------------------------- */

static bool texts_encode(pb_ostream_t *stream, const pb_field_t *field, void *const *arg) {
    const reference_texts *texts = *arg;
    for (uint32_t i = 0; i < texts->n; i++) {
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_string(stream, texts->items[i].data, texts->items[i].n))
            return false;
    }
    return true;
}

static void text_add(reference_texts *texts, const void *data, size_t n) {
    texts->items[texts->n++] = (wire_span){data, n};
}

static void prop_add(reference_event *event, const wire_prop *prop) {
    wadi_v1_Event *const message = &event->message;
    message->keys[message->keys_count++] = prop->key_id << 3 | prop->type;
    if (prop->key_id == 0)
        text_add(&event->inlined, prop->key, prop->key_len);
    if (prop->type == WIRE_STRING)
        text_add(&event->strings, prop->v.s.data, prop->v.s.n);
    else if (prop->type == WIRE_BYTES)
        text_add(&event->blobs, prop->v.s.data, prop->v.s.n);
    else if (prop->type == WIRE_INT)
        message->ints[message->ints_count++] = prop->v.i;
    else if (prop->type == WIRE_DOUBLE)
        message->doubles[message->doubles_count++] = prop->v.d;
}

size_t reference_event_encode(const wire_event *ev, uint8_t *out, size_t cap) {
    static reference_event event;
    wadi_v1_Event *const message = &event.message;
    *message = (wadi_v1_Event){
        .name = ev->name_id,
        .at_us = ev->at_us,
        .context = ev->context,
        .has_time_us = ev->has_time,
        .time_us = ev->time_us,
        .priority = ev->priority,
        .strings = {.funcs.encode = texts_encode, .arg = &event.strings},
        .blobs = {.funcs.encode = texts_encode, .arg = &event.blobs},
        .inlined = {.funcs.encode = texts_encode, .arg = &event.inlined},
    };
    event.strings.n = event.blobs.n = event.inlined.n = 0;
    if (ev->name_id == 0)
        text_add(&event.inlined, ev->name, ev->name_len);
    for (size_t i = 0; i < ev->n_props; i++)
        prop_add(&event, &ev->props[i]);
    pb_ostream_t stream = pb_ostream_from_buffer(out, cap);
    return pb_encode(&stream, wadi_v1_Event_fields, message) ? stream.bytes_written : 0;
}

/* ---- decoding --------------------------------------------------------------------------------- */

static bool text_decode(pb_istream_t *stream, const pb_field_t *field, void **arg) {
    (void)field;
    reference_texts *texts = *arg;
    if (texts->n == WIRE_PROPS_MAX + 1)
        return false;
    /* A stream over memory keeps its place in `state`. */
    text_add(texts, stream->state, stream->bytes_left);
    return pb_read(stream, NULL, stream->bytes_left);
}

static bool event_decode(pb_istream_t *stream, reference_event *event) {
    event->message = (wadi_v1_Event){
        .strings = {.funcs.decode = text_decode, .arg = &event->strings},
        .blobs = {.funcs.decode = text_decode, .arg = &event->blobs},
        .inlined = {.funcs.decode = text_decode, .arg = &event->inlined},
    };
    event->strings.n = event->blobs.n = event->inlined.n = 0;
    return pb_decode(stream, wadi_v1_Event_fields, &event->message);
}

bool reference_event_decode(const uint8_t *data, size_t n, reference_event *ret_event) {
    pb_istream_t stream = pb_istream_from_buffer(data, n);
    return event_decode(&stream, ret_event);
}

static bool events_decode(pb_istream_t *stream, const pb_field_t *field, void **arg) {
    (void)field;
    static reference_event event;
    ((reference_batch *)*arg)->n_events++;
    return event_decode(stream, &event);
}

static bool definitions_decode(pb_istream_t *stream, const pb_field_t *field, void **arg) {
    (void)field;
    wadi_v1_Definition message = wadi_v1_Definition_init_zero;
    ((reference_batch *)*arg)->n_definitions++;
    return pb_decode(stream, wadi_v1_Definition_fields, &message);
}

static bool attributes_decode(pb_istream_t *stream, const pb_field_t *field, void **arg) {
    (void)field;
    wadi_v1_Attribute message = wadi_v1_Attribute_init_zero;
    ((reference_batch *)*arg)->n_attributes++;
    return pb_decode(stream, wadi_v1_Attribute_fields, &message);
}

static bool contexts_decode(pb_istream_t *stream, const pb_field_t *field, void **arg) {
    (void)field;
    wadi_v1_Context message = wadi_v1_Context_init_zero;
    message.attributes = (pb_callback_t){.funcs.decode = attributes_decode, .arg = *arg};
    ((reference_batch *)*arg)->n_contexts++;
    return pb_decode(stream, wadi_v1_Context_fields, &message);
}

static bool crcs_decode(pb_istream_t *stream, const pb_field_t *field, void **arg) {
    (void)field;
    while (stream->bytes_left > 0) {
        uint32_t crc;
        if (!pb_decode_fixed32(stream, &crc))
            return false;
        ((reference_batch *)*arg)->n_dropped++;
    }
    return true;
}

static bool dropped_decode(pb_istream_t *stream, const pb_field_t *field, void **arg) {
    (void)field;
    wadi_v1_Dropped message = wadi_v1_Dropped_init_zero;
    message.crcs = (pb_callback_t){.funcs.decode = crcs_decode, .arg = *arg};
    return pb_decode(stream, wadi_v1_Dropped_fields, &message);
}

bool reference_batch_decode(const uint8_t *data, size_t n, reference_batch *ret_batch) {
    *ret_batch = (reference_batch){.message = {
                                       .definitions = {.funcs.decode = definitions_decode, .arg = ret_batch},
                                       .contexts = {.funcs.decode = contexts_decode, .arg = ret_batch},
                                       .dropped = {.funcs.decode = dropped_decode, .arg = ret_batch},
                                       .events = {.funcs.decode = events_decode, .arg = ret_batch},
                                   }};
    pb_istream_t stream = pb_istream_from_buffer(data, n);
    return pb_decode(&stream, wadi_v1_Batch_fields, &ret_batch->message);
}

/* ---- one form --------------------------------------------------------------------------------- */

static void name_set(wire_event *ev, wire_span name) {
    ev->name = (const char *)name.data;
    ev->name_len = (uint8_t)name.n;
}

static void key_set(wire_prop *prop, wire_span key) {
    prop->key = (const char *)key.data;
    prop->key_len = (uint8_t)key.n;
}

static void text_set(wire_prop *prop, wire_span text) {
    prop->v.s.data = text.data;
    prop->v.s.n = text.n;
}

void event_from_reference(const reference_event *reference, wire_event *ret_ev, wire_prop *props) {
    const wadi_v1_Event *message = &reference->message;
    uint32_t string = 0, blob = 0, inlined = 0, integer = 0, number = 0;
    *ret_ev = (wire_event){
        .name_id = message->name,
        .at_us = message->at_us,
        .context = message->context,
        .priority = message->priority,
        .has_time = message->has_time_us,
        .time_us = message->time_us,
        .props = props,
        .n_props = message->keys_count,
    };
    if (message->name == 0)
        name_set(ret_ev, reference->inlined.items[inlined++]);
    for (uint32_t i = 0; i < message->keys_count; i++) {
        wire_prop *prop = &props[i];
        *prop = (wire_prop){.key_id = message->keys[i] >> 3, .type = (uint8_t)(message->keys[i] & 7)};
        if (prop->key_id == 0)
            key_set(prop, reference->inlined.items[inlined++]);
        if (prop->type == WIRE_STRING)
            text_set(prop, reference->strings.items[string++]);
        else if (prop->type == WIRE_BYTES)
            text_set(prop, reference->blobs.items[blob++]);
        else if (prop->type == WIRE_INT)
            prop->v.i = message->ints[integer++];
        else if (prop->type == WIRE_DOUBLE)
            prop->v.d = message->doubles[number++];
    }
}

void event_from_view(const wire_event_view *view, wire_event *ret_ev, wire_prop *props) {
    *ret_ev = (wire_event){
        .name_id = view->name,
        .at_us = view->at_us,
        .context = view->context,
        .priority = view->priority,
        .has_time = view->has_time,
        .time_us = view->has_time ? view->time_us : 0,
        .props = props,
        .n_props = view->n_props,
    };
    wire_props it;
    wire_prop_view read;
    name_set(ret_ev, wire_props_begin(&it, view));
    for (wire_prop *prop = props; wire_props_next(&it, &read); prop++) {
        *prop = (wire_prop){.key_id = read.key_id, .type = (uint8_t)read.type};
        key_set(prop, read.key);
        if (read.type == WIRE_STRING || read.type == WIRE_BYTES)
            text_set(prop, read.s);
        else if (read.type == WIRE_INT)
            prop->v.i = read.i;
        else if (read.type == WIRE_DOUBLE)
            prop->v.d = read.d;
    }
}

static bool bytes_equal(const void *a, size_t a_n, const void *b, size_t b_n) {
    return a_n == b_n && (a_n == 0 || memcmp(a, b, a_n) == 0);
}

static bool prop_equal(const wire_prop *a, const wire_prop *b) {
    if (a->key_id != b->key_id || a->type != b->type || !bytes_equal(a->key, a->key_len, b->key, b->key_len))
        return false;
    if (a->type == WIRE_STRING || a->type == WIRE_BYTES)
        return bytes_equal(a->v.s.data, a->v.s.n, b->v.s.data, b->v.s.n);
    if (a->type == WIRE_INT)
        return a->v.i == b->v.i;
    return a->type != WIRE_DOUBLE || memcmp(&a->v.d, &b->v.d, sizeof a->v.d) == 0;
}

bool event_equal(const wire_event *a, const wire_event *b) {
    if (a->name_id != b->name_id || a->at_us != b->at_us || a->context != b->context ||
        a->priority != b->priority)
        return false;
    if (a->has_time != b->has_time || (a->has_time && a->time_us != b->time_us) || a->n_props != b->n_props)
        return false;
    if (!bytes_equal(a->name, a->name_len, b->name, b->name_len))
        return false;
    for (size_t i = 0; i < a->n_props; i++) {
        if (!prop_equal(&a->props[i], &b->props[i]))
            return false;
    }
    return true;
}

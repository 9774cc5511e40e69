#include "tests/unit/schemas/reference_record.h"

#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

#include "wadi/v1/record.pb.h"

typedef struct field_list {
    const reference_field *fields;
    size_t n;
} field_list;

static bool text_encode(pb_ostream_t *stream, const pb_field_t *field, void *const *arg) {
    const wire_span *text = *arg;
    return pb_encode_tag_for_field(stream, field) && pb_encode_string(stream, text->data, text->n);
}

/* nanopb takes what a callback needs as void *, and changes nothing. */
static pb_callback_t text_of(const wire_span *text) {
    pb_callback_t callback = {.funcs.encode = text_encode};
    memcpy(&callback.arg, &text, sizeof text);
    return callback;
}

static pb_callback_t text_or_none(const wire_span *text) {
    return text->n > 0 ? text_of(text) : (pb_callback_t){.arg = NULL};
}

static wadi_v1_Field field_of(const reference_field *from) {
    wadi_v1_Field field = {.key = text_of(&from->key)};
    switch (from->type) {
    case WIRE_STRING:
        field.which_value = wadi_v1_Field_string_value_tag;
        field.value.string_value = text_of(&from->s);
        break;
    case WIRE_BYTES:
        field.which_value = wadi_v1_Field_bytes_value_tag;
        field.value.bytes_value = text_of(&from->s);
        break;
    case WIRE_INT:
        field.which_value = wadi_v1_Field_int_value_tag;
        field.value.int_value = from->i;
        break;
    case WIRE_DOUBLE:
        field.which_value = wadi_v1_Field_double_value_tag;
        field.value.double_value = from->d;
        break;
    case WIRE_FALSE:
    case WIRE_TRUE:
        field.which_value = wadi_v1_Field_bool_value_tag;
        field.value.bool_value = from->type == WIRE_TRUE;
        break;
    }
    return field;
}

static bool fields_encode(pb_ostream_t *stream, const pb_field_t *field, void *const *arg) {
    const field_list *list = *arg;
    for (size_t i = 0; i < list->n; i++) {
        const wadi_v1_Field message = field_of(&list->fields[i]);
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_submessage(stream, wadi_v1_Field_fields, &message))
            return false;
    }
    return true;
}

size_t reference_record_encode(const reference_record *record, uint8_t *out, size_t cap) {
    field_list context = {record->context, record->n_context};
    field_list properties = {record->properties, record->n_properties};
    wadi_v1_Record message = {.name = text_or_none(&record->name),
                              .time_us = record->time_us,
                              .time_quality = (wadi_v1_TimeQuality)record->time_quality,
                              .received_us = record->received_us,
                              .seq = record->seq,
                              .run = record->run,
                              .late = record->late,
                              .resent = record->resent,
                              .user = text_or_none(&record->user),
                              .session = text_or_none(&record->session),
                              .context = {.funcs.encode = fields_encode, .arg = &context},
                              .properties = {.funcs.encode = fields_encode, .arg = &properties},
                              .time_error_us = record->time_error_us,
                              .tenant = text_or_none(&record->tenant)};
    memcpy(message.installation, record->installation, WIRE_ID_BYTES);
    memcpy(message.stream, record->stream, WIRE_ID_BYTES);
    pb_ostream_t stream = pb_ostream_from_buffer(out, cap);
    return pb_encode(&stream, wadi_v1_Record_fields, &message) ? stream.bytes_written : 0;
}

static bool field_decode(pb_istream_t *stream, const pb_field_t *field, void **arg) {
    (void)field;
    (void)arg;
    wadi_v1_Field message = wadi_v1_Field_init_zero;
    return pb_decode(stream, wadi_v1_Field_fields, &message);
}

bool reference_record_decodes(const uint8_t *data, size_t n) {
    wadi_v1_Record message = {.context = {.funcs.decode = field_decode},
                              .properties = {.funcs.decode = field_decode}};
    pb_istream_t stream = pb_istream_from_buffer(data, n);
    return pb_decode(&stream, wadi_v1_Record_fields, &message);
}

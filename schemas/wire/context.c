#include "schemas/wire/context.h"

static wire_err attribute_field(const wire_field *field, void *arg) {
    wire_attribute *attribute = arg;
    if (field->number == 1)
        attribute->key = field->span;
    else if (field->number == 2)
        attribute->value = field->span;
    return WIRE_OK;
}

static wire_err attribute_scan(wire_span message, wire_attribute *ret_attribute) {
    static const uint8_t types[] = {0, WIRE_WT_LEN, WIRE_WT_LEN};
    static const wire_shape shape = {types, sizeof types, 0};
    *ret_attribute = (wire_attribute){{message.data, 0}, {message.data, 0}};
    const wire_err err = reader_message(message, &shape, attribute_field, ret_attribute);
    if (err)
        return err;
    if (ret_attribute->key.n == 0)
        return WIRE_ERR_VALUE;
    if (ret_attribute->key.n > WIRE_TEXT_BYTES_MAX || ret_attribute->value.n > WIRE_VALUE_BYTES_MAX)
        return WIRE_ERR_LIMIT;
    return WIRE_OK;
}

static wire_err context_field(const wire_field *field, void *arg) {
    wire_context_view *view = arg;
    switch (field->number) {
    case 1:
        return reader_u32(field, &view->id);
    case 2:
        view->user = field->span;
        return field->span.n > WIRE_VALUE_BYTES_MAX ? WIRE_ERR_LIMIT : WIRE_OK;
    case 3:
        view->session = field->span;
        return field->span.n > WIRE_VALUE_BYTES_MAX ? WIRE_ERR_LIMIT : WIRE_OK;
    case 4:
        if (view->n_attributes == WIRE_ATTRIBUTES_MAX)
            return WIRE_ERR_LIMIT;
        return attribute_scan(field->span, &view->attributes[view->n_attributes++]);
    default:
        return WIRE_OK;
    }
}

static const uint8_t context_types[] = {0, WIRE_WT_VARINT, WIRE_WT_LEN, WIRE_WT_LEN,
                                        WIRE_WT_LEN | WIRE_REPEATED};
static const wire_shape context_shape = {context_types, sizeof context_types, 1u << 1};

wire_err wire_context_scan(wire_span message, wire_context_view *ret_view) {
    if (message.n > WIRE_CONTEXT_BYTES_MAX)
        return WIRE_ERR_LIMIT;
    ret_view->id = 0;
    ret_view->user = ret_view->session = (wire_span){message.data, 0};
    ret_view->n_attributes = 0;
    const wire_err err = reader_message(message, &context_shape, context_field, ret_view);
    if (err)
        return err;
    return ret_view->id == 0 ? WIRE_ERR_VALUE : WIRE_OK;
}

wire_err context_id(wire_span message, uint32_t *ret_id) {
    wire_reader r = {message.data, message.data + message.n};
    wire_field field = {.number = 0};
    if (r.p == r.end)
        return WIRE_ERR_VALUE;
    const wire_err err = reader_field(&r, &context_shape, &field);
    if (err)
        return err;
    return field.number == 1 ? reader_u32(&field, ret_id) : WIRE_ERR_VALUE;
}

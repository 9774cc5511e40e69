#include "schemas/wire/batch_head.h"

#include "schemas/wire/context.h"
#include "schemas/wire/dict.h"
#include "schemas/wire/tags.h"

enum { BATCH_EVENTS = 15, BATCH_FIELDS = 16 };

static wire_err run_field(const wire_field *field, void *arg) {
    wire_run *run = arg;
    switch (field->number) {
    case 1:
        run->ordinal = field->value;
        return WIRE_OK;
    case 2:
        run->nonce = (uint32_t)field->value;
        return WIRE_OK;
    case 3:
        return reader_id(field, run->boot_id);
    case 4:
        return reader_us(field, &run->boot_us);
    case 5:
        run->wall_us = reader_wall(field);
        return WIRE_OK;
    case 6:
        run->sdk = field->span;
        return field->span.n > WIRE_SDK_BYTES_MAX ? WIRE_ERR_LIMIT : WIRE_OK;
    default:
        return WIRE_OK;
    }
}

static wire_err run_scan(wire_span message, wire_run *run) {
    static const uint8_t types[] = {
        0, WIRE_WT_VARINT, WIRE_WT_FIXED32, WIRE_WT_LEN, WIRE_WT_VARINT, WIRE_WT_VARINT, WIRE_WT_LEN,
    };
    static const wire_shape shape = {types, sizeof types, 1u << 3};
    return reader_message(message, &shape, run_field, run);
}

static wire_err clock_field(const wire_field *field, void *arg) {
    wire_clock *clock = arg;
    switch (field->number) {
    case 1:
        return reader_id(field, clock->boot_id);
    case 2:
        return reader_us(field, &clock->boot_us);
    case 3:
        clock->wall_us = reader_wall(field);
        return WIRE_OK;
    case 4:
        clock->has_offset = true;
        return reader_time(field, &clock->offset_us);
    case 5:
        return reader_us(field, &clock->offset_error_us);
    case 6:
        clock->has_not_after = true;
        return reader_time(field, &clock->not_after_us);
    default:
        return WIRE_OK;
    }
}

static wire_err clock_scan(wire_span message, wire_clock *clock) {
    static const uint8_t types[] = {
        0, WIRE_WT_LEN, WIRE_WT_VARINT, WIRE_WT_VARINT, WIRE_WT_VARINT, WIRE_WT_VARINT, WIRE_WT_VARINT,
    };
    static const wire_shape shape = {types, sizeof types, 1u << 1};
    return reader_message(message, &shape, clock_field, clock);
}

static wire_err definition_field(const wire_field *field, void *arg) {
    wire_definition *definition = arg;
    if (field->number == 1)
        return reader_u32(field, &definition->id);
    if (field->number == 2)
        definition->text = field->span;
    return WIRE_OK;
}

static wire_err definition_add(wire_span message, wire_dict *dict) {
    static const uint8_t types[] = {0, WIRE_WT_VARINT, WIRE_WT_LEN};
    static const wire_shape shape = {types, sizeof types, 0};
    if (dict->n == WIRE_DEFINITIONS_MAX)
        return WIRE_ERR_LIMIT;
    wire_definition definition = {0, {message.data, 0}};
    const wire_err err = reader_message(message, &shape, definition_field, &definition);
    if (err)
        return err;
    if (definition.id == 0 || definition.id > WIRE_NAME_ID_MAX || definition.text.n == 0)
        return WIRE_ERR_VALUE;
    if (definition.text.n > WIRE_TEXT_BYTES_MAX)
        return WIRE_ERR_LIMIT;
    dict->entries[dict->n++] = definition;
    return WIRE_OK;
}

static wire_err context_add(wire_span message, bool check, wire_batch *batch) {
    if (batch->n_contexts == WIRE_CONTEXTS_MAX)
        return WIRE_ERR_LIMIT;
    uint32_t id = 0;
    wire_err err;
    if (check) {
        wire_context_view view;
        err = wire_context_scan(message, &view);
        id = view.id;
    } else {
        err = context_id(message, &id);
    }
    if (err)
        return err;
    for (uint32_t i = 0; i < batch->n_contexts; i++) {
        if (batch->context_ids[i] == id)
            return WIRE_ERR_VALUE;
    }
    batch->context_ids[batch->n_contexts] = id;
    batch->contexts[batch->n_contexts++] = message;
    return WIRE_OK;
}

/* ---- tombstones ------------------------------------------------------------------------------- */

typedef struct dropped_range {
    uint64_t first_seq;
    uint32_t reason;
    wire_span crcs;
} dropped_range;

static wire_err dropped_field(const wire_field *field, void *arg) {
    dropped_range *range = arg;
    if (field->number == 1)
        range->first_seq = field->value;
    else if (field->number == 2)
        return reader_u32(field, &range->reason);
    else if (field->number == 3)
        range->crcs = field->span;
    return WIRE_OK;
}

static wire_err dropped_scan(wire_span message, dropped_range *range) {
    static const uint8_t types[] = {0, WIRE_WT_VARINT, WIRE_WT_VARINT, WIRE_WT_LEN};
    static const wire_shape shape = {types, sizeof types, 0};
    const wire_err err = reader_message(message, &shape, dropped_field, range);
    if (err)
        return err;
    if (range->reason == 0 || range->reason > UINT8_MAX || range->crcs.n == 0 || range->crcs.n % 4 != 0)
        return WIRE_ERR_VALUE;
    return WIRE_OK;
}

static uint32_t le32_get(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Puts the range where its numbers belong, and marks the numbers before it that are left to events. */
static wire_err dropped_add(wire_span message, batch_scan *s) {
    dropped_range range = {0, 0, {message.data, 0}};
    if (s->n_dropped++ == WIRE_DROPPED_MAX)
        return WIRE_ERR_LIMIT;
    const wire_err err = dropped_scan(message, &range);
    if (err)
        return err;
    const uint64_t first_seq = s->batch->first_seq;
    if (range.first_seq < first_seq || range.first_seq - first_seq < s->dropped_end)
        return WIRE_ERR_VALUE;
    const uint64_t begin = range.first_seq - first_seq;
    const size_t n = range.crcs.n / 4;
    if (begin >= s->items_max || n > s->items_max - begin)
        return WIRE_ERR_LIMIT;
    for (uint32_t i = s->dropped_end; i < begin; i++)
        s->items[i].flags = 0;
    for (size_t i = 0; i < n; i++) {
        s->items[begin + i] = (wire_item){.crc = le32_get(range.crcs.data + 4 * i),
                                          .flags = WIRE_ITEM_DROPPED,
                                          .reason = (uint8_t)range.reason};
    }
    s->dropped_end = (uint32_t)(begin + n);
    return WIRE_OK;
}

/* ---- the head --------------------------------------------------------------------------------- */

static const uint8_t batch_types[BATCH_FIELDS] = {
    0,
    WIRE_WT_VARINT,
    WIRE_WT_LEN,
    WIRE_WT_LEN,
    WIRE_WT_VARINT,
    WIRE_WT_FIXED64,
    WIRE_WT_VARINT,
    WIRE_WT_VARINT,
    WIRE_WT_LEN,
    WIRE_WT_LEN,
    WIRE_WT_LEN | WIRE_REPEATED,
    WIRE_WT_LEN | WIRE_REPEATED,
    WIRE_WT_LEN | WIRE_REPEATED,
    WIRE_WT_VARINT,
    WIRE_WT_VARINT,
    WIRE_WT_LEN,
};
static const wire_shape batch_shape = {batch_types, sizeof batch_types,
                                       1u << 1 | 1u << 2 | 1u << 3 | 1u << 8 | 1u << 9};

/* Another version is for a newer collector; none at all is no batch. */
static wire_err version_check(uint64_t version) {
    if (version == 0)
        return WIRE_ERR_VALUE;
    return version == WIRE_VERSION ? WIRE_OK : WIRE_ERR_VERSION;
}

static wire_err head_field(batch_scan *s, const wire_field *field) {
    wire_batch *const batch = s->batch;
    switch (field->number) {
    case 1:
        return version_check(field->value);
    case 2:
        return reader_id(field, batch->installation);
    case 3:
        return reader_id(field, batch->stream);
    case 4:
        batch->first_seq = field->value;
        return WIRE_OK;
    case 5:
        batch->chain = field->value;
        return WIRE_OK;
    case 6:
        batch->low = field->value;
        return WIRE_OK;
    case 7:
        batch->resent_through = field->value;
        return WIRE_OK;
    case 8:
        return run_scan(field->span, &batch->run);
    case 9:
        return clock_scan(field->span, &batch->clock);
    case 10:
        return definition_add(field->span, s->dict);
    case 11:
        return context_add(field->span, s->check, batch);
    case 12:
        return dropped_add(field->span, s);
    case 13:
        batch->pending = field->value;
        return WIRE_OK;
    case 14:
        batch->refused = field->value;
        return WIRE_OK;
    case BATCH_EVENTS: /* its tag written in more than one byte */
        return WIRE_ERR_MALFORMED;
    default:
        return WIRE_OK;
    }
}

static wire_err head_check(const batch_scan *s) {
    const wire_batch *batch = s->batch;
    if ((s->seen & batch_shape.required) != batch_shape.required)
        return WIRE_ERR_VALUE;
    if (batch->low == 0 || batch->low > batch->first_seq || batch->first_seq > INT64_MAX)
        return WIRE_ERR_VALUE;
    return dict_finish(s->dict);
}

wire_err batch_head_scan(batch_scan *s) {
    wire_field field = {.number = 0};
    memset(s->batch, 0, offsetof(wire_batch, contexts));
    s->dict->n = 0;
    while (s->r.p != s->r.end && (field.number >= BATCH_EVENTS || *s->r.p != TAG_BATCH_EVENT)) {
        wire_err err = reader_field(&s->r, &batch_shape, &field);
        if (!err)
            err = head_field(s, &field);
        if (err)
            return err;
        if (field.number < BATCH_FIELDS)
            s->seen |= 1u << field.number;
    }
    return head_check(s);
}

wire_err batch_rest_check(batch_scan *s) {
    wire_field field = {.number = BATCH_EVENTS};
    while (s->r.p != s->r.end) {
        const wire_err err = reader_field(&s->r, &batch_shape, &field);
        if (err)
            return err;
    }
    return WIRE_OK;
}

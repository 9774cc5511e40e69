/* The small messages, by nanopb: the head of a Batch, Context, Ack. The only file of the product that
 * includes nanopb. What has no bound in the .options goes through callbacks that borrow the caller's memory.
 */
#include "schemas/wire/wire.h"

#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

#include "wadi/v1/batch.pb.h"
#include "wadi/v1/event.pb.h"

_Static_assert(sizeof((wadi_v1_Ack *)0)->collector == sizeof((wire_ack *)0)->collector, "one bound");
_Static_assert(sizeof((wadi_v1_Ack *)0)->message == sizeof((wire_ack *)0)->message, "one bound");
_Static_assert(sizeof((wadi_v1_Run *)0)->sdk == WIRE_SDK_BYTES_MAX + 1, "one bound");

typedef bool (*encode_fn)(pb_ostream_t *stream, const pb_field_t *field, void *const *arg);

/* nanopb takes the argument without const, and does not write through it. */
static pb_callback_t encoder(encode_fn fn, const void *arg) {
    union {
        const void *in;
        void *out;
    } borrowed = {.in = arg};
    return (pb_callback_t){.funcs.encode = fn, .arg = borrowed.out};
}

static bool span_encode(pb_ostream_t *stream, const pb_field_t *field, void *const *arg) {
    const wire_span *span = *arg;
    return span->n == 0 ||
           (pb_encode_tag_for_field(stream, field) && pb_encode_string(stream, span->data, span->n));
}

static wire_err message_encode(const pb_msgdesc_t *fields, const void *message, uint8_t *out, size_t cap,
                               size_t *ret_n) {
    pb_ostream_t stream = pb_ostream_from_buffer(out, cap);
    if (!pb_encode(&stream, fields, message))
        return WIRE_ERR_SPACE;
    *ret_n = stream.bytes_written;
    return WIRE_OK;
}

/* ---- context ---------------------------------------------------------------------------------- */

static bool attributes_encode(pb_ostream_t *stream, const pb_field_t *field, void *const *arg) {
    const wire_context *context = *arg;
    for (size_t i = 0; i < context->n_attributes; i++) {
        const wadi_v1_Attribute message = {
            .key = encoder(span_encode, &context->attributes[i].key),
            .value = encoder(span_encode, &context->attributes[i].value),
        };
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_submessage(stream, wadi_v1_Attribute_fields, &message))
            return false;
    }
    return true;
}

static wire_err context_check(const wire_context *context) {
    if (context->id == 0)
        return WIRE_ERR_VALUE;
    if (context->user.n > WIRE_VALUE_BYTES_MAX || context->session.n > WIRE_VALUE_BYTES_MAX ||
        context->n_attributes > WIRE_ATTRIBUTES_MAX)
        return WIRE_ERR_LIMIT;
    for (size_t i = 0; i < context->n_attributes; i++) {
        if (context->attributes[i].key.n == 0)
            return WIRE_ERR_VALUE;
        if (context->attributes[i].key.n > WIRE_TEXT_BYTES_MAX ||
            context->attributes[i].value.n > WIRE_VALUE_BYTES_MAX)
            return WIRE_ERR_LIMIT;
    }
    return WIRE_OK;
}

wire_err wire_context_encode(const wire_context *context, uint8_t *out, size_t cap, size_t *ret_n) {
    wire_err err = context_check(context);
    if (err)
        return err;
    const wadi_v1_Context message = {
        .id = context->id,
        .user = encoder(span_encode, &context->user),
        .session = encoder(span_encode, &context->session),
        .attributes = encoder(attributes_encode, context),
    };
    size_t n;
    err = message_encode(wadi_v1_Context_fields, &message, out, cap, &n);
    if (err)
        return err;
    if (n > WIRE_CONTEXT_BYTES_MAX)
        return WIRE_ERR_LIMIT;
    *ret_n = n;
    return WIRE_OK;
}

/* ---- head of a batch -------------------------------------------------------------------------- */

static bool definitions_encode(pb_ostream_t *stream, const pb_field_t *field, void *const *arg) {
    const wire_batch_head *head = *arg;
    for (size_t i = 0; i < head->n_definitions; i++) {
        const wadi_v1_Definition message = {
            .id = head->definitions[i].id,
            .text = encoder(span_encode, &head->definitions[i].text),
        };
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_submessage(stream, wadi_v1_Definition_fields, &message))
            return false;
    }
    return true;
}

static bool contexts_encode(pb_ostream_t *stream, const pb_field_t *field, void *const *arg) {
    const wire_batch_head *head = *arg;
    for (size_t i = 0; i < head->n_contexts; i++) {
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_string(stream, head->contexts[i].data, head->contexts[i].n))
            return false;
    }
    return true;
}

static bool crcs_encode(pb_ostream_t *stream, const pb_field_t *field, void *const *arg) {
    const wire_dropped *range = *arg;
    if (!pb_encode_tag(stream, PB_WT_STRING, field->tag) || !pb_encode_varint(stream, (uint64_t)range->n * 4))
        return false;
    for (size_t i = 0; i < range->n; i++) {
        if (!pb_encode_fixed32(stream, &range->crcs[i]))
            return false;
    }
    return true;
}

static bool dropped_encode(pb_ostream_t *stream, const pb_field_t *field, void *const *arg) {
    const wire_batch_head *head = *arg;
    for (size_t i = 0; i < head->n_dropped; i++) {
        const wadi_v1_Dropped message = {
            .first_seq = head->dropped[i].first_seq,
            .reason = (wadi_v1_DropReason)head->dropped[i].reason,
            .crcs = encoder(crcs_encode, &head->dropped[i]),
        };
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_submessage(stream, wadi_v1_Dropped_fields, &message))
            return false;
    }
    return true;
}

static wadi_v1_Run run_message(const wire_run *run) {
    wadi_v1_Run message = {
        .ordinal = run->ordinal,
        .nonce = run->nonce,
        .boot_us = run->boot_us,
        .wall_us = run->wall_us,
    };
    memcpy(message.boot_id, run->boot_id, WIRE_ID_BYTES);
    if (run->sdk.n > 0)
        memcpy(message.sdk, run->sdk.data, run->sdk.n);
    return message;
}

static wadi_v1_Clock clock_message(const wire_clock *clock) {
    wadi_v1_Clock message = {
        .boot_us = clock->boot_us,
        .wall_us = clock->wall_us,
        .has_offset_us = clock->has_offset,
        .offset_us = clock->offset_us,
        .offset_error_us = clock->offset_error_us,
        .has_not_after_us = clock->has_not_after,
        .not_after_us = clock->not_after_us,
    };
    memcpy(message.boot_id, clock->boot_id, WIRE_ID_BYTES);
    return message;
}

static wire_err head_check(const wire_batch_head *head) {
    if (head->low == 0 || head->low > head->first_seq || head->first_seq > INT64_MAX)
        return WIRE_ERR_VALUE;
    if (head->n_definitions > WIRE_DEFINITIONS_MAX || head->n_contexts > WIRE_CONTEXTS_MAX ||
        head->n_dropped > WIRE_DROPPED_MAX || head->run.sdk.n > WIRE_SDK_BYTES_MAX)
        return WIRE_ERR_LIMIT;
    for (size_t i = 0; i < head->n_definitions; i++) {
        if (head->definitions[i].id == 0 || head->definitions[i].text.n == 0)
            return WIRE_ERR_VALUE;
        if (head->definitions[i].id > WIRE_NAME_ID_MAX || head->definitions[i].text.n > WIRE_TEXT_BYTES_MAX)
            return WIRE_ERR_LIMIT;
    }
    for (size_t i = 0; i < head->n_dropped; i++) {
        if (head->dropped[i].n == 0 || head->dropped[i].reason == 0)
            return WIRE_ERR_VALUE;
        if (head->dropped[i].n > WIRE_BATCH_NUMBERS_MAX)
            return WIRE_ERR_LIMIT;
    }
    return WIRE_OK;
}

wire_err wire_batch_head_encode(const wire_batch_head *head, uint8_t *out, size_t cap, size_t *ret_n) {
    const wire_err err = head_check(head);
    if (err)
        return err;
    wadi_v1_Batch message = {
        .version = WIRE_VERSION,
        .first_seq = head->first_seq,
        .chain = head->chain,
        .low = head->low,
        .resent_through = head->resent_through,
        .has_run = true,
        .run = run_message(&head->run),
        .has_clock = true,
        .clock = clock_message(&head->clock),
        .definitions = encoder(definitions_encode, head),
        .contexts = encoder(contexts_encode, head),
        .dropped = encoder(dropped_encode, head),
        .pending = head->pending,
        .refused = head->refused,
    };
    memcpy(message.installation, head->installation, WIRE_ID_BYTES);
    memcpy(message.stream, head->stream, WIRE_ID_BYTES);
    return message_encode(wadi_v1_Batch_fields, &message, out, cap, ret_n);
}

/* ---- ack -------------------------------------------------------------------------------------- */

wire_err wire_ack_encode(const wire_ack *ack, uint8_t *out, size_t cap, size_t *ret_n) {
    wadi_v1_Ack message = {
        .status = (wadi_v1_Status)ack->status,
        .agreed_through = ack->agreed_through,
        .next_seq = ack->next_seq,
        .chain = ack->chain,
        .received_us = ack->received_us,
        .sent_us = ack->sent_us,
        .retry_after_ms = ack->retry_after_ms,
        .refused_seq = ack->refused_seq,
        .has_settings = ack->settings_version != 0,
        .settings = {.version = ack->settings_version},
    };
    memcpy(message.collector, ack->collector, sizeof message.collector - 1);
    memcpy(message.message, ack->message, sizeof message.message - 1);
    return message_encode(wadi_v1_Ack_fields, &message, out, cap, ret_n);
}

/* nanopb says what went wrong in words only. */
static wire_err decode_err(const char *what) {
    static const struct {
        const char *what;
        wire_err err;
    } known[] = {
        {"end-of-stream", WIRE_ERR_TRUNCATED},
        {"io error", WIRE_ERR_TRUNCATED},
        {"parent stream too short", WIRE_ERR_TRUNCATED},
        {"wrong wire type", WIRE_ERR_TYPE},
        {"string overflow", WIRE_ERR_LIMIT},
        {"integer too large", WIRE_ERR_VALUE},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(what, known[i].what) == 0)
            return known[i].err;
    }
    return WIRE_ERR_MALFORMED;
}

wire_err wire_ack_decode(const uint8_t *data, size_t n, wire_ack *ret_ack) {
    wadi_v1_Ack message = wadi_v1_Ack_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(data, n);
    if (!pb_decode(&stream, wadi_v1_Ack_fields, &message))
        return decode_err(PB_GET_ERROR(&stream));
    *ret_ack = (wire_ack){
        .agreed_through = message.agreed_through,
        .next_seq = message.next_seq,
        .chain = message.chain,
        .received_us = message.received_us,
        .sent_us = message.sent_us,
        .retry_after_ms = message.retry_after_ms,
        .refused_seq = message.refused_seq,
        .settings_version = message.has_settings ? message.settings.version : 0,
    };
    /* A status of the future counts as none: its HTTP status says what to do. */
    if ((uint32_t)message.status <= WIRE_STATUS_UNAUTHORIZED)
        ret_ack->status = (wire_status)message.status;
    memcpy(ret_ack->collector, message.collector, sizeof ret_ack->collector);
    memcpy(ret_ack->message, message.message, sizeof ret_ack->message);
    return WIRE_OK;
}

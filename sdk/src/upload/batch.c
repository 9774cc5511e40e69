#include "sdk/src/upload/batch.h"

#include "sdk/src/base/clock.h"

#include <stdlib.h>
#include <string.h>

/* One event's 256 keys of 255 bytes and its context fit twice; a batch whose head does not fit is halved. */
#define HEAD_BYTES_MAX (128u * 1024)
#define EVENT_FRAME_BYTES 8u
#define HALVINGS_MAX 16

static const wdi_encoder_ops *const encoders[] = {&wdi_encoder_zstd, &wdi_encoder_gzip};
#define ENCODERS_N (sizeof encoders / sizeof *encoders)

wadi_err wdi_batch_maker_init(wdi_batch_maker *m, size_t batch_bytes_max) {
    *m = (wdi_batch_maker){.events_cap = batch_bytes_max};
    if (m->events_cap < WIRE_EVENT_BYTES_MAX + EVENT_FRAME_BYTES)
        m->events_cap = WIRE_EVENT_BYTES_MAX + EVENT_FRAME_BYTES;
    m->body_cap = HEAD_BYTES_MAX + m->events_cap;
    m->raw = malloc(m->body_cap);
    m->packed = malloc(m->body_cap);
    m->encoder = encoders[0]->open();
    if (m->raw != NULL && m->packed != NULL && m->encoder != NULL)
        return WADI_OK;
    wdi_batch_maker_fini(m);
    return WADI_ERR_NO_MEMORY;
}

static void encoder_close(wdi_batch_maker *m) {
    if (m->encoder != NULL)
        encoders[m->encoder_at]->close(m->encoder);
    m->encoder = NULL;
}

void wdi_batch_maker_fini(wdi_batch_maker *m) {
    encoder_close(m);
    free(m->raw);
    free(m->packed);
    *m = (wdi_batch_maker){0};
}

bool wdi_batch_encoding_next(wdi_batch_maker *m) {
    if (m->encoder_at == ENCODERS_N)
        return false;
    encoder_close(m);
    m->encoder_at++;
    if (m->encoder_at < ENCODERS_N)
        m->encoder = encoders[m->encoder_at]->open(); /* without memory for it: as it is */
    return true;
}

/* The head of this moment, moved up to the events. */
static wire_err head_put(wdi_batch_maker *m, wdi_store_batch *batch, uint64_t refused,
                         wdi_batch_out *ret_out) {
    size_t head_n = 0;
    wire_clock *clock = &batch->head.clock;
    base_boot_id(clock->boot_id);
    clock->boot_us = base_boot_us();
    clock->wall_us = base_wall_us();
    batch->head.refused = refused;
    wire_err err = wire_batch_head_encode(&batch->head, m->raw, HEAD_BYTES_MAX, &head_n);
    if (err != WIRE_OK)
        return err;
    uint8_t *body = m->raw + HEAD_BYTES_MAX - head_n;
    memmove(body, m->raw, head_n);
    *ret_out = (wdi_batch_out){
        .body = body,
        .n = head_n + batch->events_bytes,
        .first_seq = batch->head.first_seq,
        .last_seq = batch->last_seq,
        .boot_us = clock->boot_us,
    };
    memcpy(ret_out->stream, batch->head.stream, WIRE_ID_BYTES);
    return WIRE_OK;
}

static wdi_store_want store_want(wdi_batch_maker *m, const wdi_batch_want *want, uint32_t numbers_max) {
    return (wdi_store_want){
        .collector = want->collector,
        .now_us = base_boot_us(),
        .numbers_max = numbers_max,
        .out = m->raw + HEAD_BYTES_MAX,
        .cap = m->events_cap,
    };
}

wadi_err wdi_batch_any(wdi_batch_maker *m, wdi_store *store, const wdi_batch_want *want, bool *ret_any) {
    wdi_store_want one = store_want(m, want, 1);
    wdi_store_batch batch;
    return wdi_store_peek(store, &one, &batch, ret_any);
}

static void body_encode(wdi_batch_maker *m, wdi_batch_out *out) {
    if (m->encoder == NULL)
        return;
    size_t n = encoders[m->encoder_at]->encode(m->encoder, out->body, out->n, m->packed, out->n);
    if (n == 0)
        return;
    out->body = m->packed;
    out->n = n;
    out->encoding = encoders[m->encoder_at]->name;
}

/* Half as many numbers for the next peek. One alone whose head does not fit never will. */
static wadi_err batch_halve(wdi_store *store, const wdi_batch_want *want, const wdi_store_batch *batch,
                            uint32_t *ret_numbers_max) {
    uint64_t numbers = batch->last_seq - batch->head.first_seq + 1;
    *ret_numbers_max = numbers > 1 ? (uint32_t)(numbers / 2) : want->numbers_max;
    if (numbers > 1)
        return WADI_OK;
    return wdi_store_drop(store, batch->head.stream, batch->last_seq, batch->last_seq, WADI_DROP_TOO_LARGE);
}

wadi_err wdi_batch_make(wdi_batch_maker *m, wdi_store *store, const wdi_batch_want *want,
                        wdi_batch_out *ret_out) {
    wdi_store_want next = store_want(m, want, want->numbers_max);
    for (int i = 0; i < HALVINGS_MAX; i++) {
        wdi_store_batch batch;
        bool any = false;
        wadi_err err = wdi_store_peek(store, &next, &batch, &any);
        if (err != WADI_OK || !any) {
            ret_out->body = NULL;
            return err;
        }
        if (head_put(m, &batch, want->refused, ret_out) == WIRE_OK) {
            body_encode(m, ret_out);
            if (ret_out->n <= want->bytes_max || ret_out->first_seq == ret_out->last_seq)
                return WADI_OK;
        }
        err = batch_halve(store, want, &batch, &next.numbers_max);
        if (err != WADI_OK)
            return err;
    }
    ret_out->body = NULL; /* the next step goes on */
    return WADI_OK;
}

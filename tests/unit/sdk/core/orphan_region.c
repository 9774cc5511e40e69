#include "tests/unit/sdk/core/orphan_region.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include <cmocka.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/store/store.h"
#include "sdk/src/upload/upload.h"

#define BODY_BYTES_MAX (1u << 20)

orphan_region region = {.lock = PTHREAD_MUTEX_INITIALIZER};
uint8_t boot;

typedef struct line {
    wdi_transport_state state;
    wdi_response response;
    uint8_t ack[512];
} line;

static uint64_t *next_of(const uint8_t stream[WIRE_ID_BYTES]) {
    for (size_t i = 0; i < region.n_streams; i++)
        if (memcmp(region.streams[i], stream, WIRE_ID_BYTES) == 0)
            return &region.next[i];
    memcpy(region.streams[region.n_streams], stream, WIRE_ID_BYTES);
    region.next[region.n_streams] = 1;
    return &region.next[region.n_streams++];
}

static void batch_answer(const uint8_t *body, size_t n, wire_ack *ack) {
    static wire_item items[WIRE_BATCH_NUMBERS_MAX];
    static wire_dict dict;
    static wire_batch b;
    *ack = (wire_ack){.status = WIRE_STATUS_OK, .collector = "region"};
    ack->received_us = ack->sent_us = base_wall_us();
    if (n == 2 || wire_batch_scan(body, n, items, WIRE_BATCH_NUMBERS_MAX, &dict, &b) != WIRE_OK) {
        ack->status = WIRE_STATUS_REFUSED; /* of the question who is there, for one */
        return;
    }
    uint64_t *next = next_of(b.stream);
    if (b.first_seq > *next) {
        ack->status = WIRE_STATUS_REWIND;
        ack->next_seq = *next;
        return;
    }
    for (uint64_t seq = *next; seq <= b.last_seq; seq++)
        region.events++;
    if (b.last_seq >= *next)
        *next = b.last_seq + 1;
    ack->agreed_through = b.last_seq;
    ack->next_seq = *next;
}

static wadi_err line_open(const wadi_options *opt, char *why, size_t why_size, void **ret_t) {
    (void)opt;
    snprintf(why, why_size, "-");
    *ret_t = calloc(1, sizeof(line));
    region.opens++;
    return *ret_t != NULL ? WADI_OK : WADI_ERR_NO_MEMORY;
}

static void line_close(void *t) { free(t); }

static wdi_transport_state line_connect(void *t, uint64_t now_us) {
    line *l = t;
    (void)now_us;
    return l->state = region.away ? WDI_TRANSPORT_FAILED : WDI_TRANSPORT_READY;
}

static wdi_transport_state line_post(void *t, const wdi_request *request, uint64_t now_us) {
    static uint8_t plain[BODY_BYTES_MAX];
    line *l = t;
    const uint8_t *body = request->body;
    size_t n = request->n;
    wire_ack ack;
    (void)now_us;
    l->state = WDI_TRANSPORT_EXCHANGING;
    if (region.silent)
        return l->state;
    pthread_mutex_lock(&region.lock);
    if (request->encoding != NULL) {
        n = ZSTD_decompress(plain, sizeof plain, request->body, request->n);
        body = plain;
    }
    batch_answer(body, n, &ack);
    pthread_mutex_unlock(&region.lock);
    l->response = (wdi_response){.status = ack.status == WIRE_STATUS_OK ? 200 : 409, .body = l->ack};
    assert_int_equal(wire_ack_encode(&ack, l->ack, sizeof l->ack, &l->response.n), WIRE_OK);
    return l->state = WDI_TRANSPORT_ANSWERED;
}

static wdi_transport_state line_step(void *t, uint64_t now_us) {
    (void)now_us;
    return ((line *)t)->state;
}

static void line_cancel(void *t) { ((line *)t)->state = WDI_TRANSPORT_CLOSED; }

static size_t line_pollfds(const void *t, struct pollfd *ret_fds, size_t max) {
    (void)t;
    (void)ret_fds;
    (void)max;
    return 0;
}

static uint64_t line_deadline_us(const void *t) {
    return ((const line *)t)->state == WDI_TRANSPORT_EXCHANGING ? WDI_TRANSPORT_NEVER : 0;
}

static const wdi_response *line_response(const void *t) { return &((const line *)t)->response; }

static wdi_transport_failure line_failure(const void *t, const char **ret_text) {
    (void)t;
    *ret_text = "away";
    return WDI_FAILURE_UNREACHABLE;
}

static const wdi_transport_ops region_transport = {.name = "region",
                                                   .open = line_open,
                                                   .close = line_close,
                                                   .forget = line_close,
                                                   .connect = line_connect,
                                                   .post = line_post,
                                                   .step = line_step,
                                                   .cancel = line_cancel,
                                                   .pollfds = line_pollfds,
                                                   .deadline_us = line_deadline_us,
                                                   .response = line_response,
                                                   .failure = line_failure};

wadi_err __real_wdi_upload_open(const wadi_options *opt, const wdi_transport_ops *transport, wdi_store *store,
                                const wdi_diag *diag, wdi_upload **ret_u);
wadi_err __wrap_wdi_upload_open(const wadi_options *opt, const wdi_transport_ops *transport, wdi_store *store,
                                const wdi_diag *diag, wdi_upload **ret_u);
void __wrap_base_boot_id(uint8_t ret_id[16]);

wadi_err __wrap_wdi_upload_open(const wadi_options *opt, const wdi_transport_ops *transport, wdi_store *store,
                                const wdi_diag *diag, wdi_upload **ret_u) {
    (void)transport;
    return __real_wdi_upload_open(opt, &region_transport, store, diag, ret_u);
}

void __wrap_base_boot_id(uint8_t ret_id[16]) {
    memset(ret_id, 1, 16);
    ret_id[15] = boot;
}

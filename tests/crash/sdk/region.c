/* The region: stands where libwadi opens its transport, and does what a collector does with a batch. */
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "schemas/wire/wire.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/store/store.h"
#include "sdk/src/upload/upload.h"
#include "tests/crash/sdk/scene.h"
#include "tests/sim/sim_random.h"

#define BODY_BYTES_MAX (4u << 20)
#define LOST_PERCENT 6u

static struct {
    wdi_transport_state state;
    wdi_response response;
    uint8_t ack[512];
    sim_random chance;
    ZSTD_DCtx *unpacker;
} line;

/* ---- what is in a batch
 * --------------------------------------------------------------------------------------- */

/* The two properties that every event of the tests begins with. */
static bool event_read(const uint8_t *data, size_t n, scene_number *ret_number) {
    wire_event_view view;
    wire_props it;
    wire_prop_view round, index;
    if (wire_event_scan(data, n, &view) != WIRE_OK)
        return false;
    (void)wire_props_begin(&it, &view);
    if (!wire_props_next(&it, &round) || !wire_props_next(&it, &index))
        return false;
    ret_number->round = (uint32_t)round.i;
    ret_number->index = (uint32_t)index.i;
    return true;
}

/* The chain before a number; number 1 begins with 0. */
static uint64_t chain_before(uint64_t number) {
    return number > 1 ? scene_now->numbers[number - 1].chain : 0;
}

/* Compares what both know, then takes the rest. */
static void batch_take(const uint8_t *body, const wire_batch *b, const wire_item *items) {
    uint64_t chain = b->chain;
    if (b->first_seq <= scene_now->next_seq && chain != chain_before(b->first_seq))
        scene_wrong("the chain before number %llu is another one", (unsigned long long)b->first_seq);
    for (uint32_t i = 0; i < b->n_items; i++) {
        uint64_t number = b->first_seq + i;
        scene_number now = {.index = SCENE_DROPPED};
        chain = wire_chain(chain, items[i].crc);
        if ((items[i].flags & WIRE_ITEM_DROPPED) == 0 && !event_read(body + items[i].off, items[i].len, &now))
            scene_wrong("number %llu is no event of ours", (unsigned long long)number);
        now.chain = chain;
        if (number < scene_now->next_seq) {
            if (scene_now->numbers[number].chain != chain)
                scene_wrong("number %llu was another event before", (unsigned long long)number);
        } else if (number < SCENE_NUMBERS_MAX) {
            scene_now->numbers[number] = now;
            scene_now->next_seq = number + 1;
        } else {
            scene_wrong("too many numbers");
        }
    }
}

static wire_ack batch_answer(const uint8_t *body, size_t n) {
    static wire_item items[WIRE_BATCH_NUMBERS_MAX];
    static wire_dict dict;
    static wire_batch b;
    wire_ack ack = {.status = WIRE_STATUS_OK, .collector = "region"};
    ack.received_us = ack.sent_us = base_wall_us();
    ack.next_seq = scene_now->next_seq;
    if (n == 2) { /* who is there? */
        ack.status = WIRE_STATUS_REFUSED;
        return ack;
    }
    wire_err err = wire_batch_scan(body, n, items, WIRE_BATCH_NUMBERS_MAX, &dict, &b);
    if (err != WIRE_OK) {
        scene_wrong("a batch that is none: %s", wire_strerror(err));
        ack.status = WIRE_STATUS_REFUSED;
        return ack;
    }
    if (scene_now->next_seq == 1)
        memcpy(scene_now->stream, b.stream, sizeof b.stream);
    else if (memcmp(scene_now->stream, b.stream, sizeof b.stream) != 0)
        scene_wrong("another stream, from number %llu on", (unsigned long long)b.first_seq);
    if (b.first_seq > scene_now->next_seq) {
        if (b.low > scene_now->next_seq)
            scene_wrong("numbers %llu to %llu are never owed", (unsigned long long)scene_now->next_seq,
                        (unsigned long long)b.low - 1);
        ack.status = WIRE_STATUS_REWIND;
        return ack;
    }
    batch_take(body, &b, items);
    ack.agreed_through = b.last_seq;
    ack.next_seq = scene_now->next_seq;
    return ack;
}

void region_init(uint64_t seed) {
    line.chance.state = seed;
    if (line.unpacker == NULL)
        line.unpacker = ZSTD_createDCtx();
}

/* ---- the transport
 * -------------------------------------------------------------------------------------------- */

static wadi_err line_open(const wadi_options *opt, char *why, size_t why_size, void **ret_t) {
    (void)opt;
    snprintf(why, why_size, "-");
    region_init(scene_now->seed + scene_now->n_rounds);
    line.state = WDI_TRANSPORT_CLOSED;
    *ret_t = &line;
    return WADI_OK;
}

static void line_close(void *t) { (void)t; }

static wdi_transport_state line_connect(void *t, uint64_t now_us) {
    (void)t;
    (void)now_us;
    return line.state = scene_now->region_away ? WDI_TRANSPORT_FAILED : WDI_TRANSPORT_READY;
}

static bool is_lost(void) { return !scene_now->region_calm && sim_chance(&line.chance, LOST_PERCENT); }

static wdi_transport_state line_post(void *t, const wdi_request *request, uint64_t now_us) {
    static uint8_t plain[BODY_BYTES_MAX];
    const uint8_t *body = request->body;
    size_t n = request->n;
    (void)t;
    (void)now_us;
    line.state = WDI_TRANSPORT_FAILED;
    if (request->encoding != NULL) {
        n = ZSTD_decompressDCtx(line.unpacker, plain, sizeof plain, request->body, request->n);
        body = plain;
        if (ZSTD_isError(n)) {
            scene_wrong("a body that cannot be unpacked");
            return line.state;
        }
    }
    if (is_lost())
        return line.state;
    wire_ack ack = batch_answer(body, n);
    if (scene_changed != NULL)
        scene_changed(scene_now->n_rounds - 1);
    if (is_lost())
        return line.state;
    line.response = (wdi_response){.status = ack.status == WIRE_STATUS_OK ? 200 : 409, .body = line.ack};
    if (wire_ack_encode(&ack, line.ack, sizeof line.ack, &line.response.n) == WIRE_OK)
        line.state = WDI_TRANSPORT_ANSWERED;
    return line.state;
}

static wdi_transport_state line_step(void *t, uint64_t now_us) {
    (void)t;
    (void)now_us;
    return line.state;
}

static void line_cancel(void *t) {
    (void)t;
    line.state = WDI_TRANSPORT_CLOSED;
}

static size_t line_pollfds(const void *t, struct pollfd *ret_fds, size_t max) {
    (void)t;
    (void)ret_fds;
    (void)max;
    return 0;
}

static uint64_t line_deadline_us(const void *t) {
    (void)t;
    return 0; /* there is always something to be had at once */
}

static const wdi_response *line_response(const void *t) {
    (void)t;
    return &line.response;
}

static wdi_transport_failure line_failure(const void *t, const char **ret_text) {
    (void)t;
    *ret_text = "the line is cut";
    return scene_now->region_away ? WDI_FAILURE_UNREACHABLE : WDI_FAILURE_BROKEN;
}

static const wdi_transport_ops region_transport = {
    .name = "region",
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
    .failure = line_failure,
};

wadi_err __real_wdi_upload_open(const wadi_options *opt, const wdi_transport_ops *transport, wdi_store *store,
                                const wdi_diag *diag, wdi_upload **ret_u);
wadi_err __wrap_wdi_upload_open(const wadi_options *opt, const wdi_transport_ops *transport, wdi_store *store,
                                const wdi_diag *diag, wdi_upload **ret_u);

wadi_err __wrap_wdi_upload_open(const wadi_options *opt, const wdi_transport_ops *transport, wdi_store *store,
                                const wdi_diag *diag, wdi_upload **ret_u) {
    (void)transport;
    return __real_wdi_upload_open(opt, &region_transport, store, diag, ret_u);
}

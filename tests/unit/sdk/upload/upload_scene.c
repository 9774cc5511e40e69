#include "tests/unit/sdk/upload/upload_scene.h"

#include <stdio.h>
#include <zlib.h>
#include <zstd.h>

/* ---- the scripted transport ----------------------------------------------------------------------- */

scene_line line;

void *line_open_result = &line;

static wadi_err line_open(const wadi_options *opt, char *why, size_t why_size, void **ret_t) {
    (void)opt;
    snprintf(why, why_size, "the line is broken");
    if (line_open_result == NULL)
        return WADI_ERR_TLS;
    *ret_t = line_open_result;
    return WADI_OK;
}

static void line_close(void *t) { (void)t; }

static wdi_transport_state line_connect(void *t, uint64_t now_us) {
    (void)t;
    (void)now_us;
    line.connects++;
    return line.state = line.connect_to;
}

static void body_unpack(const wdi_request *request) {
    snprintf(line.last.encoding, sizeof line.last.encoding, "%s",
             request->encoding != NULL ? request->encoding : "");
    if (strcmp(line.last.encoding, "zstd") == 0) {
        line.last.n = ZSTD_decompress(line.last.bytes, sizeof line.last.bytes, request->body, request->n);
        assert_false(ZSTD_isError(line.last.n));
    } else if (strcmp(line.last.encoding, "gzip") == 0) {
        z_stream stream = {.next_in = (Bytef *)(uintptr_t)request->body, .avail_in = (uInt)request->n};
        assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
        stream.next_out = line.last.bytes;
        stream.avail_out = sizeof line.last.bytes;
        assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
        line.last.n = stream.total_out;
        inflateEnd(&stream);
    } else {
        memcpy(line.last.bytes, request->body, request->n);
        line.last.n = request->n;
    }
}

static wdi_transport_state line_post(void *t, const wdi_request *request, uint64_t now_us) {
    static wire_item items[WIRE_BATCH_NUMBERS_MAX];
    static wire_dict dict;
    static wire_batch batch;
    (void)t;
    (void)now_us;
    line.posts++;
    line.state = line.post_to;
    body_unpack(request);
    line.last.first_seq = line.last.last_seq = 0;
    if (line.last.n == QUESTION_BYTES)
        return line.state;
    /* rescan: the fake store's events are not events */
    assert_int_equal(
        wire_batch_rescan(line.last.bytes, line.last.n, items, WIRE_BATCH_NUMBERS_MAX, &dict, &batch),
        WIRE_OK);
    assert_memory_equal(batch.stream, fake_stream, WIRE_ID_BYTES);
    assert_in_range(base_boot_us() - batch.clock.boot_us, 0, 5000000);
    line.last.first_seq = batch.first_seq;
    line.last.last_seq = batch.last_seq;
    return line.state;
}

static wdi_transport_state line_step(void *t, uint64_t now_us) {
    (void)t;
    (void)now_us;
    return line.state;
}

static void line_cancel(void *t) {
    (void)t;
    line.cancels++;
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
    return 4242;
}

static const wdi_response *line_response(const void *t) {
    (void)t;
    return &line.response;
}

static wdi_transport_failure line_failure(const void *t, const char **ret_text) {
    (void)t;
    *ret_text = "the line is cut";
    return line.failure;
}

const wdi_transport_ops line_ops = {
    .name = "line",
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

/* ---- the scene ------------------------------------------------------------------------------------ */

static void scene_hear(void *context, wadi_diag_level level, const char *text) {
    scene *s = context;
    size_t n = strlen(s->said);
    snprintf(s->said + n, sizeof s->said - n, "%d %s\n", level, text);
}

wadi_options scene_options(void) {
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.disk_bytes_max = 64 << 20;
    opt.batch_bytes_max = 128 * 1024;
    opt.retry_min_ms = 500;
    opt.retry_max_ms = 300000;
    return opt;
}

wadi_err scene_upload_try(scene *s, const wadi_options *opt, wdi_upload **ret_u) {
    const wdi_diag diag = {.fn = scene_hear, .context = s, .level = WADI_DIAG_INFO};
    return wdi_upload_open(opt, &line_ops, &s->store, &diag, ret_u);
}

void scene_upload_open(scene *s) {
    wadi_options opt = scene_options();
    assert_int_equal(scene_upload_try(s, &opt, &s->u), WADI_OK);
}

scene *scene_open(uint64_t last) {
    static scene s;
    memset(&line, 0, sizeof line);
    line.connect_to = WDI_TRANSPORT_READY;
    line.post_to = WDI_TRANSPORT_EXCHANGING;
    s = (scene){.now_us = base_mono_us()};
    fake_store_init(&s.store, last);
    scene_upload_open(&s);
    return &s;
}

void scene_close(scene *s) {
    wdi_upload_close(s->u);
    fake_store_fini(&s->store);
}

void scene_step(scene *s) { assert_int_equal(wdi_upload_step(s->u, s->now_us), WADI_OK); }

void sent(scene *s, uint64_t first, uint64_t last) {
    unsigned posts = line.posts;
    if (line.state != WDI_TRANSPORT_EXCHANGING) {
        scene_step(s);
        assert_int_equal(line.posts, posts + 1);
    }
    assert_int_equal(line.last.first_seq, first);
    assert_int_equal(line.last.last_seq, last);
}

void answered(scene *s, unsigned status, const wire_ack *ack) {
    line.response = (wdi_response){.status = status, .body = line.body};
    if (ack != NULL)
        assert_int_equal(wire_ack_encode(ack, line.body, sizeof line.body, &line.response.n), WIRE_OK);
    line.state = WDI_TRANSPORT_ANSWERED;
    scene_step(s);
}

wire_ack ack_of(wire_status status) { return (wire_ack){.status = status, .collector = "c1"}; }

void answered_ok(scene *s, uint64_t through) {
    wire_ack ack = ack_of(WIRE_STATUS_OK);
    ack.agreed_through = through;
    answered(s, 200, &ack);
}

uint64_t waited(scene *s, uint64_t min_us, uint64_t max_us) {
    unsigned connects = line.connects;
    uint64_t until_us = wdi_upload_deadline_us(s->u), wait_us = until_us - s->now_us;
    assert_in_range(wait_us, min_us, max_us);
    s->now_us = until_us - 1;
    scene_step(s);
    assert_int_equal(line.connects, connects);
    s->now_us = until_us;
    return wait_us;
}

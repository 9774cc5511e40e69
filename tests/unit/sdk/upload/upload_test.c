/* The upload state machine over a store and a transport that follow the test's script. */
#include "schemas/wire/wire.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/upload/upload.h"
#include "tests/unit/sdk/upload/fake_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#define SECOND_US UINT64_C(1000000)
#define QUESTION_BYTES 2 /* who is there? */

/* ---- the scripted transport ----------------------------------------------------------------------- */

typedef struct wire_in { /* a batch as it went out, unpacked */
    uint8_t bytes[1 << 20];
    size_t n;
    char encoding[8];
    uint64_t first_seq, last_seq;
} wire_in;

static struct {
    wdi_transport_state state, connect_to, post_to;
    wdi_response response;
    uint8_t body[WIRE_ACK_BYTES_MAX];
    wdi_transport_failure failure;
    unsigned connects, posts, cancels;
    wire_in last;
} line;

static void *line_open_result = &line;

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
    assert_in_range(base_boot_us() - batch.clock.boot_us, 0, 100000);
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

static const wdi_transport_ops line_ops = {
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

typedef struct scene {
    wdi_store store;
    wdi_upload *u;
    uint64_t now_us;
    char said[8192];
} scene;

static void scene_hear(void *context, wadi_diag_level level, const char *text) {
    scene *s = context;
    size_t n = strlen(s->said);
    snprintf(s->said + n, sizeof s->said - n, "%d %s\n", level, text);
}

static wadi_options scene_options(scene *s) {
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.batch_bytes_max = 128 * 1024;
    opt.retry_min_ms = 500;
    opt.retry_max_ms = 300000;
    opt.diag = scene_hear;
    opt.diag_context = s;
    opt.diag_level = WADI_DIAG_INFO;
    return opt;
}

static void scene_upload_open(scene *s) {
    wadi_options opt = scene_options(s);
    assert_int_equal(wdi_upload_open(&opt, &line_ops, &s->store, &s->u), WADI_OK);
}

static scene *scene_open(uint64_t last) {
    static scene s;
    memset(&line, 0, sizeof line);
    line.connect_to = WDI_TRANSPORT_READY;
    line.post_to = WDI_TRANSPORT_EXCHANGING;
    s = (scene){.now_us = base_mono_us()};
    fake_store_init(&s.store, last);
    scene_upload_open(&s);
    return &s;
}

static void scene_close(scene *s) {
    wdi_upload_close(s->u);
    fake_store_fini(&s->store);
}

static void scene_step(scene *s) { assert_int_equal(wdi_upload_step(s->u, s->now_us), WADI_OK); }

/* Steps until the batch first … last is out. */
static void sent(scene *s, uint64_t first, uint64_t last) {
    unsigned posts = line.posts;
    if (line.state != WDI_TRANSPORT_EXCHANGING) {
        scene_step(s);
        assert_int_equal(line.posts, posts + 1);
    }
    assert_int_equal(line.last.first_seq, first);
    assert_int_equal(line.last.last_seq, last);
}

static void answered(scene *s, unsigned status, const wire_ack *ack) {
    line.response = (wdi_response){.status = status, .body = line.body};
    if (ack != NULL)
        assert_int_equal(wire_ack_encode(ack, line.body, sizeof line.body, &line.response.n), WIRE_OK);
    line.state = WDI_TRANSPORT_ANSWERED;
    scene_step(s);
}

static wire_ack ack_of(wire_status status) { return (wire_ack){.status = status, .collector = "c1"}; }

static void answered_ok(scene *s, uint64_t through) {
    wire_ack ack = ack_of(WIRE_STATUS_OK);
    ack.agreed_through = through;
    answered(s, 200, &ack);
}

/* It waits, and no longer than `max_us`; then time goes on to the end of the wait. */
static uint64_t waited(scene *s, uint64_t min_us, uint64_t max_us) {
    unsigned connects = line.connects;
    uint64_t until_us = wdi_upload_deadline_us(s->u), wait_us = until_us - s->now_us;
    assert_in_range(wait_us, min_us, max_us);
    s->now_us = until_us - 1;
    scene_step(s);
    assert_int_equal(line.connects, connects);
    s->now_us = until_us;
    return wait_us;
}

/* ---- tests ---------------------------------------------------------------------------------------- */

static void test_step_when_nothing_is_owed_then_idle_without_a_deadline(void **state) {
    (void)state;
    scene *s = scene_open(0);
    scene_step(s);
    assert_int_equal(line.connects, 0);
    assert_true(wdi_upload_idle(s->u));
    assert_false(wdi_upload_offline(s->u));
    assert_int_equal(wdi_upload_deadline_us(s->u), WDI_UPLOAD_NEVER);
    scene_close(s);
}

static void test_step_when_acknowledged_then_settled_and_on_with_the_rest(void **state) {
    (void)state;
    scene *s = scene_open(800);
    sent(s, 1, 500);
    assert_int_equal(s->store.noted, 500);
    assert_false(wdi_upload_idle(s->u));
    assert_int_equal(wdi_upload_deadline_us(s->u), 4242);
    assert_string_equal(line.last.encoding, "zstd");
    answered_ok(s, 500);
    assert_int_equal(s->store.low, 501);
    sent(s, 501, 800);
    assert_string_equal(s->store.want_collector, "c1");
    answered_ok(s, 800);
    assert_true(wdi_upload_idle(s->u));
    assert_string_equal(s->store.home, "c1");
    assert_true(s->store.home_of_stream);
    wdi_upload_stats stats;
    wdi_upload_stats_get(s->u, &stats);
    assert_int_equal(stats.uploads, 2);
    assert_int_equal(stats.upload_errors, 0);
    assert_in_range(stats.upload_bytes, 1, 16000);
    assert_string_equal(s->said, "");
    scene_close(s);
}

static void test_answer_when_it_carries_times_then_a_clock_sample(void **state) {
    (void)state;
    scene *s = scene_open(10);
    sent(s, 1, 10);
    int64_t offset_us = INT64_C(1700000000000000);
    wire_ack ack = ack_of(WIRE_STATUS_OK);
    ack.agreed_through = 10;
    ack.received_us = ack.sent_us = (int64_t)base_boot_us() + offset_us;
    answered(s, 200, &ack);
    assert_int_equal(s->store.samples, 1);
    int64_t wrong_us = s->store.offset_us - offset_us;
    assert_true(wrong_us <= (int64_t)s->store.error_us && -wrong_us <= (int64_t)s->store.error_us);
    assert_in_range(s->store.error_us, 1, SECOND_US);
    scene_close(s);
}

static void test_answer_when_rewind_then_goes_on_there(void **state) {
    (void)state;
    scene *s = scene_open(100);
    sent(s, 1, 100);
    wire_ack ack = ack_of(WIRE_STATUS_REWIND);
    ack.next_seq = 41;
    answered(s, 409, &ack);
    sent(s, 41, 100);
    scene_close(s);
}

static void test_answer_when_it_leads_nowhere_again_and_again_then_backs_off(void **state) {
    (void)state;
    scene *s = scene_open(100);
    wire_ack ack = ack_of(WIRE_STATUS_REWIND);
    ack.next_seq = 1;
    unsigned turns = 0;
    do {
        sent(s, 1, 100);
        answered(s, 409, &ack);
        turns++;
    } while (line.state == WDI_TRANSPORT_EXCHANGING && turns < 100);
    assert_in_range(turns, 3, 20);
    assert_non_null(strstr(s->said, "lead nowhere"));
    (void)waited(s, 1, SECOND_US / 2);
    scene_close(s);
}

static void test_answer_when_fork_or_unverified_then_the_store_decides(void **state) {
    (void)state;
    scene *s = scene_open(100);
    sent(s, 1, 100);
    wire_ack ack = ack_of(WIRE_STATUS_FORK);
    ack.agreed_through = 30;
    answered(s, 409, &ack);
    assert_int_equal(s->store.forks, 1);
    assert_int_equal(s->store.fork_through, 30);
    sent(s, 31, 100);
    ack = ack_of(WIRE_STATUS_UNVERIFIED);
    answered(s, 409, &ack);
    assert_int_equal(s->store.unverified, 1);
    sent(s, 31, 100);
    scene_close(s);
}

static void test_answer_when_retry_then_waits_as_long_as_asked(void **state) {
    (void)state;
    scene *s = scene_open(100);
    sent(s, 1, 100);
    wire_ack ack = ack_of(WIRE_STATUS_RETRY);
    ack.retry_after_ms = 20000;
    answered(s, 503, &ack);
    assert_false(s->store.home_of_stream); /* it holds nothing of the stream */
    assert_true(wdi_upload_offline(s->u));
    wdi_upload_kick(s->u, s->now_us);
    /* A restart does not end the wait. */
    wdi_upload_close(s->u);
    scene_upload_open(s);
    assert_in_range(wdi_upload_deadline_us(s->u) - base_mono_us(), 19 * SECOND_US, 22 * SECOND_US);
    s->now_us = base_mono_us();
    (void)waited(s, 19 * SECOND_US, 22 * SECOND_US);
    sent(s, 1, 100);
    answered_ok(s, 100);
    assert_true(wdi_upload_idle(s->u));
    scene_close(s);
}

static void test_answer_when_the_header_asks_for_more_than_the_ack_then_the_header_counts(void **state) {
    (void)state;
    scene *s = scene_open(1);
    sent(s, 1, 1);
    line.response =
        (wdi_response){.status = 503, .body = line.body, .has_retry_after = true, .retry_after_ms = 5000};
    line.state = WDI_TRANSPORT_ANSWERED;
    scene_step(s);
    assert_false(wdi_upload_offline(s->u)); /* not too long to wait for */
    (void)waited(s, 5 * SECOND_US, 5 * SECOND_US + SECOND_US / 2);
    scene_close(s);
}

/* Status codes without an Ack: everything is kept, and it goes again later. */
static void test_answer_when_it_is_no_ack_then_everything_is_kept(void **state) {
    (void)state;
    static const struct {
        unsigned status;
        const char *body;
        uint64_t min_us, max_us;
    } cases[] = {
        {200, "<html>Log in to the hotel</html>", 1, SECOND_US / 2},
        {200, "", 1, SECOND_US / 2},
        {302, "", 1, SECOND_US / 2},
        {404, "not found", 1, SECOND_US / 2},
        {408, "", 1, SECOND_US / 2},
        {429, "", 1, SECOND_US / 2},
        {500, "", 1, SECOND_US / 2},
        {599, "", 1, SECOND_US / 2},
        {401, "", 150 * SECOND_US, 300 * SECOND_US},
        {403, "", 150 * SECOND_US, 300 * SECOND_US},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene *s = scene_open(100);
        sent(s, 1, 100);
        line.response = (wdi_response){
            .status = cases[i].status, .body = (const uint8_t *)cases[i].body, .n = strlen(cases[i].body)};
        line.state = WDI_TRANSPORT_ANSWERED;
        scene_step(s);
        (void)waited(s, cases[i].min_us, cases[i].max_us);
        assert_int_equal(s->store.low, 1);
        assert_int_equal(s->store.dropped[1], 0);
        sent(s, 1, 100);
        scene_close(s);
    }
}

static void test_answer_when_an_ok_names_no_collector_or_is_cut_then_it_does_not_count(void **state) {
    (void)state;
    scene *s = scene_open(100);
    sent(s, 1, 100);
    wire_ack ack = {.status = WIRE_STATUS_OK, .agreed_through = 100};
    answered(s, 200, &ack);
    assert_int_equal(s->store.low, 1);
    (void)waited(s, 1, SECOND_US / 2);
    sent(s, 1, 100);
    line.response.body_truncated = true;
    ack = ack_of(WIRE_STATUS_OK);
    ack.agreed_through = 100;
    (void)wire_ack_encode(&ack, line.body, sizeof line.body, &line.response.n);
    line.state = WDI_TRANSPORT_ANSWERED;
    scene_step(s);
    assert_int_equal(s->store.low, 1);
    scene_close(s);
}

static void test_answer_when_refused_for_what_no_batch_can_help_then_nothing_is_dropped(void **state) {
    (void)state;
    static const unsigned statuses[] = {404, 405, 411, 431};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        scene *s = scene_open(1);
        sent(s, 1, 1);
        wire_ack ack = ack_of(WIRE_STATUS_REFUSED);
        strcpy(ack.message, "no such path");
        answered(s, statuses[i], &ack);
        (void)waited(s, 150 * SECOND_US, 300 * SECOND_US);
        assert_int_equal(s->store.dropped[1], 0);
        assert_non_null(strstr(s->said, "no such path"));
        scene_close(s);
    }
}

/* ---- who is there --------------------------------------------------------------------------------- */

static scene *scene_that_asks(void) {
    scene *s = scene_open(100);
    s->store.wants_home = true;
    sent(s, 0, 0);
    assert_int_equal(line.last.n, QUESTION_BYTES);
    return s;
}

static void test_step_when_numbers_may_be_known_then_asks_first_who_is_there(void **state) {
    (void)state;
    scene *s = scene_that_asks();
    assert_int_equal(s->store.noted, 0);
    wire_ack ack = ack_of(WIRE_STATUS_REFUSED);
    answered(s, 400, &ack);
    assert_string_equal(s->store.home, "c1");
    assert_false(s->store.home_of_stream);
    sent(s, 1, 100); /* known now: no second question */
    assert_string_equal(s->store.want_collector, "c1");
    assert_int_equal(s->store.dropped[1], 0);
    answered_ok(s, 100);
    assert_int_equal(s->store.low, 101);
    scene_close(s);
}

static void test_question_when_nobody_says_who_then_nothing_is_sent(void **state) {
    (void)state;
    scene *s = scene_that_asks();
    answered(s, 200, NULL);
    assert_int_equal(s->store.noted, 0);
    (void)waited(s, 1, SECOND_US / 2);
    sent(s, 0, 0);
    wire_ack ack = ack_of(WIRE_STATUS_RETRY);
    ack.retry_after_ms = 2000;
    answered(s, 503, &ack);
    (void)waited(s, 2 * SECOND_US, 3 * SECOND_US);
    sent(s, 1, 100); /* that told it, too */
    scene_close(s);
}

static void test_connection_when_it_is_new_then_asks_again(void **state) {
    (void)state;
    scene *s = scene_that_asks();
    wire_ack ack = ack_of(WIRE_STATUS_REFUSED);
    answered(s, 400, &ack);
    sent(s, 1, 100);
    line.connect_to = WDI_TRANSPORT_CONNECTING;
    line.state = WDI_TRANSPORT_FAILED;
    line.failure = WDI_FAILURE_BROKEN;
    scene_step(s);
    (void)waited(s, 1, SECOND_US / 2);
    scene_step(s);
    line.state = WDI_TRANSPORT_READY;
    scene_step(s);
    assert_int_equal(line.posts, 3);
    assert_int_equal(line.last.n, QUESTION_BYTES);
    scene_close(s);
}

/* ---- what no batch can help ----------------------------------------------------------------------- */

static void test_answer_when_unauthorized_then_waits_at_the_cap_and_keeps_all(void **state) {
    (void)state;
    scene *s = scene_open(100);
    sent(s, 1, 100);
    wire_ack ack = ack_of(WIRE_STATUS_UNAUTHORIZED);
    answered(s, 401, &ack);
    wdi_upload_kick(s->u, s->now_us);
    assert_true(wdi_upload_offline(s->u));
    (void)waited(s, 150 * SECOND_US, 300 * SECOND_US);
    sent(s, 1, 100);
    scene_close(s);
}

static void test_answer_when_415_then_the_next_encoding(void **state) {
    (void)state;
    scene *s = scene_open(100);
    static const char *const encodings[] = {"zstd", "gzip", ""};
    for (size_t i = 0; i < 3; i++) {
        sent(s, 1, 100);
        assert_string_equal(line.last.encoding, encodings[i]);
        wire_ack ack = ack_of(WIRE_STATUS_REFUSED);
        answered(s, 415, i == 1 ? NULL : &ack);
    }
    (void)waited(s, 150 * SECOND_US, 300 * SECOND_US);
    scene_close(s);
}

static void test_answer_when_too_large_then_halves_and_grows_again(void **state) {
    (void)state;
    scene *s = scene_open(1000);
    sent(s, 1, 500);
    wire_ack ack = ack_of(WIRE_STATUS_TOO_LARGE);
    answered(s, 413, &ack);
    sent(s, 1, 250);
    answered(s, 413, NULL); /* a proxy's, without an Ack */
    sent(s, 1, 125);
    answered_ok(s, 125);
    sent(s, 126, 125 + 157);
    scene_close(s);
}

static void test_answer_when_one_event_is_too_large_then_a_tombstone(void **state) {
    (void)state;
    scene *s = scene_open(2);
    wire_ack ack = ack_of(WIRE_STATUS_TOO_LARGE);
    sent(s, 1, 2);
    answered(s, 413, &ack);
    sent(s, 1, 1);
    answered(s, 413, &ack);
    assert_int_equal(s->store.dropped[1], WADI_DROP_TOO_LARGE);
    assert_int_equal(s->store.dropped[2], 0);
    sent(s, 1, 1); /* the tombstone itself */
    answered_ok(s, 1);
    sent(s, 2, 2);
    scene_close(s);
}

static void test_answer_when_refused_and_named_then_that_event_alone_is_a_tombstone(void **state) {
    (void)state;
    scene *s = scene_open(100);
    sent(s, 1, 100);
    wire_ack ack = ack_of(WIRE_STATUS_REFUSED);
    ack.refused_seq = 37;
    answered(s, 400, &ack);
    assert_int_equal(s->store.dropped[37], WADI_DROP_REFUSED);
    assert_non_null(strstr(s->said, "event 37"));
    sent(s, 1, 100);
    answered_ok(s, 100);
    assert_true(wdi_upload_idle(s->u));
    scene_close(s);
}

/* A collector that refuses any batch with number 37 in it, and does not say why. */
static void test_answer_when_refused_and_not_named_then_split_down_to_the_one(void **state) {
    (void)state;
    scene *s = scene_open(100);
    for (int turns = 0; turns < 200 && !wdi_upload_idle(s->u); turns++) {
        if (line.state != WDI_TRANSPORT_EXCHANGING)
            scene_step(s);
        bool bad = line.last.first_seq <= 37 && line.last.last_seq >= 37 && s->store.dropped[37] == 0;
        wire_ack ack = ack_of(bad ? WIRE_STATUS_REFUSED : WIRE_STATUS_OK);
        ack.agreed_through = bad ? 0 : line.last.last_seq;
        answered(s, bad ? 400 : 200, &ack);
    }
    assert_true(wdi_upload_idle(s->u));
    for (unsigned seq = 1; seq <= 100; seq++)
        assert_int_equal(s->store.dropped[seq], seq == 37 ? WADI_DROP_REFUSED : 0);
    scene_close(s);
}

static void test_answer_when_everything_is_refused_then_the_queue_does_not_melt_away(void **state) {
    (void)state;
    scene *s = scene_open(100);
    wire_ack ack = ack_of(WIRE_STATUS_REFUSED);
    uint64_t until_us = s->now_us + 3600 * SECOND_US;
    while (s->now_us < until_us) {
        scene_step(s);
        if (line.state == WDI_TRANSPORT_EXCHANGING)
            answered(s, 400, &ack);
        else
            s->now_us = wdi_upload_deadline_us(s->u);
    }
    unsigned dropped = 0;
    for (unsigned seq = 1; seq <= 100; seq++)
        dropped += s->store.dropped[seq] != 0;
    assert_in_range(dropped, 1, 60); /* in an hour; all of them at once without the waits */
    scene_close(s);
}

static void test_connect_when_unreachable_then_backs_off_and_says_so_once(void **state) {
    (void)state;
    scene *s = scene_open(100);
    line.connect_to = WDI_TRANSPORT_FAILED;
    line.failure = WDI_FAILURE_UNREACHABLE;
    uint64_t cap_us = SECOND_US / 2;
    for (int i = 0; i < 14; i++) {
        scene_step(s);
        assert_true(wdi_upload_offline(s->u));
        assert_false(wdi_upload_idle(s->u));
        (void)waited(s, 1, cap_us);
        cap_us = cap_us * 2 < 300 * SECOND_US ? cap_us * 2 : 300 * SECOND_US;
    }
    assert_string_equal(strchr(s->said, '\n'), "\n");
    line.connect_to = WDI_TRANSPORT_READY;
    sent(s, 1, 100);
    assert_false(wdi_upload_offline(s->u));
    answered_ok(s, 100);
    assert_non_null(strstr(s->said, "works again"));
    scene_close(s);
}

static void test_kick_when_backing_off_then_tries_at_once(void **state) {
    (void)state;
    scene *s = scene_open(100);
    line.connect_to = WDI_TRANSPORT_FAILED;
    line.failure = WDI_FAILURE_UNREACHABLE;
    scene_step(s);
    wdi_upload_kick(s->u, s->now_us);
    line.connect_to = WDI_TRANSPORT_CONNECTING;
    scene_step(s);
    assert_int_equal(line.connects, 2);
    assert_false(wdi_upload_offline(s->u)); /* it may be back */
    s->now_us += 300000;
    scene_step(s);
    assert_true(wdi_upload_offline(s->u));
    scene_close(s);
}

static void test_exchange_when_the_connection_was_stale_then_again_at_once(void **state) {
    (void)state;
    scene *s = scene_open(100);
    sent(s, 1, 100);
    line.failure = WDI_FAILURE_STALE;
    line.state = WDI_TRANSPORT_FAILED;
    scene_step(s);
    assert_int_equal(line.posts, 2);
    sent(s, 1, 100);
    line.failure = WDI_FAILURE_BROKEN;
    line.state = WDI_TRANSPORT_FAILED;
    scene_step(s);
    assert_int_equal(line.posts, 2);
    assert_false(wdi_upload_offline(s->u));
    (void)waited(s, 1, SECOND_US / 2);
    sent(s, 1, 100);
    scene_close(s);
}

static void test_batch_when_noting_it_takes_long_then_its_clock_is_still_fresh(void **state) {
    (void)state;
    scene *s = scene_open(100);
    s->store.sending_us = 200000; /* line_post allows half of that */
    sent(s, 1, 100);
    scene_close(s);
}

static void test_step_when_the_store_fails_then_reports_it_and_tries_again_later(void **state) {
    (void)state;
    scene *s = scene_open(100);
    s->store.sending_err = WADI_ERR_DISK_FULL;
    assert_int_equal(wdi_upload_step(s->u, s->now_us), WADI_ERR_DISK_FULL);
    assert_int_equal(line.posts, 0);
    assert_int_equal(line.cancels, 1);
    s->store.sending_err = WADI_OK;
    (void)waited(s, 1, SECOND_US / 2);
    sent(s, 1, 100);
    scene_close(s);
}

static void test_step_when_all_is_held_back_then_no_connection(void **state) {
    (void)state;
    scene *s = scene_open(100);
    s->store.held = true;
    scene_step(s);
    assert_int_equal(line.connects, 0);
    assert_false(wdi_upload_idle(s->u));
    assert_true(wdi_upload_offline(s->u));
    assert_in_range(wdi_upload_deadline_us(s->u), s->now_us + 1, s->now_us + 300 * SECOND_US);
    scene_close(s);
}

static void test_open_when_the_transport_fails_then_says_why(void **state) {
    (void)state;
    scene *s = scene_open(0);
    wadi_options opt = scene_options(s);
    wdi_upload *u = NULL;
    line_open_result = NULL;
    assert_int_equal(wdi_upload_open(&opt, &line_ops, &s->store, &u), WADI_ERR_TLS);
    line_open_result = &line;
    assert_null(u);
    assert_non_null(strstr(s->said, "the line is broken"));
    wdi_upload_close(NULL);
    wdi_upload_forget(NULL);
    scene_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_when_nothing_is_owed_then_idle_without_a_deadline),
        cmocka_unit_test(test_step_when_acknowledged_then_settled_and_on_with_the_rest),
        cmocka_unit_test(test_answer_when_it_carries_times_then_a_clock_sample),
        cmocka_unit_test(test_answer_when_rewind_then_goes_on_there),
        cmocka_unit_test(test_answer_when_it_leads_nowhere_again_and_again_then_backs_off),
        cmocka_unit_test(test_answer_when_fork_or_unverified_then_the_store_decides),
        cmocka_unit_test(test_answer_when_retry_then_waits_as_long_as_asked),
        cmocka_unit_test(test_answer_when_the_header_asks_for_more_than_the_ack_then_the_header_counts),
        cmocka_unit_test(test_answer_when_it_is_no_ack_then_everything_is_kept),
        cmocka_unit_test(test_answer_when_an_ok_names_no_collector_or_is_cut_then_it_does_not_count),
        cmocka_unit_test(test_answer_when_refused_for_what_no_batch_can_help_then_nothing_is_dropped),
        cmocka_unit_test(test_step_when_numbers_may_be_known_then_asks_first_who_is_there),
        cmocka_unit_test(test_question_when_nobody_says_who_then_nothing_is_sent),
        cmocka_unit_test(test_connection_when_it_is_new_then_asks_again),
        cmocka_unit_test(test_answer_when_unauthorized_then_waits_at_the_cap_and_keeps_all),
        cmocka_unit_test(test_answer_when_415_then_the_next_encoding),
        cmocka_unit_test(test_answer_when_too_large_then_halves_and_grows_again),
        cmocka_unit_test(test_answer_when_one_event_is_too_large_then_a_tombstone),
        cmocka_unit_test(test_answer_when_refused_and_named_then_that_event_alone_is_a_tombstone),
        cmocka_unit_test(test_answer_when_refused_and_not_named_then_split_down_to_the_one),
        cmocka_unit_test(test_answer_when_everything_is_refused_then_the_queue_does_not_melt_away),
        cmocka_unit_test(test_connect_when_unreachable_then_backs_off_and_says_so_once),
        cmocka_unit_test(test_kick_when_backing_off_then_tries_at_once),
        cmocka_unit_test(test_exchange_when_the_connection_was_stale_then_again_at_once),
        cmocka_unit_test(test_batch_when_noting_it_takes_long_then_its_clock_is_still_fresh),
        cmocka_unit_test(test_step_when_the_store_fails_then_reports_it_and_tries_again_later),
        cmocka_unit_test(test_step_when_all_is_held_back_then_no_connection),
        cmocka_unit_test(test_open_when_the_transport_fails_then_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

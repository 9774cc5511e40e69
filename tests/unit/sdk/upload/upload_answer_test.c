/* The upload state machine: what the collector's answers, or a proxy's, do. */
#include "tests/unit/sdk/upload/upload_scene.h"

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

/* A proxy's limit says nothing about the event: it waits for a person. */
static void test_answer_when_413_without_an_ack_then_the_event_stays(void **state) {
    (void)state;
    scene *s = scene_open(2);
    sent(s, 1, 2);
    answered(s, 413, NULL);
    sent(s, 1, 1);
    answered(s, 413, NULL);
    assert_int_equal(s->store.dropped[1], 0);
    (void)waited(s, 150 * SECOND_US, 300 * SECOND_US);
    sent(s, 1, 1);
    answered_ok(s, 1);
    sent(s, 2, 2);
    scene_close(s);
}

static void test_answer_when_asked_to_wait_for_ever_then_a_day(void **state) {
    (void)state;
    scene *s = scene_open(1);
    sent(s, 1, 1);
    wire_ack ack = ack_of(WIRE_STATUS_RETRY);
    ack.retry_after_ms = UINT32_MAX;
    answered(s, 503, &ack);
    (void)waited(s, 86400 * SECOND_US, 86400 * SECOND_US / 10 * 11);
    sent(s, 1, 1);
    assert_int_equal(s->store.note_n, 0); /* over, and not to be served again */
    scene_close(s);
}

/* The wall clock of a device without a battery is behind at every boot. */
static void test_retry_note_of_another_boot_counts_once(void **state) {
    (void)state;
    scene *s = scene_open(1);
    sent(s, 1, 1);
    wire_ack ack = ack_of(WIRE_STATUS_RETRY);
    ack.retry_after_ms = 3600000;
    answered(s, 503, &ack);
    assert_true(s->store.note_n > 0);
    s->store.note[0] ^= 1; /* the boot's id */
    wdi_upload_close(s->u);
    scene_upload_open(s);
    assert_true(wdi_upload_offline(s->u));
    wdi_upload_close(s->u);
    scene_upload_open(s);
    assert_false(wdi_upload_offline(s->u));
    scene_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_when_it_carries_times_then_a_clock_sample),
        cmocka_unit_test(test_answer_when_rewind_then_goes_on_there),
        cmocka_unit_test(test_answer_when_it_leads_nowhere_again_and_again_then_backs_off),
        cmocka_unit_test(test_answer_when_fork_or_unverified_then_the_store_decides),
        cmocka_unit_test(test_answer_when_retry_then_waits_as_long_as_asked),
        cmocka_unit_test(test_answer_when_the_header_asks_for_more_than_the_ack_then_the_header_counts),
        cmocka_unit_test(test_answer_when_it_is_no_ack_then_everything_is_kept),
        cmocka_unit_test(test_answer_when_an_ok_names_no_collector_or_is_cut_then_it_does_not_count),
        cmocka_unit_test(test_answer_when_refused_for_what_no_batch_can_help_then_nothing_is_dropped),
        cmocka_unit_test(test_answer_when_unauthorized_then_waits_at_the_cap_and_keeps_all),
        cmocka_unit_test(test_answer_when_415_then_the_next_encoding),
        cmocka_unit_test(test_answer_when_too_large_then_halves_and_grows_again),
        cmocka_unit_test(test_answer_when_one_event_is_too_large_then_a_tombstone),
        cmocka_unit_test(test_answer_when_refused_and_named_then_that_event_alone_is_a_tombstone),
        cmocka_unit_test(test_answer_when_refused_and_not_named_then_split_down_to_the_one),
        cmocka_unit_test(test_answer_when_everything_is_refused_then_the_queue_does_not_melt_away),
        cmocka_unit_test(test_answer_when_413_without_an_ack_then_the_event_stays),
        cmocka_unit_test(test_answer_when_asked_to_wait_for_ever_then_a_day),
        cmocka_unit_test(test_retry_note_of_another_boot_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

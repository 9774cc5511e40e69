/* The upload state machine: connections, steps and what the store has to say. */
#include "tests/unit/sdk/upload/upload_scene.h"

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
    wdi_upload *u = NULL;
    line_open_result = NULL;
    wadi_options opt = scene_options();
    assert_int_equal(scene_upload_try(s, &opt, &u), WADI_ERR_TLS);
    line_open_result = &line;
    assert_null(u);
    assert_non_null(strstr(s->said, "the line is broken"));
    wdi_upload_close(NULL);
    wdi_upload_forget(NULL);
    scene_close(s);
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

/* What goes out before the time is known would get a time that is guessed. */
static void test_step_when_the_time_is_not_known_then_asks_first(void **state) {
    (void)state;
    for (int told = 0; told <= 1; told++) {
        scene *s = scene_open(100);
        s->store.wants_clock = true;
        sent(s, 0, 0);
        assert_int_equal(line.last.n, QUESTION_BYTES);
        wire_ack ack = ack_of(WIRE_STATUS_REFUSED);
        if (told)
            ack.received_us = ack.sent_us = (int64_t)base_boot_us() + INT64_C(1700000000000000);
        answered(s, 400, &ack);
        assert_int_equal(s->store.samples, told);
        sent(s, 1, 100); /* a collector that does not tell is not asked again */
        answered_ok(s, 100);
        assert_int_equal(s->store.low, 101);
        scene_close(s);
    }
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_when_nothing_is_owed_then_idle_without_a_deadline),
        cmocka_unit_test(test_step_when_acknowledged_then_settled_and_on_with_the_rest),
        cmocka_unit_test(test_connect_when_unreachable_then_backs_off_and_says_so_once),
        cmocka_unit_test(test_kick_when_backing_off_then_tries_at_once),
        cmocka_unit_test(test_exchange_when_the_connection_was_stale_then_again_at_once),
        cmocka_unit_test(test_batch_when_noting_it_takes_long_then_its_clock_is_still_fresh),
        cmocka_unit_test(test_step_when_the_store_fails_then_reports_it_and_tries_again_later),
        cmocka_unit_test(test_step_when_all_is_held_back_then_no_connection),
        cmocka_unit_test(test_open_when_the_transport_fails_then_says_why),
        cmocka_unit_test(test_step_when_numbers_may_be_known_then_asks_first_who_is_there),
        cmocka_unit_test(test_question_when_nobody_says_who_then_nothing_is_sent),
        cmocka_unit_test(test_step_when_the_time_is_not_known_then_asks_first),
        cmocka_unit_test(test_connection_when_it_is_new_then_asks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What may go out in a day: the account of it, and the uploader that keeps to it. */
#include "sdk/src/upload/budget.h"
#include "tests/unit/sdk/upload/upload_scene.h"

#define HOUR_US (3600 * SECOND_US)

static scene *budget_scene(uint64_t last, uint64_t max) {
    scene *s = scene_open(last);
    wdi_upload_close(s->u);
    wadi_options opt = scene_options();
    opt.upload_bytes_per_day_max = max;
    assert_int_equal(scene_upload_try(s, &opt, &s->u), WADI_OK);
    s->store.moment.collector_error_us = 1; /* its time is known */
    return s;
}

static uint64_t spent(const scene *s) {
    wdi_upload_stats stats;
    wdi_upload_stats_get(s->u, &stats);
    return stats.upload_day_bytes;
}

static void test_budget_counts_attempts_and_begins_anew_after_a_day(void **state) {
    (void)state;
    wdi_store store;
    wdi_budget b;
    fake_store_init(&store, 1);
    wdi_budget_load(&b, 1000, &store);
    assert_int_equal(wdi_budget_wait_us(&b, &store, 0, 5000), 0); /* the day's first */
    assert_int_equal(wdi_budget_spend(&b, &store, 0, 400), WADI_OK);
    assert_int_equal(wdi_budget_wait_us(&b, &store, 0, 600), 0);
    assert_int_equal(wdi_budget_wait_us(&b, &store, 0, 601), HOUR_US);
    assert_int_equal(wdi_budget_wait_us(&b, &store, 0, 0), HOUR_US); /* still that one */
    wdi_budget_load(&b, 1000, &store);
    assert_int_equal(b.spent, 400);
    store.moment.on_us = 24 * HOUR_US - 1;
    assert_int_equal(wdi_budget_wait_us(&b, &store, 0, 601), 1);
    store.moment.on_us++;
    assert_int_equal(wdi_budget_wait_us(&b, &store, 0, 601), 0);
    assert_int_equal(wdi_budget_spend(&b, &store, 0, 601), WADI_OK);
    assert_int_equal(b.spent, 601);
}

/* Off for a day, as the collector's time tells, which was not known when the day began. */
static void test_budget_of_a_device_that_was_off(void **state) {
    (void)state;
    wdi_store store;
    wdi_budget b;
    fake_store_init(&store, 1);
    wdi_budget_load(&b, 1000, &store);
    assert_int_equal(wdi_budget_spend(&b, &store, 0, 500), WADI_OK);
    store.moment = (wdi_moment){HOUR_US, 1000 * (int64_t)HOUR_US, 5};
    assert_int_equal(wdi_budget_spend(&b, &store, 0, 500), WADI_OK);
    wdi_budget_load(&b, 1000, &store);
    store.moment = (wdi_moment){HOUR_US + 1, (1000 + 23) * (int64_t)HOUR_US + 9, 5};
    assert_int_equal(wdi_budget_wait_us(&b, &store, 0, 1), 1);
    store.moment.collector_us++;
    assert_int_equal(wdi_budget_wait_us(&b, &store, 0, 1), 0);
}

static void test_no_budget_no_note(void **state) {
    (void)state;
    scene *s = scene_open(10);
    sent(s, 1, 10);
    answered_ok(s, 10);
    assert_int_equal(s->store.budget_note_n, 0);
    assert_int_equal(spent(s), 0);
    scene_close(s);
}

static void test_upload_when_the_day_is_spent_then_waits_and_goes_on(void **state) {
    (void)state;
    scene *s = budget_scene(800, 1);
    sent(s, 1, 1); /* more than a day's, but it is the first */
    answered_ok(s, 1);
    assert_int_equal(line.posts, 1);
    assert_int_equal(s->store.noted, 1); /* of what waits no collector may know */
    assert_true(spent(s) > 1);
    assert_true(wdi_upload_offline(s->u)); /* no use for wadi_close to wait */
    assert_non_null(strstr(s->said, "upload_bytes_per_day_max"));
    wdi_upload_kick(s->u, s->now_us);
    (void)waited(s, HOUR_US, HOUR_US);
    line.connect_to = WDI_TRANSPORT_FAILED; /* is not even asked */
    scene_step(s);
    unsigned connects = line.connects;
    (void)waited(s, HOUR_US, HOUR_US);
    assert_int_equal(line.connects, connects);
    line.connect_to = WDI_TRANSPORT_READY;
    s->store.moment.on_us = 24 * HOUR_US;
    line.state = WDI_TRANSPORT_READY;
    sent(s, 2, 2);
    answered_ok(s, 2);
    scene_close(s);
}

/* One day, and the question who is there on each of its connections: neither counts it, nor is it first.
 * Returns the last number that went out. */
static uint64_t day_sent(scene *s, uint64_t last, uint64_t bytes_max) {
    uint64_t before = spent(s);
    s->store.wants_clock = true;
    line.connect_to = WDI_TRANSPORT_CONNECTING;
    scene_step(s);
    line.state = line.connect_to = WDI_TRANSPORT_READY;
    scene_step(s);
    assert_int_equal(line.last.n, QUESTION_BYTES);
    assert_int_equal(spent(s), before);
    s->store.wants_clock = false;
    for (answered_ok(s, 0); line.state == WDI_TRANSPORT_EXCHANGING; answered_ok(s, last)) {
        assert_int_equal(line.last.first_seq, last + 1);
        last = line.last.last_seq;
        assert_in_range(spent(s), 1, bytes_max);
    }
    assert_int_equal(s->store.noted, last);
    assert_true(wdi_upload_offline(s->u));
    return last;
}

static void test_upload_asks_first_on_each_day_and_fills_each(void **state) {
    (void)state;
    uint64_t last = 0, bytes_max = 400;
    scene *s = budget_scene(9000, bytes_max);
    for (unsigned day = 1; day <= 5; day++) {
        uint64_t before = last;
        last = day_sent(s, last, bytes_max);
        assert_true(last > before);
        assert_true(spent(s) > bytes_max / 2);
        s->store.moment.on_us = day * 25 * HOUR_US;
        (void)waited(s, HOUR_US, HOUR_US);
    }
    scene_close(s);
}

static void test_upload_when_opened_again_then_the_day_goes_on(void **state) {
    (void)state;
    scene *s = budget_scene(800, 1);
    sent(s, 1, 1);
    answered_ok(s, 1);
    wdi_upload_close(s->u);
    wadi_options opt = scene_options();
    opt.upload_bytes_per_day_max = 1;
    assert_int_equal(scene_upload_try(s, &opt, &s->u), WADI_OK);
    unsigned connects = line.connects, posts = line.posts;
    scene_step(s);
    assert_int_equal(line.connects, connects);
    assert_int_equal(line.posts, posts);
    scene_close(s);
}

/* A new boot: the collector's time may tell that the day is over, or that it is not. */
static void test_question_when_the_day_is_spent_then_it_is_asked_once(void **state) {
    (void)state;
    scene *s = budget_scene(800, 1);
    sent(s, 1, 1);
    answered_ok(s, 1);
    wdi_upload_close(s->u);
    wadi_options opt = scene_options();
    opt.upload_bytes_per_day_max = 1;
    assert_int_equal(scene_upload_try(s, &opt, &s->u), WADI_OK);
    s->store.moment.collector_error_us = 0;
    s->store.wants_clock = true;
    unsigned posts = line.posts;
    uint64_t before = spent(s);
    scene_step(s);
    assert_int_equal(line.posts, posts + 1);
    assert_int_equal(line.last.n, QUESTION_BYTES);
    assert_int_equal(spent(s), before);
    s->store.moment.collector_error_us = 1;
    wire_ack ack = ack_of(WIRE_STATUS_REFUSED);
    answered(s, 400, &ack);
    assert_int_equal(line.posts, posts + 1);
    assert_true(wdi_upload_offline(s->u));
    scene_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_counts_attempts_and_begins_anew_after_a_day),
        cmocka_unit_test(test_budget_of_a_device_that_was_off),
        cmocka_unit_test(test_no_budget_no_note),
        cmocka_unit_test(test_upload_when_the_day_is_spent_then_waits_and_goes_on),
        cmocka_unit_test(test_upload_asks_first_on_each_day_and_fills_each),
        cmocka_unit_test(test_upload_when_opened_again_then_the_day_goes_on),
        cmocka_unit_test(test_question_when_the_day_is_spent_then_it_is_asked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

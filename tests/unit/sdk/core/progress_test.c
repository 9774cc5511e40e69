// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <pthread.h>
#include <string.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/core/progress.h"

static wadi_stats stats = WADI_STATS_INIT;
static wdi_dropped_log dropped;

static void test_level_is_reached_by_position(void **state) {
    (void)state;
    wdi_progress p;
    assert_int_equal(wdi_progress_init(&p), WADI_OK);
    assert_int_equal(wdi_progress_ask(&p, 8, WADI_DISK), WADI_ERR_TIMEOUT);
    wdi_progress_set(&p, 80, 40, &dropped, &stats);
    assert_int_equal(wdi_progress_ask(&p, 80, WADI_DISK), WADI_OK);
    assert_int_equal(wdi_progress_ask(&p, 88, WADI_DISK), WADI_ERR_TIMEOUT);
    assert_int_equal(wdi_progress_ask(&p, 32, WADI_ACKED), WADI_OK);
    assert_int_equal(wdi_progress_ask(&p, 40, WADI_ACKED), WADI_ERR_TIMEOUT); /* the oldest that is owed */
    wdi_progress_set(&p, 80, UINT64_MAX, &dropped, &stats);
    assert_int_equal(wdi_progress_ask(&p, 80, WADI_ACKED), WADI_OK);
    assert_int_equal(wdi_progress_ask(&p, 88, WADI_ACKED), WADI_ERR_TIMEOUT); /* not even stored */
    wdi_progress_fini(&p);
}

static void test_dropped_tickets_say_so_as_long_as_they_are_remembered(void **state) {
    (void)state;
    wdi_progress p;
    assert_int_equal(wdi_progress_init(&p), WADI_OK);
    dropped.tickets[dropped.n++] = 16;
    wdi_progress_set(&p, 100000, UINT64_MAX, &dropped, &stats);
    assert_int_equal(wdi_progress_ask(&p, 16, WADI_ACKED), WADI_ERR_DROPPED);
    assert_int_equal(wdi_progress_ask(&p, 16, WADI_DISK), WADI_OK);
    assert_int_equal(wdi_progress_ask(&p, 24, WADI_ACKED), WADI_OK);
    for (uint64_t i = 0; i < WDI_DROPPED_LOG_MAX + 3; i++) /* more than once around, reported at once */
        dropped.tickets[dropped.n++ % WDI_DROPPED_LOG_MAX] = 1000 + i * 8;
    wdi_progress_set(&p, 100000, UINT64_MAX, &dropped, &stats);
    assert_int_equal(wdi_progress_ask(&p, 16, WADI_ACKED), WADI_OK); /* forgotten */
    assert_int_equal(wdi_progress_ask(&p, 1000 + 3 * 8, WADI_ACKED), WADI_ERR_DROPPED);
    assert_int_equal(wdi_progress_ask(&p, 1000 + (WDI_DROPPED_LOG_MAX + 2) * 8, WADI_ACKED),
                     WADI_ERR_DROPPED);
    wdi_progress_fini(&p);
}

static void test_failure_ends_every_wait(void **state) {
    (void)state;
    wdi_progress p;
    assert_int_equal(wdi_progress_init(&p), WADI_OK);
    wdi_progress_set(&p, 80, 40, &dropped, &stats);
    wdi_progress_fail(&p, WADI_ERR_CORRUPT);
    assert_int_equal(wdi_progress_ask(&p, 88, WADI_DISK), WADI_ERR_CORRUPT);
    assert_int_equal(wdi_progress_ask(&p, 80, WADI_DISK), WADI_OK); /* what is on disk is on disk */
    wdi_progress_fini(&p);
}

static void *wait_long(void *context) {
    static wadi_err err;
    err = wdi_progress_wait(context, 80, WADI_DISK, base_mono_us() + 60000000);
    return &err;
}

static void test_wait_ends_when_reached_or_when_the_time_is_over(void **state) {
    (void)state;
    wdi_progress p;
    pthread_t thread;
    void *err = NULL;
    assert_int_equal(wdi_progress_init(&p), WADI_OK);
    uint64_t start_us = base_mono_us();
    assert_int_equal(wdi_progress_wait(&p, 80, WADI_DISK, start_us + 20000), WADI_ERR_TIMEOUT);
    assert_true(base_mono_us() >= start_us + 20000);
    assert_int_equal(pthread_create(&thread, NULL, wait_long, &p), 0);
    wdi_progress_set(&p, 72, 0, &dropped, &stats);
    wdi_progress_set(&p, 80, 0, &dropped, &stats);
    assert_int_equal(pthread_join(thread, &err), 0);
    assert_int_equal(*(wadi_err *)err, WADI_OK);
    wdi_progress_fini(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_is_reached_by_position),
        cmocka_unit_test(test_dropped_tickets_say_so_as_long_as_they_are_remembered),
        cmocka_unit_test(test_failure_ends_every_wait),
        cmocka_unit_test(test_wait_ends_when_reached_or_when_the_time_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "sdk/src/upload/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* Two clocks, a way there and a way back of any length: the true offset is always within the error. */
static void test_clock_when_transit_is_uneven_then_the_error_covers_it(void **state) {
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 10000; i++) {
        int64_t true_offset_us = (int64_t)rand() * 1000000 - INT64_C(1000000000000000);
        uint64_t t0_us = (uint64_t)rand() + UINT64_C(2000000000000000),
                 there_us = (uint64_t)(rand() % 5000000);
        uint64_t held_us = (uint64_t)(rand() % 10000), back_us = (uint64_t)(rand() % 5000000);
        wire_ack ack = {.received_us = (int64_t)(t0_us + there_us) + true_offset_us};
        ack.sent_us = ack.received_us + (int64_t)held_us;
        int64_t offset_us = 0;
        uint64_t error_us = 0;
        assert_true(
            wdi_answer_clock(&ack, t0_us, t0_us + there_us + held_us + back_us, &offset_us, &error_us));
        assert_in_range(error_us, 1, (there_us + back_us) / 2 + 1);
        assert_true(llabs(offset_us - true_offset_us) <= (int64_t)error_us);
    }
}

static void test_clock_when_times_cannot_be_then_none(void **state) {
    (void)state;
    int64_t offset_us = 0;
    uint64_t error_us = 0;
    wire_ack none = {0}, backwards = {.received_us = 1000, .sent_us = 999},
             slow = {.received_us = 1000, .sent_us = 2000};
    assert_false(wdi_answer_clock(&none, 1, 2, &offset_us, &error_us));
    assert_false(wdi_answer_clock(&backwards, 1, 2, &offset_us, &error_us));
    assert_false(
        wdi_answer_clock(&slow, 100, 1099, &offset_us, &error_us)); /* held longer than it was away */
    assert_true(wdi_answer_clock(&slow, 100, 1100, &offset_us, &error_us));
    assert_int_equal(offset_us, 900);
    assert_int_equal(error_us, 1);
    assert_false(wdi_answer_clock(&slow, 100, 99, &offset_us, &error_us));
    wire_ack extreme = {.received_us = INT64_MAX - 1, .sent_us = INT64_MAX};
    assert_true(wdi_answer_clock(&extreme, 0, 1, &offset_us, &error_us));
    assert_int_equal(offset_us, INT64_MAX - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_when_transit_is_uneven_then_the_error_covers_it),
        cmocka_unit_test(test_clock_when_times_cannot_be_then_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

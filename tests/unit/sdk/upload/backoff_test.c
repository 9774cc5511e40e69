#include "sdk/src/upload/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIN_US UINT64_C(500000)
#define MAX_US UINT64_C(300000000)

static void test_next_when_attempts_go_on_then_doubles_up_to_the_cap(void **state) {
    (void)state;
    uint64_t cap_us = MIN_US;
    for (uint32_t attempt = 0; attempt < 100; attempt++) {
        assert_int_equal(wdi_backoff_next(attempt, MIN_US, MAX_US, 0), 1);
        assert_int_equal(wdi_backoff_next(attempt, MIN_US, MAX_US, cap_us - 1), cap_us);
        assert_int_equal(wdi_backoff_next(attempt, MIN_US, MAX_US, cap_us), 1);
        cap_us = cap_us * 2 < MAX_US ? cap_us * 2 : MAX_US;
    }
    assert_int_equal(wdi_backoff_next(UINT32_MAX, MIN_US, MAX_US, MAX_US - 1), MAX_US);
}

static void test_next_when_limits_are_odd_then_within_them(void **state) {
    (void)state;
    assert_int_equal(wdi_backoff_next(3, 0, 0, 17), 0);
    assert_int_equal(wdi_backoff_next(3, 0, MAX_US, 17), 0);
    assert_in_range(wdi_backoff_next(0, MAX_US, MIN_US, UINT64_MAX), 1, MIN_US);
    assert_in_range(wdi_backoff_next(90, 1, UINT64_MAX, 12345), 1, 12346);
}

static void test_cap_when_any_chance_then_the_upper_half(void **state) {
    (void)state;
    for (uint64_t random = 0; random < 1000; random++)
        assert_in_range(wdi_backoff_cap(MAX_US, random * UINT64_C(0x9E3779B97F4A7C15)), MAX_US / 2, MAX_US);
}

static void test_asked_when_any_chance_then_never_less(void **state) {
    (void)state;
    for (uint64_t random = 0; random < 1000; random++)
        assert_in_range(wdi_backoff_asked(1000, random * UINT64_C(0x9E3779B97F4A7C15)), 1000, 1100);
    assert_int_equal(wdi_backoff_asked(0, 5), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_when_attempts_go_on_then_doubles_up_to_the_cap),
        cmocka_unit_test(test_next_when_limits_are_odd_then_within_them),
        cmocka_unit_test(test_cap_when_any_chance_then_the_upper_half),
        cmocka_unit_test(test_asked_when_any_chance_then_never_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "rfc3339.h"

static void expect_text(int64_t unix_us, const char *expected) {
    char text[RFC3339_US_SIZE];
    base_rfc3339_us(text, unix_us);
    assert_string_equal(text, expected);
}

static void test_rfc3339_at_edges_of_days_and_years_then_exact(void **state) {
    (void)state;
    expect_text(0, "1970-01-01T00:00:00.000000Z");
    expect_text(1, "1970-01-01T00:00:00.000001Z");
    expect_text(86399999999, "1970-01-01T23:59:59.999999Z");
    expect_text(951782400000000, "2000-02-29T00:00:00.000000Z");
    expect_text(951868800000000, "2000-03-01T00:00:00.000000Z");
    expect_text(1709251199999999, "2024-02-29T23:59:59.999999Z");
    expect_text(4107542400000000, "2100-03-01T00:00:00.000000Z");
    expect_text(4107542399000000, "2100-02-28T23:59:59.000000Z");
    expect_text(1767225599999999, "2025-12-31T23:59:59.999999Z");
}

static void test_rfc3339_when_before_1970_then_borrows_from_the_second(void **state) {
    (void)state;
    expect_text(-1, "1969-12-31T23:59:59.999999Z");
    expect_text(-1000000, "1969-12-31T23:59:59.000000Z");
    expect_text(-62167219200000000, "0000-01-01T00:00:00.000000Z");
    expect_text(-62162035200000000, "0000-03-01T00:00:00.000000Z");
}

static void test_rfc3339_when_the_year_has_no_name_then_clamped(void **state) {
    (void)state;
    expect_text(253402300799999999, "9999-12-31T23:59:59.999999Z");
    expect_text(253402300800000000, "9999-12-31T23:59:59.999999Z");
    expect_text(INT64_MAX, "9999-12-31T23:59:59.999999Z");
    expect_text(-62167219200000001, "0000-01-01T00:00:00.000000Z");
    expect_text(INT64_MIN, "0000-01-01T00:00:00.000000Z");
}

/* The C library as the oracle, for seconds all over the range. */
static void test_rfc3339_at_random_moments_then_agrees_with_gmtime(void **state) {
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)rand_r(&seed) << 31 | (uint64_t)rand_r(&seed);
        int64_t second = (int64_t)(bits % 315569520000) - 62167219200;
        time_t when = (time_t)second;
        struct tm tm;
        char date[80], expected[96];
        gmtime_r(&when, &tm);
        snprintf(date, sizeof date, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        snprintf(expected, sizeof expected, "%s.000042Z", date);
        expect_text(second * 1000000 + 42, expected);
    }
}

static void test_civil_time_then_has_the_parts(void **state) {
    (void)state;
    struct civil_time t = civil_time_of(1709251199999999);
    assert_int_equal(t.year, 2024);
    assert_int_equal(t.month, 2);
    assert_int_equal(t.day, 29);
    assert_int_equal(t.hour, 23);
    assert_int_equal(t.microsecond, 999999);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc3339_at_edges_of_days_and_years_then_exact),
        cmocka_unit_test(test_rfc3339_when_before_1970_then_borrows_from_the_second),
        cmocka_unit_test(test_rfc3339_when_the_year_has_no_name_then_clamped),
        cmocka_unit_test(test_rfc3339_at_random_moments_then_agrees_with_gmtime),
        cmocka_unit_test(test_civil_time_then_has_the_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

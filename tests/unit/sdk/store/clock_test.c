/* What samples say about a boot's clock: the truth is always within the uncertainty, whatever the clocks did.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "sdk/src/store/inside.h"

#include <stdlib.h>

#define SECOND UINT64_C(1000000)
#define DAY (86400 * SECOND)
#define BASE INT64_C(1700000000000000)

static wdi_clock_sample sample(int64_t offset_us, uint64_t error_us, uint64_t at_us) {
    return (wdi_clock_sample){offset_us, error_us, at_us};
}

static bool take(wdi_boot_record *boot, int64_t offset_us, uint64_t error_us, uint64_t at_us) {
    const wdi_clock_sample s = sample(offset_us, error_us, at_us);
    return wdi_clock_take(boot, &s);
}

static void test_worse_one_soon_after_is_not_kept(void **state) {
    (void)state;
    wdi_boot_record boot = {0};
    assert_true(take(&boot, BASE, 500, SECOND));
    assert_false(take(&boot, BASE + 50, 500, 2 * SECOND));
    assert_false(take(&boot, BASE + 50, 900, 99 * SECOND));
    assert_true(take(&boot, BASE + 50, 499, 99 * SECOND));
    assert_int_equal(boot.before.error_us, 0);
}

static void test_one_that_drift_has_made_as_good_is_kept_beside_the_old(void **state) {
    (void)state;
    wdi_boot_record boot = {0};
    assert_true(take(&boot, BASE, 500, SECOND));
    assert_false(take(&boot, BASE, 20000, 101 * SECOND)); /* 500 and 10,000 of drift are better */
    assert_true(take(&boot, BASE + 3000, 10000, 101 * SECOND));
    assert_int_equal(boot.before.offset_us, BASE);
    assert_true(take(&boot, BASE + 3000, 700, 102 * SECOND)); /* better: in its place, the old one stays */
    assert_int_equal(boot.before.offset_us, BASE);
    assert_int_equal(boot.last.error_us, 700);
}

static void test_clock_that_was_set_begins_anew(void **state) {
    (void)state;
    static const int64_t steps[] = {-3600, -20, 20, 3600};
    for (size_t i = 0; i < 4; i++) {
        wdi_boot_record boot = {0};
        assert_true(take(&boot, BASE, 500, SECOND));
        assert_true(take(&boot, BASE, 500, 200 * SECOND));
        assert_true(take(&boot, BASE + steps[i] * (int64_t)SECOND, 90000, 300 * SECOND));
        assert_int_equal(boot.last.offset_us, BASE + steps[i] * (int64_t)SECOND);
        assert_int_equal(boot.before.error_us, 0);
    }
}

/* A machine that was put back to an earlier state: its boot clock stood still meanwhile. */
static void test_boot_clock_that_went_back_begins_anew(void **state) {
    (void)state;
    wdi_boot_record boot = {0};
    assert_true(take(&boot, BASE, 500, 1000 * SECOND));
    assert_true(take(&boot, BASE, 9000, 999 * SECOND));
    assert_int_equal(boot.last.at_us, 999 * SECOND);
    assert_int_equal(boot.before.error_us, 0);
}

static void test_absurd_one_is_not_taken(void **state) {
    (void)state;
    wdi_boot_record boot = {0};
    assert_false(take(&boot, INT64_MAX, 1, 1));
    assert_false(take(&boot, INT64_MIN, 1, 1));
    assert_false(take(&boot, 1, UINT64_MAX, 1));
    assert_false(take(&boot, 1, 1, UINT64_MAX));
    assert_int_equal(boot.last.error_us, 0);
}

static void test_old_one_is_stale(void **state) {
    (void)state;
    wdi_boot_record boot = {0};
    assert_true(wdi_clock_stale(&boot, 5));
    assert_true(take(&boot, BASE, 500, 1000 * SECOND));
    assert_false(wdi_clock_stale(&boot, 1400 * SECOND));
    assert_true(wdi_clock_stale(&boot, 1501 * SECOND));
    assert_true(wdi_clock_stale(&boot, 400 * SECOND)); /* put back */
}

static void test_weeks_offline_are_measured_from_both_ends(void **state) {
    (void)state;
    wdi_boot_record boot = {0};
    int64_t offset_us = 0;
    uint64_t error_us = 0;
    const int64_t drifted = 30 * 86400 * 20; /* 20 ppm in 30 days: 52 s */
    assert_true(take(&boot, BASE, 500, SECOND));
    assert_true(take(&boot, BASE + drifted, 500, SECOND + 30 * DAY));
    wdi_clock_at(&boot, SECOND + 15 * DAY, &offset_us, &error_us);
    assert_in_range((uint64_t)(offset_us - BASE - drifted / 2 + 100), 0, 200);
    wdi_clock_at(&boot, SECOND + 30 * DAY - 100 * SECOND, &offset_us, &error_us);
    assert_in_range(error_us, 12500 - 10, 12500 + 10); /* and the 2,000 that it drifted since */
    wdi_clock_at(&boot, 0, &offset_us, &error_us);
    assert_int_equal(offset_us, BASE);
    assert_int_equal(error_us, 600);
    wdi_clock_at(&boot, 2 * SECOND + 30 * DAY, &offset_us, &error_us);
    assert_int_equal(offset_us, BASE + drifted);
    assert_int_equal(error_us, 600);
}

static double fraction(void) { return (double)rand() / ((double)RAND_MAX + 1); }

static int64_t between(int64_t low, int64_t high) {
    return low + (int64_t)((double)(high - low) * fraction());
}

/* A device of any drift up to the bound, sampled at random, its collector's clock set now and then. */
static void test_truth_is_within_the_uncertainty(void **state) {
    (void)state;
    unsigned seed = 11;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 2000; round++) {
        wdi_boot_record boot = {0};
        double ppm = (fraction() - 0.5) * 199;
        int64_t set_us = 0;
        uint64_t now_us = SECOND, since_us = 0;
        for (int step = 0; step < 30; step++) {
            now_us += (uint64_t)between(1, fraction() < 0.2 ? 10 * (int64_t)DAY : 200 * (int64_t)SECOND);
            if (fraction() < 0.05) {
                set_us = between(-3600 * (int64_t)SECOND, 3600 * (int64_t)SECOND) * 1000;
                since_us = now_us;
            }
            uint64_t error_us = (uint64_t)between(1, 200000);
            int64_t true_us = BASE + set_us + (int64_t)(ppm * (double)now_us / 1e6);
            take(&boot, true_us + between(-(int64_t)error_us, (int64_t)error_us), error_us, now_us);
            uint64_t when_us = since_us + (uint64_t)((double)(now_us - since_us) * 1.2 * fraction());
            int64_t offset_us = 0;
            wdi_clock_at(&boot, when_us, &offset_us, &error_us);
            true_us = BASE + set_us + (int64_t)(ppm * (double)when_us / 1e6);
            assert_in_range((uint64_t)llabs(offset_us - true_us), 0, error_us + 2);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worse_one_soon_after_is_not_kept),
        cmocka_unit_test(test_one_that_drift_has_made_as_good_is_kept_beside_the_old),
        cmocka_unit_test(test_clock_that_was_set_begins_anew),
        cmocka_unit_test(test_boot_clock_that_went_back_begins_anew),
        cmocka_unit_test(test_absurd_one_is_not_taken),
        cmocka_unit_test(test_old_one_is_stale),
        cmocka_unit_test(test_weeks_offline_are_measured_from_both_ends),
        cmocka_unit_test(test_truth_is_within_the_uncertainty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "jclock.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define NOW (INT64_C(1760000000) * SECOND)

static void test_jclock_when_it_starts_then_at_the_greater_of_last_and_wall(void **state) {
    (void)state;
    jclock c;
    jclock_init(&c, 0, 5, NOW);
    assert_int_equal(jclock_read(&c, 5, NOW), NOW);
    jclock_init(&c, NOW + 60 * SECOND, 5, NOW);
    assert_int_equal(jclock_read(&c, 5, NOW), NOW + 60 * SECOND);
    assert_int_equal(jclock_distance_us(&c), 60 * SECOND);
}

static void test_jclock_when_clocks_agree_then_follows_exactly(void **state) {
    (void)state;
    jclock c;
    jclock_init(&c, 0, 0, NOW);
    for (int i = 1; i < 1000; i++)
        assert_int_equal(jclock_read(&c, (uint64_t)i * 7, NOW + i * 7), NOW + i * 7);
}

static void test_jclock_when_the_wall_steps_back_then_halves_its_pace_until_they_meet(void **state) {
    (void)state;
    jclock c;
    jclock_init(&c, 0, 0, NOW);
    int64_t back = -3600 * SECOND;
    uint64_t mono = 0;
    for (int hour = 1; hour <= 2; hour++)
        for (int i = 0; i < 3600; i++) {
            mono += (uint64_t)SECOND;
            int64_t wall = NOW + back + (int64_t)mono;
            int64_t expected = NOW + (int64_t)mono / 2;
            assert_int_equal(jclock_read(&c, mono, wall), expected > wall ? expected : wall);
        }
    assert_int_equal(jclock_distance_us(&c), 0);
}

static void test_jclock_when_the_wall_steps_ahead_then_doubles_its_pace(void **state) {
    (void)state;
    jclock c;
    jclock_init(&c, 0, 0, NOW);
    assert_int_equal(jclock_read(&c, 10 * (uint64_t)SECOND, NOW + 3600 * SECOND), NOW + 20 * SECOND);
    assert_int_equal(jclock_distance_us(&c), 3580 * SECOND);
}

/* Read every microsecond, the clock still runs at half speed: no rounding stops or doubles it. */
static void test_jclock_when_read_often_then_slews_all_the_same(void **state) {
    (void)state;
    jclock c;
    jclock_init(&c, 0, 0, NOW);
    int64_t last = 0;
    for (uint64_t mono = 1; mono <= 10000; mono++)
        last = jclock_read(&c, mono, NOW - 3600 * SECOND);
    assert_int_equal(last, NOW + 5000);
}

static void test_jclock_when_anything_happens_then_never_falls_and_keeps_its_pace(void **state) {
    (void)state;
    unsigned seed = 20261120;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int run = 0; run < 2000; run++) {
        jclock c;
        uint64_t mono = (uint64_t)rand();
        int64_t wall = NOW, last = NOW;
        jclock_init(&c, NOW, mono, wall);
        for (int i = 0; i < 100; i++) {
            uint64_t passed = (uint64_t)(rand() % 4 == 0 ? rand() : rand() % 2000);
            mono += passed;
            wall += (int64_t)passed + (rand() % 10 == 0 ? (int64_t)(rand() - RAND_MAX / 2) * 100 : 0);
            int64_t now = jclock_read(&c, mono, wall);
            int64_t moved = 2 * (now - last); /* the half microsecond is kept for the next time */
            assert_true(moved + 2 >= (int64_t)passed);
            assert_true(moved <= 4 * (int64_t)passed + 2);
            assert_true(now >= last);
            last = now;
        }
    }
}

static void test_jclock_when_clocks_are_absurd_then_nothing_overflows(void **state) {
    (void)state;
    const int64_t walls[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    jclock c;
    jclock_init(&c, INT64_MAX, UINT64_MAX, INT64_MIN);
    jclock_init(&c, INT64_MIN, 0, INT64_MIN);
    int64_t last = 0;
    for (uint64_t mono = 0; mono < UINT64_MAX - (UINT64_MAX >> 6); mono += UINT64_MAX >> 6)
        for (size_t i = 0; i < sizeof walls / sizeof walls[0]; i++) {
            int64_t now = jclock_read(&c, mono, walls[i]);
            assert_true(now >= last);
            last = now;
        }
    assert_int_equal(jclock_read(&c, 0, 0), last); /* a monotonic clock that went back stands still */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jclock_when_it_starts_then_at_the_greater_of_last_and_wall),
        cmocka_unit_test(test_jclock_when_clocks_agree_then_follows_exactly),
        cmocka_unit_test(test_jclock_when_the_wall_steps_back_then_halves_its_pace_until_they_meet),
        cmocka_unit_test(test_jclock_when_the_wall_steps_ahead_then_doubles_its_pace),
        cmocka_unit_test(test_jclock_when_read_often_then_slews_all_the_same),
        cmocka_unit_test(test_jclock_when_anything_happens_then_never_falls_and_keeps_its_pace),
        cmocka_unit_test(test_jclock_when_clocks_are_absurd_then_nothing_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

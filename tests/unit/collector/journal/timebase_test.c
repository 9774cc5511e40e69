#include "timebase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "entry.h"

#define SECOND INT64_C(1000000)
#define NOW (INT64_C(1760000000) * SECOND)
#define DAY (INT64_C(86400) * SECOND)

static timebase_boots boots;

/* A run that began 1,000 s after its boot; the batch is sent at 5,000 s, from the same boot. */
static batch_facts facts_make(void) {
    batch_facts f = {.run_boot_us = 1000 * (uint64_t)SECOND, .run_wall_us = NOW - 4000 * SECOND};
    memset(f.run_boot_id, 7, sizeof f.run_boot_id);
    memset(f.clock.boot_id, 7, sizeof f.clock.boot_id);
    f.clock.boot_us = 5000 * (uint64_t)SECOND;
    f.clock.wall_us = NOW;
    return f;
}

static timebase fix_of(const char *tenant, const batch_facts *f, timebase_moment m) {
    m.tenant = tenant;
    return timebase_fix(&boots, f, &m);
}

static timebase fix_at(const batch_facts *f, timebase_moment m) { return fix_of("acme", f, m); }

static timebase fix(const batch_facts *f) {
    return fix_at(f, (timebase_moment){.received_us = NOW, .arrived_us = NOW, .last_at_us = 100 * SECOND});
}

static int setup(void **state) {
    (void)state;
    memset(&boots, 0, sizeof boots);
    return 0;
}

static void test_timebase_when_the_offset_is_known_then_exact_whatever_the_wall_says(void **state) {
    (void)state;
    batch_facts f = facts_make();
    f.clock.has_offset = true;
    f.clock.offset_us = NOW - 5000 * SECOND;
    f.clock.offset_error_us = 20000;
    f.clock.wall_us = f.run_wall_us = 0; /* the device believes that it is 1970 */
    f.clock.has_not_after = true;        /* of use for what is guessed only */
    f.clock.not_after_us = NOW - 30 * DAY;
    timebase t = fix(&f);
    assert_int_equal(t.quality, TIMEBASE_EXACT);
    assert_int_equal(t.basis_us, NOW - 4000 * SECOND);
    assert_int_equal(t.error_us, 20000);
    assert_int_equal(t.ceil_us, NOW);
}

/* Sent before it was made, or on its way for more than any device waits: the offset is of another time. */
static void test_timebase_when_the_offset_cannot_be_true_then_estimated(void **state) {
    (void)state;
    static const struct {
        int64_t wrong_us;
        timebase_quality quality;
    } cases[] = {
        {0, TIMEBASE_EXACT},
        {60000, TIMEBASE_EXACT}, /* within the error and 50 ms */
        {80000, TIMEBASE_ESTIMATED},
        {3650 * DAY, TIMEBASE_ESTIMATED},
        {-10 * SECOND, TIMEBASE_EXACT}, /* a slow way here looks the same */
        {-61 * SECOND, TIMEBASE_ESTIMATED},
        {-3650 * DAY, TIMEBASE_ESTIMATED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&boots, 0, sizeof boots);
        batch_facts f = facts_make();
        f.clock.has_offset = true;
        f.clock.offset_us = NOW - 5000 * SECOND + cases[i].wrong_us;
        f.clock.offset_error_us = 20000;
        timebase_moment m = {.received_us = NOW, .arrived_us = NOW, .last_at_us = 4000 * SECOND};
        timebase t = fix_at(&f, m);
        assert_int_equal(t.quality, cases[i].quality);
        if (t.quality == TIMEBASE_ESTIMATED)
            assert_int_equal(t.basis_us, NOW - 4000 * SECOND);
    }
}

/* Measured when the events were recorded, 10 days ago, and right for them: since then the two clocks drifted.
 */
static void test_timebase_when_drift_explains_the_offset_then_exact(void **state) {
    (void)state;
    batch_facts f = facts_make();
    f.clock.boot_us += 10 * (uint64_t)DAY;
    f.clock.has_offset = true;
    f.clock.offset_us = NOW - 5000 * SECOND - 10 * DAY + 17 * SECOND;
    assert_int_equal(fix(&f).quality, TIMEBASE_EXACT);
    f.clock.offset_us = NOW - 5000 * SECOND - 10 * DAY + 170 * SECOND;
    assert_int_equal(fix(&f).quality, TIMEBASE_ESTIMATED);
    memset(f.run_boot_id, 3, sizeof f.run_boot_id); /* of an earlier boot: nothing to hold it against */
    assert_int_equal(fix(&f).quality, TIMEBASE_EXACT);
}

static void test_timebase_when_sent_from_the_same_boot_then_by_the_least_transit(void **state) {
    (void)state;
    batch_facts f = facts_make();
    timebase t = fix(&f);
    assert_int_equal(t.quality, TIMEBASE_ESTIMATED);
    assert_int_equal(t.basis_us, NOW - 4000 * SECOND);
    assert_int_equal(t.error_us, 0);

    f.clock.boot_us += 10 * (uint64_t)SECOND; /* 10 s later, but 13 s on its way here */
    timebase_moment slow = {.received_us = NOW + 23 * SECOND, .arrived_us = NOW + 23 * SECOND};
    assert_int_equal(fix_at(&f, slow).basis_us, NOW - 4000 * SECOND);
    timebase_moment fast = {.received_us = NOW + 9 * SECOND, .arrived_us = NOW + 9 * SECOND};
    assert_int_equal(fix_at(&f, fast).basis_us, NOW - 4001 * SECOND);
}

static void test_timebase_when_another_tenant_claims_the_boot_then_it_moves_nothing(void **state) {
    (void)state;
    batch_facts f = facts_make(), theirs = f;
    fix(&f);
    theirs.clock.boot_us += 600 * (uint64_t)SECOND; /* as if it had come faster */
    timebase_moment m = {.received_us = NOW, .arrived_us = NOW};
    assert_int_equal(fix_of("other", &theirs, m).basis_us, NOW - 4600 * SECOND);
    assert_int_equal(fix(&f).basis_us, NOW - 4000 * SECOND);
}

static void test_timebase_when_the_least_transit_is_old_then_begins_anew(void **state) {
    (void)state;
    batch_facts f = facts_make();
    fix(&f);
    f.clock.boot_us += 3600 * (uint64_t)SECOND;
    timebase_moment later = {.received_us = NOW + 3601 * SECOND, .arrived_us = NOW + 3601 * SECOND};
    assert_int_equal(fix_at(&f, later).basis_us, NOW - 3999 * SECOND);
}

static void test_timebase_when_an_earlier_boot_knew_the_time_then_corrected_by_the_skew_now(void **state) {
    (void)state;
    batch_facts f = facts_make();
    memset(f.run_boot_id, 3, sizeof f.run_boot_id);
    f.run_wall_us = NOW - 2 * DAY + 3600 * SECOND;
    f.clock.wall_us = NOW + 3600 * SECOND; /* an hour ahead, then as now */
    timebase t = fix(&f);
    assert_int_equal(t.quality, TIMEBASE_ESTIMATED);
    assert_int_equal(t.basis_us, NOW - 2 * DAY);
    assert_int_equal(t.ceil_us, NOW);
    f.clock.has_not_after = true;
    f.clock.not_after_us = NOW - DAY;
    assert_int_equal(fix(&f).ceil_us, NOW - DAY);
    f.clock.wall_us = 0; /* forgot the time since: no skew to see */
    assert_int_equal(fix(&f).basis_us, f.run_wall_us);
}

static void test_timebase_when_no_clock_knew_the_time_then_bounded_by_neighbours(void **state) {
    (void)state;
    batch_facts f = facts_make();
    memset(f.run_boot_id, 3, sizeof f.run_boot_id);
    f.run_wall_us = 17 * SECOND;
    f.clock.has_not_after = true;
    f.clock.not_after_us = NOW - DAY;
    timebase t = fix_at(&f, (timebase_moment){.received_us = NOW,
                                              .arrived_us = NOW,
                                              .floor_us = NOW - 3 * DAY,
                                              .last_at_us = 100 * SECOND});
    assert_int_equal(t.quality, TIMEBASE_BOUNDED);
    assert_int_equal(t.basis_us + 100 * SECOND, NOW - DAY);
    assert_int_equal(t.ceil_us, NOW - DAY);
    assert_int_equal(t.error_us, 2 * DAY);
}

/* Ten years ahead when it recorded, and right now: what it believed then says nothing. The events keep their
 * distances. */
static void test_timebase_when_the_wall_clock_was_set_in_between_then_bounded(void **state) {
    (void)state;
    batch_facts f = facts_make();
    timebase_moment m = {
        .received_us = NOW, .arrived_us = NOW, .floor_us = NOW - 9 * DAY, .last_at_us = 100 * SECOND};
    memset(f.run_boot_id, 3, sizeof f.run_boot_id);
    f.clock.wall_us = NOW;
    f.run_wall_us = NOW + 3650 * DAY;
    assert_int_equal(fix_at(&f, m).quality, TIMEBASE_BOUNDED);
    assert_int_equal(fix_at(&f, m).basis_us, NOW - 100 * SECOND);
    f.run_wall_us = NOW - 1000 * DAY; /* or long before what the stream has */
    assert_int_equal(fix_at(&f, m).quality, TIMEBASE_BOUNDED);
    assert_int_equal(fix_at(&f, m).basis_us, NOW - 100 * SECOND);
    f.run_wall_us = NOW - 60 * SECOND; /* it was a little ahead: no reason to doubt it */
    assert_int_equal(fix_at(&f, m).quality, TIMEBASE_ESTIMATED);
    assert_int_equal(fix_at(&f, m).basis_us, NOW - 100 * SECOND);
}

static void test_timebase_when_boots_have_no_id_then_they_are_not_taken_for_one(void **state) {
    (void)state;
    batch_facts f = facts_make();
    memset(f.run_boot_id, 0, sizeof f.run_boot_id);
    memset(f.clock.boot_id, 0, sizeof f.clock.boot_id);
    f.run_wall_us = 0;
    assert_int_equal(fix(&f).quality, TIMEBASE_BOUNDED);
}

/* Whatever a device claims: no time later than reception, none earlier than the stream's last, no overflow.
 */
static void test_timebase_when_numbers_are_absurd_then_times_stay_within_bounds(void **state) {
    (void)state;
    static const uint64_t odd[] = {
        0,       1, UINT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1, UINT64_C(1) << 61, (uint64_t)NOW,
        1u << 20};
    unsigned seed = 7;
    print_message("seed %u\n", seed);
    srand(seed);
#define ODD() odd[(unsigned)rand() % (sizeof odd / sizeof odd[0])]
    for (int i = 0; i < 200000; i++) {
        batch_facts f = facts_make();
        f.run_boot_us = ODD();
        f.run_wall_us = (int64_t)ODD();
        f.clock = (wire_clock){.boot_us = ODD(), .wall_us = (int64_t)ODD()};
        memset(f.clock.boot_id, rand() % 3 == 0 ? 7 : 9, sizeof f.clock.boot_id);
        f.clock.has_offset = rand() % 3 == 0;
        f.clock.offset_us = (int64_t)ODD();
        f.clock.has_not_after = rand() % 2 == 0;
        f.clock.not_after_us = (int64_t)ODD();
        wire_item item = {.at_us = (int64_t)(ODD() >> 1)};
        timebase t = fix_at(&f, (timebase_moment){"", NOW, NOW, NOW - DAY, item.at_us});
        journal_entry e = {.received_us = NOW, .basis_us = t.basis_us, .ceil_us = t.ceil_us};
        int64_t floor_us = NOW - DAY;
        int64_t us = entry_item_us(&e, &item, &floor_us);
        assert_in_range(us, NOW - DAY, NOW);
        assert_int_equal(floor_us, us);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_timebase_when_the_offset_is_known_then_exact_whatever_the_wall_says,
                               setup),
        cmocka_unit_test_setup(test_timebase_when_the_offset_cannot_be_true_then_estimated, setup),
        cmocka_unit_test_setup(test_timebase_when_drift_explains_the_offset_then_exact, setup),
        cmocka_unit_test_setup(test_timebase_when_sent_from_the_same_boot_then_by_the_least_transit, setup),
        cmocka_unit_test_setup(test_timebase_when_another_tenant_claims_the_boot_then_it_moves_nothing,
                               setup),
        cmocka_unit_test_setup(test_timebase_when_the_least_transit_is_old_then_begins_anew, setup),
        cmocka_unit_test_setup(
            test_timebase_when_an_earlier_boot_knew_the_time_then_corrected_by_the_skew_now, setup),
        cmocka_unit_test_setup(test_timebase_when_no_clock_knew_the_time_then_bounded_by_neighbours, setup),
        cmocka_unit_test_setup(test_timebase_when_the_wall_clock_was_set_in_between_then_bounded, setup),
        cmocka_unit_test_setup(test_timebase_when_boots_have_no_id_then_they_are_not_taken_for_one, setup),
        cmocka_unit_test_setup(test_timebase_when_numbers_are_absurd_then_times_stay_within_bounds, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

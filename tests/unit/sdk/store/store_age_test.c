/* Events that are too old, by what can be proven; and that what a collector may have is never dropped here.
 */
#include "tests/unit/sdk/store/store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_US (UINT64_C(3600) * 1000000)
#define DAY_US (24 * HOUR_US)

static rig *aged_rig(uint64_t max_age_us) {
    rig *r = rig_new(1 << 20, 1);
    r->max_age_us = max_age_us;
    rig_reopen(r);
    return r;
}

/* An event of the present run, recorded at_us after it began. */
static void put_at(rig *r, uint64_t at_us) {
    uint8_t event[RIG_EVENT_MAX];
    const wire_event e = {.name_id = 1, .at_us = at_us};
    size_t n = wire_event_encode(event, &e);
    assert_int_equal(wdi_store_begin(r->store), WADI_OK);
    r->ring_pos += RIG_RING_RECORD;
    assert_int_equal(wdi_store_put_event(r->store, event, n,
                                         wire_crc_event(wire_crc_seed(r->nonce), event, n), WADI_NORMAL,
                                         r->ring_pos),
                     WADI_OK);
    assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
}

static void age(rig *r, uint64_t boot_us) {
    for (bool more = true; more;)
        assert_int_equal(wdi_store_age_step(r->store, boot_us, &more), WADI_OK);
}

/* Numbers that go out as tombstones of the reason; all others are events. Settles everything. */
static uint64_t tombstones(rig *r, wadi_drop reason) {
    wdi_store_batch b;
    uint64_t n = 0;
    while (rig_send(r, 0, &b)) {
        for (size_t i = 0; i < b.head.n_dropped; i++) {
            assert_int_equal(b.head.dropped[i].reason, reason);
            n += b.head.dropped[i].n;
        }
        assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    }
    assert_int_equal(rig_stats(r).dropped[reason], n);
    rig_check_ledger(r);
    return n;
}

static void test_age_in_one_boot_is_the_boot_clocks(void **state) {
    (void)state;
    rig *r = aged_rig(30 * DAY_US);
    for (uint64_t day = 0; day < 40; day++)
        put_at(r, day * DAY_US);
    age(r, 1000 + 40 * DAY_US - 1);
    rig_reopen(r);
    assert_int_equal(tombstones(r, WADI_DROP_AGE), 10);
    rig_free(r);
}

static void test_age_zero_means_never(void **state) {
    (void)state;
    rig *r = aged_rig(0);
    put_at(r, 0);
    age(r, 400 * DAY_US);
    assert_int_equal(tombstones(r, WADI_DROP_AGE), 0);
    rig_free(r);
}

/* A store that is moved to a machine that has been on for a year is no older for that. */
static void test_age_over_boots_counts_what_the_store_has_seen(void **state) {
    (void)state;
    const uint64_t year_us = 365 * DAY_US;
    rig *r = aged_rig(30 * DAY_US);
    put_at(r, 0);
    put_at(r, 20 * DAY_US);
    rig_run(r, 2, year_us);
    put_at(r, 5 * DAY_US);
    age(r, year_us + 10 * DAY_US - 1);
    assert_int_equal(rig_stats(r).pending, 3);
    rig_run(r, 2, year_us + 6 * DAY_US);
    age(r, year_us + 10 * DAY_US);
    rig_run(r, 3, 500);
    put_at(r, 0);
    age(r, 500 + 5 * DAY_US); /* 20 + 6 + 5: boot 2 is known to have lasted to its last event, or run */
    rig_reopen(r);
    assert_int_equal(tombstones(r, WADI_DROP_AGE), 1);
    rig_free(r);
}

static void test_age_by_the_collectors_time_is_less_its_errors(void **state) {
    (void)state;
    for (int late = 0; late < 2; late++) {
        rig *r = aged_rig(30 * DAY_US);
        int64_t offset_us = INT64_C(1700000000) * 1000000, error_us = (int64_t)HOUR_US;
        assert_int_equal(wdi_store_clock_sample(r->store, offset_us, HOUR_US, 1000, NULL), WADI_OK);
        put_at(r, 0);
        rig_run(r, 2, 7000);
        put_at(r, 0);
        offset_us += (int64_t)(30 * DAY_US) + 1000 - 7000 + 2 * error_us + late;
        age(r, 7000); /* without the new boot's offset nothing is known */
        assert_int_equal(wdi_store_clock_sample(r->store, offset_us, HOUR_US, 7000, NULL), WADI_OK);
        age(r, 7000);
        assert_int_equal(tombstones(r, WADI_DROP_AGE), late);
        rig_free(r);
    }
}

static void test_what_was_sent_is_not_dropped_for_its_age(void **state) {
    (void)state;
    rig *r = aged_rig(DAY_US);
    wdi_store_batch b;
    for (int i = 0; i < 10; i++)
        put_at(r, 0);
    assert_true(rig_send(r, 4, &b));
    age(r, 2 * DAY_US);
    assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    assert_int_equal(tombstones(r, WADI_DROP_AGE), 6);
    assert_int_equal(rig_stats(r).acked, 4);
    rig_free(r);
}

static void quota_run(rig *r) {
    for (bool more = true; more;)
        assert_int_equal(wdi_store_quota_step(r->store, &more), WADI_OK);
}

/* Priority comes first, but the batch on its way is the collector's; it is put back once the stream forks. */
static void test_what_was_sent_is_not_dropped_for_room(void **state) {
    (void)state;
    rig *r = rig_new(1 << 20, 1);
    wdi_store_batch b;
    rig_fill(r, 300, WADI_LOW);
    assert_true(rig_send(r, 200, &b));
    while (rig_stats(r).assigned < 15000) {
        quota_run(r);
        rig_fill(r, 100, WADI_NORMAL);
    }
    wdi_store_rewind(r->store, NULL, 0);
    assert_true(rig_peek(r, "", 200, &b));
    assert_int_equal(b.head.first_seq, 1);
    assert_int_equal(b.head.n_dropped, 0);
    assert_int_equal(wdi_store_fork(r->store, b.head.stream, 0), WADI_OK);
    for (int i = 0; i < 100; i++) {
        quota_run(r);
        rig_fill(r, 100, WADI_NORMAL);
    }
    assert_true(rig_peek(r, "", 200, &b));
    assert_int_equal(b.head.n_dropped, 1);
    assert_int_equal(b.head.dropped[0].n, 200);
    rig_check_ledger(r);
    rig_free(r);
}

/* ---- random histories ------------------------------------------------------------------------------------
 */

#define HISTORY_EVENTS 400u

typedef struct history {
    rig *r;
    uint64_t true_us;                    /* the world's time */
    uint64_t boot_began_us, run_boot_us; /* of the present boot and run */
    uint8_t boot;
    uint64_t recorded_us[HISTORY_EVENTS]; /* by number - 1 */
    uint64_t n;
} history;

static uint64_t boot_now(const history *h) { return h->true_us - h->boot_began_us; }

static void history_boot(history *h, bool reboot) {
    h->true_us += rig_random(h->r, 12 * HOUR_US);
    if (reboot) {
        h->boot++;
        h->boot_began_us = h->true_us - rig_random(h->r, 100 * HOUR_US); /* perhaps another machine */
    }
    h->run_boot_us = boot_now(h);
    rig_run(h->r, h->boot, h->run_boot_us);
}

static void history_step(history *h) {
    rig *r = h->r;
    h->true_us += rig_random(r, 2 * HOUR_US);
    switch (rig_random(r, 8)) {
    case 0:
        history_boot(h, rig_random(r, 2) == 0);
        break;
    case 1: /* off for the collector's clock by as much as it admits */
        assert_int_equal(wdi_store_clock_sample(
                             r->store, (int64_t)(h->boot_began_us + rig_random(r, 2 * HOUR_US) - HOUR_US),
                             HOUR_US, boot_now(h), NULL),
                         WADI_OK);
        break;
    case 2:
        age(r, boot_now(h));
        break;
    default:
        h->recorded_us[h->n++] = h->true_us;
        put_at(r, boot_now(h) - h->run_boot_us);
        break;
    }
}

/* None is dropped that was not too old, and none of the present boot is left that was. */
static void history_check(history *h, uint64_t max_age_us) {
    wdi_store_batch b;
    wire_event_view view;
    age(h->r, boot_now(h));
    while (rig_send(h->r, 1, &b)) {
        uint64_t age_us = h->true_us - h->recorded_us[b.last_seq - 1];
        if (b.head.n_dropped > 0)
            assert_true(age_us >= max_age_us);
        else if (b.head.run.boot_id[0] == h->boot && b.head.run.ordinal != 0 &&
                 wire_event_scan(h->r->out + 1, b.events_bytes - 1, &view) == WIRE_OK)
            assert_true(age_us < max_age_us);
        assert_int_equal(wdi_store_settle(h->r->store, b.head.stream, b.last_seq), WADI_OK);
    }
    rig_check_ledger(h->r);
}

static void test_random_histories_drop_nothing_early(void **state) {
    (void)state;
    const char *given = getenv("WADI_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 7, aged = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 10; i++) {
        history h = {.true_us = 1000 * DAY_US, .boot = 1};
        h.boot_began_us = h.true_us;
        h.r = rig_new(4 << 20, seed + (uint64_t)i);
        h.r->max_age_us = 3 * DAY_US;
        rig_reopen(h.r);
        history_boot(&h, true);
        while (h.n < 150)
            history_step(&h);
        history_check(&h, 3 * DAY_US);
        aged += rig_stats(h.r).dropped[WADI_DROP_AGE];
        rig_free(h.r);
    }
    assert_true(aged > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_age_in_one_boot_is_the_boot_clocks),
        cmocka_unit_test(test_age_zero_means_never),
        cmocka_unit_test(test_age_over_boots_counts_what_the_store_has_seen),
        cmocka_unit_test(test_age_by_the_collectors_time_is_less_its_errors),
        cmocka_unit_test(test_what_was_sent_is_not_dropped_for_its_age),
        cmocka_unit_test(test_what_was_sent_is_not_dropped_for_room),
        cmocka_unit_test(test_random_histories_drop_nothing_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The store over many runs, and when its room is short. */
#include "tests/unit/sdk/store/store_rig.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static void test_clock_of_another_boot_is_not_reported(void **state) {
    (void)state;
    rig *r = rig_new(1 << 20, 1);
    assert_int_equal(wdi_store_clock_sample(r->store, 1000000, 500, 10, NULL), WADI_OK);
    rig_run(r, 1, 2000);
    assert_int_equal(rig_stats(r).offset_error_us, 500);
    rig_run(r, 2, 1000);
    assert_int_equal(rig_stats(r).offset_error_us, 0);
    rig_free(r);
}

/* One that says little and has many bytes; its events name it. */
static wadi_err context_put(rig *r, uint32_t id) {
    static uint8_t encoded[1000];
    memset(encoded, (int)id, sizeof encoded);
    return wdi_store_put_context(r->store, id, encoded, sizeof encoded);
}

static wadi_err event_put(rig *r, uint32_t context) {
    uint8_t event[RIG_EVENT_MAX];
    const wire_event e = {.name_id = 1, .at_us = r->serial, .context = context};
    size_t n = wire_event_encode(event, &e);
    r->ring_pos += RIG_RING_RECORD;
    return wdi_store_put_event(r->store, event, n, wire_crc_event(wire_crc_seed(r->nonce), event, n),
                               WADI_NORMAL, r->ring_pos);
}

static void quota_run(rig *r) {
    for (bool more = true; more;)
        assert_int_equal(wdi_store_quota_step(r->store, &more), WADI_OK);
}

/* A new user every minute, for ten times what the map can hold. */
static void contexts_pass(rig *r, bool with_events) {
    for (uint32_t id = 1; id <= 5000; id++) {
        quota_run(r);
        assert_int_equal(wdi_store_begin(r->store), WADI_OK);
        assert_int_equal(context_put(r, id), WADI_OK);
        if (with_events)
            assert_int_equal(event_put(r, id), WADI_OK);
        wadi_err err = wdi_store_commit(r->store, r->ring_pos);
        assert_int_equal(err, WADI_OK);
    }
}

static void test_contexts_of_the_current_run_never_fill_the_map(void **state) {
    (void)state;
    rig *r = rig_new(1 << 20, 1);
    contexts_pass(r, false);
    rig_fill(r, 1, WADI_NORMAL);
    rig_free(r);
}

static void test_contexts_go_with_the_events_that_the_quota_drops(void **state) {
    (void)state;
    rig *r = rig_new(1 << 20, 1);
    wdi_store_batch b;
    contexts_pass(r, true);
    assert_int_equal(rig_stats(r).assigned, 5000);
    while (rig_send(r, 0, &b)) /* what is left has its context: nothing becomes damaged */
        assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    wadi_stats stats = rig_stats(r);
    assert_int_equal(stats.dropped[WADI_DROP_CORRUPT], 0);
    assert_true(stats.acked > 0);
    rig_check_ledger(r);
    rig_free(r);
}

static void test_settling_takes_the_contexts_along(void **state) {
    (void)state;
    rig *r = rig_new(1 << 20, 1);
    wdi_store_batch b;
    for (uint32_t id = 1; id <= 200; id++) {
        assert_int_equal(wdi_store_begin(r->store), WADI_OK);
        assert_int_equal(context_put(r, id), WADI_OK);
        assert_int_equal(event_put(r, id), WADI_OK);
        assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
    }
    uint64_t before = rig_stats(r).disk_bytes;
    while (rig_send(r, 0, &b))
        assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    assert_int_equal(rig_stats(r).acked, 200);
    assert_true(rig_stats(r).disk_bytes < before / 4);
    rig_free(r);
}

/* A device that starts again and again, and is never online. */
static void test_runs_of_tombstones_keep_no_contexts(void **state) {
    (void)state;
    rig *r = rig_new(1 << 20, 1);
    for (unsigned i = 0; i < 400; i++) {
        quota_run(r);
        rig_run(r, 1, 1000);
        assert_int_equal(wdi_store_begin(r->store), WADI_OK);
        for (uint32_t id = 1; id <= 4; id++)
            assert_int_equal(context_put(r, id), WADI_OK);
        assert_int_equal(event_put(r, 4), WADI_OK);
        assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
    }
    assert_int_equal(rig_stats(r).dropped[WADI_DROP_CORRUPT], 0);
    rig_free(r);
}

static wadi_err fill_large(rig *r, size_t n) {
    wadi_err err = wdi_store_begin(r->store);
    for (size_t i = 0; err == WADI_OK && i < n; i++)
        err = rig_put(r, 1000, WADI_NORMAL, NULL);
    if (err == WADI_OK)
        return wdi_store_commit(r->store, r->ring_pos);
    wdi_store_abort(r->store);
    return err;
}

/* LMDB reuses pages only two transactions after the one that freed them. */
static void test_room_that_settling_made_is_there_after_a_touch(void **state) {
    (void)state;
    rig *r = rig_new(1 << 20, 1);
    wdi_store_batch b;
    uint64_t last = 0;
    while (rig_stats(r).disk_bytes < (700 << 10))
        assert_int_equal(fill_large(r, 16), WADI_OK);
    while (rig_send(r, 0, &b))
        last = b.last_seq;
    assert_int_equal(wdi_store_settle(r->store, b.head.stream, last), WADI_OK);
    assert_int_equal(rig_stats(r).pending, 0);
    uint64_t ring_pos = r->ring_pos;
    assert_int_equal(fill_large(r, 500), WADI_ERR_DISK_FULL);
    assert_false(wdi_store_is_full(r->store));
    r->ring_pos = ring_pos;
    assert_int_equal(wdi_store_touch(r->store), WADI_OK);
    assert_int_equal(fill_large(r, 500), WADI_OK);
    rig_check_ledger(r);
    rig_free(r);
}

/* What a thousand events a commit cost, beyond their own bytes, when they are as large as one of six
 * properties. */
static void test_events_take_little_more_than_their_own_bytes(void **state) {
    (void)state;
    const size_t padding = 48, commits = 40;
    uint8_t event[RIG_EVENT_MAX];
    rig *r = rig_new(16 << 20, 1);
    uint64_t own = 0, before = rig_stats(r).disk_bytes;
    for (size_t i = 0; i < commits; i++) {
        assert_int_equal(wdi_store_begin(r->store), WADI_OK);
        for (size_t k = 0; k < 1000; k++) {
            own += rig_event(r->serial, padding, WADI_NORMAL, event);
            assert_int_equal(rig_put(r, padding, WADI_NORMAL, NULL), WADI_OK);
        }
        assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
    }
    assert_in_range(own / commits / 1000, 56, 62);
    assert_true((rig_stats(r).disk_bytes - before) * 10 <= own * 13);
    rig_free(r);
}

/* A device that is offline for too long: what its tombstones leave of the store is not taken for more of
 * them. */
static void test_tombstones_never_take_the_place_of_the_last_events(void **state) {
    (void)state;
    rig *r = rig_new(1 << 20, 1);
    wdi_store_batch b;
    wadi_err err = WADI_OK;
    while (err == WADI_OK) {
        quota_run(r);
        uint64_t ring_pos = r->ring_pos, serial = r->serial;
        err = wdi_store_begin(r->store);
        for (int i = 0; i < 100 && err == WADI_OK; i++)
            err = rig_put(r, 20, WADI_NORMAL, NULL);
        if (err == WADI_OK)
            err = wdi_store_commit(r->store, r->ring_pos);
        else
            wdi_store_abort(r->store);
        if (err != WADI_OK)
            r->ring_pos = ring_pos, r->serial = serial;
        if (err == WADI_ERR_DISK_FULL && !wdi_store_is_full(r->store))
            err = wdi_store_touch(r->store);
    }
    assert_int_equal(err, WADI_ERR_DISK_FULL);
    while (rig_send(r, 0, &b))
        assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    wadi_stats stats = rig_stats(r);
    assert_true(stats.dropped[WADI_DROP_DISK_QUOTA] > 30000);
    assert_true(stats.acked > 3000);
    rig_check_ledger(r);
    rig_fill(r, 100, WADI_NORMAL);
    rig_free(r);
}

static void file_limit(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file system is full, and the map is not: nothing is dropped for that, then or later. */
static void test_full_file_system_evicts_nothing(void **state) {
    (void)state;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    file_limit(700 << 10); /* as good as a full file system: what is beyond cannot be written, nor reserved */
    rig *r = rig_new(1 << 20, 1);
    wadi_err err = WADI_OK;
    for (unsigned refused = 0; refused < 20; refused += err == WADI_ERR_DISK_FULL) {
        quota_run(r);
        uint64_t ring_pos = r->ring_pos, serial = r->serial;
        err = fill_large(r, 16);
        assert_true(err == WADI_OK || err == WADI_ERR_DISK_FULL);
        if (err == WADI_ERR_DISK_FULL) {
            r->ring_pos = ring_pos, r->serial = serial;
            wadi_err touched = wdi_store_touch(r->store); /* the pages freed before are there now, if any */
            assert_true(touched == WADI_OK || touched == err);
        }
    }
    assert_in_range(rig_stats(r).disk_bytes, 400 << 10, 700 << 10);

    file_limit(RLIM_INFINITY);
    assert_int_equal(fill_large(r, 4), WADI_OK);
    quota_run(r);
    wdi_store_batch b;
    while (rig_send(r, 0, &b))
        assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    assert_int_equal(rig_stats(r).dropped[WADI_DROP_DISK_QUOTA], 0);
    rig_check_ledger(r);
    rig_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_of_another_boot_is_not_reported),
        cmocka_unit_test(test_contexts_of_the_current_run_never_fill_the_map),
        cmocka_unit_test(test_contexts_go_with_the_events_that_the_quota_drops),
        cmocka_unit_test(test_settling_takes_the_contexts_along),
        cmocka_unit_test(test_runs_of_tombstones_keep_no_contexts),
        cmocka_unit_test(test_events_take_little_more_than_their_own_bytes),
        cmocka_unit_test(test_full_file_system_evicts_nothing),
        cmocka_unit_test(test_tombstones_never_take_the_place_of_the_last_events),
        cmocka_unit_test(test_room_that_settling_made_is_there_after_a_touch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

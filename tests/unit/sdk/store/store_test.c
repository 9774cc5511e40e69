/* One test for each thing that an answer, the quota, a restart or a damaged file does to the store. */
#include "tests/unit/sdk/store/store_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sdk/src/base/sha256.h"

#define MIB (1024u * 1024u)

static void expect_derived(const uint8_t old[16], uint64_t number, uint64_t chain, const uint8_t id[16]) {
    uint8_t in[32], digest[32];
    memcpy(in, old, 16);
    memcpy(in + 16, &number, 8); /* the tests run on little-endian machines */
    memcpy(in + 24, &chain, 8);
    assert_true(base_sha256(in, sizeof in, digest));
    assert_memory_equal(digest, id, 16);
}

static void test_batch_of_new_events_is_complete(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    static const uint8_t context[] = {8, 1};
    assert_false(rig_peek(r, "", 0, &b));
    assert_int_equal(wdi_store_begin(r->store), WADI_OK);
    assert_int_equal(wdi_store_put_context(r->store, 1, context, sizeof context), WADI_OK);
    assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
    rig_fill(r, 3, WADI_NORMAL);
    assert_true(rig_peek(r, "", 0, &b));
    assert_int_equal(b.head.first_seq, 1);
    assert_int_equal(b.last_seq, 3);
    assert_int_equal(b.head.low, 1);
    assert_int_equal(b.head.chain, 0);
    assert_int_equal(b.head.pending, 0);
    assert_int_equal(b.head.n_definitions, 2);
    assert_int_equal(b.head.definitions[0].id, 1);
    assert_memory_equal(b.head.definitions[1].text.data, "key", 3);
    assert_int_equal(b.head.n_contexts, 0); /* no event uses it */
    assert_int_equal(b.head.run.ordinal, 1);
    assert_int_equal(b.head.run.nonce, r->nonce);
    uint8_t event[RIG_EVENT_MAX], frame[8];
    size_t n = rig_event(1, 20, WADI_NORMAL, event);
    size_t framed = wire_frame_put(frame, n);
    assert_memory_equal(r->out, frame, framed);
    assert_memory_equal(r->out + framed, event, n);
    assert_int_equal(b.events_bytes, 3 * (framed + n));
    rig_free(r);
}

static void test_batch_stays_in_its_run(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    rig_fill(r, 2, WADI_NORMAL);
    rig_run(r, 1, 2000);
    rig_fill(r, 2, WADI_NORMAL);
    assert_true(rig_send(r, 0, &b));
    assert_int_equal(b.last_seq, 2);
    assert_int_equal(b.head.pending, 2);
    assert_true(rig_send(r, 0, &b));
    assert_int_equal(b.head.first_seq, 3);
    assert_int_equal(b.head.run.ordinal, 2);
    assert_false(rig_send(r, 0, &b));
    rig_free(r);
}

static void test_settle_forgets_what_was_sent_and_nothing_else(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    uint64_t owed = 0;
    rig_fill(r, 10, WADI_NORMAL);
    assert_true(rig_send(r, 4, &b));
    assert_int_equal(wdi_store_settle(r->store, b.head.stream, 9), WADI_OK);
    assert_int_equal(wdi_store_pending(r->store), 6);
    assert_int_equal(rig_stats(r).acked, 4);
    assert_int_equal(wdi_store_owed_ticket(r->store, &owed), WADI_OK);
    assert_int_equal(owed, 5 * RIG_RING_RECORD);
    rig_reopen(r);
    assert_true(rig_peek(r, "", 0, &b));
    assert_int_equal(b.head.first_seq, 5);
    assert_int_equal(b.head.low, 5);
    rig_check_ledger(r);
    rig_free(r);
}

static void test_uncommitted_events_are_never_sent(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    assert_int_equal(wdi_store_begin(r->store), WADI_OK);
    assert_int_equal(rig_put(r, 20, WADI_NORMAL, NULL), WADI_OK);
    wdi_store_abort(r->store);
    assert_false(rig_peek(r, "", 0, &b));
    assert_int_equal(rig_stats(r).assigned, 0);
    rig_free(r);
}

static void test_fork_moves_all_that_follows_to_the_derived_stream(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b, next;
    rig_fill(r, 10, WADI_NORMAL);
    assert_true(rig_send(r, 6, &b));
    wdi_store_rewind(r->store, NULL, 0);
    assert_true(rig_send(r, 4, &b)); /* the chain after number 4 is the next batch's */
    assert_true(rig_peek(r, "", 0, &next));
    uint64_t chain = next.head.chain;
    uint8_t old[16];
    memcpy(old, b.head.stream, sizeof old);
    assert_int_equal(wdi_store_fork(r->store, old, 3), WADI_OK);
    assert_true(rig_peek(r, "", 0, &next));
    expect_derived(old, 4, chain, next.head.stream);
    assert_int_equal(next.head.first_seq, 4);
    assert_int_equal(next.head.low, 4);
    assert_int_equal(next.last_seq, 10);
    assert_int_equal(rig_stats(r).forks, 1);
    assert_int_equal(rig_stats(r).acked, 3);
    assert_int_equal(wdi_store_settle(r->store, old, 10), WADI_OK); /* an old answer */
    assert_int_equal(wdi_store_pending(r->store), 7);
    rig_fill(r, 1, WADI_NORMAL);
    wdi_store_rewind(r->store, NULL, 0);
    assert_true(rig_peek(r, "", 0, &b));
    assert_int_equal(b.last_seq, 11); /* and in future */
    rig_free(r);
}

static void test_fork_with_nothing_left_derives_from_the_nonce(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    uint8_t old[16];
    rig_fill(r, 2, WADI_NORMAL);
    assert_true(rig_send(r, 0, &b));
    memcpy(old, b.head.stream, sizeof old);
    assert_int_equal(wdi_store_fork(r->store, old, 2), WADI_OK);
    rig_fill(r, 1, WADI_NORMAL);
    assert_true(rig_peek(r, "", 0, &b));
    expect_derived(old, 3, r->nonce, b.head.stream);
    assert_int_equal(b.head.first_seq, 3);
    rig_free(r);
}

static void test_unverified_settles_forks_or_waits(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b, next;
    rig_fill(r, 10, WADI_NORMAL);
    assert_true(rig_send(r, 4, &b));
    assert_true(rig_peek(r, "", 0, &next));
    uint64_t chain = next.head.chain;
    assert_int_equal(wdi_store_unverified(r->store, b.head.stream, 5, chain), WADI_OK);
    assert_int_equal(wdi_store_pending(r->store), 6);
    assert_int_equal(wdi_store_unverified(r->store, b.head.stream, 4, 0), WADI_OK); /* older than low */
    assert_int_equal(wdi_store_pending(r->store), 6);
    assert_int_equal(rig_stats(r).forks, 0);
    assert_int_equal(wdi_store_unverified(r->store, b.head.stream, 8, 12345), WADI_OK);
    assert_int_equal(wdi_store_pending(r->store), 6);
    assert_int_equal(rig_stats(r).forks, 1);
    assert_int_equal(rig_stats(r).resent, 6);
    assert_true(rig_peek(r, "", 0, &next));
    assert_int_equal(next.head.resent_through, 10);
    assert_memory_not_equal(next.head.stream, b.head.stream, 16);
    rig_free(r);
}

static void test_unverified_marks_what_waits_in_the_ring(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    rig_fill(r, 4, WADI_NORMAL);
    assert_true(rig_send(r, 0, &b));
    wdi_store_ring_tail_set(r->store, r->ring_pos + 3 * RIG_RING_RECORD);
    assert_int_equal(wdi_store_unverified(r->store, b.head.stream, 5, 12345), WADI_OK);
    rig_reopen(r);
    rig_fill(r, 5, WADI_NORMAL);
    assert_true(rig_peek(r, "", 0, &b));
    assert_int_equal(b.last_seq, 9);
    assert_int_equal(b.head.resent_through, 7);
    assert_int_equal(rig_stats(r).resent, 7);
    rig_free(r);
}

static void test_rewind_moves_only_the_cursor(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    rig_fill(r, 10, WADI_NORMAL);
    assert_true(rig_send(r, 8, &b));
    wdi_store_rewind(r->store, b.head.stream, 3);
    assert_true(rig_peek(r, "", 1, &b));
    assert_int_equal(b.head.first_seq, 3);
    wdi_store_rewind(r->store, b.head.stream, 0);
    assert_true(rig_peek(r, "", 1, &b));
    assert_int_equal(b.head.first_seq, 1);
    assert_int_equal(wdi_store_settle(r->store, b.head.stream, 8), WADI_OK); /* it was sent before */
    assert_int_equal(wdi_store_pending(r->store), 2);
    rig_free(r);
}

static void test_drop_leaves_a_tombstone_with_the_crc(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    rig_fill(r, 6, WADI_NORMAL);
    assert_true(rig_peek(r, "", 0, &b));
    assert_int_equal(wdi_store_drop(r->store, b.head.stream, 2, 3, WADI_DROP_REFUSED), WADI_OK);
    assert_int_equal(wdi_store_drop(r->store, b.head.stream, 5, 99, WADI_DROP_TOO_LARGE), WADI_OK);
    rig_reopen(r);
    assert_true(rig_send(r, 0, &b));
    assert_int_equal(b.last_seq, 6);
    assert_int_equal(b.head.n_dropped, 2);
    assert_int_equal(b.head.dropped[0].first_seq, 2);
    assert_int_equal(b.head.dropped[0].n, 2);
    assert_int_equal(b.head.dropped[0].reason, WADI_DROP_REFUSED);
    uint8_t event[RIG_EVENT_MAX];
    size_t n = rig_event(3, 20, WADI_NORMAL, event);
    assert_int_equal(b.head.dropped[0].crcs[1], wire_crc_event(wire_crc_seed(r->nonce), event, n));
    assert_int_equal(b.head.dropped[1].first_seq, 5);
    assert_int_equal(wdi_store_settle(r->store, b.head.stream, 6), WADI_OK);
    assert_int_equal(rig_stats(r).acked, 2);
    assert_int_equal(rig_stats(r).dropped[WADI_DROP_REFUSED], 2);
    assert_int_equal(rig_stats(r).dropped[WADI_DROP_TOO_LARGE], 2);
    rig_check_ledger(r);
    rig_free(r);
}

static void test_dropped_tickets_are_known(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    rig_fill(r, 3, WADI_NORMAL);
    assert_true(rig_send(r, 0, &b));
    assert_int_equal(wdi_store_drop(r->store, b.head.stream, 2, 2, WADI_DROP_REFUSED), WADI_OK);
    assert_int_equal(wdi_store_settle(r->store, b.head.stream, 3), WADI_OK);
    const wdi_dropped_log *log = wdi_store_dropped_log(r->store);
    assert_int_equal(log->n, 1);
    assert_int_equal(log->tickets[0], 2 * RIG_RING_RECORD);
    rig_free(r);
}

/* ---- moving ------------------------------------------------------------------------------------- */

static void test_another_collector_gets_what_was_never_sent(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b, next;
    rig_fill(r, 10, WADI_NORMAL);
    assert_true(rig_send(r, 4, &b));
    assert_int_equal(wdi_store_home(r->store, "a", b.head.stream, 100), WADI_OK);
    assert_int_equal(wdi_store_settle(r->store, b.head.stream, 2), WADI_OK);
    assert_true(wdi_store_wants_home(r->store));
    assert_int_equal(wdi_store_home(r->store, "b", NULL, 200), WADI_OK);
    wdi_store_rewind(r->store, NULL, 0);
    assert_true(rig_peek(r, "b", 0, &next));
    assert_int_equal(next.head.first_seq, 5);
    assert_int_equal(next.head.low, 5);
    assert_memory_not_equal(next.head.stream, b.head.stream, 16);
    rig_reopen(r);
    assert_true(rig_peek(r, "a", 0, &next)); /* back at the old one: the rest of the old stream */
    assert_int_equal(next.head.first_seq, 3);
    assert_int_equal(next.last_seq, 4);
    assert_memory_equal(next.head.stream, b.head.stream, 16);
    rig_check_ledger(r);
    rig_free(r);
}

static void test_numbers_that_waited_long_enough_go_marked(void **state) {
    (void)state;
    rig *r = rig_new(4 * MIB, 1);
    wdi_store_batch b;
    wdi_store_close(r->store);
    r->move_wait_us = 1000;
    rig_open(r);
    rig_fill(r, 6, WADI_NORMAL);
    assert_true(rig_send(r, 4, &b));
    assert_int_equal(wdi_store_home(r->store, "a", b.head.stream, 100), WADI_OK);
    assert_int_equal(wdi_store_home(r->store, "b", NULL, 200), WADI_OK);
    assert_int_equal(wdi_store_home(r->store, "b", NULL, 1199), WADI_OK);
    wdi_store_rewind(r->store, NULL, 0);
    assert_true(rig_peek(r, "b", 0, &b));
    assert_int_equal(b.head.first_seq, 5);
    assert_int_equal(wdi_store_home(r->store, "b", NULL, 1200), WADI_OK);
    assert_true(rig_peek(r, "b", 0, &b));
    assert_int_equal(b.head.first_seq, 1);
    assert_int_equal(b.head.resent_through, 4);
    assert_int_equal(rig_stats(r).resent, 4);
    rig_free(r);
}

/* ---- quota, and a full disk -------------------------------------------------------------------------------
 */

static void quota_run(rig *r) {
    for (bool more = true; more;)
        assert_int_equal(wdi_store_quota_step(r->store, &more), WADI_OK);
}

/* One more transaction; false: full. */
static bool fill(rig *r, wadi_priority priority, int n, size_t padding) {
    wadi_err err = wdi_store_begin(r->store);
    for (int i = 0; i < n && err == WADI_OK; i++)
        err = rig_put(r, padding, priority, NULL);
    if (err == WADI_OK)
        err = wdi_store_commit(r->store, r->ring_pos);
    else
        wdi_store_abort(r->store);
    r->ring_pos = wdi_store_ring_pos(r->store);
    assert_true(err == WADI_OK || err == WADI_ERR_DISK_FULL);
    return err == WADI_OK;
}

static bool fill_some(rig *r, wadi_priority priority) { return fill(r, priority, 16, 1000); }

static void test_quota_drops_the_oldest_of_the_lowest_priority(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    uint64_t low_dropped = 0;
    for (int i = 0; i < 12; i++)
        assert_true(fill_some(r, WADI_HIGH));
    for (int i = 0; i < 60; i++) {
        assert_true(fill_some(r, WADI_LOW));
        quota_run(r);
        assert_true(rig_stats(r).disk_bytes < MIB / 100 * 90);
        rig_check_ledger(r);
    }
    rig_reopen(r);
    while (rig_send(r, 0, &b)) {
        for (size_t i = 0; i < b.head.n_dropped; i++) {
            assert_true(b.head.dropped[i].first_seq > 12 * 16); /* none of the important ones */
            assert_int_equal(b.head.dropped[i].reason, WADI_DROP_DISK_QUOTA);
            low_dropped += b.head.dropped[i].n;
        }
    }
    assert_in_range(low_dropped, 300, 60 * 16);
    rig_free(r);
}

static void test_tombstones_alone_fill_the_map_and_settling_frees_it(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    uint64_t tries = 0;
    while (fill(r, WADI_NORMAL, 600, 20)) {
        quota_run(r);
        assert_true(++tries < 20000);
    }
    uint64_t assigned = rig_stats(r).assigned;
    assert_true(assigned > 20000);
    assert_false(fill(r, WADI_NORMAL, 600, 20));
    assert_int_equal(rig_stats(r).assigned, assigned);
    rig_check_ledger(r);
    rig_reopen(r);
    while (rig_send(r, 0, &b))
        assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
    assert_int_equal(wdi_store_pending(r->store), 0);
    assert_true(fill(r, WADI_NORMAL, 600, 20));
    rig_check_ledger(r);
    rig_free(r);
}

/* The file may not grow: as on a full file system that would not reserve space. */
static void test_full_file_system_loses_nothing_and_goes_on(void **state) {
    (void)state;
    struct rlimit before, small = {256 * 1024, 0};
    wdi_store_batch b;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rig *r = rig_new(MIB, 1);
    uint64_t fills = 0;
    while (fill_some(r, WADI_NORMAL))
        assert_true(++fills < 100);
    uint64_t assigned = rig_stats(r).assigned;
    assert_int_equal(assigned, fills * 16);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(fill_some(r, WADI_NORMAL));
    rig_reopen(r);
    uint64_t numbers = 0;
    while (rig_send(r, 0, &b)) {
        assert_int_equal(b.head.n_dropped, 0);
        numbers += b.last_seq - b.head.first_seq + 1;
    }
    assert_int_equal(numbers, assigned + 16);
    rig_free(r);
}

/* ---- damage ------------------------------------------------------------------------------------- */

/* Flips a bit of the `nth` place where the file holds the bytes; false: there is none. */
static bool damage(const rig *r, const char *bytes, size_t n) {
    static uint8_t file[MIB];
    int fd = open(r->path, O_RDWR | O_CLOEXEC);
    ssize_t size = pread(fd, file, sizeof file, 0);
    uint8_t *at = size > 0 ? memmem(file, (size_t)size, bytes, n) : NULL;
    if (at != NULL) {
        *at ^= 1;
        assert_int_equal(pwrite(fd, at, 1, at - file), 1);
    }
    close(fd);
    return at != NULL;
}

static void test_damaged_event_becomes_a_tombstone(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    rig_fill(r, 3, WADI_NORMAL);
    assert_int_equal(wdi_store_begin(r->store), WADI_OK);
    uint8_t event[RIG_EVENT_MAX];
    size_t n = rig_event(4, 24, WADI_NORMAL, event);
    assert_int_equal(rig_put(r, 24, WADI_NORMAL, NULL), WADI_OK);
    assert_int_equal(rig_put(r, 20, WADI_NORMAL, NULL), WADI_OK);
    assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
    wdi_store_close(r->store);
    assert_true(damage(r, (const char *)event, n));
    rig_open(r);
    assert_true(rig_send(r, 0, &b));
    assert_int_equal(b.last_seq, 3);
    assert_true(rig_send(r, 0, &b));
    assert_int_equal(b.head.first_seq, 4);
    assert_int_equal(b.last_seq, 5);
    assert_int_equal(b.head.n_dropped, 1);
    assert_int_equal(b.head.dropped[0].first_seq, 4);
    assert_int_equal(b.head.dropped[0].reason, WADI_DROP_CORRUPT);
    rig_free(r);
}

static void test_events_outlive_their_streams_record(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    rig_fill(r, 3, WADI_NORMAL);
    assert_true(rig_peek(r, "", 0, &b));
    uint8_t old[16];
    memcpy(old, b.head.stream, sizeof old);
    wdi_store_close(r->store);
    while (damage(r, (const char *)old, sizeof old)) { /* every version of the stream's record */
    }
    rig_open(r);
    assert_int_equal(rig_stats(r).quarantined, 1);
    assert_int_equal(rig_stats(r).assigned, 3);
    rig_check_ledger(r);
    rig_run(r, 1, 5000);
    rig_fill(r, 1, WADI_NORMAL);
    assert_true(rig_peek(r, "", 0, &b));
    assert_memory_not_equal(b.head.stream, old, sizeof old);
    assert_int_equal(b.head.first_seq, 1);
    assert_int_equal(b.last_seq, 3);
    assert_int_equal(b.head.n_dropped, 0);
    assert_int_equal(b.head.resent_through, 4); /* what the ring brings next may have had a number, too */
    rig_reopen(r);
    assert_int_equal(rig_stats(r).quarantined, 1);
    rig_free(r);
}

static void test_cut_file_is_set_aside(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    rig_fill(r, 2000, WADI_NORMAL);
    wdi_store_close(r->store);
    assert_int_equal(truncate(r->path, 5 * 4096 + 100), 0);
    rig_open(r);
    assert_int_equal(rig_stats(r).quarantined, 1);
    rig_free(r);
}

static void test_file_of_something_else_is_set_aside(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_close(r->store);
    assert_int_equal(truncate(r->path, 0), 0);
    FILE *f = fopen(r->path, "w");
    for (int i = 0; i < 3000; i++)
        fputs("not a database ", f);
    fclose(f);
    rig_open(r);
    assert_int_equal(rig_stats(r).quarantined, 1);
    rig_free(r);
}

/* ---- clocks and notes --------------------------------------------------------------------------- */

static void test_best_clock_sample_of_a_boot_is_kept(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    bool kept = false;
    rig_fill(r, 1, WADI_NORMAL);
    assert_true(rig_peek(r, "", 0, &b));
    assert_false(b.head.clock.has_offset);
    assert_int_equal(wdi_store_clock_sample(r->store, 1000000, 500, 10, &kept), WADI_OK);
    assert_true(kept);
    assert_int_equal(wdi_store_clock_sample(r->store, 1000100, 600, 20, &kept), WADI_OK);
    assert_false(kept); /* worse */
    assert_int_equal(wdi_store_clock_sample(r->store, 1000100, 400, 20, &kept), WADI_OK);
    assert_true(kept); /* better */
    assert_int_equal(wdi_store_clock_sample(r->store, 9000000, 5000, 30, &kept), WADI_OK);
    assert_true(kept); /* both cannot be true */
    assert_int_equal(wdi_store_clock_sample(r->store, 9010000, 16000, 100000030, &kept), WADI_OK);
    assert_false(kept); /* drift explains it: 100 s at 100 ppm */
    rig_reopen(r);
    assert_true(rig_peek(r, "", 0, &b));
    assert_true(b.head.clock.has_offset);
    assert_int_equal(b.head.clock.offset_us, 9000000);
    assert_int_equal(b.head.clock.offset_error_us, 5000);
    rig_free(r);
}

static void test_boot_without_a_sample_ends_before_the_next_that_has_one(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    rig_fill(r, 1, WADI_NORMAL);
    rig_run(r, 2, 50);
    rig_fill(r, 1, WADI_NORMAL);
    rig_run(r, 3, 60);
    assert_int_equal(wdi_store_clock_sample(r->store, 7000000, 300, 70, NULL), WADI_OK);
    assert_true(rig_send(r, 0, &b));
    assert_false(b.head.clock.has_offset);
    assert_true(b.head.clock.has_not_after);
    assert_int_equal(b.head.clock.not_after_us, 7000300);
    rig_free(r);
}

static void test_notes_outlive_a_restart(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    char out[16];
    size_t n = 99;
    assert_int_equal(wdi_store_note_get(r->store, WDI_NOTE_RETRY_AFTER, out, sizeof out, &n), WADI_OK);
    assert_int_equal(n, 0);
    assert_int_equal(wdi_store_note_put(r->store, WDI_NOTE_RETRY_AFTER, "later", 5), WADI_OK);
    rig_reopen(r);
    assert_int_equal(wdi_store_note_get(r->store, WDI_NOTE_RETRY_AFTER, out, sizeof out, &n), WADI_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(out, "later", 5);
    assert_int_equal(wdi_store_note_put(r->store, WDI_NOTE_RETRY_AFTER, NULL, 0), WADI_OK);
    assert_int_equal(wdi_store_note_get(r->store, WDI_NOTE_RETRY_AFTER, out, sizeof out, &n), WADI_OK);
    assert_int_equal(n, 0);
    rig_free(r);
}

static void test_forgotten_runs_leave_nothing_behind(void **state) {
    (void)state;
    rig *r = rig_new(MIB, 1);
    wdi_store_batch b;
    uint64_t before = 0;
    for (uint8_t i = 1; i < 200; i++) {
        rig_run(r, i, 10);
        assert_int_equal(wdi_store_clock_sample(r->store, i * 1000000, 300, 70, NULL), WADI_OK);
        rig_fill(r, 3, WADI_NORMAL);
        while (rig_send(r, 0, &b))
            assert_int_equal(wdi_store_settle(r->store, b.head.stream, b.last_seq), WADI_OK);
        if (i == 20)
            before = rig_stats(r).disk_bytes;
    }
    assert_true(rig_stats(r).disk_bytes <= before + 4 * 4096);
    rig_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_of_new_events_is_complete),
        cmocka_unit_test(test_batch_stays_in_its_run),
        cmocka_unit_test(test_settle_forgets_what_was_sent_and_nothing_else),
        cmocka_unit_test(test_uncommitted_events_are_never_sent),
        cmocka_unit_test(test_fork_moves_all_that_follows_to_the_derived_stream),
        cmocka_unit_test(test_fork_with_nothing_left_derives_from_the_nonce),
        cmocka_unit_test(test_unverified_settles_forks_or_waits),
        cmocka_unit_test(test_unverified_marks_what_waits_in_the_ring),
        cmocka_unit_test(test_rewind_moves_only_the_cursor),
        cmocka_unit_test(test_drop_leaves_a_tombstone_with_the_crc),
        cmocka_unit_test(test_dropped_tickets_are_known),
        cmocka_unit_test(test_another_collector_gets_what_was_never_sent),
        cmocka_unit_test(test_numbers_that_waited_long_enough_go_marked),
        cmocka_unit_test(test_quota_drops_the_oldest_of_the_lowest_priority),
        cmocka_unit_test(test_tombstones_alone_fill_the_map_and_settling_frees_it),
        cmocka_unit_test(test_full_file_system_loses_nothing_and_goes_on),
        cmocka_unit_test(test_damaged_event_becomes_a_tombstone),
        cmocka_unit_test(test_events_outlive_their_streams_record),
        cmocka_unit_test(test_cut_file_is_set_aside),
        cmocka_unit_test(test_file_of_something_else_is_set_aside),
        cmocka_unit_test(test_best_clock_sample_of_a_boot_is_kept),
        cmocka_unit_test(test_boot_without_a_sample_ends_before_the_next_that_has_one),
        cmocka_unit_test(test_notes_outlive_a_restart),
        cmocka_unit_test(test_forgotten_runs_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A disk that fails for a while, under a running program, from any write or sync on: what was recorded stays
 * in the ring, and when the disk is well again all of it is in the store, once, without the program's doing
 * anything. With an argument: from every call on. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/crash/sdk/io_shim.h"
#include "tests/crash/sdk/scene.h"
#include "tests/crash/store_events.h"

#define WAIT_MS 30000u
#define CALLS 8     /* of two commits */
#define META_CALL 2 /* of one: a write, a sync, and the meta page, without which LMDB goes on no more */

static bool all;
static atomic_int left = -1; /* calls until all fail; -1: none does */
static atomic_bool torn;     /* the first to fail, if a write, is done all the same */

/* Past the shim. */
static void write_all(const io_call *call) {
    uint64_t at = call->at;
    for (int i = 0; i < call->n_parts; i++) {
        long n =
            syscall(SYS_pwrite64, (long)call->fd, call->parts[i].iov_base, call->parts[i].iov_len, (long)at);
        assert_int_equal(n, call->parts[i].iov_len);
        at += call->parts[i].iov_len;
    }
}

static bool call_before(io_call *call) {
    bool wakes = call->kind == IO_WRITE && call->n == sizeof(uint64_t); /* an eventfd */
    if ((call->kind != IO_WRITE && call->kind != IO_SYNC) || wakes || left < 0)
        return true;
    if (left > 0) {
        left--;
        return true;
    }
    if (atomic_exchange(&torn, false) && call->kind == IO_WRITE)
        write_all(call);
    call->result = -1;
    call->error = EIO;
    return false;
}

static void fail_from(int calls, bool done_first) {
    torn = done_first;
    left = calls;
}

static void recovers_from(int calls, bool done_first) {
    char dir[LANE_DIR_BYTES];
    wadi_ticket ticket = 0;
    uint64_t next = 0;
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 10);
    lane_record(w, 0, 10, &ticket);
    assert_int_equal(wadi_wait(w, ticket, WADI_DISK, WAIT_MS), WADI_OK);
    fail_from(calls, done_first);
    lane_record(w, 10, 20, &ticket);
    wadi_err err = wadi_wait(w, ticket, WADI_DISK, 300);
    assert_true(err == WADI_OK || err == WADI_ERR_IO || err == WADI_ERR_TIMEOUT);
    left = -1;
    lane_record(w, 30, 20, &ticket);
    assert_int_equal(wadi_wait(w, ticket, WADI_DISK, WAIT_MS), WADI_OK);
    wadi_stats stats = lane_stats(w);
    assert_int_equal(stats.assigned, 50);
    assert_int_equal(stats.accepted, 50);
    assert_int_equal(stats.store_error, WADI_OK);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(lane_settle(dir, lane_visit_in_order, &next), 50);
    lane_dir_remove(dir);
}

static void test_disk_that_failed_is_used_again(void **state) {
    (void)state;
    for (int calls = 0; calls < CALLS && all; calls++) {
        recovers_from(calls, false);
        recovers_from(calls, true);
    }
    recovers_from(META_CALL, false);
    recovers_from(META_CALL, true);
}

int main(int argc, char **argv) {
    (void)argv;
    all = argc > 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_disk_that_failed_is_used_again)};
    static scene machine = {.seed = 1};
    scene_now = &machine;
    io_before = call_before;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a handle does when something is wrong: with a slot, with its files, with its store. */
#include "tests/crash/store_events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/core/handle.h"

static uint64_t cpu_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* As by a thread that is not scheduled between its claim and its commit, while others fill the ring. */
static void test_blocked_slot_costs_no_cpu(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    const struct timespec second = {.tv_sec = 1};
    wadi_options opt = WADI_OPTIONS_INIT;
    wadi *w = NULL;
    uint64_t pos = 0, next = 0;
    lane_dir_make(dir);
    opt.dir = dir;
    opt.ring_bytes = 64 << 10;
    opt.flush_ms = 100;
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    uint8_t *slot = wdi_ring_claim(&w->tracker.ring, 1, &pos);
    assert_non_null(slot);
    while (wdi_ring_used(&w->tracker.ring) < (48u << 10))
        lane_record(w, next++, 1, NULL);
    uint64_t before_us = cpu_us();
    nanosleep(&second, NULL); /* what is measured is the time */
    assert_in_range(cpu_us() - before_us, 0, 300000);
    *slot = 0xff; /* no event: passed over */
    wdi_ring_commit(&w->tracker.ring, pos, WDI_RECORD_CONTEXT, WADI_NORMAL, 1);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

/* ---- a dead disk ------------------------------------------------------------------------------------ */

static atomic_bool disk_dead;
static atomic_bool warned; /* of the first attempt that reached nobody */

static void diag_warned(void *context, wadi_diag_level level, const char *line) {
    (void)context;
    (void)level;
    (void)line;
    warned = true;
}

/* In the place of the C library's, for LMDB too. */
__attribute__((visibility("default"))) int fdatasync(int fd) {
    if (!disk_dead)
        return (int)syscall(SYS_fdatasync, fd);
    errno = EIO;
    return -1;
}

/* With a collector that cannot be reached, so that the time of the next attempt comes and goes meanwhile. */
static void test_dead_disk_costs_no_cpu(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    const struct timespec pause = {.tv_nsec = 1000000}, second = {.tv_sec = 1};
    wadi_options opt = WADI_OPTIONS_INIT;
    wadi *w = NULL;
    lane_dir_make(dir);
    opt.dir = dir;
    opt.endpoint = "http://127.0.0.1:1";
    opt.flush_ms = 10;
    opt.diag = diag_warned;
    opt.diag_level = WADI_DIAG_WARN;
    opt.retry_min_ms = 10;
    opt.retry_max_ms = 20;
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    lane_record(w, 0, 1, NULL);
    uint64_t until_us = base_mono_us() + 20000000;
    for (; !warned; nanosleep(&pause, NULL))
        assert_true(base_mono_us() < until_us);
    disk_dead = true;
    lane_record(w, 1, 1, NULL);
    for (; lane_stats(w).store_error != WADI_ERR_IO; nanosleep(&pause, NULL))
        assert_true(base_mono_us() < until_us);
    uint64_t before_us = cpu_us();
    nanosleep(&second, NULL); /* what is measured is the time */
    assert_in_range(cpu_us() - before_us, 0, 50000);
    disk_dead = false;
    for (; lane_stats(w).store_error != WADI_OK; nanosleep(&pause, NULL))
        assert_true(base_mono_us() < until_us);
    assert_int_equal(wadi_close(w, 0), WADI_ERR_TIMEOUT);
    lane_dir_remove(dir);
}

/* ---- damage ----------------------------------------------------------------------------------------- */

/* Refused to read for a moment, it is still this device's. */
static void test_unreadable_installation_is_never_replaced(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], path[LANE_DIR_BYTES + 32], aside[LANE_DIR_BYTES + 32], first[33], second[33];
    wadi_options opt = WADI_OPTIONS_INIT;
    wadi *w = NULL;
    lane_dir_make(dir);
    opt.dir = dir;
    snprintf(path, sizeof path, "%s/installation", dir);
    snprintf(aside, sizeof aside, "%s/aside", dir);
    w = lane_open(dir, 1000);
    assert_int_equal(wadi_installation(w, first), WADI_OK);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(symlink(path, path), 0); /* a loop: also root cannot read it */
    w = NULL;
    assert_int_equal(wadi_open(&opt, &w), WADI_ERR_IO);
    assert_int_equal(rename(aside, path), 0);
    w = lane_open(dir, 1000);
    assert_int_equal(wadi_installation(w, second), WADI_OK);
    assert_string_equal(first, second);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

/* All but LMDB's first pages. */
static void store_spoil(const char *dir) {
    static uint8_t junk[4096];
    char path[LANE_DIR_BYTES + 32];
    struct stat st;
    snprintf(path, sizeof path, "%s/lanes/0/store.mdb", dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    memset(junk, 0xa5, sizeof junk);
    for (off_t at = 2 * (off_t)sizeof junk; at < st.st_size && at < (1 << 20); at += (off_t)sizeof junk)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
}

static void test_damaged_store_takes_no_more_and_what_was_in_the_ring_gets_its_numbers(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    const struct timespec pause = {.tv_nsec = 1000000};
    wadi_ticket ticket = 0;
    uint64_t index = 0;
    wadi_err err = WADI_OK;
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 1000);
    lane_record(w, index++, 1, &ticket);
    assert_int_equal(wadi_wait(w, ticket, WADI_DISK, 10000), WADI_OK);
    lane_record(w, index++, 1, NULL); /* is in the ring when the store is found damaged */
    store_spoil(dir);
    uint64_t deadline_us = base_mono_us() + 20000000;
    for (; err == WADI_OK; nanosleep(&pause, NULL)) {
        assert_true(base_mono_us() < deadline_us);
        err = lane_track(w, 0, index++, NULL);
    }
    assert_int_equal(err, WADI_ERR_CORRUPT);
    (void)!wadi_close(w, 100);
    w = lane_open(dir, 10);
    assert_non_null(w);
    assert_int_equal(lane_stats(w).quarantined, 1);
    assert_int_equal(lane_stats(w).ring_lost, 0);
    assert_int_equal(lane_stats(w).assigned, index - 1); /* all but the one that was refused */
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

/* ---- no room ---------------------------------------------------------------------------------------- */

static wadi_options small_options(const char *dir) {
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = dir;
    opt.disk_bytes_max = 1 << 20;
    opt.ring_bytes = 64 << 10;
    opt.flush_ms = 10;
    return opt;
}

/* As a collector would, over the store itself; nobody holds the lane. */
static void store_deliver(const char *dir) {
    static uint8_t out[256 << 10];
    char path[LANE_DIR_BYTES + 32];
    wdi_store *store = NULL;
    wdi_store_batch b;
    bool any = true;
    snprintf(path, sizeof path, "%s/lanes/0/store.mdb", dir);
    const wdi_store_options opt = {.path = path, .quarantine_dir = dir, .disk_bytes_max = 1 << 20};
    const wdi_store_want want = {.out = out, .cap = sizeof out, .now_us = 1};
    assert_int_equal(wdi_store_open(&opt, &store), WADI_OK);
    while (any) {
        assert_int_equal(wdi_store_peek(store, &want, &b, &any), WADI_OK);
        if (!any)
            break;
        assert_int_equal(wdi_store_sending(store, b.head.stream, b.last_seq), WADI_OK);
        assert_int_equal(wdi_store_settle(store, b.head.stream, b.last_seq), WADI_OK);
    }
    wdi_store_close(store);
}

static wadi_err track_until(wadi *w, uint64_t wait_us) {
    const struct timespec pause = {.tv_nsec = 1000000};
    wadi_err err;
    for (uint64_t until_us = base_mono_us() + wait_us;
         (err = wadi_track(w, "small", NULL, 0)) == WADI_ERR_FULL && base_mono_us() < until_us;)
        nanosleep(&pause, NULL);
    return err;
}

/* Offline for good, and opened again and again: it opens, takes nothing, loses nothing, and is well again
 * once a collector has had what there is. */
static void test_lane_without_room_opens_and_heals(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    wadi *w = NULL;
    wadi_ticket ticket = 0;
    lane_dir_make(dir);
    const wadi_options opt = small_options(dir);
    bool refuses = false;
    for (int i = 0; i < 20 && !refuses; i++) {
        assert_int_equal(wadi_open(&opt, &w), WADI_OK);
        refuses = wadi_track(w, "small", NULL, 0) == WADI_ERR_FULL;
        while (!refuses && track_until(w, 300000) == WADI_OK)
            continue;
        assert_int_equal(lane_stats(w).ring_lost, 0);
        (void)!wadi_close(w, 100);
    }
    assert_true(refuses);
    store_deliver(dir);
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    assert_int_equal(track_until(w, 10000000), WADI_OK);
    assert_int_equal(lane_stats(w).ring_lost, 0);
    wadi_event ev = WADI_EVENT_INIT;
    ev.name = "after";
    assert_int_equal(wadi_track_ex(w, &ev, &ticket), WADI_OK);
    assert_int_equal(wadi_wait(w, ticket, WADI_DISK, 10000), WADI_OK);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

static void test_another_user_every_moment_never_fills_the_store(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], user[32];
    const struct timespec pause = {.tv_nsec = 1000000};
    wadi *w = NULL;
    lane_dir_make(dir);
    const wadi_options opt = small_options(dir);
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    for (int i = 0; i < 12000; i++) {
        uint64_t until_us = base_mono_us() + 20000000;
        snprintf(user, sizeof user, "user %d", i);
        while (wadi_identify(w, user) == WADI_ERR_FULL) {
            assert_true(base_mono_us() < until_us);
            nanosleep(&pause, NULL);
        }
    }
    assert_int_equal(track_until(w, 20000000), WADI_OK);
    assert_int_equal(wadi_close(w, 10000), WADI_OK);
    lane_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocked_slot_costs_no_cpu),
        cmocka_unit_test(test_dead_disk_costs_no_cpu),
        cmocka_unit_test(test_unreadable_installation_is_never_replaced),
        cmocka_unit_test(test_damaged_store_takes_no_more_and_what_was_in_the_ring_gets_its_numbers),
        cmocka_unit_test(test_lane_without_room_opens_and_heals),
        cmocka_unit_test(test_another_user_every_moment_never_fills_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

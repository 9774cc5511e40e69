/* The handle's life: open, record, wait, close, fork; and its manners as a guest of the process. */
#include "tests/crash/store_events.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"

/* ---- opening and recording ---------------------------------------------------------------------- */

static void test_recorded_events_are_on_disk_after_wait(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    wadi_ticket ticket = 0;
    uint64_t next = 0;
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    lane_record(w, 0, 100, &ticket);
    assert_int_equal(wadi_wait(w, ticket, WADI_DISK, 0), WADI_ERR_TIMEOUT); /* it is not time yet */
    assert_int_equal(wadi_wait(w, ticket, WADI_DISK, 10000), WADI_OK);
    wadi_stats stats = lane_stats(w);
    assert_int_equal(stats.accepted, 100);
    assert_int_equal(stats.assigned, 100);
    assert_int_equal(stats.pending, 100);
    assert_int_equal(wadi_wait(w, ticket, WADI_ACKED, 1), WADI_ERR_TIMEOUT);
    assert_int_equal(wadi_wait(w, ticket + 8, WADI_DISK, 0), WADI_ERR_INVALID); /* nobody's */
    lane_record(w, 100, 10, NULL);
    assert_int_equal(wadi_close(w, 1000), WADI_OK); /* stores the rest */
    assert_int_equal(lane_settle(dir, lane_visit_in_order, &next), 110);
    lane_dir_remove(dir);
}

static void test_flush_ms_bounds_how_long_events_wait(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    const struct timespec pause = {.tv_nsec = 1000000};
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 50);
    lane_record(w, 0, 3, NULL);
    uint64_t deadline_us = base_mono_us() + 10000000;
    while (lane_stats(w).assigned < 3) {
        assert_true(base_mono_us() < deadline_us);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

static void test_critical_event_is_stored_at_once(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    const struct timespec pause = {.tv_nsec = 1000000};
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    wadi_event ev = WADI_EVENT_INIT;
    ev.name = "alarm";
    ev.priority = WADI_CRITICAL;
    assert_int_equal(wadi_track_ex(w, &ev, NULL), WADI_OK);
    uint64_t deadline_us = base_mono_us() + 10000000;
    while (lane_stats(w).assigned < 1) {
        assert_true(base_mono_us() < deadline_us);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

static void test_bad_options_are_refused(void **state) {
    (void)state;
    wadi *w = NULL;
    wadi_options opt = WADI_OPTIONS_INIT;
    assert_int_equal(wadi_open(NULL, &w), WADI_ERR_INVALID);
    assert_int_equal(wadi_open(&opt, &w), WADI_ERR_INVALID); /* no dir */
    opt.dir = "/nonexistent/parent/wadi";
    assert_int_equal(wadi_open(&opt, &w), WADI_ERR_INVALID);
    opt.dir = "/proc/wadi";
    assert_int_not_equal(wadi_open(&opt, &w), WADI_OK);
    opt.dir = "/tmp";
    opt.flush_ms = 9;
    assert_int_equal(wadi_open(&opt, &w), WADI_ERR_INVALID);
    opt.flush_ms = 0;
    opt.disk_bytes_max = 4096;
    assert_int_equal(wadi_open(&opt, &w), WADI_ERR_INVALID);
    opt.disk_bytes_max = 0;
    opt.lanes_max = 257;
    assert_int_equal(wadi_open(&opt, &w), WADI_ERR_INVALID);
    assert_null(w);
    assert_int_equal(wadi_close(NULL, 0), WADI_OK);
}

/* An application built against the first header knows fewer options and statistics. */
static void test_older_structs_are_understood(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    wadi *w = NULL;
    wadi_stats stats;
    wadi_options opt;
    lane_dir_make(dir);
    memset(&opt, 0xff, sizeof opt);
    opt.struct_size = offsetof(wadi_options, endpoint);
    opt.dir = dir;
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    memset(&stats, 0xff, sizeof stats);
    stats.struct_size = offsetof(wadi_stats, refused_full);
    assert_int_equal(wadi_stats_get(w, &stats), WADI_OK);
    assert_int_equal(stats.accepted, 0);
    assert_int_equal(stats.refused_full, UINT64_MAX);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

static void test_attributes_have_limits(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], key[16], text[300];
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 1000);
    memset(text, 'x', sizeof text);
    text[256] = '\0';
    for (int i = 0; i < 32; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_int_equal(wadi_set_context(w, key, "value"), WADI_OK);
    }
    assert_int_equal(wadi_set_context(w, "one more", "value"), WADI_ERR_INVALID);
    assert_int_equal(wadi_set_context(w, "key7", NULL), WADI_OK);
    assert_int_equal(wadi_set_context(w, "one more", "value"), WADI_OK);
    assert_int_equal(wadi_set_context(w, "key3", text), WADI_ERR_INVALID);
    assert_int_equal(wadi_set_context(w, "", "value"), WADI_ERR_INVALID);
    assert_int_equal(wadi_set_context(w, "os", "mine"), WADI_ERR_INVALID); /* the SDK's own */
    assert_int_equal(wadi_identify(w, text), WADI_ERR_INVALID);
    text[255] = '\0';
    assert_int_equal(wadi_identify(w, text), WADI_OK);
    assert_int_equal(wadi_identify(w, NULL), WADI_OK);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

/* ---- manners ------------------------------------------------------------------------------------ */

/* The background thread's /proc directory. */
static bool thread_find(char path[64]) {
    char name[32], comm[64];
    DIR *d = opendir("/proc/self/task");
    bool found = false;
    for (struct dirent *e = readdir(d); e != NULL && !found; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, 64, "/proc/self/task/%.20s", e->d_name);
        snprintf(comm, sizeof comm, "%.40s/comm", path);
        FILE *f = fopen(comm, "r");
        found = f != NULL && fgets(name, sizeof name, f) != NULL && strcmp(name, "wadi\n") == 0;
        if (f != NULL)
            fclose(f);
    }
    closedir(d);
    return found;
}

/* A number of its status file; `base` as for strtoull. */
static uint64_t thread_status(const char *thread, const char *field, int base) {
    char path[96], line[256];
    uint64_t value = UINT64_MAX;
    snprintf(path, sizeof path, "%s/status", thread);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            value = strtoull(line + strlen(field), NULL, base);
    fclose(f);
    return value;
}

static void test_thread_is_a_quiet_guest(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], thread[64];
    wadi_ticket ticket = 0;
    if (getenv("WADI_VALGRIND") != NULL)
        skip(); /* whose signal mask it has */
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 20);
    uint64_t deadline_us = base_mono_us() + 20000000;
    while (!thread_find(thread)) { /* it names itself */
        assert_true(base_mono_us() < deadline_us);
        poll(NULL, 0, 1);
    }
    uint64_t all_but_kill_and_stop = UINT64_C(0xfffffffe7ffbfeff); /* nor the C library's two own */
    assert_int_equal(thread_status(thread, "SigBlk:", 16) & all_but_kill_and_stop, all_but_kill_and_stop);
    lane_record(w, 0, 1, &ticket);
    assert_int_equal(wadi_wait(w, ticket, WADI_DISK, 10000), WADI_OK);
    /* It sleeps for good once it has not woken for a quarter of a second, with a flush every 20 ms. */
    uint64_t before = 0, now = 1;
    while (before != now) {
        assert_true(base_mono_us() < deadline_us);
        before = thread_status(thread, "voluntary_ctxt_switches:", 10);
        poll(NULL, 0, 250);
        now = thread_status(thread, "voluntary_ctxt_switches:", 10);
    }
    lane_record(w, 1, 1, &ticket); /* and wakes by itself when there is something */
    assert_int_equal(wadi_wait(w, ticket, WADI_DISK, 0), WADI_ERR_TIMEOUT);
    while (wadi_wait(w, ticket, WADI_DISK, 0) != WADI_OK) {
        assert_true(base_mono_us() < deadline_us);
        poll(NULL, 0, 1);
    }
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

static void expect_private(const char *dir, const char *name, mode_t mode) {
    char path[LANE_DIR_BYTES + 64];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, mode);
}

static void test_files_are_private_and_descriptors_close_on_exec(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], sub[LANE_DIR_BYTES + 8];
    mode_t before = umask(0);
    lane_dir_make(dir);
    snprintf(sub, sizeof sub, "%s/sub", dir);
    wadi *w = lane_open(sub, 1000);
    umask(before);
    assert_non_null(w);
    expect_private(sub, "", 0700);
    expect_private(sub, "lanes", 0700);
    expect_private(sub, "lanes/0", 0700);
    expect_private(sub, "installation", 0600);
    expect_private(sub, "lanes/0/lock", 0600);
    expect_private(sub, "lanes/0/ring", 0600);
    expect_private(sub, "lanes/0/store.mdb", 0600);
    for (int fd = 3; fd < 64; fd++) {
        char link[32], target[256];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        if (strstr(target, "wadi-lane") != NULL || strstr(target, "eventfd") != NULL)
            assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

static void test_close_does_not_wait_for_a_network_that_is_not_there(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    wadi *w = NULL;
    wadi_options opt = WADI_OPTIONS_INIT;
    uint64_t next = 0;
    lane_dir_make(dir);
    opt.dir = dir;
    opt.endpoint = "http://127.0.0.1:1";
    opt.disk_bytes_max = 16 << 20;
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    lane_record(w, 0, 5, NULL);
    uint64_t start_us = base_mono_us();
    assert_int_equal(wadi_close(w, 60000), WADI_ERR_TIMEOUT);
    assert_true(base_mono_us() - start_us < 20000000);
    assert_int_equal(lane_settle(dir, lane_visit_in_order, &next), 5);
    lane_dir_remove(dir);
}

/* Records until the store has refused what is in the ring, and the ring is full of it. That the ring is full
 * would not do: the thread that empties it may not have had a CPU. */
static void record_until_full(wadi *w, uint64_t disk_bytes_least) {
    uint64_t errors = UINT64_MAX, deadline_us = base_mono_us() + 120000000;
    for (;;) {
        wadi_err err = wadi_track(w, "small", NULL, 0);
        assert_true(err == WADI_OK || err == WADI_ERR_FULL);
        assert_true(base_mono_us() < deadline_us);
        if (err == WADI_OK) {
            errors = UINT64_MAX;
            continue;
        }
        const wadi_stats stats = lane_stats(w);
        if (errors == UINT64_MAX)
            errors = stats.store_errors;
        if (stats.disk_bytes >= disk_bytes_least && stats.store_errors > errors)
            return;
        sched_yield(); /* to that thread */
    }
}

/* Weeks offline, with restarts: tombstones take as much of the store as they may, and the last events, which
 * stay, take the rest. The lane must open all the same, or it could never upload again. */
static void test_store_full_of_tombstones_still_opens(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    if (getenv("WADI_VALGRIND") != NULL)
        skip(); /* the callers are too slow to fill it */
    wadi_options opt = WADI_OPTIONS_INIT;
    lane_dir_make(dir);
    opt.dir = dir;
    opt.disk_bytes_max = 1 << 20;
    opt.ring_bytes = 64 << 10;
    opt.flush_ms = 10;
    for (int i = 0; i < 6; i++) {
        wadi *w = NULL;
        assert_int_equal(wadi_open(&opt, &w), WADI_OK);
        record_until_full(w, opt.disk_bytes_max / 4 * 3);
        wadi_stats stats = lane_stats(w);
        assert_true(stats.refused_full > 0);
        assert_true(stats.disk_bytes <= opt.disk_bytes_max);
        assert_int_equal(stats.assigned, stats.pending);
        assert_int_equal(wadi_close(w, 1000), WADI_ERR_DISK_FULL); /* what is in the ring stays there */
    }
    lane_dir_remove(dir);
}

/* The store's file could not even be made: nothing is left behind, and later it works. */
static void test_open_on_a_full_disk_fails_cleanly(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    struct rlimit before, small = {8192, 0};
    wadi_options opt = WADI_OPTIONS_INIT;
    wadi *w = NULL;
    lane_dir_make(dir);
    opt.dir = dir;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    wadi_err err = wadi_open(&opt, &w);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err, WADI_ERR_DISK_FULL);
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_events_are_on_disk_after_wait),
        cmocka_unit_test(test_flush_ms_bounds_how_long_events_wait),
        cmocka_unit_test(test_critical_event_is_stored_at_once),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_older_structs_are_understood),
        cmocka_unit_test(test_attributes_have_limits),
        cmocka_unit_test(test_thread_is_a_quiet_guest),
        cmocka_unit_test(test_files_are_private_and_descriptors_close_on_exec),
        cmocka_unit_test(test_close_does_not_wait_for_a_network_that_is_not_there),
        cmocka_unit_test(test_store_full_of_tombstones_still_opens),
        cmocka_unit_test(test_open_on_a_full_disk_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

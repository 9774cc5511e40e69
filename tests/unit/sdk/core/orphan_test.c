/* Lanes whose process is gone for good: who delivers what they owe, and what it costs. The uploader's line is
 * a region in this process (the linker's --wrap), which takes every batch and counts. */
#include "tests/crash/store_events.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/store/store.h"
#include "tests/unit/sdk/core/orphan_region.h"

/* ---- the scene ---------------------------------------------------------------------------------------- */

static void scene_begin(char dir[LANE_DIR_BYTES]) {
    region.away = region.silent = false;
    region.events = region.opens = 0;
    region.n_streams = 0;
    boot = 0;
    lane_dir_make(dir);
}

static wadi *uploader_open(const char *dir) {
    wadi *w = NULL;
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = dir;
    opt.endpoint = "http://127.0.0.1:1";
    opt.flush_ms = 10;
    opt.ring_bytes = 64 << 10;
    opt.disk_bytes_max = 2 << 20;
    opt.retry_min_ms = 1;
    opt.retry_max_ms = 4;
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    return w;
}

/* A process that takes the first free lane, records, and is killed. */
static void sibling_dies(const char *dir, uint64_t events) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        wadi *w = lane_open(dir, 3600000);
        for (uint64_t i = 0; w != NULL && i < events; i++)
            if (lane_track(w, 0, i, NULL) != WADI_OK)
                _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

/* Lanes 1 … n, each with that many events; lane 0 is taken meanwhile, and free afterwards. */
static void siblings_die(const char *dir, unsigned n, uint64_t events) {
    wadi *holders[ORPHAN_STREAMS_MAX];
    int hold[2], ready[2];
    char byte = 0;
    holders[0] = lane_open(dir, 1000);
    assert_int_equal(pipe2(hold, O_CLOEXEC) | pipe2(ready, O_CLOEXEC), 0);
    for (unsigned i = 1; i <= n; i++) {
        if (fork() == 0) {
            close(hold[1]);
            wadi *w = lane_open(dir, 3600000);
            for (uint64_t k = 0; w != NULL && k < events; k++)
                if (lane_track(w, 0, k, NULL) != WADI_OK)
                    _exit(1);
            (void)!write(ready[1], &byte, 1);
            (void)!read(hold[0], &byte, 1);
            kill(getpid(), SIGKILL);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
    }
    close(hold[1]);
    while (wait(NULL) > 0)
        continue;
    close(hold[0]);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(wadi_close(holders[0], 1000), WADI_OK);
}

static void events_wait(unsigned n) {
    const struct timespec pause = {.tv_nsec = 1000000};
    uint64_t until_us = base_mono_us() + 20000000;
    while (region.events < n) {
        assert_true(base_mono_us() < until_us);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(region.events, n);
}

/* Nobody holds lane `number`, and it owes so much. */
static void lane_owes(const char *dir, uint32_t number, uint64_t pending) {
    char path[LANE_DIR_BYTES + 32];
    wdi_store *store = NULL;
    snprintf(path, sizeof path, "%s/lanes/%u/store.mdb", dir, number);
    const wdi_store_options opt = {.path = path, .quarantine_dir = dir, .disk_bytes_max = 2 << 20};
    assert_int_equal(wdi_store_open(&opt, &store), WADI_OK);
    assert_int_equal(wdi_store_pending(store), pending);
    wdi_store_close(store);
}

static void lane_free_wait(const char *dir, uint32_t number) {
    const struct timespec pause = {.tv_nsec = 2000000};
    uint64_t until_us = base_mono_us() + 20000000;
    char path[LANE_DIR_BYTES + 32];
    snprintf(path, sizeof path, "%s/lanes/%u/lock", dir, number);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        assert_true(base_mono_us() < until_us);
        nanosleep(&pause, NULL);
    }
    close(fd);
}

/* The wake-ups of the one thread that libwadi has here. */
static uint64_t wakeups(void) {
    char path[64], text[64], name[32] = "";
    uint64_t sum = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        snprintf(path, sizeof path, "/proc/self/task/%.20s/status", e->d_name);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "r") : NULL;
        while (f != NULL && fgets(text, sizeof text, f) != NULL) {
            unsigned long long n = 0;
            if (sscanf(text, "Name: %31s", name) == 1)
                continue;
            if (strcmp(name, "wadi") == 0 && sscanf(text, "voluntary_ctxt_switches: %llu", &n) == 1)
                sum += n;
        }
        if (f != NULL)
            fclose(f);
    }
    closedir(d);
    return sum;
}

static void quiet_wait(void) {
    const struct timespec pause = {.tv_nsec = 250000000};
    uint64_t until_us = base_mono_us() + 30000000, before = 0, now = 1;
    while (before != now) {
        assert_true(base_mono_us() < until_us);
        before = wakeups();
        nanosleep(&pause, NULL);
        now = wakeups();
    }
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void test_open_delivers_what_dead_siblings_left(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    scene_begin(dir);
    siblings_die(dir, 3, 30);
    wadi *w = uploader_open(dir); /* in lane 0, which owes nothing */
    events_wait(90);
    assert_int_equal(lane_stats(w).acked, 0); /* not this lane's */
    lane_free_wait(dir, 3);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(region.n_streams, 3);
    for (uint32_t lane = 1; lane <= 3; lane++)
        lane_owes(dir, lane, 0);
    lane_dir_remove(dir);
}

static void test_sibling_that_dies_later_is_seen_to_when_there_is_reason_to_wake(void **state) {
    (void)state;
    const struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000};
    char dir[LANE_DIR_BYTES];
    scene_begin(dir);
    wadi *w = uploader_open(dir);
    quiet_wait();
    sibling_dies(dir, 20);
    nanosleep(&pause, NULL); /* that a flush may look again: WDI_ORPHAN_FLUSH_US */
    assert_int_equal(region.events, 0);
    assert_int_equal(wadi_flush(w), WADI_OK);
    events_wait(20);
    lane_free_wait(dir, 1);
    wadi *adopter = lane_open(dir, 1000); /* the lane was let go of */
    assert_int_equal(lane_stats(adopter).assigned, 20);
    assert_int_equal(wadi_close(adopter, 1000), WADI_OK);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_owes(dir, 1, 0);
    lane_dir_remove(dir);
}

/* Empty orphans and held lanes wake nobody, and are not opened again and again. */
static void test_idle_process_with_empty_orphans_sleeps(void **state) {
    (void)state;
    const struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000};
    char dir[LANE_DIR_BYTES];
    scene_begin(dir);
    siblings_die(dir, 2, 0);
    wadi *w = uploader_open(dir);
    quiet_wait();
    uint64_t before = wakeups();
    nanosleep(&pause, NULL);
    assert_int_equal(wakeups(), before);
    assert_int_equal(wadi_flush(w), WADI_OK);
    quiet_wait();
    assert_int_equal(region.opens, 1); /* its own */
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

/* Of a store that is older than a file system's clock is coarse. */
static void lane_age(const char *dir, uint32_t number) {
    char path[LANE_DIR_BYTES + 32];
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - 60}};
    snprintf(path, sizeof path, "%s/lanes/%u/store.mdb", dir, number);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* What one process found empty the next one leaves alone, until somebody records there. */
static void test_mark_spares_the_next_process_and_ends_with_a_change(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], path[LANE_DIR_BYTES + 32];
    scene_begin(dir);
    siblings_die(dir, 1, 5);
    wadi *w = uploader_open(dir);
    events_wait(5);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_owes(dir, 1, 0);
    lane_age(dir, 1);
    w = uploader_open(dir);
    snprintf(path, sizeof path, "%s/lanes/1/settled", dir);
    uint64_t until_us = base_mono_us() + 20000000;
    for (; access(path, F_OK) != 0; poll(NULL, 0, 2))
        assert_true(base_mono_us() < until_us);
    lane_free_wait(dir, 1);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    snprintf(path, sizeof path, "%s/lanes/1/ring", dir);
    assert_int_equal(unlink(path), 0); /* who opened the lane would make it anew */
    w = uploader_open(dir);
    assert_int_equal(wadi_flush(w), WADI_OK);
    quiet_wait();
    assert_int_equal(access(path, F_OK), -1);
    sibling_dies(dir, 15); /* in lane 1 */
    assert_int_equal(wadi_flush(w), WADI_OK);
    events_wait(20);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

static void test_offline_lane_is_left_to_others_and_delivered_later(void **state) {
    (void)state;
    const struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000};
    char dir[LANE_DIR_BYTES];
    scene_begin(dir);
    siblings_die(dir, 1, 25);
    region.away = true;
    wadi *w = uploader_open(dir);
    while (region.opens < 2)
        nanosleep(&pause, NULL);
    lane_free_wait(dir, 1);
    wadi *adopter = lane_open(dir, 1000);
    assert_int_equal(lane_stats(adopter).pending, 25);
    assert_int_equal(wadi_close(adopter, 1000), WADI_OK);
    region.away = false;
    assert_int_equal(wadi_flush(w), WADI_OK);
    events_wait(25);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_owes(dir, 1, 0);
    lane_dir_remove(dir);
}

static void test_close_amid_a_delivery_leaves_the_lane_as_it_was(void **state) {
    (void)state;
    const struct timespec pause = {.tv_nsec = 5000000};
    char dir[LANE_DIR_BYTES];
    scene_begin(dir);
    siblings_die(dir, 1, 25);
    region.silent = true;
    wadi *w = uploader_open(dir);
    while (region.opens < 2)
        nanosleep(&pause, NULL);
    assert_int_equal(wadi_close(w, 100), WADI_OK);
    lane_owes(dir, 1, 25);
    region.silent = false;
    w = uploader_open(dir);
    events_wait(25);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

static void test_orphan_of_an_earlier_boot_is_delivered(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    scene_begin(dir);
    siblings_die(dir, 2, 30);
    boot = 1;
    wadi *w = uploader_open(dir);
    events_wait(60);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_owes(dir, 1, 0);
    lane_owes(dir, 2, 0);
    lane_dir_remove(dir);
}

static void test_fork_amid_a_delivery_leaves_it_to_the_parent(void **state) {
    (void)state;
    const struct timespec pause = {.tv_nsec = 5000000};
    char dir[LANE_DIR_BYTES];
    int status = 0;
    scene_begin(dir);
    siblings_die(dir, 1, 25);
    region.silent = true;
    wadi *w = uploader_open(dir);
    while (region.opens < 2)
        nanosleep(&pause, NULL);
    pid_t child = fork();
    if (child == 0) {
        region.silent = false;
        region.events = 0;
        alarm(30);
        int wrong = lane_track(w, 0, 0, NULL) != WADI_OK;
        wrong += wadi_close(w, 10000) != WADI_OK; /* which delivers its one */
        _exit(wrong + (region.events != 1));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(wadi_close(w, 100), WADI_OK);
    lane_owes(dir, 1, 25);
    lane_dir_remove(dir);
}

static wadi_err open_limited(const char *dir, uint32_t lanes_max, wadi **ret_w) {
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = dir;
    opt.disk_bytes_max = 1 << 20;
    opt.ring_bytes = 64 << 10;
    opt.lanes_max = lanes_max;
    return wadi_open(&opt, ret_w);
}

/* The process whose lane that was starts again, meanwhile. */
static void test_lane_amid_its_delivery_takes_no_place(void **state) {
    (void)state;
    const struct timespec pause = {.tv_nsec = 5000000};
    char dir[LANE_DIR_BYTES];
    wadi *w[2] = {NULL}, *none = NULL;
    scene_begin(dir);
    siblings_die(dir, 1, 25);
    region.silent = true;
    w[0] = uploader_open(dir);
    while (region.opens < 2)
        nanosleep(&pause, NULL);
    assert_int_equal(open_limited(dir, 2, &w[1]), WADI_OK);
    assert_int_equal(open_limited(dir, 2, &none), WADI_ERR_BUSY);
    assert_int_equal(lane_stats(w[1]).assigned, 0); /* a lane of its own, not the one that is delivered */
    assert_int_equal(wadi_close(w[1], 1000), WADI_OK);
    assert_int_equal(wadi_close(w[0], 100), WADI_OK);
    lane_owes(dir, 1, 25);
    assert_int_equal(open_limited(dir, 2, &w[0]), WADI_OK);
    assert_int_equal(open_limited(dir, 2, &w[1]), WADI_OK);
    assert_int_equal(open_limited(dir, 2, &none), WADI_ERR_BUSY);
    assert_int_equal(lane_stats(w[1]).pending, 25); /* which nobody delivers any more */
    assert_int_equal(wadi_close(w[1], 1000), WADI_OK);
    assert_int_equal(wadi_close(w[0], 1000), WADI_OK);
    lane_dir_remove(dir);
}

/* Records more than a store of 1 MiB may keep, has it on disk, and is killed. */
static void rich_sibling_dies(const char *dir, unsigned events) {
    static uint8_t large[20000];
    const struct timespec pause = {.tv_nsec = 1000000};
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        wadi_options opt = WADI_OPTIONS_INIT;
        const wadi_prop prop = WADI_BIN("large", large, sizeof large);
        const wadi_event event = {.struct_size = sizeof event, .name = "e", .props = &prop, .n_props = 1};
        wadi_ticket ticket = 0;
        wadi *w = NULL;
        opt.dir = dir;
        opt.flush_ms = 10;
        opt.disk_bytes_max = 16 << 20;
        if (wadi_open(&opt, &w) != WADI_OK)
            _exit(1);
        for (unsigned i = 0; i < events; i++)
            while (wadi_track_ex(w, &event, &ticket) == WADI_ERR_FULL)
                nanosleep(&pause, NULL);
        if (wadi_wait(w, ticket, WADI_DISK, 20000) != WADI_OK)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void test_others_lanes_are_spared_the_adopters_limits(void **state) {
    (void)state;
    const struct timespec pause = {.tv_sec = 2, .tv_nsec = 500000000};
    char dir[LANE_DIR_BYTES], path[LANE_DIR_BYTES + 32];
    wadi_stats stats = WADI_STATS_INIT;
    wdi_store *store = NULL;
    wadi_options opt = WADI_OPTIONS_INIT;
    wadi *w = NULL;
    scene_begin(dir);
    wadi *holder = lane_open(dir, 1000);
    rich_sibling_dies(dir, 200);
    assert_int_equal(wadi_close(holder, 1000), WADI_OK);
    nanosleep(&pause, NULL); /* beyond max_age_s */
    opt.dir = dir;
    opt.endpoint = "http://127.0.0.1:1";
    opt.disk_bytes_max = 1 << 20;
    opt.max_age_s = 1;
    assert_int_equal(wadi_open(&opt, &w), WADI_OK);
    events_wait(200);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    snprintf(path, sizeof path, "%s/lanes/1/store.mdb", dir);
    const wdi_store_options its = {.path = path, .quarantine_dir = dir, .disk_bytes_max = 16 << 20};
    assert_int_equal(wdi_store_open(&its, &store), WADI_OK);
    wdi_store_stats(store, &stats);
    wdi_store_close(store);
    assert_int_equal(stats.acked, 200);
    for (size_t i = 0; i < WADI_DROP_COUNT; i++)
        assert_int_equal(stats.dropped[i], 0);
    lane_dir_remove(dir);
}

/* In the directory that took the first one's place: lanes 0 and 1, both held, with events in lane 1. */
static pid_t newcomer_begin(const char *dir) {
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(60); /* should the test end before it */
        wadi *w[2] = {lane_open(dir, 1000), lane_open(dir, 1000)};
        lane_record(w[1], 0, 7, NULL);
        wadi_ticket ticket = 0;
        if (lane_track(w[1], 0, 7, &ticket) != WADI_OK ||
            wadi_wait(w[1], ticket, WADI_DISK, 20000) != WADI_OK)
            _exit(1);
        (void)!write(ready[1], &byte, 1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void test_lanes_of_a_directory_that_was_moved_away_are_left_alone(void **state) {
    (void)state;
    const struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000};
    char dir[LANE_DIR_BYTES], old[LANE_DIR_BYTES + 8], new[LANE_DIR_BYTES + 8];
    scene_begin(dir);
    snprintf(old, sizeof old, "%s.old", dir);
    snprintf(new, sizeof new, "%s.new", dir);
    wadi *w = uploader_open(dir);
    quiet_wait();
    sibling_dies(dir, 20);
    assert_int_equal(rename(dir, old), 0);
    pid_t child = newcomer_begin(dir);
    nanosleep(&pause, NULL); /* that a flush may look again: WDI_ORPHAN_FLUSH_US */
    assert_int_equal(wadi_flush(w), WADI_OK);
    quiet_wait();
    assert_int_equal(region.events, 0); /* the path leads to a lane that somebody else holds */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(rename(dir, new) | rename(old, dir), 0);
    nanosleep(&pause, NULL);
    assert_int_equal(wadi_flush(w), WADI_OK);
    events_wait(20);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_owes(dir, 1, 0);
    lane_owes(new, 1, 8);
    lane_dir_remove(dir);
    lane_dir_remove(new);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_delivers_what_dead_siblings_left),
        cmocka_unit_test(test_sibling_that_dies_later_is_seen_to_when_there_is_reason_to_wake),
        cmocka_unit_test(test_idle_process_with_empty_orphans_sleeps),
        cmocka_unit_test(test_mark_spares_the_next_process_and_ends_with_a_change),
        cmocka_unit_test(test_offline_lane_is_left_to_others_and_delivered_later),
        cmocka_unit_test(test_close_amid_a_delivery_leaves_the_lane_as_it_was),
        cmocka_unit_test(test_orphan_of_an_earlier_boot_is_delivered),
        cmocka_unit_test(test_fork_amid_a_delivery_leaves_it_to_the_parent),
        cmocka_unit_test(test_lane_amid_its_delivery_takes_no_place),
        cmocka_unit_test(test_others_lanes_are_spared_the_adopters_limits),
        cmocka_unit_test(test_lanes_of_a_directory_that_was_moved_away_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Several handles and processes in one directory: who gets which lane, and what becomes of one that its
 * holder left. */
#include "tests/crash/store_events.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static wadi_err open_limited(const char *dir, uint32_t lanes_max, wadi **ret_w) {
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = dir;
    opt.disk_bytes_max = 1 << 20;
    opt.ring_bytes = 64 << 10;
    opt.lanes_max = lanes_max;
    return wadi_open(&opt, ret_w);
}

static bool lane_exists(const char *dir, uint32_t number) {
    char path[LANE_DIR_BYTES + 32];
    struct stat st;
    snprintf(path, sizeof path, "%s/lanes/%u", dir, number);
    return stat(path, &st) == 0;
}

static void close_all(wadi *const *handles, size_t n) {
    for (size_t i = 0; i < n; i++)
        assert_int_equal(wadi_close(handles[i], 1000), WADI_OK);
}

static void test_handles_of_one_process_have_a_lane_each(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], first[33], second[33];
    uint64_t next = 0;
    lane_dir_make(dir);
    wadi *const w[] = {lane_open(dir, 1000), lane_open(dir, 1000)};
    assert_non_null(w[0]);
    assert_non_null(w[1]);
    lane_record(w[0], 0, 5, NULL);
    lane_record(w[1], 0, 7, NULL);
    assert_int_equal(wadi_installation(w[0], first), WADI_OK);
    assert_int_equal(wadi_installation(w[1], second), WADI_OK);
    assert_string_equal(first, second);
    assert_int_equal(strlen(first), 32);
    close_all(w, 2);
    assert_int_equal(lane_settle_number(dir, 0, lane_visit_in_order, &next), 5);
    next = 0;
    assert_int_equal(lane_settle_number(dir, 1, lane_visit_in_order, &next), 7);
    lane_dir_remove(dir);
}

static void test_open_beyond_the_limit_is_busy_until_a_lane_is_free(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    wadi *w[3] = {NULL};
    lane_dir_make(dir);
    assert_int_equal(open_limited(dir, 2, &w[0]), WADI_OK);
    assert_int_equal(open_limited(dir, 2, &w[1]), WADI_OK);
    assert_int_equal(open_limited(dir, 2, &w[2]), WADI_ERR_BUSY);
    assert_false(lane_exists(dir, 2));
    assert_int_equal(open_limited(dir, 3, &w[2]), WADI_OK); /* whose limit is higher */
    assert_true(lane_exists(dir, 2));
    assert_int_equal(wadi_close(w[0], 1000), WADI_OK);
    assert_int_equal(open_limited(dir, 2, &w[0]), WADI_OK);
    close_all(w, 3);
    assert_false(lane_exists(dir, 3));
    lane_dir_remove(dir);
}

static _Noreturn void child_record_and_die(const char *dir, uint64_t from, uint64_t n) {
    wadi *w = lane_open(dir, 3600000);
    for (uint64_t i = from; w != NULL && i < from + n; i++)
        if (lane_track(w, 0, i, NULL) != WADI_OK)
            _exit(1);
    kill(getpid(), SIGKILL);
    _exit(1);
}

static void child_killed(const char *dir, uint64_t from, uint64_t n) {
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        child_record_and_die(dir, from, n);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_orphan_is_adopted_before_a_lane_is_made(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    uint64_t next = 0;
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 1000);
    child_killed(dir, 0, 20); /* lane 1, since lane 0 is held */
    child_killed(dir, 20, 30);
    wadi *adopter = lane_open(dir, 1000);
    assert_int_equal(lane_stats(adopter).pending, 50);
    lane_record(adopter, 50, 5, NULL);
    assert_int_equal(wadi_close(adopter, 1000), WADI_OK);
    assert_false(lane_exists(dir, 2));
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(lane_settle_number(dir, 0, lane_visit_in_order, &next), 0);
    assert_int_equal(lane_settle_number(dir, 1, lane_visit_in_order, &next), 55);
    lane_dir_remove(dir);
}

#define CROWD 12

static _Noreturn void child_of_crowd(const char *dir, int start_fd, int id_fd) {
    char byte, id[33];
    wadi *w = NULL;
    bool good = read(start_fd, &byte, 1) == 0 && open_limited(dir, CROWD, &w) == WADI_OK &&
                wadi_installation(w, id) == WADI_OK && write(id_fd, id, 32) == 32;
    pause(); /* so that each needs a lane of its own */
    _exit(!good);
}

/* Into a directory that is not there yet: they agree about its id. */
static void test_crowd_that_opens_at_once_has_lanes_and_one_id(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], sub[LANE_DIR_BYTES + 8], first[32], id[32];
    int start[2], ids[2];
    pid_t crowd[CROWD];
    lane_dir_make(dir);
    snprintf(sub, sizeof sub, "%s/sub", dir);
    assert_int_equal(pipe(start) | pipe(ids), 0);
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = fork();
        assert_true(crowd[i] >= 0);
        if (crowd[i] == 0) {
            close(start[1]);
            child_of_crowd(sub, start[0], ids[1]);
        }
    }
    close(start[1]);
    close(ids[1]);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(read(ids[0], id, sizeof id), sizeof id);
        if (i == 0)
            memcpy(first, id, sizeof first);
        assert_memory_equal(first, id, sizeof first);
    }
    for (int i = 0; i < CROWD; i++) {
        kill(crowd[i], SIGKILL);
        assert_int_equal(waitpid(crowd[i], NULL, 0), crowd[i]);
    }
    assert_true(lane_exists(sub, CROWD - 1));
    close(start[0]);
    close(ids[0]);
    lane_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handles_of_one_process_have_a_lane_each),
        cmocka_unit_test(test_open_beyond_the_limit_is_busy_until_a_lane_is_free),
        cmocka_unit_test(test_orphan_is_adopted_before_a_lane_is_made),
        cmocka_unit_test(test_crowd_that_opens_at_once_has_lanes_and_one_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

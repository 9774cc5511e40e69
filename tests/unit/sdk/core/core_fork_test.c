/* What becomes of a handle when its process is killed, and when it forks. */
#include "tests/crash/store_events.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void test_events_of_a_killed_process_are_recovered(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    uint64_t next = 0;
    int status = 0;
    lane_dir_make(dir);
    pid_t child = fork();
    if (child == 0) {
        wadi *w = lane_open(dir, 3600000);
        if (w == NULL)
            _exit(1);
        for (uint64_t i = 0; i < 50; i++)
            if (lane_track(w, 0, i, NULL) != WADI_OK)
                _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    wadi *w = lane_open(dir, 3600000);
    assert_int_equal(lane_stats(w).pending, 50);
    assert_int_equal(lane_stats(w).accepted, 0); /* not this handle's */
    lane_record(w, 50, 5, NULL);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(lane_settle(dir, lane_visit_in_order, &next), 55);
    lane_dir_remove(dir);
}

/* 0: the child found everything as it should be. */
static int child_of_fork(wadi *w, int ready_fd, int end_fd) {
    char byte = 0;
    wadi_stats stats = WADI_STATS_INIT;
    int wrong = lane_track(w, 0, 0, NULL) != WADI_ERR_FORKED;
    wrong += wadi_flush(w) != WADI_ERR_FORKED;
    wrong += wadi_stats_get(w, &stats) != WADI_ERR_FORKED;
    wrong += wadi_close(w, 1000) != WADI_OK;
    if (write(ready_fd, "x", 1) != 1 || read(end_fd, &byte, 1) != 0)
        wrong++;
    return wrong;
}

static void test_forked_child_leaves_the_lane_to_its_parent(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], byte;
    int ready[2], end[2], status = 0;
    uint64_t next = 0;
    lane_dir_make(dir);
    assert_int_equal(pipe2(ready, O_CLOEXEC) | pipe2(end, O_CLOEXEC), 0);
    wadi *w = lane_open(dir, 3600000);
    lane_record(w, 0, 5, NULL);
    pid_t child = fork();
    if (child == 0) {
        close(end[1]);
        _exit(child_of_fork(w, ready[1], end[0]));
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    lane_record(w, 5, 5, NULL);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    w = lane_open(dir, 1000); /* the child lives, and does not hold the lock */
    assert_non_null(w);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    close(end[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(lane_settle(dir, lane_visit_in_order, &next), 10);
    close(ready[0]);
    close(ready[1]);
    close(end[0]);
    lane_dir_remove(dir);
}

typedef struct waiter {
    wadi *w;
    wadi_ticket ticket;
    atomic_bool waits;
} waiter;

static void *wait_for_ack(void *context) {
    waiter *self = context;
    self->waits = true;
    (void)!wadi_wait(self->w, self->ticket, WADI_ACKED, 3000);
    return NULL;
}

/* To destroy a condition waits for its waiters, and in a child there is nobody to wake them. */
static void test_child_closes_while_a_thread_of_the_parent_waits(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    const struct timespec pause = {.tv_nsec = 1000000};
    int status = 0;
    pthread_t thread;
    lane_dir_make(dir);
    waiter self = {.w = lane_open(dir, 1000)};
    lane_record(self.w, 0, 1, &self.ticket);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_ack, &self), 0);
    while (!self.waits)
        nanosleep(&pause, NULL);
    for (int i = 0; i < 50; i++)
        nanosleep(&pause, NULL); /* it most likely sleeps by now */
    pid_t child = fork();
    if (child == 0) {
        alarm(5);
        _exit(wadi_close(self.w, 0) == WADI_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    pthread_join(thread, NULL);
    assert_int_equal(wadi_close(self.w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_of_a_killed_process_are_recovered),
        cmocka_unit_test(test_forked_child_leaves_the_lane_to_its_parent),
        cmocka_unit_test(test_child_closes_while_a_thread_of_the_parent_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a child of a fork finds of its parent's, and leaves: memory, descriptors, the directory. */
#include "tests/crash/store_events.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* AddressSanitizer's allocator has locks of its own, which it does not see to at a fork. */
#ifdef __SANITIZE_ADDRESS__
#define BUSY_THREADS_MAY_FORK false
#else
#define BUSY_THREADS_MAY_FORK true
#endif

static int exit_of(pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* With all that a handle may have. */
static wadi *full_handle_open(const char *dir) {
    wadi_options opt = WADI_OPTIONS_INIT;
    wadi *w = NULL;
    opt.dir = dir;
    opt.disk_bytes_max = 1 << 20;
    opt.ring_bytes = 64 << 10;
    opt.lanes_max = 64;
    opt.endpoint = "http://127.0.0.1:1";
    return wadi_open(&opt, &w) == WADI_OK ? w : NULL;
}

/* ---- memory ----------------------------------------------------------------------------------------- */

#define RACE_ROUNDS 300
#define RACE_DELAYS 200

typedef struct race {
    wadi *w;
    pthread_barrier_t start;
} race;

static void *record_at_the_start(void *context) {
    race *r = context;
    pthread_barrier_wait(&r->start);
    (void)!wadi_track(r->w, "child", NULL, 0);
    return NULL;
}

/* One thread's first event gives the handle its lane; this one forks meanwhile. */
static int fork_amid_the_first_event(wadi *w, unsigned delay) {
    race r = {.w = w};
    pthread_t thread;
    if (pthread_barrier_init(&r.start, NULL, 2) != 0 ||
        pthread_create(&thread, NULL, record_at_the_start, &r) != 0)
        return 1;
    pthread_barrier_wait(&r.start);
    for (volatile unsigned i = 0; i < delay * 60; i++)
        continue;
    pid_t grandchild = fork();
    if (grandchild == 0) {
        alarm(30);
        _exit(wadi_track(w, "grandchild", NULL, 0) != WADI_OK);
    }
    return exit_of(grandchild);
}

static void test_fork_amid_a_childs_first_event_leaves_memory_whole(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    if (!BUSY_THREADS_MAY_FORK)
        skip();
    lane_dir_make(dir);
    wadi *w = full_handle_open(dir);
    assert_non_null(w);
    for (unsigned i = 0; i < RACE_ROUNDS; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(fork_amid_the_first_event(w, i % RACE_DELAYS));
        assert_int_equal(exit_of(child), 0);
    }
    assert_int_equal(wadi_close(w, 0), WADI_OK);
    lane_dir_remove(dir);
}

/* ---- the directory ---------------------------------------------------------------------------------- */

static void test_child_records_where_its_parent_did_wherever_it_went(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], other[LANE_DIR_BYTES];
    uint64_t next = 0;
    int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lane_dir_make(dir);
    lane_dir_make(other);
    assert_int_equal(chdir(dir), 0);
    wadi *w = lane_open("store", 1000);
    assert_non_null(w);
    assert_int_equal(chdir(other), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(lane_track(w, 0, 0, NULL) != WADI_OK || wadi_close(w, 1000) != WADI_OK);
    assert_int_equal(exit_of(child), 0);
    assert_int_not_equal(access("store", F_OK), 0);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(lane_settle_number("store", 1, lane_visit_in_order, &next), 1);
    assert_int_equal(fchdir(home), 0);
    close(home);
    lane_dir_remove(dir);
    lane_dir_remove(other);
}

/* ---- descriptors ------------------------------------------------------------------------------------ */

#define OWN_FDS 16
#define FDS_MAX 256

/* As a daemon does, before anything else. */
static int daemon_uses_handle(wadi *w) {
    int fds[OWN_FDS], wrong = 0;
    char byte;
    for (int fd = 3; fd < FDS_MAX; fd++)
        close(fd);
    for (int i = 0; i < OWN_FDS; i++)
        fds[i] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    wrong += wadi_track(w, "child", NULL, 0) != WADI_OK;
    for (int i = 0; i < OWN_FDS; i++)
        wrong += read(fds[i], &byte, 1) != 1;
    return wrong + (wadi_flush(w) != WADI_OK);
}

static void test_descriptors_of_a_daemon_are_its_own(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    lane_dir_make(dir);
    wadi *w = full_handle_open(dir);
    assert_non_null(w);
    pid_t child = fork();
    if (child == 0)
        _exit(daemon_uses_handle(w));
    assert_int_equal(exit_of(child), 0);
    assert_int_equal(wadi_close(w, 0), WADI_OK);
    lane_dir_remove(dir);
}

/* Open files of the lane. */
static int lane_fds(const char *dir, unsigned lane) {
    char path[64], target[512], prefix[LANE_DIR_BYTES + 32];
    int n = 0;
    snprintf(prefix, sizeof prefix, "%s/lanes/%u", dir, lane);
    for (int fd = 0; fd < FDS_MAX; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t bytes = readlink(path, target, sizeof target - 1);
        target[bytes > 0 ? bytes : 0] = '\0';
        n += strncmp(target, prefix, strlen(prefix)) == 0;
    }
    return n;
}

static void test_child_has_no_descriptor_of_its_parents_lane(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    lane_dir_make(dir);
    wadi *w = full_handle_open(dir);
    assert_non_null(w);
    assert_in_range(lane_fds(dir, 0), 4, 8);
    pid_t child = fork();
    if (child == 0)
        _exit(lane_fds(dir, 0) + (wadi_track(w, "child", NULL, 0) != WADI_OK) + (lane_fds(dir, 1) == 0));
    assert_int_equal(exit_of(child), 0);
    assert_int_equal(wadi_close(w, 0), WADI_OK);
    lane_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork_amid_a_childs_first_event_leaves_memory_whole),
        cmocka_unit_test(test_descriptors_of_a_daemon_are_its_own),
        cmocka_unit_test(test_child_has_no_descriptor_of_its_parents_lane),
        cmocka_unit_test(test_child_records_where_its_parent_did_wherever_it_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

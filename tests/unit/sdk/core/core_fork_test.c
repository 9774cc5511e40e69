/* What becomes of a handle when its process is killed, and when it forks. */
#include "tests/crash/store_events.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/core/handle.h"

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

/* ---- a child that records -------------------------------------------------------------------------------
 */

/* AddressSanitizer's allocator has locks of its own, which it does not see to at a fork: in its builds the
 * other threads must sleep, or a child may find one of those held for good. */
#ifdef __SANITIZE_ADDRESS__
static bool thread_sleeps(const char *task) {
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", task);
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    return end == NULL || end[2] == 'S';
}

static bool others_sleep(void) {
    bool sleep = true;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        sleep &= e->d_name[0] == '.' || atoi(e->d_name) == gettid() || thread_sleeps(e->d_name);
    closedir(d);
    return sleep;
}

static pid_t fork_calmly(void) {
    const struct timespec pause = {.tv_nsec = 5000000};
    for (int calm = 0; calm < 3; calm = others_sleep() ? calm + 1 : 0)
        nanosleep(&pause, NULL);
    return fork();
}
#define BUSY_THREADS_MAY_FORK 0
#else
#define fork_calmly fork
#define BUSY_THREADS_MAY_FORK 1
#endif

/* In the child, where nothing may hang: runs `body`, which is to say what is wrong; 0: nothing. */
typedef int (*child_body)(wadi *w);

static pid_t child_begin(wadi *w, child_body body) {
    pid_t child = fork_calmly();
    assert_true(child >= 0);
    if (child != 0)
        return child;
    alarm(30);
    _exit(body(w));
}

static void child_end(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static uint64_t settled(const char *dir, uint32_t lane) {
    uint64_t next = 0;
    return lane_settle_number(dir, lane, lane_visit_in_order, &next);
}

static uint64_t settled_beyond(const char *dir, uint32_t first) {
    char path[LANE_DIR_BYTES + 32];
    uint64_t sum = 0;
    for (uint32_t lane = first;; lane++) {
        snprintf(path, sizeof path, "%s/lanes/%u", dir, lane);
        if (access(path, F_OK) != 0)
            return sum;
        sum += lane_settle_number(dir, lane, lane_visit_any, NULL);
    }
}

static int record_ten(wadi *w) {
    int wrong = 0;
    for (uint64_t i = 0; i < 10; i++)
        wrong += lane_track(w, 0, i, NULL) != WADI_OK;
    return wrong;
}

/* Every call but recording, on a lane of the child's own. */
static int use_everything(wadi *w) {
    char id[33];
    wadi_ticket ticket = 0;
    wadi_stats stats = WADI_STATS_INIT;
    int wrong = record_ten(w);
    wrong += lane_track(w, 0, 10, &ticket) != WADI_OK;
    wrong += wadi_identify(w, "somebody else") != WADI_OK;
    wrong += wadi_set_context(w, "child", "yes") != WADI_OK;
    wrong += wadi_flush(w) != WADI_OK;
    wrong += wadi_wait(w, ticket, WADI_DISK, 20000) != WADI_OK;
    wrong += wadi_installation(w, id) != WADI_OK;
    wrong += wadi_stats_get(w, &stats) != WADI_OK;
    wrong += stats.accepted != 11 || stats.pending != 11 || stats.refused_full != 0;
    return wrong + (wadi_close(w, 1000) != WADI_OK);
}

static void test_child_records_in_a_lane_of_its_own(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    lane_record(w, 0, 5, NULL);
    pid_t child = child_begin(w, use_everything);
    lane_record(w, 5, 5, NULL);
    child_end(child);
    lane_record(w, 10, 5, NULL);
    assert_int_equal(lane_stats(w).refused_full, 0);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(settled(dir, 0), 15);
    assert_int_equal(settled(dir, 1), 11);
    lane_dir_remove(dir);
}

static int record_and_be_killed(wadi *w) {
    int wrong = record_ten(w);
    if (wrong == 0)
        kill(getpid(), SIGKILL);
    return wrong;
}

static void test_events_of_a_killed_child_are_recovered(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    int status = 0;
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    pid_t child = child_begin(w, record_and_be_killed);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    wadi *adopter = lane_open(dir, 1000);
    assert_int_equal(lane_stats(adopter).pending, 10);
    assert_int_equal(wadi_close(adopter, 1000), WADI_OK);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(settled(dir, 1), 10);
    lane_dir_remove(dir);
}

/* What a store's only stream is called, and whose events it holds. */
static void stream_look(const char *dir, uint32_t lane, uint8_t ret_stream[WIRE_ID_BYTES], const char *user) {
    static uint8_t out[64 * 1024];
    char path[LANE_DIR_BYTES + 32];
    wdi_store *store = NULL;
    wdi_store_batch b;
    bool any = false;
    snprintf(path, sizeof path, "%s/lanes/%u/store.mdb", dir, lane);
    const wdi_store_options opt = {.path = path, .quarantine_dir = dir, .disk_bytes_max = 16 << 20};
    const wdi_store_want want = {.out = out, .cap = sizeof out};
    assert_int_equal(wdi_store_open(&opt, &store), WADI_OK);
    assert_int_equal(wdi_store_peek(store, &want, &b, &any), WADI_OK);
    assert_true(any);
    memcpy(ret_stream, b.head.stream, WIRE_ID_BYTES);
    assert_int_equal(b.head.n_contexts, 1);
    assert_non_null(memmem(b.head.contexts[0].data, b.head.contexts[0].n, user, strlen(user)));
    wdi_store_close(store);
}

static void test_child_has_a_stream_of_its_own_and_its_parents_context(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    uint8_t streams[3][WIRE_ID_BYTES];
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    assert_int_equal(wadi_identify(w, "somebody"), WADI_OK);
    pid_t first = child_begin(w, record_ten); /* and ends without wadi_close */
    child_end(first);
    wadi *holder = lane_open(dir, 3600000); /* of its lane */
    child_end(child_begin(w, record_ten));
    lane_record(w, 0, 1, NULL);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(wadi_close(holder, 1000), WADI_OK);
    wadi *reader[3] = {lane_open(dir, 1000), lane_open(dir, 1000), lane_open(dir, 1000)};
    for (size_t i = 0; i < 3; i++) { /* from ring to store */
        assert_non_null(reader[i]);
        (void)!wadi_flush(reader[i]);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(wadi_close(reader[i], 1000), WADI_OK);
    for (uint32_t i = 0; i < 3; i++)
        stream_look(dir, i, streams[i], "somebody");
    assert_memory_not_equal(streams[0], streams[1], WIRE_ID_BYTES);
    assert_memory_not_equal(streams[0], streams[2], WIRE_ID_BYTES);
    assert_memory_not_equal(streams[1], streams[2], WIRE_ID_BYTES);
    lane_dir_remove(dir);
}

/* As before Linux 4.14. */
static void test_child_is_known_where_pages_cannot_be_wiped(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    void *page = (void *)(uintptr_t)w->tracker.process;
    assert_int_equal(madvise(page, (size_t)sysconf(_SC_PAGESIZE), MADV_KEEPONFORK), 0);
    w->tracker.process_asked = true;
    child_end(child_begin(w, use_everything));
    lane_record(w, 0, 5, NULL);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(settled(dir, 0), 5);
    assert_int_equal(settled(dir, 1), 11);
    lane_dir_remove(dir);
}

/* Whoever forks past the C library gets no handlers, and may rely on nothing. */
static void test_child_of_a_bare_clone_is_refused(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    pid_t child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
    if (child == 0) {
        int wrong = lane_track(w, 0, 0, NULL) != WADI_ERR_FORKED;
        wrong += wadi_flush(w) != WADI_ERR_FORKED;
        _exit(wrong + (wadi_close(w, 0) != WADI_ERR_FORKED));
    }
    child_end(child);
    lane_record(w, 0, 5, NULL);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(settled(dir, 0), 5);
    lane_dir_remove(dir);
}

/* ---- families --------------------------------------------------------------------------------------- */

#define DEPTH 4

/* Every second generation records before it forks. */
static int generation(wadi *w, int depth) {
    int status = 0, wrong = depth % 2 == 0 ? record_ten(w) : 0;
    pid_t child = depth > 1 ? fork_calmly() : 0;
    if (child > 0) {
        wrong += waitpid(child, &status, 0) != child || status != 0;
        for (uint64_t i = depth % 2 == 0 ? 10 : 0; i < 20; i++)
            wrong += lane_track(w, 0, i, NULL) != WADI_OK;
        return wrong + (wadi_close(w, 1000) != WADI_OK);
    }
    if (depth > 1)
        _exit(generation(w, depth - 1));
    return record_ten(w) + (wadi_close(w, 1000) != WADI_OK);
}

static int generations(wadi *w) { return generation(w, DEPTH); }

static void test_children_of_children_have_lanes_too(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    lane_record(w, 0, 5, NULL);
    child_end(child_begin(w, generations));
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(settled(dir, 0), 5);
    assert_int_equal(settled_beyond(dir, 1), 3 * 20 + 10);
    lane_dir_remove(dir);
}

static void *record_ten_in_thread(void *context) { return record_ten(context) == 0 ? NULL : context; }

/* All of them find a handle that is not theirs yet. */
static int record_in_threads(wadi *w) {
    pthread_t threads[4];
    int wrong = 0;
    void *failed = NULL;
    for (int i = 0; i < 4; i++)
        wrong += pthread_create(&threads[i], NULL, record_ten_in_thread, w) != 0;
    for (int i = 0; i < 4; i++)
        wrong += pthread_join(threads[i], &failed) != 0 || failed != NULL;
    wrong += wadi_close(w, 1000) != WADI_OK;
    return wrong;
}

static void test_threads_of_a_child_share_its_lane(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    child_end(child_begin(w, record_in_threads));
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(lane_settle_number(dir, 1, lane_visit_any, NULL), 40);
    lane_dir_remove(dir);
}

#define GRANDCHILDREN 8

static int fork_while_opening(wadi *w) {
    const struct timespec pause = {.tv_nsec = 1500000};
    pthread_t thread;
    pid_t children[GRANDCHILDREN];
    void *failed = NULL;
    int status = 0, wrong = pthread_create(&thread, NULL, record_ten_in_thread, w) != 0;
    for (int i = 0; i < GRANDCHILDREN; i++, nanosleep(&pause, NULL)) {
        children[i] = fork();
        if (children[i] == 0) {
            alarm(30);
            _exit(record_ten(w) + (wadi_close(w, 5000) != WADI_OK));
        }
    }
    for (int i = 0; i < GRANDCHILDREN; i++)
        wrong += waitpid(children[i], &status, 0) != children[i] || status != 0;
    wrong += pthread_join(thread, &failed) != 0 || failed != NULL;
    return wrong + (wadi_close(w, 5000) != WADI_OK);
}

/* The other thread is in the midst of that: of what it has made so far the next child knows nothing. */
static void test_fork_while_a_child_opens_its_lane(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    if (!BUSY_THREADS_MAY_FORK)
        skip();
    lane_dir_make(dir);
    wadi *w = lane_open(dir, 3600000);
    child_end(child_begin(w, fork_while_opening));
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    assert_int_equal(settled_beyond(dir, 1), 10 + GRANDCHILDREN * 10);
    lane_dir_remove(dir);
}

/* ---- a child without a lane -----------------------------------------------------------------------------
 */

static wadi *open_limited(const char *dir, uint32_t lanes_max) {
    wadi *w = NULL;
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = dir;
    opt.disk_bytes_max = 1 << 20;
    opt.ring_bytes = 64 << 10;
    opt.lanes_max = lanes_max;
    return wadi_open(&opt, &w) == WADI_OK ? w : NULL;
}

static int lane_fd[2]; /* a byte from the child: it has found no lane; the end: there is one now */

static int wait_for_a_lane(wadi *w) {
    const struct timespec pause = {.tv_nsec = 5000000};
    char byte = 0;
    wadi_stats stats = WADI_STATS_INIT;
    int wrong = 0;
    for (int i = 0; i < 3; i++)
        wrong += lane_track(w, 0, 0, NULL) != WADI_ERR_BUSY;
    wrong += wadi_flush(w) != WADI_ERR_BUSY;
    wrong += write(lane_fd[1], &byte, 1) != 1;
    uint64_t refused = 3;
    wadi_err err = WADI_ERR_BUSY;
    for (; err == WADI_ERR_BUSY; nanosleep(&pause, NULL)) { /* the alarm ends it */
        err = lane_track(w, 0, 0, NULL);
        refused += err != WADI_OK;
    }
    wrong += err != WADI_OK || wadi_stats_get(w, &stats) != WADI_OK || stats.refused_full != refused;
    return wrong + (wadi_close(w, 1000) != WADI_OK);
}

static void test_child_without_a_lane_says_so_counts_and_tries_again(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], byte;
    lane_dir_make(dir);
    assert_int_equal(pipe2(lane_fd, O_CLOEXEC), 0);
    wadi *w = open_limited(dir, 2);
    wadi *other = open_limited(dir, 2);
    pid_t child = child_begin(w, wait_for_a_lane);
    assert_int_equal(read(lane_fd[0], &byte, 1), 1);
    assert_int_equal(wadi_close(other, 1000), WADI_OK);
    child_end(child);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    close(lane_fd[0]);
    close(lane_fd[1]);
    lane_dir_remove(dir);
}

static int close_without_a_lane(wadi *w) {
    int wrong = lane_track(w, 0, 0, NULL) != WADI_ERR_BUSY;
    return wrong + (wadi_close(w, 1000) != WADI_OK);
}

static void test_child_without_a_lane_closes(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES];
    lane_dir_make(dir);
    wadi *w = open_limited(dir, 1);
    child_end(child_begin(w, close_without_a_lane));
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    lane_dir_remove(dir);
}

/* ---- a child that records nothing ---------------------------------------------------------------------- */

static int silent_fd[2];

static int say_nothing(wadi *w) {
    char byte;
    (void)w;
    close(silent_fd[1]);
    return read(silent_fd[0], &byte, 1) != 0;
}

static void test_silent_child_leaves_the_lane_to_its_parent(void **state) {
    (void)state;
    char dir[LANE_DIR_BYTES], path[LANE_DIR_BYTES + 32];
    lane_dir_make(dir);
    assert_int_equal(pipe2(silent_fd, O_CLOEXEC), 0);
    wadi *w = lane_open(dir, 3600000);
    lane_record(w, 0, 5, NULL);
    pid_t child = child_begin(w, say_nothing);
    lane_record(w, 5, 5, NULL);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    w = lane_open(dir, 1000); /* the child lives, and does not hold the lock */
    assert_non_null(w);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    close(silent_fd[1]);
    child_end(child);
    close(silent_fd[0]);
    snprintf(path, sizeof path, "%s/lanes/1", dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(settled(dir, 0), 10);
    lane_dir_remove(dir);
}

/* ---- threads at the fork ----------------------------------------------------------------------------- */

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

#define FORKS 30

typedef struct busy {
    wadi *w;
    atomic_bool end;
    atomic_ullong recorded;
} busy;

/* Everything that takes a lock. */
static void *be_busy(void *context) {
    busy *self = context;
    char user[32];
    for (uint64_t i = 0; !self->end; i++) {
        wadi_ticket ticket = 0;
        snprintf(user, sizeof user, "user %d", (int)(i % 3));
        self->recorded += lane_track(self->w, 1, i, &ticket) == WADI_OK;
        if (i % 16 == 0) {
            (void)!wadi_identify(self->w, user);
            (void)!wadi_wait(self->w, ticket, WADI_DISK, 2);
        }
    }
    return NULL;
}

static int record_and_close(wadi *w) {
    int wrong = wadi_identify(w, "child") != WADI_OK;
    wrong += record_ten(w);
    return wrong + (wadi_close(w, 5000) != WADI_OK);
}

static void test_fork_amid_busy_threads_hangs_nobody(void **state) {
    (void)state;
    if (!BUSY_THREADS_MAY_FORK)
        skip();
    char dir[LANE_DIR_BYTES];
    pthread_t threads[3];
    lane_dir_make(dir);
    busy self = {.w = lane_open(dir, 10)};
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, be_busy, &self), 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = child_begin(self.w, record_and_close);
        child_end(child);
    }
    self.end = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wadi_close(self.w, 5000), WADI_OK);
    assert_int_equal(lane_settle_number(dir, 0, lane_visit_any, NULL), self.recorded);
    assert_int_equal(lane_settle_number(dir, 1, lane_visit_any, NULL), FORKS * 10);
    lane_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_of_a_killed_process_are_recovered),
        cmocka_unit_test(test_child_records_in_a_lane_of_its_own),
        cmocka_unit_test(test_events_of_a_killed_child_are_recovered),
        cmocka_unit_test(test_child_has_a_stream_of_its_own_and_its_parents_context),
        cmocka_unit_test(test_child_is_known_where_pages_cannot_be_wiped),
        cmocka_unit_test(test_child_of_a_bare_clone_is_refused),
        cmocka_unit_test(test_children_of_children_have_lanes_too),
        cmocka_unit_test(test_threads_of_a_child_share_its_lane),
        cmocka_unit_test(test_fork_while_a_child_opens_its_lane),
        cmocka_unit_test(test_child_without_a_lane_says_so_counts_and_tries_again),
        cmocka_unit_test(test_child_without_a_lane_closes),
        cmocka_unit_test(test_silent_child_leaves_the_lane_to_its_parent),
        cmocka_unit_test(test_child_closes_while_a_thread_of_the_parent_waits),
        cmocka_unit_test(test_fork_amid_busy_threads_hangs_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

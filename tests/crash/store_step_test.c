/* Death at every system call of the background thread while it stores events: before the call and after it.
 * Every event for which wadi_track had returned OK is in the store once, in order, after the next wadi_open.
 */
#include "tests/crash/store_events.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEFORE 3u /* events stored before the window */
#define WITHIN 40u
#define STOPS_MAX 4000u
#define WAIT_MS 10000u

static uint64_t *ok; /* shared with the child: events returned OK */

static _Noreturn void child_run(const char *dir) {
    wadi_ticket ticket = 0;
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP); /* the parent sets its options */
    wadi *w = lane_open(dir, 3600000);
    if (w == NULL)
        _exit(2);
    for (uint64_t i = 0; i < BEFORE + WITHIN; i++) {
        if (i == BEFORE) {
            if (wadi_wait(w, ticket, WADI_DISK, WAIT_MS) != WADI_OK)
                _exit(3);
            raise(SIGSTOP); /* the window begins */
        }
        if (lane_track(w, 0, i, &ticket) != WADI_OK)
            _exit(4);
        *(volatile uint64_t *)ok = i + 1;
    }
    if (wadi_wait(w, ticket, WADI_DISK, WAIT_MS) != WADI_OK)
        _exit(5);
    raise(SIGSTOP); /* and ends */
    _exit(1);
}

static void child_kill(pid_t child) {
    int status = 0;
    kill(child, SIGKILL);
    pid_t pid;
    do
        pid = waitpid(-1, &status, __WALL);
    while (pid >= 0 || errno == EINTR);
}

typedef enum stop_kind {
    STOP_CALL, /* the background thread enters or leaves a system call */
    STOP_MARK, /* the main thread's SIGSTOP */
    STOP_OTHER,
} stop_kind;

/* The next stop of any thread, which stays stopped. A child that ends fails the test. */
static stop_kind stop_wait(pid_t child, pid_t *ret_thread) {
    int status = 0;
    pid_t thread = waitpid(-1, &status, __WALL);
    assert_true(thread > 0);
    assert_true(WIFSTOPPED(status));
    *ret_thread = thread;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80))
        return thread != child ? STOP_CALL : STOP_OTHER;
    return thread == child && WSTOPSIG(status) == SIGSTOP ? STOP_MARK : STOP_OTHER;
}

static void thread_go(pid_t thread) { ptrace(PTRACE_SYSCALL, thread, NULL, NULL); }

/* Runs until the main thread has stopped at its next mark, or the background thread for the `calls`th time.
 * Returns how often it stopped. */
static uint32_t child_go(pid_t child, uint32_t calls, bool *ret_marked) {
    uint32_t stops = 0;
    for (;;) {
        pid_t thread = 0;
        stop_kind kind = stop_wait(child, &thread);
        *ret_marked = kind == STOP_MARK;
        stops += kind == STOP_CALL;
        if (*ret_marked || stops == calls)
            return stops;
        assert_true(stops < STOPS_MAX);
        thread_go(thread);
    }
}

/* A child that stands at the beginning of its window. */
static pid_t child_start(const char *dir) {
    int status = 0;
    bool marked = false;
    *ok = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_run(dir);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, NULL, options), 0);
    thread_go(child);
    child_go(child, UINT32_MAX, &marked);
    assert_true(marked);
    return child;
}

/* False: the window was over first. */
static bool kill_at(uint32_t calls) {
    char dir[LANE_DIR_BYTES];
    bool marked = false;
    uint64_t next = 0;
    lane_dir_make(dir);
    pid_t child = child_start(dir);
    thread_go(child);
    child_go(child, calls, &marked);
    child_kill(child);
    wadi *w = lane_open(dir, 1000);
    assert_non_null(w);
    assert_int_equal(wadi_close(w, 1000), WADI_OK);
    uint64_t numbers = lane_settle(dir, lane_visit_in_order, &next);
    assert_in_range(numbers, *ok, *ok + 1);
    assert_true(numbers >= BEFORE);
    lane_dir_remove(dir);
    return !marked;
}

static void test_death_at_any_system_call_of_a_commit_loses_nothing(void **state) {
    (void)state;
    uint32_t calls = 1;
    ok = mmap(NULL, sizeof *ok, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(ok, MAP_FAILED);
    while (kill_at(calls))
        calls++;
    fprintf(stderr, "%u moments\n", calls - 1);
    assert_true(calls > 8); /* a commit writes pages and the header, and syncs */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_death_at_any_system_call_of_a_commit_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

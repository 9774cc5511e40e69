/* wadi_track makes no system call and allocates nothing: counted, not believed.
 *
 * System calls: a child tracks between two marks, and the parent follows every system call of that thread by
 * ptrace. Allocations: this program brings its own malloc, which counts before it hands on. */
#include "tests/unit/sdk/event/event_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define EVENTS 20000

/* ---- a malloc that counts ---------------------------------------------------------------------------- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#if !defined(SANITIZED)
#define SANITIZED 0
#endif

#if defined(__GLIBC__) && !SANITIZED
#define COUNTS_ALLOCATIONS 1

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *old, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static _Atomic uint32_t allocations;

void *malloc(size_t n) {
    allocations++;
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t each) {
    allocations++;
    return __libc_calloc(n, each);
}
void *realloc(void *old, size_t n) {
    allocations++;
    return __libc_realloc(old, n);
}
void *aligned_alloc(size_t alignment, size_t n) {
    allocations++;
    return __libc_memalign(alignment, n);
}
#endif

static inline void skip_because(const char *reason) {
    print_message("skipped: %s\n", reason);
    skip();
}

/* ---- what is counted --------------------------------------------------------------------------------- */

/* Six properties; half of the calls with names and keys in buffers that are written anew. */
static wadi_err track_six(tracked *t, uint32_t i) {
    char name[16] = "page_view", path[16] = "path", referrer[16] = "referrer";
    if (i % 2 == 0)
        return WADI_TRACK(handle(t), "page_view", WADI_STR("path", "/pricing/eur"),
                          WADI_STR("referrer", "news.example"), WADI_INT("status", 200), WADI_INT("bytes", i),
                          WADI_F64("load_s", 0.25), WADI_BOOL("cached", 1));
    return WADI_TRACK(handle(t), name, WADI_STR(path, "/pricing/usd"), WADI_STR(referrer, "mail.example"),
                      WADI_INT("status", 404), WADI_INT("bytes", i), WADI_F64("load_s", 0.5),
                      WADI_BOOL("cached", 0));
}

static uint32_t track_all(tracked *t) {
    uint32_t accepted = 0;
    for (uint32_t i = 0; i < EVENTS; i++)
        accepted += track_six(t, i) == WADI_OK;
    return accepted;
}

typedef struct drainer {
    pthread_t thread;
    tracked *t;
    _Atomic bool stop;
} drainer;

static void *drain(void *argument) {
    drainer *d = argument;
    wdi_record record;
    while (!d->stop) {
        while (wdi_ring_read(&d->t->tracker.ring, &record) == WDI_RING_RECORD) {
        }
        wdi_ring_release(&d->t->tracker.ring, wdi_ring_cursor(&d->t->tracker.ring));
        usleep(100);
    }
    return NULL;
}

static void test_nothing_is_allocated(void **state) {
#if defined(COUNTS_ALLOCATIONS)
    tracked *t = *state;
    drainer d = {.t = t};
    assert_int_equal(pthread_create(&d.thread, NULL, drain, &d), 0);
    free(malloc(1)); /* the counter counts */
    assert_true(allocations > 0);
    uint32_t before = allocations;
    uint32_t accepted = track_all(t); /* the first use of every string among them */
    uint32_t after = allocations;
    d.stop = true;
    pthread_join(d.thread, NULL);
    assert_int_equal(after - before, 0);
    assert_true(accepted > 0);
#else
    (void)state;
    skip_because("malloc cannot be replaced in this build");
#endif
}

/* ---- system calls ------------------------------------------------------------------------------------ */

/* Between its marks (any call that wadi_track would not make) the child's thread does `work`. */
static void mark(void) { syscall(SYS_getppid); }

static void child_run(tracked *t, void (*work)(tracked *)) {
    drainer d = {.t = t};
    t->tracker.ring.pid = (uint32_t)getpid(); /* as if this process had opened it */
    if (wdi_tracker_init(&t->tracker, base_boot_us()) != WADI_OK ||
        pthread_create(&d.thread, NULL, drain, &d) != 0)
        _exit(2);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    mark();
    work(t);
    mark();
    _exit(0);
}

typedef struct calls {
    uint32_t all, gettid, futex;
} calls;

static uint64_t call_number(pid_t child) {
    struct __ptrace_syscall_info info = {0};
    long n = ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info);
    return n > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY ? info.entry.nr : UINT64_MAX;
}

static void call_count(calls *counted, uint64_t number) {
    counted->all++;
    counted->gettid += number == SYS_gettid;
    counted->futex += number == SYS_futex;
}

static calls calls_between_marks(pid_t child) {
    calls counted = {0};
    int status = 0;
    int marks = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    while (marks < 2) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80));
        uint64_t number = call_number(child);
        if (number == SYS_getppid)
            marks++;
        else if (marks == 1 && number != UINT64_MAX)
            call_count(&counted, number);
    }
    return counted;
}

static calls calls_of(tracked *t, void (*work)(tracked *)) {
    wdi_tracker_fini(&t->tracker); /* the child has its own */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_run(t, work);
    calls counted = calls_between_marks(child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return counted;
}

static void work_many(tracked *t) {
    if (track_all(t) == 0)
        _exit(3);
}

static void test_a_thread_asks_for_its_number_once_and_for_nothing_else(void **state) {
    if (SANITIZED)
        skip_because("the sanitizer makes system calls of its own");
    calls counted = calls_of(*state, work_many);
    assert_int_equal(counted.gettid, 1);
    assert_int_equal(counted.all, 1);
}

static void work_sleeping(tracked *t) {
    for (uint32_t i = 0; i < 3; i++) {
        wdi_bell_lie_down(&t->tracker.bell, WDI_ASLEEP);
        for (uint32_t k = 0; k < 100; k++)
            track_six(t, k);
    }
}

static void test_an_idle_period_ends_with_one_wake(void **state) {
    if (SANITIZED)
        skip_because("the sanitizer makes system calls of its own");
    calls counted = calls_of(*state, work_sleeping);
    assert_int_equal(counted.futex, 3);
    assert_int_equal(counted.all, 3 + counted.gettid);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRACKED_TEST(test_nothing_is_allocated),
        TRACKED_TEST(test_a_thread_asks_for_its_number_once_and_for_nothing_else),
        TRACKED_TEST(test_an_idle_period_ends_with_one_wake),
    };
    return cmocka_run_group_tests_name("track_quiet", tests, NULL, NULL);
}

/* wadi_track makes no system call and allocates nothing, the background thread running: counted, not
 * believed.
 *
 * System calls: a child tracks between two marks, and the parent follows every system call of that thread by
 * ptrace. Allocations: this program brings its own malloc, which counts for each thread. */
#include "tests/unit/sdk/event/event_fixture.h"

#include <ftw.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define EVENTS 20000

/* ---- a malloc that counts ---------------------------------------------------------------------------- */

#if defined(__GLIBC__) && !SANITIZED
#define COUNTS_ALLOCATIONS 1

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *old, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static _Thread_local uint32_t allocations;

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

/* ---- what is counted --------------------------------------------------------------------------------- */

/* Six properties; half of the calls with names and keys in buffers that are written anew. */
static wadi_err track_six(wadi *w, uint32_t i) {
    char name[16] = "page_view", path[16] = "path", referrer[16] = "referrer";
    if (i % 2 == 0)
        return WADI_TRACK(w, "page_view", WADI_STR("path", "/pricing/eur"),
                          WADI_STR("referrer", "news.example"), WADI_INT("status", 200), WADI_INT("bytes", i),
                          WADI_F64("load_s", 0.25), WADI_BOOL("cached", 1));
    return WADI_TRACK(w, name, WADI_STR(path, "/pricing/usd"), WADI_STR(referrer, "mail.example"),
                      WADI_INT("status", 404), WADI_INT("bytes", i), WADI_F64("load_s", 0.5),
                      WADI_BOOL("cached", 0));
}

static uint32_t track_all(wadi *w) {
    uint32_t accepted = 0;
    for (uint32_t i = 0; i < EVENTS; i++)
        accepted += track_six(w, i) == WADI_OK;
    return accepted;
}

typedef struct store {
    char dir[64];
} store;

static int store_setup(void **state) {
    static store s;
    strcpy(s.dir, "/tmp/wadi-quiet-XXXXXX");
    assert_non_null(mkdtemp(s.dir));
    *state = &s;
    return 0;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int store_teardown(void **state) {
    const store *s = *state;
    return nftw(s->dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* With a ring that takes all events twice: one that finds it half full would wake the thread. */
static wadi *store_open(const store *s) {
    wadi *w = NULL;
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = s->dir;
    opt.ring_bytes = 16u << 20;
    return wadi_open(&opt, &w) == WADI_OK ? w : NULL;
}

static void test_nothing_is_allocated(void **state) {
#if defined(COUNTS_ALLOCATIONS)
    wadi *w = store_open(*state);
    assert_non_null(w);
    assert_true(allocations > 0); /* the counter counts */
    uint32_t before = allocations;
    uint32_t accepted = track_all(w); /* the first use of every string among them */
    assert_int_equal(allocations - before, 0);
    assert_int_equal(accepted, EVENTS);
    wadi_close(w, 0);
#else
    (void)state;
    skip_because("malloc cannot be replaced in this build");
#endif
}

/* ---- system calls ------------------------------------------------------------------------------------ */

/* Between its marks (any call that wadi_track would not make) the child's thread does `work`. */
static void mark(void) { syscall(SYS_getppid); }

static void child_run(const store *s, void (*work)(wadi *)) {
    wadi *w = store_open(s);
    if (w == NULL)
        _exit(2);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    mark();
    work(w);
    mark();
    _exit(0);
}

typedef struct calls {
    uint32_t all, futex;
} calls;

static uint64_t call_number(pid_t child) {
    struct __ptrace_syscall_info info = {0};
    long n = ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info);
    return n > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY ? info.entry.nr : UINT64_MAX;
}

static void call_count(calls *counted, uint64_t number) {
    counted->all++;
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

static calls calls_of(const store *s, void (*work)(wadi *)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_run(s, work);
    calls counted = calls_between_marks(child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return counted;
}

static void work_many(wadi *w) {
    if (track_all(w) != EVENTS)
        _exit(3);
}

/* None at all; on a slow machine the background thread may have fallen asleep meanwhile, which costs one
 * wake. (The thread that opens has asked for its number by then, since it records the first context.) */
static void test_no_system_call_is_made(void **state) {
    if (SANITIZED)
        skip_because("the sanitizer makes system calls of its own");
    calls counted = calls_of(*state, work_many);
    assert_true(counted.futex <= 1);
    assert_int_equal(counted.all, counted.futex);
}

/* The bell of the handle, set as the thread would set it before it sleeps. */
static void work_sleeping(wadi *w) {
    for (uint32_t i = 0; i < 3; i++) {
        wdi_bell_lie_down(&((wdi_tracker *)(void *)w)->bell, WDI_ASLEEP);
        for (uint32_t k = 0; k < 100; k++)
            (void)track_six(w, k);
    }
}

static void test_an_idle_period_ends_with_one_wake(void **state) {
    if (SANITIZED)
        skip_because("the sanitizer makes system calls of its own");
    calls counted = calls_of(*state, work_sleeping);
    assert_true(counted.futex >= 1 && counted.futex <= 4);
    assert_int_equal(counted.all, counted.futex);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_nothing_is_allocated),
        STORE_TEST(test_no_system_call_is_made),
        STORE_TEST(test_an_idle_period_ends_with_one_wake),
    };
    return cmocka_run_group_tests_name("track_quiet", tests, NULL, NULL);
}

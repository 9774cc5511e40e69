/* Death at every instruction of one wadi_track.
 *
 * A child records events and is stepped through the last of them by ptrace. Before each instruction the
 * parent recovers from the shared mapping, which holds what the kernel would hold had the child died there.
 * Then children are killed for good, at every instruction or, where that is too many, at every n-th.
 * Each time: every event whose wadi_track returned OK is there once and in order, the interrupted one at
 * most once, and every name is defined before it is used. */
#include "tests/unit/sdk/event/event_fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* Steps of all killed children of a scenario together: about a second, and with the argument `full` a minute,
 * which is every instruction of a steady wadi_track. */
#define KILL_STEPS_MAX 30000u
#define KILL_STEPS_FULL_MAX 1500000u
#define WINDOW_MAX 2000000u

typedef struct scenario {
    const char *name;
    uint64_t start;  /* of the run */
    uint32_t before; /* events recorded before the one that is stepped through */
    uint32_t n_props;
} scenario;

static const scenario scenarios[] = {
    {"first use of every string", FIXTURE_START, 0, 6},
    {"steady state", FIXTURE_START, 3, 6},
    {"over the end of the ring", 5 * FIXTURE_RING_BYTES - 320, 1, 6},
    {"many properties", FIXTURE_START, 1, 40},
};

typedef struct step_state {
    tracked *t;
    uint32_t *returned; /* shared with the child: calls that returned OK */
} step_state;

static char keys[40][8];
static uint32_t kill_steps_max = KILL_STEPS_MAX;

/* Event number i: its properties all say i. */
static wadi_err track_number(tracked *t, const scenario *s, uint32_t i) {
    wadi_prop props[40];
    for (uint32_t k = 0; k < s->n_props; k++)
        props[k] = k % 3 == 2 ? WADI_STR(keys[k], i == 0 ? "value-0" : "value") : WADI_INT(keys[k], i);
    return wadi_track(handle(t), "stepped", props, s->n_props);
}

static void child_run(step_state *st, const scenario *s) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    if (wdi_tracker_init(&st->t->tracker, base_boot_us()) != WADI_OK)
        _exit(2);
    for (uint32_t i = 0; i <= s->before; i++) {
        if (i == s->before)
            raise(SIGSTOP); /* the window begins */
        if (track_number(st->t, s, i) == WADI_OK)
            *(volatile uint32_t *)st->returned = i + 1;
    }
    raise(SIGSTOP); /* and ends */
    _exit(1);
}

/* A child at the beginning of its window, over a new run. */
static pid_t child_start(step_state *st, const scenario *s) {
    assert_int_equal(wdi_ring_start(&st->t->tracker.ring, &fixture_run, s->start, FIXTURE_RING_BYTES),
                     WADI_OK);
    *st->returned = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_run(st, s);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    return child;
}

/* False: the child has reached its window's end. */
static bool child_step(pid_t child) {
    int status = 0;
    assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    return WSTOPSIG(status) == SIGTRAP;
}

static void child_kill(pid_t child) {
    int status = 0;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void assert_number(tracked *t, const scenario *s, uint32_t i) {
    static char expected[1024], printed[1024];
    size_t at = (size_t)snprintf(expected, sizeof expected, "stepped");
    for (uint32_t k = 0; k < s->n_props; k++) {
        if (k % 3 == 2)
            at += (size_t)snprintf(expected + at, sizeof expected - at, " %s=%s", keys[k],
                                   i == 0 ? "value-0" : "value");
        else
            at += (size_t)snprintf(expected + at, sizeof expected - at, " %s=%u", keys[k], i);
    }
    event_print(t, printed, sizeof printed);
    assert_string_equal(printed, expected);
}

/* Returns how many events are there. */
static uint32_t assert_recoverable(step_state *st, const scenario *s) {
    tracked *t = st->t;
    wdi_recovery recovery;
    uint32_t found = 0;
    memset(t->texts, 0, sizeof t->texts);
    wdi_ring_recover(&t->tracker.ring, &fixture_run, s->start, fixture_run.boot_id, &recovery);
    while (wdi_recovery_next(&recovery, &t->record)) {
        if (record_is_event(t))
            assert_number(t, s, found++);
    }
    assert_int_equal(recovery.lost_bytes, 0);
    assert_true(found == *st->returned || found == *st->returned + 1);
    return found;
}

/* Returns the number of instructions in the window. */
static uint32_t step_through(step_state *st, const scenario *s) {
    pid_t child = child_start(st, s);
    uint32_t steps = 0, commits = 0, found = s->before;
    for (; child_step(child); steps++) {
        assert_true(steps < WINDOW_MAX);
        uint32_t now = assert_recoverable(st, s);
        assert_true(now >= found); /* what was there stays there */
        commits += now - found;
        found = now;
    }
    child_kill(child);
    assert_int_equal(commits, 1);
    assert_int_equal(*st->returned, s->before + 1);
    return steps;
}

static uint32_t kill_within(step_state *st, const scenario *s, uint32_t steps) {
    uint64_t all = (uint64_t)steps * steps / 2;
    uint32_t stride = 1 + (uint32_t)(all / kill_steps_max);
    uint32_t kills = 0;
    for (uint32_t at = 0; at <= steps; at += stride, kills++) {
        pid_t child = child_start(st, s);
        for (uint32_t i = 0; i < at && child_step(child); i++) {
        }
        child_kill(child);
        assert_recoverable(st, s);
    }
    return kills;
}

static void test_death_at_every_instruction(void **state) {
    tracked *t = *state;
    step_state st = {.t = t};
    st.returned = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(st.returned != MAP_FAILED);
    for (uint32_t k = 0; k < 40; k++)
        snprintf(keys[k], sizeof keys[k], "key_%u", k);
    wdi_tracker_fini(&t->tracker); /* each child has its own */
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        uint32_t steps = step_through(&st, &scenarios[i]);
        uint32_t kills = kill_within(&st, &scenarios[i], steps);
        print_message("%s: %u instructions, %u kills\n", scenarios[i].name, steps, kills);
    }
    munmap(st.returned, 4096);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "full") == 0)
        kill_steps_max = KILL_STEPS_FULL_MAX;
    const struct CMUnitTest tests[] = {TRACKED_TEST(test_death_at_every_instruction)};
    return cmocka_run_group_tests_name("track_step", tests, NULL, NULL);
}

/* A thread that is stopped inside wadi_track keeps no other thread from recording.
 *
 * A child has two threads. One is stepped through a wadi_track by ptrace; at every instruction the other one
 * records, too, and has to come back. Stopped in the middle of its slot for good, the first one delays what
 * stands behind it until the ring is full, and nothing is lost when it goes on. */
#include "tests/unit/sdk/event/event_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define PATIENCE_US 60000000u
#define STEPS_MAX 200000u

typedef enum order { ORDER_ONE, ORDER_FILL } order;

/* Between the parent and the child's other thread. */
typedef struct board {
    _Atomic uint32_t asked, answered;
    _Atomic uint32_t order;
    _Atomic uint32_t recorded; /* by the other thread, numbered from 0 */
    _Atomic uint32_t outcome;  /* of its last wadi_track */
} board;

typedef struct scene {
    tracked *t;
    board *board;
    pid_t child;
    uint32_t seen;    /* events of the other thread that came out */
    uint32_t stepped; /* and of the first one */
} scene;

/* ---- the child ----------------------------------------------------------------------------------------- */

/* Of the name that the stepped thread defines, with now and then a key of its own to define. */
static wadi_err other_record(scene *s, uint32_t i) {
    char key[16] = "i";
    if (i % 64 == 0)
        snprintf(key, sizeof key, "key_%u", i / 64 % 256);
    return WADI_TRACK(handle(s->t), "stepped", WADI_STR("by", "other"), WADI_INT(key, i));
}

static void *other_run(void *argument) {
    scene *s = argument;
    board *b = s->board;
    for (uint32_t answered = 0;; atomic_store(&b->answered, ++answered)) {
        while (atomic_load(&b->asked) == answered)
            sched_yield();
        wadi_err err;
        do {
            err = other_record(s, atomic_load(&b->recorded));
            if (err == WADI_OK)
                atomic_fetch_add(&b->recorded, 1);
        } while (err == WADI_OK && atomic_load(&b->order) == ORDER_FILL);
        atomic_store(&b->outcome, err);
    }
    return NULL;
}

static wadi_err stepped_record(scene *s) {
    return WADI_TRACK(handle(s->t), "stepped", WADI_STR("by", "stepped"), WADI_INT("status", 200),
                      WADI_F64("load_s", 0.25), WADI_BOOL("cached", 1));
}

static void child_run(scene *s, uint32_t before) {
    pthread_t other;
    s->t->tracker.ring.pid = (uint32_t)getpid();
    if (wdi_tracker_init(&s->t->tracker, base_boot_us()) != WADI_OK ||
        pthread_create(&other, NULL, other_run, s) != 0)
        _exit(2);
    for (uint32_t i = 0; i < before; i++)
        (void)stepped_record(s);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL); /* this thread alone */
    raise(SIGSTOP);                        /* the window begins */
    (void)stepped_record(s);
    raise(SIGSTOP); /* and ends */
    _exit(0);
}

/* ---- the parent ---------------------------------------------------------------------------------------- */

static void scene_begin(scene *s, tracked *t, uint32_t before) {
    *s = (scene){.t = t};
    s->board = mmap(NULL, sizeof *s->board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(s->board, MAP_FAILED);
    s->child = fork();
    assert_true(s->child >= 0);
    if (s->child == 0)
        child_run(s, before);
    t->tracker.ring.pid = (uint32_t)s->child; /* whose threads fill it */
    int status = 0;
    assert_int_equal(waitpid(s->child, &status, 0), s->child);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    ptrace(PTRACE_SETOPTIONS, s->child, NULL, (void *)PTRACE_O_EXITKILL);
}

/* Each child has a dictionary of its own. */
static void texts_forget(tracked *t) { memset(t->texts, 0, sizeof t->texts); }

static void scene_end(scene *s) {
    int status = 0;
    kill(s->child, SIGKILL);
    assert_int_equal(waitpid(s->child, &status, 0), s->child);
    munmap(s->board, sizeof *s->board);
}

static wadi_err other_ask(scene *s, order what) {
    atomic_store(&s->board->order, what);
    uint32_t asked = atomic_fetch_add(&s->board->asked, 1) + 1;
    uint64_t deadline_us = base_mono_us() + PATIENCE_US;
    while (atomic_load(&s->board->answered) != asked) {
        assert_true(base_mono_us() < deadline_us); /* the other thread hangs */
        sched_yield();
    }
    return (wadi_err)atomic_load(&s->board->outcome);
}

/* False: the window's end. */
static bool child_step(scene *s) {
    int status = 0;
    assert_int_equal(ptrace(PTRACE_SINGLESTEP, s->child, NULL, NULL), 0);
    assert_int_equal(waitpid(s->child, &status, 0), s->child);
    assert_true(WIFSTOPPED(status));
    return WSTOPSIG(status) == SIGTRAP;
}

/* Whatever can be read: the other thread's events are in their order and none is missing. */
static wdi_ring_state ring_drain(scene *s) {
    tracked *t = s->t;
    wdi_ring_state state;
    while ((state = wdi_ring_read(&t->tracker.ring, &t->record)) == WDI_RING_RECORD) {
        if (!record_is_event(t))
            continue;
        wire_props it;
        wire_prop_view prop;
        (void)wire_props_begin(&it, &t->view);
        assert_true(wire_props_next(&it, &prop));
        bool other = prop.s.n == strlen("other");
        assert_true(wire_props_next(&it, &prop));
        if (other)
            assert_int_equal(prop.i, s->seen++);
        else
            s->stepped++;
    }
    wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
    return state;
}

static void check_all_came_out(scene *s, uint32_t stepped) {
    assert_int_equal(ring_drain(s), WDI_RING_EMPTY);
    assert_int_equal(s->stepped, stepped);
    assert_int_equal(s->seen, atomic_load(&s->board->recorded));
    assert_int_equal(s->t->tracker.ring.skipped, 0);
    assert_int_equal(s->t->tracker.ring.damaged_bytes, 0);
}

/* At every STRIDE-th instruction, from `first` on: of two that claim, one has to try again, so that one that
 * met another claim at each of its own instructions would try for ever. Returns how often the slot was open.
 */
#define STRIDE 61u
static uint32_t others_record(scene *s, uint32_t first) {
    uint32_t blocked = 0;
    for (uint32_t steps = 0; child_step(s); steps++) {
        assert_true(steps < STEPS_MAX);
        if (steps % STRIDE != first)
            continue;
        assert_int_equal(other_ask(s, ORDER_ONE), WADI_OK);
        blocked += ring_drain(s) == WDI_RING_BLOCKED;
    }
    return blocked;
}

static void others_record_at_every_instruction(tracked *t, uint32_t before) {
    uint32_t blocked = 0;
    for (uint32_t first = 0; first < STRIDE; first++) {
        scene s;
        texts_forget(t);
        scene_begin(&s, t, before);
        blocked += others_record(&s, first);
        check_all_came_out(&s, before + 1);
        scene_end(&s);
    }
    assert_true(blocked >= 5);
}

static void test_others_record_while_one_is_stopped(void **state) {
    others_record_at_every_instruction(*state, 2);
}

/* Names and keys that the stopped one is about to define travel inline. */
static void test_others_record_while_one_is_stopped_defining(void **state) {
    others_record_at_every_instruction(*state, 0);
}

/* Steps into the middle of the slot. */
static void child_step_into_slot(scene *s) {
    wdi_ring *ring = &s->t->tracker.ring;
    uint64_t pos = wdi_ring_tail(ring);
    for (uint32_t steps = 0;
         wdi_ring_tail(ring) == pos || wdi_slot_look(ring, pos, wdi_ring_tail(ring)) != WDI_SLOT_CLAIMED;) {
        assert_true(++steps < STEPS_MAX);
        assert_true(child_step(s));
    }
}

static void test_one_stopped_in_its_slot_delays_until_the_ring_is_full(void **state) {
    scene s;
    tracked *t = *state;
    scene_begin(&s, t, 2);
    (void)ring_drain(&s);
    child_step_into_slot(&s);
    assert_int_equal(other_ask(&s, ORDER_FILL), WADI_ERR_FULL);
    assert_true(wdi_ring_used(&t->tracker.ring) > FIXTURE_RING_BYTES * 9 / 10);
    uint64_t until_us = base_mono_us() + 4 * WDI_RING_PROBE_US; /* its owner is looked for, and lives */
    do {
        assert_int_equal(ring_drain(&s), WDI_RING_BLOCKED);
    } while (base_mono_us() < until_us);
    assert_int_equal(s.seen, 0);
    while (child_step(&s))
        continue;
    check_all_came_out(&s, 3);
    assert_int_equal(other_ask(&s, ORDER_ONE), WADI_OK);
    check_all_came_out(&s, 3);
    scene_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRACKED_TEST(test_others_record_while_one_is_stopped),
        TRACKED_TEST(test_others_record_while_one_is_stopped_defining),
        TRACKED_TEST(test_one_stopped_in_its_slot_delays_until_the_ring_is_full),
    };
    return cmocka_run_group_tests_name("track_stopped", tests, NULL, NULL);
}

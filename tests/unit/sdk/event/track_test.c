/* wadi_track as an application sees it, over a ring that the test reads. */
#include "tests/unit/sdk/event/event_fixture.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_event_comes_out_as_it_went_in(void **state) {
    tracked *t = *state;
    wadi *w = handle(t);
    assert_int_equal(WADI_TRACK(w, "play", WADI_STR("title", "Für Elise"), WADI_INT("bars", -125),
                                WADI_F64("volume", 0.5), WADI_BOOL("loop", 7), WADI_BOOL("mute", 0),
                                WADI_BIN("cover", "JPEG!", 4), WADI_STR("empty", "")),
                     WADI_OK);
    assert_int_equal(WADI_TRACK0(w, "stop"), WADI_OK);
    assert_event(t, "play title=Für Elise bars=-125 volume=0.5 loop=true mute=false cover=JPEG empty=");
    assert_event(t, "stop");
    assert_false(event_next(t));
    assert_int_equal(t->tracker.intern.count, 9);
}

static void test_reused_buffers_are_read_at_the_call(void **state) {
    tracked *t = *state;
    char name[16], key[16], value[16], expected[64];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i % 5);
        snprintf(key, sizeof key, "k%d", i % 7);
        snprintf(value, sizeof value, "v%d", i);
        assert_int_equal(WADI_TRACK(handle(t), name, WADI_STR(key, value)), WADI_OK);
        snprintf(expected, sizeof expected, "%s %s=%s", name, key, value);
        memset(name, '#', sizeof name);
        memset(key, '#', sizeof key);
        memset(value, '#', sizeof value);
        assert_event(t, expected);
    }
    assert_int_equal(t->tracker.intern.count, 12);
}

static void test_string_with_a_size_needs_no_terminator(void **state) {
    tracked *t = *state;
    wadi_prop prop = WADI_STR("part", "abcdef");
    prop.size = 3;
    assert_int_equal(wadi_track(handle(t), "cut", &prop, 1), WADI_OK);
    assert_event(t, "cut part=abc");
}

static void test_string_with_a_size_is_not_read_beyond_it(void **state) {
    tracked *t = *state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    for (uint32_t n = 1; n <= 40; n++) {
        char want[64] = "edge part=";
        char *string = memset(pages + page - n, 'x', n);
        memcpy(want + strlen(want), string, n);
        wadi_prop prop = WADI_STR("part", string);
        prop.size = n;
        assert_int_equal(wadi_track(handle(t), "edge", &prop, 1), WADI_OK);
        assert_event(t, want);
    }
    assert_int_equal(munmap(pages, 2 * page), 0);
}

static void test_time_and_priority_and_ticket(void **state) {
    tracked *t = *state;
    wadi_event ev = WADI_EVENT_INIT;
    wadi_ticket ticket = 0;
    ev.name = "row";
    ev.time_us = -1;
    ev.has_time = 1;
    ev.priority = WADI_CRITICAL;
    uint64_t before_us = base_boot_us() - t->tracker.boot_us;
    assert_int_equal(wadi_track_ex(handle(t), &ev, &ticket), WADI_OK);
    uint64_t after_us = base_boot_us() - t->tracker.boot_us;
    assert_event(t, "row");
    assert_int_equal(t->record.end, ticket);
    assert_int_equal(t->record.priority, WADI_CRITICAL);
    assert_int_equal(t->view.priority, WADI_CRITICAL);
    assert_true(t->view.has_time && t->view.time_us == -1);
    assert_true(t->view.at_us >= before_us && t->view.at_us <= after_us);
    assert_int_equal(t->view.context, 0);
    assert_int_equal(wadi_track_ex(handle(t), &ev, NULL), WADI_OK);
}

static void test_context_stands_before_the_events_that_carry_it(void **state) {
    tracked *t = *state;
    assert_int_equal(wdi_tracker_set_context(&t->tracker, 5, "context", 7), WADI_OK);
    assert_int_equal(wdi_ring_read(&t->tracker.ring, &t->record), WDI_RING_RECORD);
    assert_int_equal(t->record.kind, WDI_RECORD_CONTEXT);
    assert_int_equal(WADI_TRACK0(handle(t), "with"), WADI_OK);
    assert_event(t, "with");
    assert_int_equal(t->view.context, 5);
}

static void assert_refused(tracked *t, wadi_err expected, const wadi_event *ev) {
    wadi_ticket ticket = 77;
    uint64_t counted = atomic_load(&t->tracker.refused_invalid);
    assert_int_equal(wadi_track_ex(handle(t), ev, &ticket), expected);
    assert_int_equal(ticket, 77);
    assert_int_equal(atomic_load(&t->tracker.refused_invalid), counted + 1);
    assert_false(event_next(t));
}

static void test_wrong_arguments_are_refused_and_counted(void **state) {
    tracked *t = *state;
    wadi_event good = WADI_EVENT_INIT;
    static wadi_prop props[WIRE_PROPS_MAX + 1];
    good.name = "name";
    good.props = props;
    char long_text[300];
    memset(long_text, 'k', sizeof long_text);
    long_text[256] = '\0';

    wadi_event ev = good;
    ev.name = NULL;
    assert_refused(t, WADI_ERR_INVALID, &ev);
    ev.name = "";
    assert_refused(t, WADI_ERR_INVALID, &ev);
    ev.name = long_text;
    assert_refused(t, WADI_ERR_INVALID, &ev);
    ev = good;
    ev.props = NULL;
    ev.n_props = 1;
    assert_refused(t, WADI_ERR_INVALID, &ev);
    ev = good;
    ev.n_props = WIRE_PROPS_MAX + 1;
    assert_refused(t, WADI_ERR_INVALID, &ev);
    ev = good;
    ev.priority = (wadi_priority)4;
    assert_refused(t, WADI_ERR_INVALID, &ev);
    ev = good;
    ev.has_time = 1;
    ev.time_us = INT64_MAX;
    assert_refused(t, WADI_ERR_INVALID, &ev);
    ev = good;
    ev.n_props = 1;
    const wadi_prop wrong[] = {
        WADI_STR(NULL, "v"), WADI_STR("", "v"),      WADI_STR(long_text, "v"),
        WADI_STR("k", NULL), WADI_BIN("k", NULL, 3), {.key = "k", .type = (wadi_type)9},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        props[0] = wrong[i];
        assert_refused(t, WADI_ERR_INVALID, &ev);
    }
    assert_int_equal(wadi_track(NULL, "n", NULL, 0), WADI_ERR_INVALID);
    assert_int_equal(wadi_track_ex(handle(t), NULL, NULL), WADI_ERR_INVALID);
    ev.struct_size = 8;
    assert_int_equal(wadi_track_ex(handle(t), &ev, NULL), WADI_ERR_INVALID);
}

static void test_longest_names_travel_inline(void **state) {
    tracked *t = *state;
    char name[256], key[256], expected[600];
    memset(name, 'n', 255);
    memset(key, 'k', 255);
    name[255] = key[255] = '\0';
    assert_int_equal(WADI_TRACK(handle(t), name, WADI_INT(key, 1)), WADI_OK);
    snprintf(expected, sizeof expected, "%s %s=1", name, key);
    assert_event(t, expected);
    assert_int_equal(t->view.name, 0);
}

static void test_size_limit_is_the_ring_s(void **state) {
    tracked *t = *state;
    static char text[WIRE_EVENT_BYTES_MAX + 2];
    wadi_event ev = WADI_EVENT_INIT;
    ev.name = "big";
    for (size_t n = 700; n < sizeof text; n += 97) {
        memset(text, 't', n);
        text[n] = '\0';
        wadi_prop prop = WADI_STR("text", text);
        ev.props = &prop;
        ev.n_props = 1;
        if (n + 40 > t->tracker.ring.payload_max) {
            assert_refused(t, WADI_ERR_TOO_LARGE, &ev);
            continue;
        }
        assert_int_equal(wadi_track_ex(handle(t), &ev, NULL), WADI_OK);
        assert_true(event_next(t));
        wire_props it;
        wire_prop_view read;
        wire_props_begin(&it, &t->view);
        assert_true(wire_props_next(&it, &read));
        assert_int_equal(read.s.n, n);
        wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
    }
}

static void test_many_properties(void **state) {
    tracked *t = *state;
    static wadi_prop props[WIRE_PROPS_MAX];
    static char keys[WIRE_PROPS_MAX][8];
    static char expected[8192];
    for (size_t n = 0; n <= WIRE_PROPS_MAX; n += n < 30 ? 1 : 113) {
        size_t at = (size_t)snprintf(expected, sizeof expected, "many");
        for (size_t i = 0; i < n; i++) {
            snprintf(keys[i], sizeof keys[i], "k%zu", i);
            props[i] = WADI_INT(keys[i], (int64_t)i);
            at += (size_t)snprintf(expected + at, sizeof expected - at, " k%zu=%zu", i, i);
        }
        assert_int_equal(wadi_track(handle(t), "many", props, n), WADI_OK);
        assert_event(t, expected);
        wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
    }
}

/* The bound that decides where an event is encoded must hold for the worst of each kind. */
static void test_largest_small_event_of_each_kind(void **state) {
    tracked *t = *state;
    const wadi_prop worst[] = {WADI_INT("k", INT64_MIN), WADI_F64("k", 1e300), WADI_STR("k", ""),
                               WADI_BIN("k", "", 0), WADI_BOOL("k", 1)};
    static const size_t counts[] = {1, 23, 24};
    wadi_event ev = WADI_EVENT_INIT;
    wadi_prop props[24];
    ev.name = "worst";
    ev.props = props;
    ev.has_time = 1;
    ev.time_us = WIRE_US_MIN;
    ev.priority = WADI_CRITICAL;
    assert_int_equal(wdi_tracker_set_context(&t->tracker, UINT32_MAX, "x", 1), WADI_OK);
    for (size_t kind = 0; kind < sizeof worst / sizeof *worst; kind++) {
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            for (size_t k = 0; k < 24; k++)
                props[k] = worst[kind];
            ev.n_props = counts[i];
            assert_int_equal(wadi_track_ex(handle(t), &ev, NULL), WADI_OK);
            assert_true(event_next(t));
            assert_int_equal(t->view.n_props, counts[i]);
        }
    }
}

static void test_full_ring_is_counted(void **state) {
    tracked *t = *state;
    uint64_t recorded = 0;
    wadi_err err;
    while ((err = WADI_TRACK(handle(t), "fill", WADI_INT("n", 1))) == WADI_OK)
        recorded++;
    assert_int_equal(err, WADI_ERR_FULL);
    assert_int_equal(WADI_TRACK0(handle(t), "a_name_never_seen"), WADI_ERR_FULL);
    assert_int_equal(atomic_load(&t->tracker.refused_full), 2);
    while (event_next(t))
        recorded--;
    assert_int_equal(recorded, 0);
    wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
    assert_int_equal(WADI_TRACK0(handle(t), "again"), WADI_OK);
}

static void test_stopped_tracker_answers_closed(void **state) {
    tracked *t = *state;
    wdi_tracker_refuse(&t->tracker, WADI_ERR_CLOSED);
    assert_int_equal(WADI_TRACK0(handle(t), "after"), WADI_ERR_CLOSED);
    assert_false(event_next(t));
}

static void assert_child_is_refused(tracked *t) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool refused = wdi_tracker_forked(&t->tracker) && WADI_TRACK0(handle(t), "child") == WADI_ERR_FORKED;
        _exit(refused ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(wdi_tracker_forked(&t->tracker));
}

static void test_forked_child_is_refused_and_parent_goes_on(void **state) {
    tracked *t = *state;
    assert_int_equal(WADI_TRACK0(handle(t), "before"), WADI_OK);
    assert_child_is_refused(t);
    t->tracker.process_asked = true; /* as where the kernel cannot wipe pages */
    assert_child_is_refused(t);
    assert_int_equal(WADI_TRACK0(handle(t), "after"), WADI_OK);
    assert_event(t, "before");
    assert_event(t, "after");
    assert_false(event_next(t));
}

/* An event is encoded on the stack if a bound says that it fits. Sizes around it, with values of the greatest
 * overhead beside one long text; sanitizers see what is written past the end. */
static void test_sizes_around_the_small_event_s_bound(void **state) {
    tracked *t = *state;
    char text[900], key[100];
    wadi_prop props[24];
    for (size_t k = 0; k < 23; k++)
        props[k] = WADI_INT("k", INT64_MIN);
    memset(key, 'K', 99);
    key[99] = '\0';
    for (uint32_t n = 0; n < sizeof text; n++) {
        memset(text, 't', n);
        text[n] = '\0';
        props[23] = WADI_STR(n % 2 == 0 ? "text" : key, text);
        assert_int_equal(wadi_track(handle(t), "sized", props, 24), WADI_OK);
        assert_true(event_next(t));
        assert_int_equal(t->view.n_props, 24);
        assert_true(t->record.n > n + 23 * 10);
        wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
    }
}

static struct {
    tracked *t;
    const char *volatile key;
    volatile uint32_t tracked;
} interrupted;

static void on_alarm(int number) {
    int saved = errno;
    (void)number;
    if (WADI_TRACK(handle(interrupted.t), "signal", WADI_INT(interrupted.key, 1)) == WADI_OK)
        interrupted.tracked++;
    errno = saved;
}

/* Once, so that the interrupted side gets on however slow the machine is. 0: never. */
static void alarm_in(long us) {
    struct itimerval once = {{0, 0}, {0, us}};
    setitimer(ITIMER_REAL, &once, NULL);
}

/* Takes out what is there and counts it by name; text_of asserts that names were defined first. */
static void events_count(tracked *t, uint32_t *own, uint32_t *signals) {
    char printed[64];
    while (event_next(t)) {
        event_print(t, printed, sizeof printed);
        *(strncmp(printed, "own key", 7) == 0 ? own : signals) += 1;
    }
    wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
}

/* A handler interrupts wadi_track anywhere, and uses the very string that is being defined. */
static void test_signal_handler_tracks_inside_a_track(void **state) {
    tracked *t = *state;
    char key[16];
    uint64_t random = fixture_seed();
    uint32_t tracked_own = 0, seen_own = 0, seen_signals = 0;
    struct sigaction action = {.sa_handler = on_alarm};
    interrupted.t = t;
    interrupted.key = "key";
    interrupted.tracked = 0;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    for (uint32_t round = 0; round < 1000; round++) {
        for (uint32_t i = 0; i < 300; i++) {
            if (i % 10 == 0)
                alarm_in(1 + (long)(fixture_random(&random) % 10));
            snprintf(key, sizeof key, "key%u", i);
            interrupted.key = key;
            tracked_own += WADI_TRACK(handle(t), "own", WADI_INT(key, i)) == WADI_OK;
        }
        interrupted.key = "key";
        alarm_in(0);
        events_count(t, &seen_own, &seen_signals);
        wdi_intern_fini(&t->tracker.intern); /* a new dictionary: every string is new again */
        assert_int_equal(wdi_intern_init(&t->tracker.intern), WADI_OK);
        memset(t->texts, 0, sizeof t->texts);
    }
    signal(SIGALRM, SIG_DFL);
    assert_true(interrupted.tracked > 0);
    assert_int_equal(seen_own, tracked_own);
    assert_int_equal(seen_signals, interrupted.tracked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRACKED_TEST(test_event_comes_out_as_it_went_in),
        TRACKED_TEST(test_reused_buffers_are_read_at_the_call),
        TRACKED_TEST(test_string_with_a_size_needs_no_terminator),
        TRACKED_TEST(test_string_with_a_size_is_not_read_beyond_it),
        TRACKED_TEST(test_time_and_priority_and_ticket),
        TRACKED_TEST(test_context_stands_before_the_events_that_carry_it),
        TRACKED_TEST(test_wrong_arguments_are_refused_and_counted),
        TRACKED_TEST(test_longest_names_travel_inline),
        TRACKED_TEST(test_size_limit_is_the_ring_s),
        TRACKED_TEST(test_many_properties),
        TRACKED_TEST(test_largest_small_event_of_each_kind),
        TRACKED_TEST(test_sizes_around_the_small_event_s_bound),
        TRACKED_TEST(test_full_ring_is_counted),
        TRACKED_TEST(test_stopped_tracker_answers_closed),
        TRACKED_TEST(test_forked_child_is_refused_and_parent_goes_on),
        TRACKED_TEST(test_signal_handler_tracks_inside_a_track),
    };
    return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}

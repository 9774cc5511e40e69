/* Many producers, one consumer: every accepted event comes out once, each thread's in its order, definitions
 * before their use; and a consumer that sleeps is woken. */
#include "tests/unit/sdk/event/event_fixture.h"

#include <pthread.h>
#include <sched.h>

#define PRODUCERS 4
#define EVENTS_EACH 20000

typedef struct producer {
    pthread_t thread;
    tracked *t;
    uint32_t number;
    uint32_t next; /* the event of this thread that has to come out next */
} producer;

static void *produce(void *argument) {
    producer *p = argument;
    char key[16];
    for (uint32_t i = 0; i < EVENTS_EACH;) {
        snprintf(key, sizeof key, "key_%u", i % 50);
        if (WADI_TRACK(handle(p->t), "event", WADI_INT("producer", p->number), WADI_INT(key, i)) == WADI_OK)
            i++;
        else
            sched_yield(); /* full: the consumer has to come first */
    }
    return NULL;
}

static void check_event(tracked *t, producer producers[PRODUCERS]) {
    char text[256];
    wire_props it;
    wire_prop_view prop;
    wire_span name = wire_props_begin(&it, &t->view);
    assert_string_equal(text_of(t, t->view.name, name, text), "event");
    assert_true(wire_props_next(&it, &prop));
    assert_string_equal(text_of(t, prop.key_id, prop.key, text), "producer");
    assert_true(prop.i >= 0 && prop.i < PRODUCERS);
    producer *p = &producers[prop.i];
    assert_true(wire_props_next(&it, &prop));
    assert_int_equal(prop.i, p->next);
    char key[16];
    snprintf(key, sizeof key, "key_%u", p->next % 50);
    assert_string_equal(text_of(t, prop.key_id, prop.key, text), key);
    p->next++;
}

/* As the background thread does it: sleep without end when there is nothing, so that a lost wake-up hangs. */
static void wait_for_work(tracked *t) {
    wdi_bell *bell = &t->tracker.bell;
    wdi_bell_lie_down(bell, WDI_ASLEEP);
    if (wdi_ring_empty(&t->tracker.ring))
        wdi_bell_sleep(bell, WDI_BELL_FOREVER);
    else
        wdi_bell_rise(bell);
}

static void test_producers_and_a_sleeping_consumer(void **state) {
    tracked *t = *state;
    producer producers[PRODUCERS] = {0};
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i].t = t;
        producers[i].number = i;
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    for (uint32_t seen = 0; seen < PRODUCERS * EVENTS_EACH;) {
        uint32_t before = seen;
        for (; event_next(t); seen++)
            check_event(t, producers);
        wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
        if (seen == before && wdi_ring_empty(&t->tracker.ring))
            wait_for_work(t);
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        assert_int_equal(producers[i].next, EVENTS_EACH);
    }
    assert_int_equal(t->tracker.ring.skipped, 0);
    assert_int_equal(t->tracker.ring.damaged_bytes, 0);
    assert_int_equal(t->tracker.intern.count, 52);
}

#define WAKES 3000

static void *track_one_by_one(void *argument) {
    tracked *t = argument;
    for (uint32_t i = 0; i < WAKES; i++) {
        while (wdi_ring_used(&t->tracker.ring) != 0)
            sched_yield();
        WADI_TRACK(handle(t), "single", WADI_INT("i", i));
    }
    return NULL;
}

/* One event at a time, each met by a consumer that is about to fall asleep or just did. */
static void test_every_event_wakes_the_sleeper(void **state) {
    tracked *t = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, track_one_by_one, t), 0);
    for (uint32_t seen = 0; seen < WAKES;) {
        wait_for_work(t);
        while (event_next(t))
            seen++;
        wdi_ring_release(&t->tracker.ring, wdi_ring_cursor(&t->tracker.ring));
    }
    pthread_join(thread, NULL);
}

static void test_dozing_is_only_broken_by_what_is_urgent(void **state) {
    tracked *t = *state;
    _Atomic uint32_t *bell = &t->tracker.bell.state;
    wadi_event critical = WADI_EVENT_INIT;
    critical.name = "critical";
    critical.priority = WADI_CRITICAL;
    wdi_bell_lie_down(&t->tracker.bell, WDI_DOZING);
    assert_int_equal(WADI_TRACK0(handle(t), "normal"), WADI_OK);
    assert_int_equal(atomic_load(bell), WDI_DOZING);
    assert_int_equal(wadi_track_ex(handle(t), &critical, NULL), WADI_OK);
    assert_int_equal(atomic_load(bell), WDI_AWAKE);
    wdi_bell_lie_down(&t->tracker.bell, WDI_DOZING);
    while (atomic_load(bell) == WDI_DOZING)
        assert_int_equal(WADI_TRACK0(handle(t), "normal"), WADI_OK);
    assert_true(wdi_ring_used(&t->tracker.ring) > FIXTURE_RING_BYTES / 2);
    assert_true(wdi_ring_used(&t->tracker.ring) < FIXTURE_RING_BYTES * 6 / 10);
    wdi_bell_lie_down(&t->tracker.bell, WDI_ASLEEP);
    wdi_bell_ring(&t->tracker.bell, WDI_ASLEEP);
    assert_int_equal(atomic_load(bell), WDI_AWAKE);
}

static void test_sleep_ends_with_its_time(void **state) {
    tracked *t = *state;
    uint64_t start_us = base_mono_us();
    wdi_bell_lie_down(&t->tracker.bell, WDI_DOZING);
    wdi_bell_sleep(&t->tracker.bell, 20000);
    assert_true(base_mono_us() - start_us >= 20000);
    assert_int_equal(atomic_load(&t->tracker.bell.state), WDI_AWAKE);
    wdi_bell_sleep(&t->tracker.bell, WDI_BELL_FOREVER); /* rung since lie_down: at once */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TRACKED_TEST(test_producers_and_a_sleeping_consumer),
        TRACKED_TEST(test_every_event_wakes_the_sleeper),
        TRACKED_TEST(test_dozing_is_only_broken_by_what_is_urgent),
        TRACKED_TEST(test_sleep_ends_with_its_time),
    };
    return cmocka_run_group_tests_name("track_threads", tests, NULL, NULL);
}

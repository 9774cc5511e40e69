/* A tracker over a ring of its own, and its records read back. */
#ifndef TESTS_EVENT_FIXTURE_H
#define TESTS_EVENT_FIXTURE_H

#include "tests/unit/sdk/ring/ring_fixture.h"

#include "schemas/wire/wire.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/event/track.h"

/* `tracker` stands first, as in `struct wadi`; it lies in a ring fixture's place. */
typedef struct tracked {
    wdi_tracker tracker;
    fixture *files;
    char texts[WDI_INTERN_STRINGS_MAX + 1][WIRE_TEXT_BYTES_MAX + 1]; /* definitions met so far, by number */
    wire_event_view view;                                            /* of the event read last */
    wdi_record record;
} tracked;

static inline wadi *handle(tracked *t) { return (wadi *)(void *)t; }

static inline int tracked_setup(void **state) {
    void *files = NULL;
    fixture_setup(&files);
    tracked *t = aligned_alloc(64, (sizeof *t + 63) / 64 * 64);
    assert_non_null(t);
    memset(t, 0, sizeof *t);
    t->files = files;
    t->tracker.ring = t->files->ring;
    assert_int_equal(wdi_tracker_init(&t->tracker, base_boot_us()), WADI_OK);
    *state = t;
    return 0;
}

static inline int tracked_teardown(void **state) {
    tracked *t = *state;
    wdi_tracker_fini(&t->tracker);
    void *files = t->files;
    free(t);
    return fixture_teardown(&files);
}

static inline void definition_keep(tracked *t) {
    assert_true(t->record.n > 4 && t->record.n <= 4 + WIRE_TEXT_BYTES_MAX);
    uint32_t id = 0;
    memcpy(&id, t->record.data, sizeof id); /* little-endian, as every machine that runs these tests */
    assert_true(id >= 1 && id <= WDI_INTERN_STRINGS_MAX);
    assert_int_equal(t->texts[id][0], '\0'); /* each number once */
    memcpy(t->texts[id], t->record.data + 4, t->record.n - 4);
}

/* Takes t->record in; true: it is an event. */
static inline bool record_is_event(tracked *t) {
    if (t->record.kind == WDI_RECORD_DEFINITION)
        definition_keep(t);
    if (t->record.kind != WDI_RECORD_EVENT)
        return false;
    assert_int_equal(wire_event_scan(t->record.data, t->record.n, &t->view), WIRE_OK);
    return true;
}

/* Reads to the next event, keeping definitions. False: the ring is empty. */
static inline bool event_next(tracked *t) {
    while (wdi_ring_read(&t->tracker.ring, &t->record) == WDI_RING_RECORD) {
        if (record_is_event(t))
            return true;
    }
    return false;
}

static inline const char *text_of(tracked *t, uint32_t id, wire_span inlined, char buffer[256]) {
    if (id != 0) {
        assert_true(t->texts[id][0] != '\0'); /* defined before it was used */
        return t->texts[id];
    }
    assert_true(inlined.n < 256);
    memcpy(buffer, inlined.data, inlined.n);
    buffer[inlined.n] = '\0';
    return buffer;
}

/* "name key=value …": the event read last, for people and for comparing. */
static inline void event_print(tracked *t, char *out, size_t size) {
    char text[256];
    wire_props it;
    wire_prop_view prop;
    wire_span name = wire_props_begin(&it, &t->view);
    size_t at = (size_t)snprintf(out, size, "%s", text_of(t, t->view.name, name, text));
    while (wire_props_next(&it, &prop)) {
        assert_true(at < size);
        at += (size_t)snprintf(out + at, size - at, " %s=", text_of(t, prop.key_id, prop.key, text));
        if (prop.type == WIRE_INT)
            at += (size_t)snprintf(out + at, size - at, "%lld", (long long)prop.i);
        else if (prop.type == WIRE_DOUBLE)
            at += (size_t)snprintf(out + at, size - at, "%g", prop.d);
        else if (prop.type == WIRE_TRUE || prop.type == WIRE_FALSE)
            at += (size_t)snprintf(out + at, size - at, "%s", prop.type == WIRE_TRUE ? "true" : "false");
        else
            at += (size_t)snprintf(out + at, size - at, "%.*s", (int)prop.s.n, (const char *)prop.s.data);
    }
}

static inline void assert_event(tracked *t, const char *expected) {
    static char printed[WIRE_EVENT_BYTES_MAX * 2];
    assert_true(event_next(t));
    event_print(t, printed, sizeof printed);
    assert_string_equal(printed, expected);
}

#define TRACKED_TEST(name) cmocka_unit_test_setup_teardown(name, tracked_setup, tracked_teardown)

#endif

/* The hand-written Event against nanopb, and against itself. */
#include "tests/unit/schemas/random_event.h"
#include "tests/unit/schemas/raw.h"
#include "tests/unit/schemas/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static random_event event;
static uint8_t by_hand[WIRE_EVENT_BYTES_MAX], by_nanopb[WIRE_EVENT_BYTES_MAX];

static void test_event_when_random_then_same_bytes_as_nanopb(void **state) {
    (void)state;
    static reference_event reference;
    static wire_prop props[WIRE_PROPS_MAX];
    random_source random = random_open("event");
    for (uint64_t i = random_rounds("WADI_TEST_EVENTS", 100000); i > 0; i--) {
        random_event_fill(&event, &random, 0);
        const size_t n = wire_event_size(&event.event);
        memset(by_hand, 0xa5, n + 1 < sizeof by_hand ? n + 1 : n);
        assert_int_equal(wire_event_encode(by_hand, &event.event), n);
        assert_true(n == sizeof by_hand || by_hand[n] == 0xa5);
        assert_int_equal(reference_event_encode(&event.event, by_nanopb, sizeof by_nanopb), n);
        assert_memory_equal(by_hand, by_nanopb, n);

        wire_event read;
        wire_event_view view;
        assert_int_equal(wire_event_scan(by_hand, n, &view), WIRE_OK);
        event_from_view(&view, &read, props);
        assert_true(event_equal(&event.event, &read));
        wire_event_view again;
        assert_true(wire_event_rescan(by_hand, n, &again));
        again.n_props = view.n_props;
        event_from_view(&again, &read, props);
        assert_true(event_equal(&event.event, &read));
        assert_true(reference_event_decode(by_hand, n, &reference));
        event_from_reference(&reference, &read, props);
        assert_true(event_equal(&event.event, &read));
    }
}

static void test_event_when_cut_anywhere_then_refused_or_complete(void **state) {
    (void)state;
    random_source random = random_open("cut");
    for (int i = 0; i < 200; i++) {
        do
            random_event_fill(&event, &random, 0);
        while (wire_event_size(&event.event) > 400);
        const size_t n = wire_event_encode(by_hand, &event.event);
        for (size_t cut = 0; cut < n; cut++) {
            /* Memory of just that size: a sanitizer sees one byte too many. */
            uint8_t *const data = malloc(cut + 1);
            assert_non_null(data);
            memcpy(data + 1, by_hand, cut);
            wire_event_view view;
            (void)wire_event_rescan(data + 1, cut, &view);
            const wire_err err = wire_event_scan(data + 1, cut, &view);
            /* What is left out then are scalars at the end, or everything. */
            static wire_prop props[WIRE_PROPS_MAX];
            wire_event read;
            if (err == WIRE_OK) {
                event_from_view(&view, &read, props);
                assert_true(read.n_props == 0 || read.n_props == event.event.n_props);
            }
            free(data);
        }
    }
}

typedef struct event_case {
    const char *what;
    wire_span bytes;
    wire_err expected;
} event_case;

static const event_case cases[] = {
    {"an id as name", RAW("\x08\x01"), WIRE_OK},
    {"a name inline", RAW("\x4a\x01n"), WIRE_OK},
    {"an explicit name of 0", RAW("\x08\x00\x4a\x01n"), WIRE_OK},
    {"no name", RAW(""), WIRE_ERR_MALFORMED},
    {"an empty name", RAW("\x4a\x00"), WIRE_ERR_VALUE},
    {"a name too many", RAW("\x08\x01\x4a\x01n"), WIRE_ERR_MALFORMED},
    {"a name of 33 bits", RAW("\x08\x80\x80\x80\x80\x10"), WIRE_ERR_VALUE},
    {"a name without end", RAW("\x08\x80"), WIRE_ERR_TRUNCATED},
    {"a name of eleven bytes", RAW("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WIRE_ERR_MALFORMED},
    {"a name as text", RAW("\x0a\x01\x31"), WIRE_ERR_TYPE},
    {"a name twice", RAW("\x08\x01\x08\x01"), WIRE_ERR_MALFORMED},
    {"at_us in the year 10000", RAW("\x08\x01\x10\x80\x80\x80\x80\x80\x80\x80\x80\x40"), WIRE_ERR_VALUE},
    {"a time in the year 10000", RAW("\x08\x01\x50\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WIRE_ERR_VALUE},
    {"a time before year 1", RAW("\x08\x01\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WIRE_ERR_VALUE},
    {"a time of 0", RAW("\x08\x01\x50\x00"), WIRE_OK},
    {"out of order", RAW("\x10\x01\x08\x01"), WIRE_ERR_MALFORMED},
    {"keys not packed", RAW("\x08\x01\x20\x0b"), WIRE_ERR_TYPE},
    {"keys in two lists", RAW("\x08\x01\x22\x01\x0b\x22\x01\x0b"), WIRE_ERR_MALFORMED},
    {"a key without end", RAW("\x08\x01\x22\x01\x8b"), WIRE_ERR_TRUNCATED},
    {"a key of 33 bits", RAW("\x08\x01\x22\x05\x83\x80\x80\x80\x10"), WIRE_ERR_VALUE},
    {"a true", RAW("\x08\x01\x22\x01\x0c"), WIRE_OK},
    {"type 6", RAW("\x08\x01\x22\x01\x0e"), WIRE_ERR_VALUE},
    {"type 7", RAW("\x08\x01\x22\x01\x0f"), WIRE_ERR_VALUE},
    {"a string missing", RAW("\x08\x01\x22\x01\x08"), WIRE_ERR_MALFORMED},
    {"a string too many", RAW("\x08\x01\x22\x01\x08\x2a\x00\x2a\x00"), WIRE_ERR_MALFORMED},
    {"a string behind the end", RAW("\x08\x01\x22\x01\x08\x2a\x01"), WIRE_ERR_TRUNCATED},
    {"a string of 2^64 - 1 bytes", RAW("\x08\x01\x22\x01\x08\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
     WIRE_ERR_TRUNCATED},
    {"an int", RAW("\x08\x01\x22\x01\x09\x32\x01\x02"), WIRE_OK},
    {"an int missing", RAW("\x08\x01\x22\x01\x09"), WIRE_ERR_TRUNCATED},
    {"an int too many", RAW("\x08\x01\x22\x01\x09\x32\x02\x02\x02"), WIRE_ERR_MALFORMED},
    {"an int without end", RAW("\x08\x01\x22\x01\x09\x32\x01\x82"), WIRE_ERR_TRUNCATED},
    {"an int that runs out of its list", RAW("\x08\x01\x22\x01\x09\x32\x01\x82\x58\x01"), WIRE_ERR_MALFORMED},
    {"ints that nothing needs", RAW("\x08\x01\x32\x01\x02"), WIRE_ERR_MALFORMED},
    {"half a double", RAW("\x08\x01\x22\x01\x0a\x3a\x04zzzz"), WIRE_ERR_MALFORMED},
    {"a double missing", RAW("\x08\x01\x22\x01\x0a"), WIRE_ERR_MALFORMED},
    {"bytes missing", RAW("\x08\x01\x22\x01\x0d"), WIRE_ERR_MALFORMED},
    {"an inline key missing", RAW("\x08\x01\x22\x01\x04"), WIRE_ERR_MALFORMED},
    {"an inline key", RAW("\x08\x01\x22\x01\x04\x4a\x01k"), WIRE_OK},
    {"an unknown field", RAW("\x08\x01\x62\x01z"), WIRE_OK},
    {"an unknown group", RAW("\x08\x01\x63\x64"), WIRE_ERR_MALFORMED},
    {"a known field behind an unknown one", RAW("\x08\x01\x62\x01z\x58\x01"), WIRE_ERR_MALFORMED},
    {"field number 0", RAW("\x08\x01\x00\x01"), WIRE_ERR_MALFORMED},
    {"an unknown field cut off", RAW("\x08\x01\x62\x02z"), WIRE_ERR_TRUNCATED},
    {"an unknown fixed32", RAW("\x08\x01\x65zzzz"), WIRE_OK},
};

static void test_event_when_one_thing_is_wrong_then_that_error(void **state) {
    (void)state;
    static reference_event reference;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wire_event_view view;
        const wire_err err = wire_event_scan(cases[i].bytes.data, cases[i].bytes.n, &view);
        if (err != cases[i].expected)
            print_error("%s: %s\n", cases[i].what, wire_strerror(err));
        assert_int_equal(err, cases[i].expected);
        assert_true(err != WIRE_OK ||
                    reference_event_decode(cases[i].bytes.data, cases[i].bytes.n, &reference));
    }
}

static void test_event_when_over_a_limit_then_scan_says_so(void **state) {
    (void)state;
    static raw bytes;
    wire_event_view view;
    static const uint8_t keys[WIRE_PROPS_MAX + 1] = {0}; /* inline strings */
    for (size_t n = WIRE_PROPS_MAX; n <= WIRE_PROPS_MAX + 1; n++) {
        bytes.n = 0;
        raw_number(&bytes, 1, 1);
        raw_bytes(&bytes, 4, keys, n);
        for (size_t i = 0; i < n; i++)
            raw_filler(&bytes, 5, 0);
        for (size_t i = 0; i < n; i++)
            raw_filler(&bytes, 9, 1);
        const wire_err expected = n > WIRE_PROPS_MAX ? WIRE_ERR_LIMIT : WIRE_OK;
        assert_int_equal(wire_event_scan(bytes.data, bytes.n, &view), expected);
    }
    bytes.n = 0;
    raw_filler(&bytes, 9, WIRE_TEXT_BYTES_MAX + 1);
    assert_int_equal(wire_event_scan(bytes.data, bytes.n, &view), WIRE_ERR_LIMIT);
    assert_int_equal(wire_event_scan(bytes.data, WIRE_EVENT_BYTES_MAX + 1, &view), WIRE_ERR_LIMIT);
}

static void test_size_when_a_limit_is_broken_then_zero(void **state) {
    (void)state;
    static wire_prop props[WIRE_PROPS_MAX + 1];
    for (size_t i = 0; i <= WIRE_PROPS_MAX; i++)
        props[i] = (wire_prop){.key_id = 1, .type = WIRE_TRUE};
    const wire_event good = {.name_id = 1, .props = props, .n_props = 1};
    wire_event ev = good;
    assert_int_not_equal(wire_event_size(&ev), 0);
    ev.n_props = WIRE_PROPS_MAX;
    assert_int_not_equal(wire_event_size(&ev), 0);
    ev.n_props = WIRE_PROPS_MAX + 1;
    assert_int_equal(wire_event_size(&ev), 0);
    ev = good;
    ev.name_id = 0;
    assert_int_equal(wire_event_size(&ev), 0);
    ev.name_id = WIRE_NAME_ID_MAX + 1;
    assert_int_equal(wire_event_size(&ev), 0);
    ev = good;
    ev.at_us = (uint64_t)WIRE_US_MAX + 1;
    assert_int_equal(wire_event_size(&ev), 0);
    ev = good;
    ev.has_time = true;
    ev.time_us = WIRE_US_MAX + 1;
    assert_int_equal(wire_event_size(&ev), 0);
    ev.time_us = WIRE_US_MIN - 1;
    assert_int_equal(wire_event_size(&ev), 0);
    ev.time_us = WIRE_US_MIN;
    assert_int_not_equal(wire_event_size(&ev), 0);
}

static void test_size_when_a_property_breaks_a_limit_then_zero(void **state) {
    (void)state;
    static uint8_t text[WIRE_EVENT_BYTES_MAX];
    wire_prop prop = {.key_id = 1, .type = 6};
    const wire_event ev = {.name_id = 1, .props = &prop, .n_props = 1};
    assert_int_equal(wire_event_size(&ev), 0);
    prop = (wire_prop){.key_id = 0, .type = WIRE_TRUE};
    assert_int_equal(wire_event_size(&ev), 0);
    prop = (wire_prop){.key_id = WIRE_NAME_ID_MAX + 1, .type = WIRE_TRUE};
    assert_int_equal(wire_event_size(&ev), 0);
    /* name 2, keys 3, and 4 for the string's tag and length */
    prop = (wire_prop){.key_id = 1, .type = WIRE_BYTES, .v.s = {text, WIRE_EVENT_BYTES_MAX - 9}};
    assert_int_equal(wire_event_size(&ev), WIRE_EVENT_BYTES_MAX);
    prop.v.s.n++;
    assert_int_equal(wire_event_size(&ev), 0);
    prop.v.s.n = SIZE_MAX;
    assert_int_equal(wire_event_size(&ev), 0);
}

static void test_frame_when_written_then_as_long_as_said(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384, WIRE_EVENT_BYTES_MAX};
    static const size_t expected[] = {2, 2, 2, 3, 3, 4, 4};
    uint8_t out[16];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(wire_frame_size(sizes[i]), expected[i]);
        assert_int_equal(wire_frame_put(out, sizes[i]), expected[i]);
        assert_int_equal(out[0], 0x7a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_when_random_then_same_bytes_as_nanopb),
        cmocka_unit_test(test_event_when_cut_anywhere_then_refused_or_complete),
        cmocka_unit_test(test_event_when_one_thing_is_wrong_then_that_error),
        cmocka_unit_test(test_event_when_over_a_limit_then_scan_says_so),
        cmocka_unit_test(test_size_when_a_limit_is_broken_then_zero),
        cmocka_unit_test(test_size_when_a_property_breaks_a_limit_then_zero),
        cmocka_unit_test(test_frame_when_written_then_as_long_as_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

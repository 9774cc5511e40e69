/* The hand-written Event against nanopb, and against itself. */
#include "tests/unit/schemas/random_event.h"
#include "tests/unit/schemas/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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
        assert_true(reference_event_decode(by_hand, n, &reference));
        event_from_reference(&reference, &read, props);
        assert_true(event_equal(&event.event, &read));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_when_random_then_same_bytes_as_nanopb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

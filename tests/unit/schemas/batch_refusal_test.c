/* Batches that must be refused, each for its reason. */
#include "tests/unit/schemas/raw.h"
#include "tests/unit/schemas/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static wire_item items[WIRE_BATCH_NUMBERS_MAX];
static wire_dict dict;
static wire_batch batch;
static raw body;

#define ID "0123456789abcdef"

enum { FIELDS = 17, EVENTS = 15 };

/* The least batch: number 5, one event. */
static const wire_span valid[FIELDS] = {
    [1] = RAW("\x08\x01"),
    [2] = RAW("\x12\x10" ID),
    [3] = RAW("\x1a\x10" ID),
    [4] = RAW("\x20\x05"),
    [6] = RAW("\x30\x05"),
    [8] = RAW("\x42\x12\x1a\x10" ID),
    [9] = RAW("\x4a\x12\x0a\x10" ID),
    [10] = RAW("\x52\x05\x08\x01\x12\x01n"),
    [11] = RAW("\x5a\x02\x08\x01"),
    [EVENTS] = RAW("\x7a\x02\x08\x01"),
};

static void body_make(uint32_t replaced, wire_span bytes) {
    body.n = 0;
    for (uint32_t field = 1; field < FIELDS; field++) {
        const wire_span span = field == replaced ? bytes : valid[field];
        raw_append(&body, span.data, span.n);
    }
}

static wire_err body_scan(void) {
    return wire_batch_scan(body.data, body.n, items, WIRE_BATCH_NUMBERS_MAX, &dict, &batch);
}

/* `field` of the valid batch replaced by `bytes`. */
typedef struct refusal {
    const char *what;
    uint32_t field;
    wire_span bytes;
    wire_err expected;
    uint64_t bad_seq;
} refusal;

static const refusal refusals[] = {
    {"nothing replaced", 7, RAW(""), WIRE_OK, 0},
    {"no version", 1, RAW(""), WIRE_ERR_VALUE, 0},
    {"version 0", 1, RAW("\x08\x00"), WIRE_ERR_VALUE, 0},
    {"version 2", 1, RAW("\x08\x02"), WIRE_ERR_VERSION, 0},
    {"version as text", 1, RAW("\x0a\x01\x31"), WIRE_ERR_TYPE, 0},
    {"version twice", 1, RAW("\x08\x01\x08\x01"), WIRE_ERR_MALFORMED, 0},
    {"no installation", 2, RAW(""), WIRE_ERR_VALUE, 0},
    {"installation of 15 bytes", 2, RAW("\x12\x0f\x30\x31\x32\x33\x34\x35\x36\x37\x38\x39zzzzz"),
     WIRE_ERR_VALUE, 0},
    {"no stream", 3, RAW(""), WIRE_ERR_VALUE, 0},
    {"stream of 17 bytes", 3, RAW("\x1a\x11" ID "x"), WIRE_ERR_VALUE, 0},
    {"no first_seq", 4, RAW(""), WIRE_ERR_VALUE, 0},
    {"first_seq 0", 4, RAW("\x20\x00"), WIRE_ERR_VALUE, 0},
    {"first_seq 2^63", 4, RAW("\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), WIRE_ERR_VALUE, 0},
    {"first_seq beyond 64 bits", 4, RAW("\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"), WIRE_ERR_MALFORMED,
     0},
    {"first_seq in eleven bytes", 4, RAW("\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x81\x00"),
     WIRE_ERR_MALFORMED, 0},
    {"first_seq in ten bytes", 4, RAW("\x20\x85\x80\x80\x80\x80\x80\x80\x80\x80\x00"), WIRE_OK, 0},
    {"chain as varint", 5, RAW("\x28\x00"), WIRE_ERR_TYPE, 0},
    {"no low", 6, RAW(""), WIRE_ERR_VALUE, 0},
    {"low above first_seq", 6, RAW("\x30\x06"), WIRE_ERR_VALUE, 0},
    {"fields out of order", 7, RAW("\x38\x01\x30\x05"), WIRE_ERR_MALFORMED, 0},
    {"field number 0", 7, RAW("\x00\x01"), WIRE_ERR_MALFORMED, 0},
    {"a tag beyond 32 bits", 7, RAW("\xb8\x80\x80\x80\x80\x01\x01"), WIRE_ERR_MALFORMED, 0},
    {"no run", 8, RAW(""), WIRE_ERR_VALUE, 0},
    {"run without boot_id", 8, RAW("\x42\x02\x08\x01"), WIRE_ERR_VALUE, 0},
    {"run with a short boot_id", 8, RAW("\x42\x03\x1a\x01x"), WIRE_ERR_VALUE, 0},
    {"run with a nonce as varint", 8, RAW("\x42\x14\x10\x01\x1a\x10" ID), WIRE_ERR_TYPE, 0},
    {"boot_us of the year 146,138,513", 8,
     RAW("\x42\x1c\x1a\x10" ID "\x20\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), WIRE_ERR_VALUE, 0},
    {"any wall clock", 8, RAW("\x42\x1d\x1a\x10" ID "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WIRE_OK,
     0},
    {"no clock", 9, RAW(""), WIRE_ERR_VALUE, 0},
    {"clock without boot_id", 9, RAW("\x4a\x00"), WIRE_ERR_VALUE, 0},
    {"clock with a group", 9, RAW("\x4a\x13\x0a\x10" ID "\x13"), WIRE_ERR_TYPE, 0},
    {"unknown group in the clock", 9, RAW("\x4a\x13\x0a\x10" ID "\x7b"), WIRE_ERR_MALFORMED, 0},
    {"offset beyond time", 9, RAW("\x4a\x1d\x0a\x10" ID "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
     WIRE_ERR_VALUE, 0},
    {"no definition", 10, RAW(""), WIRE_ERR_UNDEFINED, 5},
    {"definition without id", 10, RAW("\x52\x03\x12\x01n"), WIRE_ERR_VALUE, 0},
    {"definition without text", 10, RAW("\x52\x02\x08\x01"), WIRE_ERR_VALUE, 0},
    {"definition twice", 10, RAW("\x52\x05\x08\x01\x12\x01n\x52\x05\x08\x01\x12\x01n"), WIRE_ERR_VALUE, 0},
    {"definition twice, apart", 10,
     RAW("\x52\x05\x08\x01\x12\x01n\x52\x05\x08\x02\x12\x01m\x52\x05\x08\x01\x12\x01n"), WIRE_ERR_VALUE, 0},
    {"definition of 2^29", 10, RAW("\x52\x09\x08\x80\x80\x80\x80\x02\x12\x01n"), WIRE_ERR_VALUE, 0},
    {"definition longer than the batch", 10, RAW("\x52\x7f"), WIRE_ERR_TRUNCATED, 0},
    {"no context, and none used", 11, RAW(""), WIRE_OK, 0},
    {"context without id", 11, RAW("\x5a\x00"), WIRE_ERR_VALUE, 0},
    {"context twice", 11, RAW("\x5a\x02\x08\x01\x5a\x02\x08\x01"), WIRE_ERR_VALUE, 0},
    {"dropped before the batch", 12, RAW("\x62\x0a\x08\x04\x10\x01\x1a\x04zzzz"), WIRE_ERR_VALUE, 0},
    {"dropped behind a gap", 12, RAW("\x62\x0a\x08\x07\x10\x01\x1a\x04zzzz"), WIRE_ERR_VALUE, 0},
    {"dropped after the event", 12, RAW("\x62\x0a\x08\x06\x10\x01\x1a\x04zzzz"), WIRE_OK, 0},
    {"dropped without reason", 12, RAW("\x62\x08\x08\x05\x1a\x04zzzz"), WIRE_ERR_VALUE, 0},
    {"dropped for reason 256", 12, RAW("\x62\x0b\x08\x05\x10\x80\x02\x1a\x04zzzz"), WIRE_ERR_VALUE, 0},
    {"dropped without CRCs", 12, RAW("\x62\x04\x08\x05\x10\x01"), WIRE_ERR_VALUE, 0},
    {"dropped with half a CRC", 12, RAW("\x62\x0c\x08\x05\x10\x01\x1a\x06zzzzzz"), WIRE_ERR_VALUE, 0},
    {"dropped ranges that overlap", 12,
     RAW("\x62\x0e\x08\x05\x10\x01\x1a\x08zzzzzzzz\x62\x0a\x08\x06\x10\x01\x1a\x04zzzz"), WIRE_ERR_VALUE, 0},
    {"dropped ranges that descend", 12,
     RAW("\x62\x0a\x08\x06\x10\x01\x1a\x04zzzz\x62\x0a\x08\x05\x10\x01\x1a\x04zzzz"), WIRE_ERR_VALUE, 0},
    {"dropped far away", 12, RAW("\x62\x0b\x08\x95\x4e\x10\x01\x1a\x04zzzz"), WIRE_ERR_LIMIT, 0},
    {"no numbers at all", EVENTS, RAW(""), WIRE_ERR_VALUE, 0},
    {"event that ends behind the batch", EVENTS, RAW("\x7a\x03\x08\x01"), WIRE_ERR_TRUNCATED, 0},
    {"event without length", EVENTS, RAW("\x7a"), WIRE_ERR_TRUNCATED, 0},
    {"event as a number", EVENTS, RAW("\x78\x01"), WIRE_ERR_TYPE, 0},
    {"event with its tag in two bytes", EVENTS, RAW("\xfa\x00\x02\x08\x01"), WIRE_ERR_MALFORMED, 0},
    {"second event with its tag in two bytes", EVENTS, RAW("\x7a\x02\x08\x01\xfa\x00\x02\x08\x01"),
     WIRE_ERR_MALFORMED, 0},
    {"second event malformed", EVENTS, RAW("\x7a\x02\x08\x01\x7a\x04\x08\x01\x08\x01"), WIRE_ERR_MALFORMED,
     6},
    {"event with an undefined name", EVENTS, RAW("\x7a\x02\x08\x02"), WIRE_ERR_UNDEFINED, 5},
    {"event with an undefined key", EVENTS, RAW("\x7a\x05\x08\x01\x22\x01\x13"), WIRE_ERR_UNDEFINED, 5},
    {"event with a large undefined key", EVENTS, RAW("\x7a\x08\x08\x01\x22\x04\x83\x80\x80\x08"),
     WIRE_ERR_UNDEFINED, 5},
    {"event with an undefined context", EVENTS, RAW("\x7a\x04\x08\x01\x18\x02"), WIRE_ERR_UNDEFINED, 5},
    {"event with a defined context", EVENTS, RAW("\x7a\x04\x08\x01\x18\x01"), WIRE_OK, 0},
    {"unknown field behind the events", 16, RAW("\x80\x01\x01"), WIRE_OK, 0},
    {"unknown field before the events", 14, RAW("\x80\x01\x01"), WIRE_ERR_MALFORMED, 0},
    {"known field behind the events", 16, RAW("\x70\x01"), WIRE_ERR_MALFORMED, 0},
    {"event behind an unknown field", 16, RAW("\x80\x01\x01\x7a\x02\x08\x01"), WIRE_ERR_MALFORMED, 0},
    {"half a fixed64 behind the events", 16, RAW("\x81\x01zzzz"), WIRE_ERR_TRUNCATED, 0},
};

static void test_batch_when_one_thing_is_wrong_then_that_error(void **state) {
    (void)state;
    static reference_batch reference;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const refusal *r = &refusals[i];
        body_make(r->field, r->bytes);
        const wire_err err = body_scan();
        if (err != r->expected)
            print_error("%s: %s\n", r->what, wire_strerror(err));
        assert_int_equal(err, r->expected);
        assert_true(batch.bad_seq == r->bad_seq);
        /* Whatever is taken is protobuf for others too. */
        assert_true(err != WIRE_OK || reference_batch_decode(body.data, body.n, &reference));
    }
}

static void test_batch_when_the_wall_clock_is_absurd_then_brought_back(void **state) {
    (void)state;
    body_make(8, (wire_span)RAW("\x42\x1d\x1a\x10" ID "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    assert_int_equal(body_scan(), WIRE_OK);
    assert_true(batch.run.wall_us == WIRE_US_MIN);
    body_make(8, (wire_span)RAW("\x42\x1d\x1a\x10" ID "\x28\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    assert_int_equal(body_scan(), WIRE_OK);
    assert_true(batch.run.wall_us == WIRE_US_MAX);
}

/* Even the least id, with nothing defined at all. */
static void test_batch_when_only_a_key_is_undefined_then_undefined(void **state) {
    (void)state;
    body_make(10, (wire_span)RAW(""));
    body.n -= valid[EVENTS].n;
    raw_bytes(&body, EVENTS, "\x22\x01\x0c\x4a\x01n", 6);
    assert_int_equal(body_scan(), WIRE_ERR_UNDEFINED);
}

static void test_batch_when_not_protobuf_then_refused(void **state) {
    (void)state;
    static const wire_span bodies[] = {RAW(""), RAW("{\"events\":[]}"), RAW("<html>"), RAW("\xff"),
                                       RAW("\n\n\n\n")};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_int_not_equal(wire_batch_scan(bodies[i].data, bodies[i].n, items, 1, &dict, &batch), WIRE_OK);
        assert_int_not_equal(wire_batch_rescan(bodies[i].data, bodies[i].n, items, 1, &dict, &batch),
                             WIRE_OK);
    }
}

/* ---- limits: the most that is taken, and one more --------------------------------------------- */

typedef void (*part_fn)(raw *out, uint32_t n);

static void definitions_put(raw *out, uint32_t n) {
    for (uint32_t i = 1; i <= n; i++) {
        static raw definition;
        definition.n = 0;
        raw_number(&definition, 1, i);
        raw_filler(&definition, 2, 1);
        raw_bytes(out, 10, definition.data, definition.n);
    }
}

static void definition_text_put(raw *out, uint32_t n) {
    static raw definition;
    definition.n = 0;
    raw_number(&definition, 1, 1);
    raw_filler(&definition, 2, n);
    raw_bytes(out, 10, definition.data, definition.n);
}

static void contexts_put(raw *out, uint32_t n) {
    for (uint32_t i = 1; i <= n; i++) {
        static raw context;
        context.n = 0;
        raw_number(&context, 1, i);
        raw_bytes(out, 11, context.data, context.n);
    }
}

/* Of one number each. */
static void ranges_put(raw *out, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        static raw range;
        range.n = 0;
        raw_number(&range, 1, 5 + i);
        raw_number(&range, 2, 1);
        raw_filler(&range, 3, 4);
        raw_bytes(out, 12, range.data, range.n);
    }
}

static void range_put(raw *out, uint32_t n) {
    static raw range;
    range.n = 0;
    raw_number(&range, 1, 5);
    raw_number(&range, 2, 1);
    raw_filler(&range, 3, (size_t)n * 4);
    raw_bytes(out, 12, range.data, range.n);
}

static void sdk_put(raw *out, uint32_t n) {
    static raw run;
    run.n = 0;
    raw_bytes(&run, 3, ID, 16);
    raw_filler(&run, 6, n);
    raw_bytes(out, 8, run.data, run.n);
}

static void events_put(raw *out, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        raw_bytes(out, EVENTS, "\x08\x01", 2);
}

/* n bytes: the name, a key, and a string of the rest. */
static void event_put(raw *out, uint32_t n) {
    static raw event;
    event.n = 0;
    raw_append(&event, "\x08\x01\x22\x01\x08", 5);
    raw_filler(&event, 5, n - 5 - 1 - 3);
    raw_bytes(out, EVENTS, event.data, event.n);
}

static void test_batch_when_at_a_limit_then_taken_and_one_more_refused(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint32_t field, most;
        part_fn put;
    } limits[] = {
        {"definitions", 10, WIRE_DEFINITIONS_MAX, definitions_put},
        {"text of a definition", 10, WIRE_TEXT_BYTES_MAX, definition_text_put},
        {"contexts", 11, WIRE_CONTEXTS_MAX, contexts_put},
        {"ranges", 12, WIRE_DROPPED_MAX, ranges_put},
        {"numbers, with the event", 12, WIRE_BATCH_NUMBERS_MAX - 1, range_put},
        {"sdk", 8, WIRE_SDK_BYTES_MAX, sdk_put},
        {"events", EVENTS, WIRE_BATCH_NUMBERS_MAX, events_put},
        {"bytes of an event", EVENTS, WIRE_EVENT_BYTES_MAX, event_put},
    };
    static raw part;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        part.n = 0;
        limits[i].put(&part, limits[i].most);
        body_make(limits[i].field, (wire_span){part.data, part.n});
        wire_err err = body_scan();
        if (err)
            print_error("%s: %s\n", limits[i].what, wire_strerror(err));
        assert_int_equal(err, WIRE_OK);
        part.n = 0;
        limits[i].put(&part, limits[i].most + 1);
        body_make(limits[i].field, (wire_span){part.data, part.n});
        err = body_scan();
        if (err != WIRE_ERR_LIMIT)
            print_error("%s, one more: %s\n", limits[i].what, wire_strerror(err));
        assert_int_equal(err, WIRE_ERR_LIMIT);
    }
}

static void test_batch_when_there_is_no_room_for_items_then_limit(void **state) {
    (void)state;
    body_make(EVENTS, (wire_span)RAW("\x7a\x02\x08\x01\x7a\x02\x08\x01"));
    assert_int_equal(wire_batch_scan(body.data, body.n, items, 2, &dict, &batch), WIRE_OK);
    assert_int_equal(wire_batch_scan(body.data, body.n, items, 1, &dict, &batch), WIRE_ERR_LIMIT);
    assert_int_equal(wire_batch_rescan(body.data, body.n, items, 1, &dict, &batch), WIRE_ERR_LIMIT);
    assert_int_equal(wire_batch_scan(body.data, body.n, items, 0, &dict, &batch), WIRE_ERR_LIMIT);
}

static void test_dict_when_reused_then_nothing_of_the_batch_before(void **state) {
    (void)state;
    body_make(10, (wire_span)RAW("\x52\x05\x08\x01\x12\x01n\x52\x05\x08\x02\x12\x01m"));
    assert_int_equal(body_scan(), WIRE_OK);
    assert_non_null(wire_dict_get(&dict, 2).data);
    body_make(10, valid[10]);
    assert_int_equal(body_scan(), WIRE_OK);
    assert_null(wire_dict_get(&dict, 2).data);
    assert_null(wire_dict_get(&dict, WIRE_DEFINITIONS_MAX).data);
    assert_null(wire_dict_get(&dict, UINT32_MAX).data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_when_one_thing_is_wrong_then_that_error),
        cmocka_unit_test(test_batch_when_the_wall_clock_is_absurd_then_brought_back),
        cmocka_unit_test(test_batch_when_only_a_key_is_undefined_then_undefined),
        cmocka_unit_test(test_batch_when_not_protobuf_then_refused),
        cmocka_unit_test(test_batch_when_at_a_limit_then_taken_and_one_more_refused),
        cmocka_unit_test(test_batch_when_there_is_no_room_for_items_then_limit),
        cmocka_unit_test(test_dict_when_reused_then_nothing_of_the_batch_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

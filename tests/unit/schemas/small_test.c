/* Context, Ack, chain, names. */
#include "tests/unit/schemas/random_event.h"
#include "tests/unit/schemas/raw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- chain ------------------------------------------------------------------------------------ */

/* The vectors of schemas/README.md. */
static void test_chain_when_published_vectors_then_equal(void **state) {
    (void)state;
    static const wire_span events[] = {RAW("\x08\x01\x10\xe8\x07"),
                                       RAW("\x08\x01\x10\xd0\x0f\x22\x01\x08\x2a\x02hi"),
                                       RAW("\x08\x01\x10\xb8\x17")};
    static const uint32_t crcs[] = {0x253a2545, 0xf31d1118, 0xf5b6d5af};
    static const uint64_t chains[] = {0x292e677b865525d2, 0x6c5aff5430d7d65b, 0xd40b69c0163a349b};
    assert_true(wire_chain(0, 0) == 0x17fb89ee9dcab42a);
    assert_true(wire_chain(0, 1) == 0xc99d164addff6dc2);
    assert_true(wire_chain(0, UINT32_MAX) == 0xce457292fbf6739d);
    assert_true(wire_chain(UINT64_MAX, 0) == 0x161f2bf4516f5fb5);
    assert_int_equal(wire_crc_seed(0), 0x48674bc7);
    assert_int_equal(wire_crc_seed(0xdeadbeef), 0x41fe56d3);
    const uint32_t seed = wire_crc_seed(0x12345678);
    uint64_t chain = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(wire_crc_event(seed, events[i].data, events[i].n), crcs[i]);
        chain = wire_chain(chain, crcs[i]);
        assert_true(chain == chains[i]);
    }
}

/* ---- context ---------------------------------------------------------------------------------- */

static uint8_t filler[WIRE_CONTEXT_BYTES_MAX];
static wire_attribute attributes[WIRE_ATTRIBUTES_MAX + 1];
static uint8_t encoded[4 * WIRE_CONTEXT_BYTES_MAX];

static wire_span filler_span(size_t n) { return (wire_span){filler, n}; }

static void attributes_fill(size_t key_n, size_t value_n) {
    for (size_t i = 0; i <= WIRE_ATTRIBUTES_MAX; i++)
        attributes[i] = (wire_attribute){filler_span(key_n), filler_span(value_n)};
}

static void test_context_when_at_a_limit_then_there_and_back(void **state) {
    (void)state;
    size_t n = 0;
    wire_context_view view;
    attributes_fill(WIRE_TEXT_BYTES_MAX, 200);
    const wire_context context = {.id = UINT32_MAX,
                                  .user = filler_span(WIRE_VALUE_BYTES_MAX),
                                  .session = filler_span(WIRE_VALUE_BYTES_MAX),
                                  .attributes = attributes,
                                  .n_attributes = WIRE_ATTRIBUTES_MAX};
    assert_int_equal(wire_context_encode(&context, encoded, sizeof encoded, &n), WIRE_OK);
    assert_int_equal(wire_context_scan((wire_span){encoded, n}, &view), WIRE_OK);
    assert_int_equal(view.id, UINT32_MAX);
    assert_int_equal(view.user.n, WIRE_VALUE_BYTES_MAX);
    assert_int_equal(view.n_attributes, WIRE_ATTRIBUTES_MAX);
    assert_int_equal(view.attributes[WIRE_ATTRIBUTES_MAX - 1].key.n, WIRE_TEXT_BYTES_MAX);
    assert_int_equal(view.attributes[WIRE_ATTRIBUTES_MAX - 1].value.n, 200);
    for (size_t cap = 0; cap < n; cap += 61)
        assert_int_equal(wire_context_encode(&context, encoded, cap, &n), WIRE_ERR_SPACE);
}

static wire_err context_try(wire_context context) {
    size_t n;
    return wire_context_encode(&context, encoded, sizeof encoded, &n);
}

static void test_context_when_over_a_limit_then_not_encoded(void **state) {
    (void)state;
    attributes_fill(1, 1);
    const wire_span too_long = filler_span(WIRE_VALUE_BYTES_MAX + 1);
    assert_int_equal(context_try((wire_context){.id = 1}), WIRE_OK);
    assert_int_equal(context_try((wire_context){.id = 0}), WIRE_ERR_VALUE);
    assert_int_equal(context_try((wire_context){.id = 1, .user = too_long}), WIRE_ERR_LIMIT);
    assert_int_equal(context_try((wire_context){.id = 1, .session = too_long}), WIRE_ERR_LIMIT);
    wire_context context = {.id = 1, .attributes = attributes, .n_attributes = WIRE_ATTRIBUTES_MAX + 1};
    assert_int_equal(context_try(context), WIRE_ERR_LIMIT);
    context.n_attributes = 1;
    attributes_fill(0, 1);
    assert_int_equal(context_try(context), WIRE_ERR_VALUE);
    attributes_fill(WIRE_TEXT_BYTES_MAX + 1, 1);
    assert_int_equal(context_try(context), WIRE_ERR_LIMIT);
    attributes_fill(1, WIRE_VALUE_BYTES_MAX + 1);
    assert_int_equal(context_try(context), WIRE_ERR_LIMIT);
    context.n_attributes = WIRE_ATTRIBUTES_MAX;
    attributes_fill(1, WIRE_VALUE_BYTES_MAX);
    assert_int_equal(context_try(context), WIRE_ERR_LIMIT);
}

static void test_context_when_read_over_a_limit_then_refused(void **state) {
    (void)state;
    static raw message, attribute;
    wire_context_view view;
    static const struct {
        uint32_t field;
        size_t n;
        wire_err expected;
    } cases[] = {{1, WIRE_TEXT_BYTES_MAX, WIRE_OK},
                 {1, WIRE_TEXT_BYTES_MAX + 1, WIRE_ERR_LIMIT},
                 {1, 0, WIRE_ERR_VALUE},
                 {2, WIRE_VALUE_BYTES_MAX, WIRE_ERR_VALUE},
                 {2, WIRE_VALUE_BYTES_MAX + 1, WIRE_ERR_VALUE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        attribute.n = message.n = 0;
        raw_filler(&attribute, cases[i].field, cases[i].n);
        raw_number(&message, 1, 1);
        raw_bytes(&message, 4, attribute.data, attribute.n);
        assert_int_equal(wire_context_scan((wire_span){message.data, message.n}, &view), cases[i].expected);
    }
    attribute.n = message.n = 0;
    raw_filler(&attribute, 1, 1);
    raw_filler(&attribute, 2, WIRE_VALUE_BYTES_MAX + 1);
    raw_number(&message, 1, 1);
    raw_bytes(&message, 4, attribute.data, attribute.n);
    assert_int_equal(wire_context_scan((wire_span){message.data, message.n}, &view), WIRE_ERR_LIMIT);
    for (uint32_t field = 2; field <= 3; field++) {
        message.n = 0;
        raw_number(&message, 1, 1);
        raw_filler(&message, field, WIRE_VALUE_BYTES_MAX + 1);
        assert_int_equal(wire_context_scan((wire_span){message.data, message.n}, &view), WIRE_ERR_LIMIT);
    }
    message.n = attribute.n = 0;
    raw_number(&message, 1, 1);
    raw_filler(&attribute, 1, 1);
    for (uint32_t i = 0; i <= WIRE_ATTRIBUTES_MAX; i++)
        raw_bytes(&message, 4, attribute.data, attribute.n);
    assert_int_equal(wire_context_scan((wire_span){message.data, message.n}, &view), WIRE_ERR_LIMIT);
    assert_int_equal(wire_context_scan((wire_span){message.data, WIRE_CONTEXT_BYTES_MAX + 1}, &view),
                     WIRE_ERR_LIMIT);
    assert_int_equal(wire_context_scan((wire_span)RAW("\x08\x01\x62\x01z"), &view), WIRE_OK);
    assert_int_equal(wire_context_scan((wire_span)RAW("\x08\x00"), &view), WIRE_ERR_VALUE);
    assert_int_equal(wire_context_scan((wire_span)RAW("\x08\x01\x10\x01"), &view), WIRE_ERR_TYPE);
}

/* ---- ack -------------------------------------------------------------------------------------- */

static void ack_random(wire_ack *ack, random_source *random) {
    memset(ack, 0, sizeof *ack);
    ack->status = (wire_status)random_below(random, WIRE_STATUS_UNAUTHORIZED + 1);
    ack->agreed_through = random_bits(random, 64);
    ack->next_seq = random_bits(random, 64);
    ack->chain = random_next(random);
    ack->received_us = (int64_t)random_bits(random, 64);
    ack->sent_us = (int64_t)random_bits(random, 64);
    ack->retry_after_ms = (uint32_t)random_bits(random, 32);
    ack->refused_seq = random_bits(random, 64);
    ack->settings_version = (uint32_t)random_bits(random, 32);
    memset(ack->collector, 'c', random_below(random, sizeof ack->collector));
    memset(ack->message, 'm', random_below(random, sizeof ack->message));
}

static void ack_expect_equal(const wire_ack *a, const wire_ack *b) {
    assert_int_equal(a->status, b->status);
    assert_true(a->agreed_through == b->agreed_through && a->next_seq == b->next_seq && a->chain == b->chain);
    assert_true(a->received_us == b->received_us && a->sent_us == b->sent_us);
    assert_int_equal(a->retry_after_ms, b->retry_after_ms);
    assert_true(a->refused_seq == b->refused_seq);
    assert_int_equal(a->settings_version, b->settings_version);
    assert_string_equal(a->collector, b->collector);
    assert_string_equal(a->message, b->message);
}

static void test_ack_when_random_then_there_and_back_within_its_bound(void **state) {
    (void)state;
    random_source random = random_open("ack");
    for (int i = 0; i < 20000; i++) {
        uint8_t out[WIRE_ACK_BYTES_MAX];
        wire_ack ack, read;
        size_t n = 0, ignored = 0;
        ack_random(&ack, &random);
        assert_int_equal(wire_ack_encode(&ack, out, sizeof out, &n), WIRE_OK);
        assert_int_equal(wire_ack_decode(out, n, &read), WIRE_OK);
        ack_expect_equal(&ack, &read);
        if (n > 0)
            assert_int_equal(wire_ack_encode(&ack, out, n - 1, &ignored), WIRE_ERR_SPACE);
    }
}

static void test_ack_when_as_large_as_can_be_then_fits(void **state) {
    (void)state;
    uint8_t out[WIRE_ACK_BYTES_MAX];
    size_t n = 0;
    wire_ack ack = {WIRE_STATUS_UNAUTHORIZED,
                    UINT64_MAX,
                    UINT64_MAX,
                    UINT64_MAX,
                    {0},
                    INT64_MIN,
                    INT64_MIN,
                    UINT32_MAX,
                    {0},
                    UINT64_MAX,
                    UINT32_MAX};
    memset(ack.collector, 'c', sizeof ack.collector - 1);
    memset(ack.message, 'm', sizeof ack.message - 1);
    assert_int_equal(wire_ack_encode(&ack, out, sizeof out, &n), WIRE_OK);
    assert_true(n > 300);
}

static void test_ack_when_strange_then_the_fitting_error(void **state) {
    (void)state;
    static raw message;
    static const struct {
        wire_span bytes;
        wire_err expected;
    } cases[] = {
        {RAW(""), WIRE_OK},
        {RAW("\x08\x01\x10\x05"), WIRE_OK},
        {RAW("\x08\x63"), WIRE_OK},                /* a status of the future */
        {RAW("\x08\x01\xa2\x06\x03new"), WIRE_OK}, /* a field of the future */
        {RAW("\x08"), WIRE_ERR_TRUNCATED},
        {RAW("\x4a\x05m"), WIRE_ERR_TRUNCATED},
        {RAW("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WIRE_ERR_MALFORMED},
        {RAW("\x12\x01\x01"), WIRE_ERR_TYPE},
        {RAW("<html>no</html>"), WIRE_ERR_TYPE},
        {RAW("\x0b\x0c"), WIRE_ERR_TYPE},
    };
    wire_ack ack;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const wire_err err = wire_ack_decode(cases[i].bytes.data, cases[i].bytes.n, &ack);
        if (err != cases[i].expected)
            print_error("case %zu: %s\n", i, wire_strerror(err));
        assert_int_equal(err, cases[i].expected);
    }
    assert_int_equal(wire_ack_decode((const uint8_t *)"\x08\x63\x10\x07", 4, &ack), WIRE_OK);
    assert_int_equal(ack.status, WIRE_STATUS_NONE);
    assert_int_equal(ack.agreed_through, 7);
    message.n = 0;
    raw_filler(&message, 9, sizeof ack.message);
    assert_int_equal(wire_ack_decode(message.data, message.n, &ack), WIRE_ERR_LIMIT);
}

/* ---- names ------------------------------------------------------------------------------------ */

static void test_names_when_asked_for_any_value_then_a_text(void **state) {
    (void)state;
    for (int err = WIRE_OK; err <= WIRE_ERR_SPACE + 1; err++)
        assert_true(strlen(wire_strerror((wire_err)err)) > 1);
    assert_string_equal(wire_strerror((wire_err)(WIRE_ERR_SPACE + 1)), "unknown error");
    assert_string_equal(wire_drop_reason_name(1), "disk_quota");
    assert_string_equal(wire_drop_reason_name(6), "too_large");
    assert_string_equal(wire_drop_reason_name(7), "store_lost");
    assert_string_equal(wire_drop_reason_name(8), "unknown");
    assert_string_equal(wire_time_quality_name(1), "exact");
    assert_string_equal(wire_time_quality_name(4), "explicit");
    assert_string_equal(wire_time_quality_name(5), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_when_published_vectors_then_equal),
        cmocka_unit_test(test_context_when_at_a_limit_then_there_and_back),
        cmocka_unit_test(test_context_when_over_a_limit_then_not_encoded),
        cmocka_unit_test(test_context_when_read_over_a_limit_then_refused),
        cmocka_unit_test(test_ack_when_random_then_there_and_back_within_its_bound),
        cmocka_unit_test(test_ack_when_as_large_as_can_be_then_fits),
        cmocka_unit_test(test_ack_when_strange_then_the_fitting_error),
        cmocka_unit_test(test_names_when_asked_for_any_value_then_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

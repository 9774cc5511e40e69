/* Runs and packed groups, read back by a decoder made from the format's description. */
#include "collector/sinks/parquet/hybrid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define VALUES_MAX 5000u

static uint32_t values[VALUES_MAX], again[VALUES_MAX + 8];

static uint64_t varint_take(const uint8_t **at) {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return value;
    }
}

static uint32_t bits_take(const uint8_t *data, size_t bit, unsigned width) {
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)(data[(bit + i) / 8] >> (bit + i) % 8 & 1) << i;
    return value;
}

/* How many values there are, with those that fill the last group up. */
static size_t decode(const bytes *b, unsigned width) {
    const uint8_t *at = b->data, *end = b->data + b->n;
    size_t n = 0;
    while (at < end) {
        uint64_t head = varint_take(&at);
        size_t count = head & 1 ? (head >> 1) * 8 : head >> 1;
        assert_true(n + count <= VALUES_MAX + 8);
        for (size_t i = 0; i < count; i++)
            again[n++] = bits_take(at, head & 1 ? i * width : 0, width);
        at += head & 1 ? count / 8 * width : (width + 7) / 8;
    }
    assert_ptr_equal(at, end);
    return n;
}

static void expect_round_trip(size_t n, unsigned width) {
    bytes b = {0};
    hybrid_put(&b, values, n, width);
    assert_false(b.failed);
    size_t found = decode(&b, width);
    assert_true(found >= n && found < n + 8);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(again[i], values[i]);
    bytes_free(&b);
}

static void test_width_then_as_many_bits_as_the_greatest_needs(void **state) {
    (void)state;
    assert_int_equal(hybrid_width(0), 1);
    assert_int_equal(hybrid_width(1), 1);
    assert_int_equal(hybrid_width(2), 2);
    assert_int_equal(hybrid_width(255), 8);
    assert_int_equal(hybrid_width(256), 9);
    assert_int_equal(hybrid_width(UINT32_MAX), 32);
}

static void test_nothing_then_no_bytes(void **state) {
    (void)state;
    bytes b = {0};
    hybrid_put(&b, values, 0, 3);
    assert_int_equal(b.n, 0);
    bytes_free(&b);
}

static void test_one_value_many_times_then_one_run(void **state) {
    (void)state;
    for (size_t i = 0; i < VALUES_MAX; i++)
        values[i] = 5;
    bytes b = {0};
    hybrid_put(&b, values, VALUES_MAX, 3);
    assert_int_equal(b.n, 3); /* 10,000 in two bytes, and the value */
    bytes_free(&b);
    expect_round_trip(VALUES_MAX, 3);
}

static void test_every_length_and_width_then_reads_back(void **state) {
    (void)state;
    for (unsigned width = 1; width <= 32; width++)
        for (size_t n = 1; n < 40; n++) {
            for (size_t i = 0; i < n; i++)
                values[i] = (uint32_t)(i * 2654435761u) >> (32 - width);
            expect_round_trip(n, width);
        }
}

static void test_runs_of_random_lengths_then_read_back(void **state) {
    (void)state;
    srand(7);
    for (int round = 0; round < 200; round++) {
        unsigned width = 1 + (unsigned)rand() % 17;
        size_t n = 1 + (size_t)rand() % VALUES_MAX;
        for (size_t i = 0; i < n;) {
            uint32_t value = (uint32_t)rand() & ((1u << width) - 1);
            for (size_t run = 1 + (size_t)rand() % (rand() % 2 ? 3 : 40); run > 0 && i < n; run--)
                values[i++] = value;
        }
        expect_round_trip(n, width);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_width_then_as_many_bits_as_the_greatest_needs),
        cmocka_unit_test(test_nothing_then_no_bytes),
        cmocka_unit_test(test_one_value_many_times_then_one_run),
        cmocka_unit_test(test_every_length_and_width_then_reads_back),
        cmocka_unit_test(test_runs_of_random_lengths_then_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

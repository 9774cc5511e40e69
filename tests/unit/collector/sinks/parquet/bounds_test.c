#include "collector/sinks/parquet/bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static wire_span span_of(const char *text) { return (wire_span){(const uint8_t *)text, strlen(text)}; }

static bounds of_texts(const char *const *texts, size_t n) {
    wire_span least = {NULL, 0}, greatest = {NULL, 0};
    bounds b = {0};
    for (size_t i = 0; i < n; i++)
        bounds_stretch(COLUMN_STRING, span_of(texts[i]), &least, &greatest);
    bounds_set(&b, COLUMN_STRING, least, greatest, n);
    return b;
}

static void expect(const bound *b, const char *text, bool exact) {
    assert_true(b->set);
    assert_int_equal(b->n, strlen(text));
    assert_memory_equal(b->data, text, b->n);
    assert_int_equal(b->exact, exact);
}

static void test_texts_then_by_their_bytes_without_signs(void **state) {
    (void)state;
    bounds b = of_texts((const char *const[]){"b", "\xC3\xBC", "ba", "", "Z"}, 5);
    expect(&b.least, "", true);
    expect(&b.greatest, "\xC3\xBC", true);
}

static void test_no_value_then_none(void **state) {
    (void)state;
    bounds b = of_texts(NULL, 0);
    assert_false(b.least.set || b.greatest.set);
}

static void test_long_texts_then_shortened_so_that_they_still_bound(void **state) {
    (void)state;
    char text[200], want[BOUND_BYTES_MAX + 1];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memset(want, 'x', BOUND_BYTES_MAX);
    want[BOUND_BYTES_MAX] = '\0';
    bounds b = of_texts((const char *const[]){text}, 1);
    expect(&b.least, want, false);
    want[BOUND_BYTES_MAX - 1] = 'y';
    expect(&b.greatest, want, false);
    text[BOUND_BYTES_MAX] = '\0'; /* just short enough */
    b = of_texts((const char *const[]){text}, 1);
    expect(&b.greatest, text, true);
}

static void test_long_texts_of_many_bytes_a_character_then_cut_between_two(void **state) {
    (void)state;
    char text[200] = "a", least[80], greatest[3] = "b";
    for (size_t i = 1; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xE6\x97\xA5", 4);
    bounds b = of_texts((const char *const[]){text}, 1);
    memcpy(least, text, BOUND_BYTES_MAX); /* 1 + 21 * 3 */
    least[BOUND_BYTES_MAX] = '\0';
    expect(&b.least, least, false);
    expect(&b.greatest, greatest, false);
    b = of_texts((const char *const[]){text + 1}, 1); /* nothing to raise */
    least[BOUND_BYTES_MAX] = '\0';
    assert_int_equal(b.least.n, 63);
    assert_false(b.greatest.set);
}

static void test_merged_then_bounds_of_both_and_lost_where_one_is(void **state) {
    (void)state;
    bounds all = {0}, some = of_texts((const char *const[]){"m", "n"}, 2);
    some.nulls = 3;
    bounds_merge(&all, COLUMN_STRING, &some);
    bounds none = {.nulls = 4};
    bounds_merge(&all, COLUMN_STRING, &none);
    some = of_texts((const char *const[]){"a"}, 1);
    bounds_merge(&all, COLUMN_STRING, &some);
    expect(&all.least, "a", true);
    expect(&all.greatest, "n", true);
    assert_int_equal(all.nulls, 7);
    assert_int_equal(all.values, 3);
    some.greatest.set = false;
    bounds_merge(&all, COLUMN_STRING, &some);
    expect(&all.least, "a", true);
    assert_false(all.greatest.set);
}

static void test_equal_bounds_of_which_one_is_exact_then_exact(void **state) {
    (void)state;
    bounds a = of_texts((const char *const[]){"b"}, 1), b = a;
    a.greatest.exact = false;
    bounds_merge(&a, COLUMN_STRING, &b);
    assert_true(a.greatest.exact);
    b.greatest.exact = false;
    bounds_merge(&a, COLUMN_STRING, &b);
    assert_true(a.greatest.exact);
}

static void test_numbers_then_with_their_signs_and_both_zeros(void **state) {
    (void)state;
    static const int64_t ints[] = {3, -5, INT64_MIN, 7};
    static const double zero = 0.0, negative = -0.0;
    wire_span least = {NULL, 0}, greatest = {NULL, 0};
    bounds b = {0};
    for (size_t i = 0; i < 4; i++)
        bounds_stretch(COLUMN_INT64, (wire_span){(const uint8_t *)&ints[i], 8}, &least, &greatest);
    bounds_set(&b, COLUMN_INT64, least, greatest, 4);
    assert_memory_equal(b.least.data, &ints[2], 8);
    assert_memory_equal(b.greatest.data, &ints[3], 8);
    bounds_set(&b, COLUMN_DOUBLE, (wire_span){(const uint8_t *)&zero, 8},
               (wire_span){(const uint8_t *)&negative, 8}, 1);
    assert_memory_equal(b.least.data, &negative, 8);
    assert_memory_equal(b.greatest.data, &zero, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_then_by_their_bytes_without_signs),
        cmocka_unit_test(test_no_value_then_none),
        cmocka_unit_test(test_long_texts_then_shortened_so_that_they_still_bound),
        cmocka_unit_test(test_long_texts_of_many_bytes_a_character_then_cut_between_two),
        cmocka_unit_test(test_merged_then_bounds_of_both_and_lost_where_one_is),
        cmocka_unit_test(test_equal_bounds_of_which_one_is_exact_then_exact),
        cmocka_unit_test(test_numbers_then_with_their_signs_and_both_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

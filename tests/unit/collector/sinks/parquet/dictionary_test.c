#include "collector/sinks/parquet/dictionary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t number_of(dictionary *d, const char *text) { return dictionary_index(d, text, strlen(text)); }

static void expect_entry(const dictionary *d, uint32_t index, const char *text) {
    wire_span value = dictionary_value(d, index);
    assert_int_equal(value.n, strlen(text));
    assert_memory_equal(value.data, text, value.n);
}

static void test_values_then_numbered_as_they_come(void **state) {
    (void)state;
    dictionary d = {0};
    assert_int_equal(number_of(&d, "b"), 0);
    assert_int_equal(number_of(&d, ""), 1);
    assert_int_equal(number_of(&d, "eight by"), 2);
    assert_int_equal(number_of(&d, "eight by and more"), 3);
    assert_int_equal(dictionary_index(&d, "b\0", 2), 4);
    assert_int_equal(number_of(&d, "b"), 0);
    assert_int_equal(number_of(&d, "eight by and more"), 3);
    expect_entry(&d, 2, "eight by");
    expect_entry(&d, 1, "");
    static const uint8_t stored[] = {1, 0, 0, 0, 'b', 0, 0, 0, 0, 8, 0, 0, 0, 'e'};
    assert_memory_equal(d.stored.data, stored, sizeof stored); /* as PLAIN has it */
    dictionary_clear(&d);
    assert_int_equal(number_of(&d, ""), 0);
    dictionary_free(&d);
}

static void test_numbers_then_stored_without_a_length(void **state) {
    (void)state;
    dictionary d = {.fixed = true};
    int64_t a = -1, b = 1;
    assert_int_equal(dictionary_index(&d, &a, sizeof a), 0);
    assert_int_equal(dictionary_index(&d, &b, sizeof b), 1);
    assert_int_equal(dictionary_index(&d, &a, sizeof a), 0);
    assert_int_equal(d.stored.n, 16);
    dictionary_free(&d);
}

static void test_more_entries_than_it_may_have_then_full_and_the_others_are_still_found(void **state) {
    (void)state;
    dictionary d = {0};
    char text[16];
    for (uint32_t i = 0; i < DICTIONARY_ENTRIES_MAX; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(number_of(&d, text), i);
    }
    assert_true(number_of(&d, "one more") == DICTIONARY_FULL);
    assert_int_equal(number_of(&d, "77"), 77);
    assert_false(d.failed);
    dictionary_free(&d);
}

static void test_more_bytes_than_it_may_have_then_full(void **state) {
    (void)state;
    static char text[DICTIONARY_BYTES_MAX];
    dictionary d = {0};
    assert_true(dictionary_index(&d, text, sizeof text) == DICTIONARY_FULL);
    assert_int_equal(dictionary_index(&d, text, sizeof text - 4), 0);
    assert_true(number_of(&d, "") == DICTIONARY_FULL);
    assert_true(dictionary_bytes(&d) <= 2 * DICTIONARY_BYTES_MAX);
    dictionary_free(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_then_numbered_as_they_come),
        cmocka_unit_test(test_numbers_then_stored_without_a_length),
        cmocka_unit_test(test_more_entries_than_it_may_have_then_full_and_the_others_are_still_found),
        cmocka_unit_test(test_more_bytes_than_it_may_have_then_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

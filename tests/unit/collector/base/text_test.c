#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_text_when_the_buffer_is_full_then_cut_and_terminated(void **state) {
    (void)state;
    char buffer[8];
    struct text t;
    text_init(&t, buffer, sizeof buffer);
    text_put(&t, "abc");
    assert_false(t.cut);
    text_printf(&t, "%s", "defgh");
    assert_true(t.cut);
    assert_string_equal(buffer, "abcdefg");
    assert_int_equal(t.length, 7);
    text_put(&t, "x");
    text_printf(&t, "%d", 1);
    assert_string_equal(buffer, "abcdefg");
}

static void test_text_when_growing_then_stops_at_its_limit(void **state) {
    (void)state;
    struct text t;
    text_init_growing(&t, 5000);
    for (int i = 0; i < 499; i++)
        text_put(&t, "0123456789");
    assert_int_equal(t.length, 4990);
    assert_false(t.cut);
    text_put(&t, "0123456789");
    assert_true(t.cut);
    assert_int_equal(t.length, 4999);
    assert_int_equal(strlen(t.data), 4999);
    text_fini(&t);
    text_fini(&t);
}

static void test_text_when_escaped_then_quotes_and_controls_are_safe(void **state) {
    (void)state;
    char buffer[128];
    struct text t;
    text_init(&t, buffer, sizeof buffer);
    text_put_escaped(&t, "a\"b\\c\nd\x01\x7f\xc3\xa9");
    assert_string_equal(buffer, "a\\\"b\\\\c\\nd\\u0001\\u007f\xc3\xa9");
    text_init(&t, buffer, sizeof buffer);
    text_put_html(&t, "<a href='x'>&\"");
    assert_string_equal(buffer, "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
}

/* Every byte at every place, of lengths that are taken in steps and of those that are not. */
static void test_hex_when_encoded_then_is_what_printf_says(void **state) {
    (void)state;
    for (unsigned value = 0; value < 256; value++)
        for (size_t n = 1; n <= 9; n++) {
            uint8_t bytes[9];
            char digits[19], expected[19];
            for (size_t i = 0; i < n; i++) {
                bytes[i] = (uint8_t)(value + 37 * i);
                snprintf(expected + 2 * i, 3, "%02x", bytes[i]);
            }
            hex_encode(digits, bytes, n);
            assert_string_equal(digits, expected);
        }
}

static void test_hex_when_decoded_then_exact_or_refused(void **state) {
    (void)state;
    uint8_t bytes[3] = {9, 9, 9};
    char digits[7];
    assert_true(hex_decode(bytes, 3, "00fFa5", 6));
    hex_encode(digits, bytes, 3);
    assert_string_equal(digits, "00ffa5");
    assert_false(hex_decode(bytes, 3, "00fFa", 5));
    assert_false(hex_decode(bytes, 3, "00fFa5b", 7));
    assert_false(hex_decode(bytes, 3, "00g1a5", 6));
    assert_int_equal(bytes[1], 0xff);
}

static void test_uuid_then_grouped(void **state) {
    (void)state;
    const uint8_t id[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6, 7};
    char text[UUID_TEXT_SIZE];
    uuid_format(text, id);
    assert_string_equal(text, "01234567-89ab-cdef-0001-020304050607");
}

static void test_nearest_name_when_mistyped_then_found_and_otherwise_none(void **state) {
    (void)state;
    static const char *const names[] = {"listen", "limits", "journal", "sinks", "id", NULL};
    assert_string_equal(nearest_name("lisen", names), "listen");
    assert_string_equal(nearest_name("jurnal", names), "journal");
    assert_string_equal(nearest_name("sink", names), "sinks");
    assert_string_equal(nearest_name("limist", names), "limits");
    assert_null(nearest_name("kafka", names));
    assert_null(nearest_name("x", names));
    assert_null(nearest_name("", names));
    char endless[200];
    memset(endless, 'j', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null(nearest_name(endless, names));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_when_the_buffer_is_full_then_cut_and_terminated),
        cmocka_unit_test(test_text_when_growing_then_stops_at_its_limit),
        cmocka_unit_test(test_text_when_escaped_then_quotes_and_controls_are_safe),
        cmocka_unit_test(test_hex_when_encoded_then_is_what_printf_says),
        cmocka_unit_test(test_hex_when_decoded_then_exact_or_refused),
        cmocka_unit_test(test_uuid_then_grouped),
        cmocka_unit_test(test_nearest_name_when_mistyped_then_found_and_otherwise_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

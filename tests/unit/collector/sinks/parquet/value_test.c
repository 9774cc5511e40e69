#include "collector/sinks/parquet/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static bytes scratch;

static void expect(const wire_prop_view *prop, const char *text) {
    wire_span value = value_text(prop, &scratch);
    assert_int_equal(value.n, strlen(text));
    assert_memory_equal(value.data, text, value.n);
}

static void expect_double(double d, const char *text) {
    expect(&(wire_prop_view){.type = WIRE_DOUBLE, .d = d}, text);
}

static void expect_text(const char *raw, const char *text) {
    expect(&(wire_prop_view){.type = WIRE_STRING, .s = {(const uint8_t *)raw, strlen(raw)}}, text);
}

static void test_each_type_then_as_in_the_json_line_without_quotes(void **state) {
    (void)state;
    expect(&(wire_prop_view){.type = WIRE_INT, .i = INT64_MIN}, "-9223372036854775808");
    expect(&(wire_prop_view){.type = WIRE_TRUE}, "true");
    expect(&(wire_prop_view){.type = WIRE_FALSE}, "false");
    expect(&(wire_prop_view){.type = WIRE_BYTES, .s = {(const uint8_t *)"foo", 3}}, "Zm9v");
    expect(&(wire_prop_view){.type = WIRE_BYTES, .s = {(const uint8_t *)"", 0}}, "");
    expect_double(2, "2.0");
    expect_double(0.1, "0.1");
    expect_double(NAN, "NaN");
    expect_double(INFINITY, "Infinity");
    expect_double(-INFINITY, "-Infinity");
}

static void test_texts_then_not_escaped_and_utf8(void **state) {
    (void)state;
    expect_text("", "");
    expect_text("\"a\"\n", "\"a\"\n");
    expect_text("\"", "\"");
    expect_text("\xC3\xBC", "\xC3\xBC");
    expect_text("a\xFFz", "a\xEF\xBF\xBDz");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_type_then_as_in_the_json_line_without_quotes),
        cmocka_unit_test(test_texts_then_not_escaped_and_utf8),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bytes_free(&scratch);
    return failed;
}

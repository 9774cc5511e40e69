#include "json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

static char out[4096];

static void string_is(const void *text, size_t n, const char *expected) {
    size_t got = json_put_string(out, text, n);
    out[got] = '\0';
    assert_string_equal(out, expected);
}

static void test_string_when_plain_then_quoted(void **state) {
    (void)state;
    string_is("", 0, "\"\"");
    string_is("abc", 3, "\"abc\"");
    string_is("exactly8", 8, "\"exactly8\"");
    string_is("more than eight bytes", 21, "\"more than eight bytes\"");
    string_is("gr\xC3\xBC\xC3\x9F \xF0\x9F\x90\xAA", 11, "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x90\xAA\"");
}

static void test_string_when_special_then_escaped(void **state) {
    (void)state;
    string_is("a\"b\\c\n\r\t\x01\x1f/", 11, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f/\"");
    string_is("\0", 1, "\"\\u0000\"");
    string_is("\x7f", 1, "\"\x7f\"");
}

static void test_string_when_not_utf8_then_replaced(void **state) {
    (void)state;
    string_is("a\xFFz", 3, "\"a\xEF\xBF\xBDz\"");
    string_is("\xC0\xAF", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                                 /* overlong */
    string_is("\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");                 /* surrogate */
    string_is("\xF4\x90\x80\x80", 4, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""); /* > 10FFFF */
    string_is("\xE2\x82", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                                 /* cut short */
}

/* Any bytes become JSON that a parser of others takes, and reads back where they were UTF-8. */
static void test_string_of_random_bytes_then_parses(void **state) {
    (void)state;
    srand(11);
    for (int i = 0; i < 20000; i++) {
        uint8_t text[64];
        size_t n = (size_t)rand() % sizeof text;
        bool ascii = rand() % 2;
        for (size_t k = 0; k < n; k++)
            text[k] = (uint8_t)(ascii ? 1 + rand() % 127 : rand() % 256);
        size_t got = json_put_string(out, text, n);
        assert_true(got <= JSON_STRING_MAX(n));
        json_t *value = json_loadb(out, got, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        if (ascii) {
            assert_int_equal(json_string_length(value), n);
            assert_memory_equal(json_string_value(value), text, n);
        }
        json_decref(value);
    }
}

static void expect_int(int64_t value, const char *expected) {
    out[json_put_int(out, value)] = '\0';
    assert_string_equal(out, expected);
}

static void test_int_at_its_ends_then_exact(void **state) {
    (void)state;
    expect_int(0, "0");
    expect_int(-1, "-1");
    expect_int(99, "99");
    expect_int(100, "100");
    expect_int(INT64_MAX, "9223372036854775807");
    expect_int(INT64_MIN, "-9223372036854775808");
    out[json_put_uint(out, UINT64_MAX)] = '\0';
    assert_string_equal(out, "18446744073709551615");
}

static void expect_double(double value, const char *expected) {
    out[json_put_double(out, value)] = '\0';
    assert_string_equal(out, expected);
}

static void test_double_when_short_then_short(void **state) {
    (void)state;
    expect_double(0.0, "0.0");
    expect_double(-0.0, "-0.0");
    expect_double(5.0, "5.0");
    expect_double(19.99, "19.99");
    expect_double(-0.1, "-0.1");
    expect_double(1e15, "1e+15");
    expect_double(NAN, "\"NaN\"");
    expect_double(INFINITY, "\"Infinity\"");
    expect_double(-INFINITY, "\"-Infinity\"");
}

static void test_double_of_random_bits_then_reads_back(void **state) {
    (void)state;
    srand(13);
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
        double value;
        memcpy(&value, &bits, sizeof value);
        if (i % 2)
            value = (double)(int64_t)(bits % 2000001 - 1000000) / 1000;
        if (!isfinite(value))
            continue;
        size_t n = json_put_double(out, value);
        assert_true(n <= JSON_NUMBER_MAX);
        out[n] = '\0';
        double back = strtod(out, NULL);
        assert_memory_equal(&back, &value, sizeof back);
    }
}

/* As few of 15 to 17 digits as read back, by printf. */
static void by_printf(char *text, size_t size, double value) {
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, size, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

/* Any mantissa, or one beside a power of two or of ten, at every size from 1e-6 to 1e17. */
static double long_double(int i) {
    uint64_t bits = (uint64_t)rand() << 31 ^ (uint64_t)rand();
    double value = ldexp((double)(bits >> 9 | 1), rand() % 75 - 72);
    if (i % 3 == 1)
        value = ldexp(1, rand() % 75 - 20);
    else if (i % 3 == 2)
        value = pow(10, rand() % 22 - 5);
    for (int steps = rand() % 4; steps > 0; steps--)
        value = nextafter(value, i % 2 ? 0 : 1e300);
    return i % 5 == 0 ? -value : value;
}

static void test_double_of_many_digits_then_as_printf(void **state) {
    (void)state;
    srand(17);
    int compared = 0;
    for (int i = 0; i < 100000; i++) {
        double value = long_double(i);
        char expected[64];
        by_printf(expected, sizeof expected, value);
        size_t n = json_put_double(out, value);
        out[n] = '\0';
        assert_true(strtod(out, NULL) == value);
        /* Of up to nine decimals there may be another with as many digits. */
        const char *point = strchr(expected, '.');
        if (!point || strlen(point) <= 10)
            continue;
        assert_string_equal(out, expected);
        compared++;
    }
    assert_true(compared > 20000);
}

static void test_base64_of_every_remainder_then_as_in_the_rfc(void **state) {
    (void)state;
    static const char *const expected[] = {"\"\"",         "\"Zg==\"",     "\"Zm8=\"",    "\"Zm9v\"",
                                           "\"Zm9vYg==\"", "\"Zm9vYmE=\"", "\"Zm9vYmFy\""};
    for (size_t n = 0; n <= 6; n++) {
        out[json_put_base64(out, (const uint8_t *)"foobar", n)] = '\0';
        assert_string_equal(out, expected[n]);
    }
}

static void test_digits6_then_leading_zeros(void **state) {
    (void)state;
    *json_put_digits6(out, 42) = '\0';
    assert_string_equal(out, "000042");
    *json_put_digits6(out, 999999) = '\0';
    assert_string_equal(out, "999999");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_string_when_plain_then_quoted),
        cmocka_unit_test(test_string_when_special_then_escaped),
        cmocka_unit_test(test_string_when_not_utf8_then_replaced),
        cmocka_unit_test(test_string_of_random_bytes_then_parses),
        cmocka_unit_test(test_int_at_its_ends_then_exact),
        cmocka_unit_test(test_double_when_short_then_short),
        cmocka_unit_test(test_double_of_random_bits_then_reads_back),
        cmocka_unit_test(test_double_of_many_digits_then_as_printf),
        cmocka_unit_test(test_base64_of_every_remainder_then_as_in_the_rfc),
        cmocka_unit_test(test_digits6_then_leading_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

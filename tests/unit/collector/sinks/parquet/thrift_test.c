/* Bytes by the compact protocol's description. */
#include "collector/sinks/parquet/thrift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define EXPECT(b, ...)                                     \
    do {                                                   \
        static const uint8_t want[] = {__VA_ARGS__};       \
        assert_int_equal((b)->n, sizeof want);             \
        assert_memory_equal((b)->data, want, sizeof want); \
        bytes_free(b);                                     \
    } while (0)

static void test_numbers_then_zigzag_and_short_field_numbers(void **state) {
    (void)state;
    bytes b = {0};
    thrift t;
    thrift_init(&t, &b);
    thrift_i32(&t, 1, 1);
    thrift_i32(&t, 2, -1);
    thrift_i64(&t, 5, INT64_MIN);
    thrift_bool(&t, 6, true);
    thrift_bool(&t, 7, false);
    thrift_end(&t);
    EXPECT(&b, 0x15, 2, 0x15, 1, 0x36, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0x11, 0x12,
           0);
}

static void test_field_far_behind_the_last_then_its_whole_number(void **state) {
    (void)state;
    bytes b = {0};
    thrift t;
    thrift_init(&t, &b);
    thrift_i32(&t, 16, 0);
    thrift_i32(&t, 31, 0);
    thrift_end(&t);
    EXPECT(&b, 0x05, 32, 0, 0xF5, 0, 0);
}

static void test_structs_then_field_numbers_begin_anew_in_each(void **state) {
    (void)state;
    bytes b = {0};
    thrift t;
    thrift_init(&t, &b);
    thrift_struct(&t, 3);
    thrift_string(&t, 1, "ab");
    thrift_end(&t);
    thrift_empty(&t, 4);
    thrift_end(&t);
    EXPECT(&b, 0x3C, 0x18, 2, 'a', 'b', 0, 0x1C, 0, 0);
}

static void test_lists_then_their_length_is_short_below_15(void **state) {
    (void)state;
    bytes b = {0};
    thrift t;
    thrift_init(&t, &b);
    thrift_list(&t, 1, THRIFT_STRUCT, 1);
    thrift_item(&t);
    thrift_i32(&t, 1, 3);
    thrift_end(&t);
    thrift_list(&t, 2, THRIFT_TRUE, 15);
    for (int i = 0; i < 15; i++)
        thrift_item_bool(&t, i == 0);
    thrift_list(&t, 3, THRIFT_I64, 0);
    thrift_end(&t);
    EXPECT(&b, 0x19, 0x1C, 0x15, 6, 0, 0x19, 0xF1, 15, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0x19,
           0x06, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_then_zigzag_and_short_field_numbers),
        cmocka_unit_test(test_field_far_behind_the_last_then_its_whole_number),
        cmocka_unit_test(test_structs_then_field_numbers_begin_anew_in_each),
        cmocka_unit_test(test_lists_then_their_length_is_short_below_15),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

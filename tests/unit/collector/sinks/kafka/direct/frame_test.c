#include "kafka/direct/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_frame_then_is_a_request(void **state) {
    (void)state;
    static const uint8_t expected[] = {0,    0,    0,    33,  0, 3, 0,   4,   0, 0, 0, 9,    0,
                                       2,    'm',  'e',  255, 0, 2, 255, 254, 0, 0, 0, 0x01, 0x23,
                                       0x45, 0x67, 0x89, 0,   0, 0, 2,   1,   2, 0, 0};
    frame f = {0};
    for (unsigned round = 0; round < 2; round++) {
        frame_begin(&f, API_METADATA, 4, 9, "me");
        frame_put_i8(&f, -1);
        frame_put_i16(&f, 2);
        frame_put_i16(&f, -2);
        frame_put_i64(&f, 0x0123456789);
        frame_put_bytes(&f, "\1\2", 2);
        frame_put_string(&f, "");
        assert_true(frame_end(&f));
        assert_int_equal(f.n, sizeof expected);
        assert_memory_equal(f.data, expected, sizeof expected);
    }
    frame_fini(&f);
}

static void test_frame_when_it_grows_then_keeps_what_is_there(void **state) {
    (void)state;
    frame f = {0};
    frame_begin(&f, API_PRODUCE, 7, 1, "me");
    size_t before = f.n;
    for (int32_t i = 0; i < 10000; i++)
        frame_put_i32(&f, i);
    answer a = {f.data + before, f.data + f.n, false};
    for (int32_t i = 0; i < 10000; i++)
        assert_int_equal(answer_i32(&a), i);
    assert_ptr_equal(a.at, a.end);
    frame_fini(&f);
}

/* Whatever a broker sends: no byte behind the answer is read, and no count is believed that it cannot hold.
 */
static void test_answer_when_it_ends_too_soon_then_is_bad_and_says_nothing(void **state) {
    (void)state;
    const uint8_t bytes[] = {0x7f, 0xff, 0xff, 0xff, 'a', 'b'};
    uint8_t *exact = malloc(sizeof bytes);
    assert_non_null(exact);
    memcpy(exact, bytes, sizeof bytes);
    answer a = {exact, exact + sizeof bytes, false};
    assert_int_equal(answer_count(&a, 1), 0);
    assert_true(a.bad);
    a = (answer){exact, exact + sizeof bytes, false};
    assert_int_equal(answer_string(&a).n, 0);
    assert_true(a.bad);
    assert_int_equal(answer_i8(&a), 0);
    a = (answer){exact, exact + 3, false};
    assert_int_equal(answer_i32(&a), 0);
    assert_true(a.bad);
    a = (answer){exact, exact + 3, false};
    assert_int_equal(answer_i64(&a), 0);
    answer_skip(&a, 1);
    assert_true(a.bad);
    free(exact);
}

static void test_answer_when_a_text_is_null_then_is_empty(void **state) {
    (void)state;
    const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1, 'x'};
    answer a = {bytes, bytes + sizeof bytes, false};
    assert_int_equal(answer_string(&a).n, 0);
    assert_int_equal(answer_bytes(&a).n, 0);
    answer_text text = answer_string(&a);
    assert_int_equal(text.n, 1);
    assert_int_equal(text.data[0], 'x');
    assert_false(a.bad);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_then_is_a_request),
        cmocka_unit_test(test_frame_when_it_grows_then_keeps_what_is_there),
        cmocka_unit_test(test_answer_when_it_ends_too_soon_then_is_bad_and_says_nothing),
        cmocka_unit_test(test_answer_when_a_text_is_null_then_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

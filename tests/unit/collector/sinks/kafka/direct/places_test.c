/* Partitions of a transaction: what a coordinator's answer is believed. */
#include "kafka/direct/places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOT_AUTHORIZED 29
#define NOT_ATTEMPTED 55

/* What an answer for these partitions of one topic says, `cut` bytes short. */
static int16_t added(const int16_t *codes, int32_t n, size_t cut, char topic[TOPIC_NAME_SIZE],
                     size_t *ret_n) {
    frame f = {0};
    frame_put_i32(&f, 0); /* throttled */
    frame_put_i32(&f, 1);
    frame_put_string(&f, "events");
    frame_put_i32(&f, n);
    for (int32_t i = 0; i < n; i++) {
        frame_put_i32(&f, i);
        frame_put_i16(&f, codes[i]);
    }
    answer a = {f.data, f.data + f.n - cut, false};
    int16_t code = places_added(&a, topic, ret_n);
    assert_int_equal(a.bad, cut > 0);
    frame_fini(&f);
    return code;
}

/* A batch for a partition that nobody added would stay when its transaction is aborted. */
static void test_places_when_an_answer_is_silent_about_some_then_they_are_not_counted(void **state) {
    (void)state;
    char topic[TOPIC_NAME_SIZE] = "";
    size_t n;
    assert_int_equal(added((int16_t[]){0, 0, 0}, 3, 0, topic, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(added((int16_t[]){0, 0}, 2, 0, topic, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(added(NULL, 0, 0, topic, &n), 0);
    assert_int_equal(n, 0);
    added((int16_t[]){0, 0}, 2, 1, topic, &n);
    assert_true(n < 2);
}

static void test_places_when_some_are_refused_then_the_reason_is_told(void **state) {
    (void)state;
    char topic[TOPIC_NAME_SIZE] = "";
    size_t n;
    assert_int_equal(added((int16_t[]){NOT_ATTEMPTED, NOT_AUTHORIZED, 0, NOT_ATTEMPTED}, 4, 0, topic, &n),
                     NOT_AUTHORIZED);
    assert_string_equal(topic, "events");
    assert_int_equal(n, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_when_an_answer_is_silent_about_some_then_they_are_not_counted),
        cmocka_unit_test(test_places_when_some_are_refused_then_the_reason_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "kafka/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_refusals_when_their_time_is_over_then_the_topic_is_free(void **state) {
    (void)state;
    refusals r = {0};
    refusals_add(&r, "a", 1000);
    refusals_add(&r, "b", 2000);
    assert_true(refusals_has(&r, "a", 999 + REFUSALS_US));
    assert_false(refusals_has(&r, "a", 1000 + REFUSALS_US));
    assert_false(refusals_has(&r, "c", 1000));
    assert_int_equal(r.n, 1);
    assert_true(refusals_has(&r, "b", 1000 + REFUSALS_US));
}

static void test_refusals_when_there_are_too_many_then_the_oldest_is_forgotten(void **state) {
    (void)state;
    static refusals r;
    char topic[16];
    for (unsigned i = 0; i <= REFUSALS_MAX; i++) {
        snprintf(topic, sizeof topic, "t%u", i);
        refusals_add(&r, topic, i);
    }
    assert_int_equal(r.n, REFUSALS_MAX);
    assert_false(refusals_has(&r, "t0", REFUSALS_MAX));
    assert_true(refusals_has(&r, "t1", REFUSALS_MAX));
    assert_true(refusals_has(&r, topic, REFUSALS_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_when_their_time_is_over_then_the_topic_is_free),
        cmocka_unit_test(test_refusals_when_there_are_too_many_then_the_oldest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "ready.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static bool check(char *ret_lines, size_t size) {
    struct text out;
    text_init(&out, ret_lines, size);
    return ready_check(&out);
}

static void test_ready_when_nothing_reported_then_not_ready(void **state) {
    (void)state;
    char lines[256];
    ready_reset();
    assert_false(check(lines, sizeof lines));
    assert_string_equal(lines, "collector: starting\n");
}

static void test_ready_when_one_of_two_is_not_then_not_ready_with_its_reason(void **state) {
    (void)state;
    char lines[256];
    ready_reset();
    ready_set("journal", true, NULL);
    ready_set("sink.files", false, "disk is full");
    assert_false(check(lines, sizeof lines));
    assert_string_equal(lines, "journal: ok\nsink.files: disk is full\n");
    ready_set("sink.files", true, NULL);
    assert_true(check(lines, sizeof lines));
    assert_string_equal(lines, "journal: ok\nsink.files: ok\n");
    ready_set("journal", false, "reopening");
    assert_false(check(lines, sizeof lines));
}

static void test_ready_when_names_are_long_then_told_apart_by_what_is_kept(void **state) {
    (void)state;
    char lines[512];
    ready_reset();
    ready_set("a-very-long-component-name-that-is-cut", false, "first");
    ready_set("a-very-long-component-name-that-is-cut", true, NULL);
    assert_true(check(lines, sizeof lines));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_when_nothing_reported_then_not_ready),
        cmocka_unit_test(test_ready_when_one_of_two_is_not_then_not_ready_with_its_reason),
        cmocka_unit_test(test_ready_when_names_are_long_then_told_apart_by_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

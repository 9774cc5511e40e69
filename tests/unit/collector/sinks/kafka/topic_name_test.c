#include "kafka/topic_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_topic(const char *pattern, const char *event, const char *expected) {
    char topic[TOPIC_NAME_SIZE];
    topic_name_make(pattern, event, strlen(event), topic);
    assert_string_equal(topic, expected);
}

static void test_topic_name_when_fixed_then_events_share_it(void **state) {
    (void)state;
    assert_false(topic_name_varies("events"));
    expect_topic("events", "page_view", "events");
}

static void test_topic_name_when_named_then_only_plain_characters_are_left(void **state) {
    (void)state;
    assert_true(topic_name_varies("events.{name}"));
    expect_topic("events.{name}", "page_view", "events.page_view");
    expect_topic("{name}-eu", "Shop.Cart Add/\xc3\xa4", "Shop_Cart_Add___-eu");
    expect_topic("{name}", "..", "__");
    expect_topic("a.{name}", "", "a.");
}

static void test_topic_name_when_too_long_then_long_names_stay_apart(void **state) {
    (void)state;
    char event[400], one[TOPIC_NAME_SIZE], other[TOPIC_NAME_SIZE], pattern[300];
    memset(event, 'e', sizeof event);
    topic_name_make("events.{name}", event, 242, one);
    assert_int_equal(strlen(one), TOPIC_NAME_MAX);
    assert_int_equal(one[TOPIC_NAME_MAX - 1], 'e');
    topic_name_make("events.{name}", event, 399, one);
    topic_name_make("events.{name}", event, 400, other);
    assert_int_equal(strlen(one), TOPIC_NAME_MAX);
    assert_int_equal(strlen(other), TOPIC_NAME_MAX);
    assert_string_not_equal(one, other);
    for (size_t n = 0; n < sizeof pattern - 8; n++) { /* never beyond its end, whatever the template */
        memset(pattern, 'p', n);
        snprintf(pattern + n, sizeof pattern - n, "{name}");
        topic_name_make(pattern, event, sizeof event, one);
        assert_true(strlen(one) <= TOPIC_NAME_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_name_when_fixed_then_events_share_it),
        cmocka_unit_test(test_topic_name_when_named_then_only_plain_characters_are_left),
        cmocka_unit_test(test_topic_name_when_too_long_then_long_names_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

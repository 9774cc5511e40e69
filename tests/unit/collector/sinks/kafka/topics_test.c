#include "kafka/topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mock_link.h"

static const char *topic_of(topics *t, const char *name) {
    const topic *found;
    assert_int_equal(topics_get(t, (wire_span){(const uint8_t *)name, strlen(name)}, false, &found), SINK_OK);
    assert_non_null(found);
    return found->handle->name;
}

static void test_topics_when_there_are_very_many_names_then_each_has_its_own(void **state) {
    (void)state;
    kafka_link *link = mock_link_new("by.{name}");
    producer *p = mock_producer_open(link);
    topics *t = topics_new(link, p);
    char name[16], expected[24];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "n%u", i);
        snprintf(expected, sizeof expected, "by.%s", name);
        assert_string_equal(topic_of(t, name), expected);
        assert_string_equal(topic_of(t, "again"), "by.again");
    }
    assert_string_equal(topic_of(t, "n0"), "by.n0");
    assert_false(topics_worn(t));
    topics_free(t);
    producer_close(p);
    kafka_link_free(link);
}

/* What a template makes of an event's name may be the checkpoint's topic. */
static void test_topics_when_it_is_the_checkpoints_then_it_is_refused(void **state) {
    (void)state;
    kafka_link *link = mock_link_new("_wadi.checkpoint.{name}");
    producer *p = mock_producer_open(link);
    topics *t = topics_new(link, p);
    const wire_span name = {(const uint8_t *)"c-s", 3};
    const topic *found;
    assert_string_equal(topic_of(t, "c-t"), "_wadi.checkpoint.c-t");
    assert_int_equal(topics_get(t, name, false, &found), SINK_ERR_IO);
    assert_non_null(strstr(link->message, "_wadi.checkpoint.c-s is the checkpoint's"));
    link->opt.refused_aside = true;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(topics_get(t, name, false, &found), SINK_OK);
        assert_null(found);
    }
    topics_free(t);
    producer_close(p);
    kafka_link_free(link);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics_when_there_are_very_many_names_then_each_has_its_own),
        cmocka_unit_test(test_topics_when_it_is_the_checkpoints_then_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

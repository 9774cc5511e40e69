/* Sections, texts and maps of a list's entries, in a table of the test's own. */
#include "walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct thing {
    int type;
    char *bucket;
    struct config_text *brokers;
    size_t brokers_count;
    struct config_pair *pairs;
    size_t pairs_count;
};

static const char *const types[] = {"s3", "kafka", NULL};

static const struct option_spec things[] = {
    {.path = "type",
     .type = OPTION_ENUM,
     .flags = OPTION_REQUIRED,
     .offset = offsetof(struct thing, type),
     .values = types},
    {.path = "s3.place.bucket",
     .type = OPTION_TEXT,
     .flags = OPTION_REQUIRED,
     .offset = offsetof(struct thing, bucket),
     .least = 1,
     .most = 63},
    {.path = "kafka.brokers",
     .type = OPTION_TEXTS,
     .flags = OPTION_REQUIRED,
     .offset = offsetof(struct thing, brokers),
     .count_offset = offsetof(struct thing, brokers_count),
     .least = 1,
     .most = 3,
     .element = &option_text_table},
    {.path = "kafka.pairs",
     .type = OPTION_MAP,
     .offset = offsetof(struct thing, pairs),
     .count_offset = offsetof(struct thing, pairs_count),
     .most = 3,
     .element = &option_pair_table},
};
static const struct option_table table = {things, sizeof things / sizeof *things, sizeof(struct thing)};

/* Reads one thing; `ret_errors`, of `size` bytes, has what is wrong with it. */
static void thing_read(const char *yaml, struct thing *ret, char *ret_errors, size_t size) {
    struct config_errors *errors = calloc(1, sizeof *errors);
    struct tree *tree = NULL;
    struct tree_place place;
    struct text why;
    text_init(&why, ret_errors, size);
    assert_int_equal(tree_open(yaml, strlen(yaml), &tree, &place, &why), TREE_OK);
    *ret = (struct thing){0};
    struct walk walk = {.tree = tree, .errors = errors};
    walk_object(&walk, &table, ret);
    FILE *out = fmemopen(ret_errors, size, "w");
    errors_write(errors, "t", out);
    fclose(out);
    walk_fini(&walk);
    tree_close(tree);
    free(errors);
}

static void expect_errors(const char *yaml, const char *expected) {
    struct thing thing;
    char errors[1024] = "";
    thing_read(yaml, &thing, errors, sizeof errors);
    assert_string_equal(errors, expected);
    option_object_fini(&table, &thing);
}

static void test_thing_then_has_its_texts_and_its_map(void **state) {
    (void)state;
    struct thing thing;
    char errors[1024] = "";
    thing_read("type: kafka\nkafka:\n  brokers: [a:1, 'b']\n  pairs: {x.y: 1, \"z\": true}\n", &thing, errors,
               sizeof errors);
    assert_string_equal(errors, "");
    assert_int_equal(thing.brokers_count, 2);
    assert_string_equal(thing.brokers[0].text, "a:1");
    assert_string_equal(thing.brokers[1].text, "b");
    assert_int_equal(thing.pairs_count, 2);
    assert_string_equal(thing.pairs[0].key, "x.y");
    assert_string_equal(thing.pairs[0].value, "1");
    assert_string_equal(thing.pairs[1].value, "true");
    option_object_fini(&table, &thing);
}

static void test_thing_in_sections_of_sections_then_read(void **state) {
    (void)state;
    expect_errors("type: s3\ns3: {place: {bucket: b}}\n", "");
    expect_errors("type: s3\ns3: {place: {buket: b}}\n",
                  "t:1:1: s3.place.bucket: is missing, and has no default\n"
                  "t:2:14: s3.place.buket: unknown setting; did you mean \"s3.place.bucket\"?\n");
}

static void test_thing_of_one_type_then_the_other_types_settings_are_refused(void **state) {
    (void)state;
    expect_errors("type: s3\ns3: {place: {bucket: b}}\nkafka: {pairs: {a: b}}\n",
                  "t:3:9: kafka.pairs: is only for type kafka\n");
    expect_errors("type: kafka\n", "t:1:1: kafka.brokers: is missing, and has no default\n");
    expect_errors("type: nothing\nkafka: {}\n", "t:1:7: type: \"nothing\" is not one of s3, kafka\n");
}

static void test_lists_when_faulty_then_every_error_has_its_place(void **state) {
    (void)state;
    expect_errors("type: kafka\nkafka: {brokers: a}\n", "t:2:18: kafka.brokers: expected a list of texts\n");
    expect_errors("type: kafka\nkafka: {brokers: []}\n",
                  "t:2:18: kafka.brokers: has 0 entries; allowed: 1 to 3\n");
    expect_errors("type: kafka\nkafka: {brokers: [a, [b]]}\n",
                  "t:2:22: kafka.brokers[1]: expected one value, got a list\n");
    expect_errors("type: kafka\nkafka: {brokers: [a], pairs: [x]}\n",
                  "t:2:30: kafka.pairs: expected a map\n");
    expect_errors("type: kafka\nkafka:\n  brokers: [a]\n  pairs:\n    x:\n    y: [1]\n    y: 2\n    [z]: 3\n",
                  "t:5:5: kafka.pairs: has 4 entries; allowed: 0 to 3\n");
    expect_errors("type: kafka\nkafka:\n  brokers: [a]\n  pairs:\n    x:\n    y: [1]\n    y: 2\n",
                  "t:5:7: kafka.pairs.x: has no value\n"
                  "t:6:8: kafka.pairs.y: expected one value, got a list\n"
                  "t:7:5: y: stands here again, first on line 6\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thing_then_has_its_texts_and_its_map),
        cmocka_unit_test(test_thing_in_sections_of_sections_then_read),
        cmocka_unit_test(test_thing_of_one_type_then_the_other_types_settings_are_refused),
        cmocka_unit_test(test_lists_when_faulty_then_every_error_has_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

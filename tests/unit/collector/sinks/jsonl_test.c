/* Lines of a batch made by hand, read back by a parser of others. */
#include "rows_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define SPAN(text) ((wire_span){(const uint8_t *)(text), strlen(text)})

static void *rendering;

/* Two events, a range of two tombstones between them, a context, and numbers settled elsewhere before. */
static body *body_make(void) {
    static const wire_definition definitions[] = {{1, {(const uint8_t *)"buy", 3}},
                                                  {7, {(const uint8_t *)"pri\"ce", 6}}};
    static const wire_attribute attributes[] = {{{(const uint8_t *)"app", 3}, {(const uint8_t *)"shop", 4}}};
    const wire_context context = {.id = 2, .user = SPAN("ann"), .attributes = attributes, .n_attributes = 1};
    uint8_t encoded[128];
    wire_span contexts = {encoded, 0};
    assert_int_equal(wire_context_encode(&context, encoded, sizeof encoded, &contexts.n), WIRE_OK);
    static const uint32_t crcs[] = {5, 6};
    const wire_dropped dropped = {.first_seq = 11, .reason = 1, .crcs = crcs, .n = 2};
    wire_batch_head head = {.first_seq = 10,
                            .low = 10,
                            .installation = {0xab},
                            .resent_through = 10,
                            .run = {.ordinal = 3, .sdk = SPAN("t")},
                            .definitions = definitions,
                            .n_definitions = 2,
                            .contexts = &contexts,
                            .n_contexts = 1,
                            .dropped = &dropped,
                            .n_dropped = 1};
    const wire_prop props[] = {
        {.key_id = 7, .type = WIRE_DOUBLE, .v.d = 2.5},
        {.key = "in\nline", .key_len = 7, .type = WIRE_STRING, .v.s = {"\xC3\xBC", 2}},
        {.key = "i", .key_len = 1, .type = WIRE_INT, .v.i = INT64_MIN},
        {.key = "t", .key_len = 1, .type = WIRE_TRUE},
        {.key = "f", .key_len = 1, .type = WIRE_FALSE},
        {.key = "b", .key_len = 1, .type = WIRE_BYTES, .v.s = {"foo", 3}},
        {.key = "e", .key_len = 1, .type = WIRE_STRING, .v.s = {"", 0}},
    };
    const wire_event events[] = {
        {.name_id = 1, .context = 2, .at_us = 1000000, .props = props, .n_props = 7},
        {.name = "page", .name_len = 4, .has_time = true, .time_us = -1500000},
    };
    const journal_entry entry = {.received_us = 1700000000000000,
                                 .time_quality = 1,
                                 .gap_first = 8,
                                 .ceil_us = 1700000000000000,
                                 .tenant = "default"};
    body *b = body_of(&head, events, 2, entry);
    assert_true(row_format_jsonl.prepare(rendering, b));
    return b;
}

/* The lines of one event, as an array. */
static json_t *lines_of(body *b, uint32_t index, bool late, unsigned expected) {
    order_event event = order_event_of(b, index);
    row rows[ROWS_MAX];
    unsigned n_rows = rows_of(&event, late, rows);
    assert_int_equal(n_rows, expected);
    json_t *all = json_array();
    for (unsigned i = 0; i < n_rows; i++) {
        rendered out = row_render(&row_format_jsonl, rendering, &rows[i]);
        assert_null(memchr(out.bytes, '\n', out.n));
        json_t *line = json_loadb(out.bytes, out.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        assert_non_null(line);
        json_array_append_new(all, line);
        free(out.bytes);
    }
    return all;
}

static const char *text_at(json_t *line, const char *member) {
    return json_string_value(json_object_get(line, member));
}

static void test_event_then_every_member_is_there(void **state) {
    (void)state;
    body *b = body_make();
    json_t *all = lines_of(b, 0, true, 2), *line = json_array_get(all, 1);
    assert_string_equal(text_at(line, "name"), "buy");
    assert_string_equal(text_at(line, "time"), "1970-01-01T00:00:01.000000Z");
    assert_string_equal(text_at(line, "time_quality"), "exact");
    assert_string_equal(text_at(line, "received_at"), "2023-11-14T22:13:20.000000Z");
    assert_string_equal(text_at(line, "installation"), "ab000000000000000000000000000000");
    assert_int_equal(json_integer_value(json_object_get(line, "seq")), 10);
    assert_int_equal(json_integer_value(json_object_get(line, "run")), 3);
    assert_true(json_is_true(json_object_get(line, "late")));
    assert_true(json_is_true(json_object_get(line, "resent")));
    assert_string_equal(text_at(line, "user"), "ann");
    assert_true(json_is_null(json_object_get(line, "session")));
    assert_string_equal(text_at(json_object_get(line, "context"), "app"), "shop");
    json_t *p = json_object_get(line, "properties");
    assert_int_equal(json_object_size(p), 7);
    assert_true(json_real_value(json_object_get(p, "pri\"ce")) == 2.5);
    assert_string_equal(text_at(p, "in\nline"), "\xC3\xBC");
    assert_true(json_integer_value(json_object_get(p, "i")) == INT64_MIN);
    assert_true(json_is_true(json_object_get(p, "t")));
    assert_true(json_is_false(json_object_get(p, "f")));
    assert_string_equal(text_at(p, "b"), "Zm9v");
    assert_string_equal(text_at(p, "e"), "");
    json_decref(all);
    body_unref(b);
}

static void test_event_with_its_own_time_then_explicit_and_without_a_context(void **state) {
    (void)state;
    body *b = body_make();
    json_t *all = lines_of(b, 3, false, 1), *line = json_array_get(all, 0);
    assert_string_equal(text_at(line, "name"), "page");
    assert_string_equal(text_at(line, "time"), "1969-12-31T23:59:58.500000Z");
    assert_string_equal(text_at(line, "time_quality"), "explicit");
    assert_int_equal(json_integer_value(json_object_get(line, "seq")), 13);
    assert_true(json_is_false(json_object_get(line, "late")));
    assert_null(json_object_get(line, "resent"));
    assert_true(json_is_null(json_object_get(line, "user")));
    assert_int_equal(json_object_size(json_object_get(line, "context")), 0);
    json_decref(all);
    body_unref(b);
}

static void expect_range(json_t *line, const char *name, json_int_t first, json_int_t last,
                         const char *reason) {
    json_t *p = json_object_get(line, "properties");
    assert_string_equal(text_at(line, "name"), name);
    assert_int_equal(json_integer_value(json_object_get(line, "seq")), first);
    assert_int_equal(json_integer_value(json_object_get(p, "first_seq")), first);
    assert_int_equal(json_integer_value(json_object_get(p, "last_seq")), last);
    assert_int_equal(json_integer_value(json_object_get(p, "count")), last - first + 1);
    assert_string_equal(text_at(p, "reason"), reason);
}

static void test_tombstones_and_gaps_then_one_line_a_range(void **state) {
    (void)state;
    body *b = body_make();
    json_t *all = lines_of(b, 1, false, 1);
    expect_range(json_array_get(all, 0), "_wadi.dropped", 11, 12, "disk_quota");
    json_decref(all);
    all = lines_of(b, 0, false, 2);
    expect_range(json_array_get(all, 0), "_wadi.gap", 8, 9, "settled_elsewhere");
    json_decref(all);
    body_unref(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_then_every_member_is_there),
        cmocka_unit_test(test_event_with_its_own_time_then_explicit_and_without_a_context),
        cmocka_unit_test(test_tombstones_and_gaps_then_one_line_a_range),
    };
    rendering = row_format_jsonl.create();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    row_format_jsonl.destroy(rendering);
    return failed;
}

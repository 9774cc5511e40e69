/* The memory that held events take, against what the C library has given out. */
#include "held.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parquet/shared.h"
#include "rows_rig.h"

enum { BODIES = 100 };

static uint64_t memory_now(void) {
    struct mallinfo2 m = mallinfo2(); /* nothing under a sanitizer: then only the way is tested */
    return m.uordblks + m.hblkhd;
}

/* One event, and as many definitions as a batch may have. */
static body *hostile_body(wire_span text) {
    static wire_definition definitions[WIRE_DEFINITIONS_MAX];
    for (uint32_t i = 0; i < WIRE_DEFINITIONS_MAX; i++)
        definitions[i] = (wire_definition){i + 1, text};
    wire_event event = {.name_id = 1};
    wire_batch_head head = {.first_seq = 1,
                            .low = 1,
                            .run = {.ordinal = 1, .sdk = {(const uint8_t *)"t", 1}},
                            .definitions = definitions,
                            .n_definitions = WIRE_DEFINITIONS_MAX};
    return body_of(&head, &event, 1, (journal_entry){.position = 1});
}

static void memory_check(wire_span text) {
    const encoder_options opt = {0};
    void *jsonl = row_format_jsonl.create();
    assert_non_null(jsonl);
    body_unref(hostile_body(text)); /* what is static is there from now on */
    uint32_t owner = body_owner_new();
    uint64_t before = memory_now();
    held h = {0};
    for (int i = 0; i < BODIES; i++) {
        body *b = hostile_body(text);
        assert_true(held_add(&h, &(order_event){.us = i, .body = b}, 1));
        assert_true(row_format_jsonl.prepare(jsonl, b));
        body_unref(b);
    }
    const uint64_t tables = (HELD_HOURS_TABLE + 2 * h.cap * 4) * sizeof(int64_t) + (1u << 20);
    assert_true(memory_now() - before <= h.bytes + tables);
    for (size_t i = 0; i < h.n; i++)
        assert_non_null(shared_of(h.events[i].body, owner, &opt));
    assert_true(memory_now() - before <= h.bytes + tables);
    held_fini(&h);
    row_format_jsonl.destroy(jsonl);
}

static void test_memory_when_batches_have_thousands_of_tiny_definitions_then_counted(void **state) {
    (void)state;
    memory_check((wire_span){(const uint8_t *)"x", 1});
}

static void test_memory_when_texts_are_escaped_then_counted(void **state) {
    (void)state;
    memory_check(
        (wire_span){(const uint8_t *)"\1\2\3\4\5\6\7\1\2\3\4\5\6\7\1\2\3\4\5\6\7\1\2\3\4\5\6\7", 28});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_when_batches_have_thousands_of_tiny_definitions_then_counted),
        cmocka_unit_test(test_memory_when_texts_are_escaped_then_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

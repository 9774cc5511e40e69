/* Encoders that take turns at the same bodies, as after a crash between two settings: each writes what it
 * writes alone. */
#include "encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rows_rig.h"

#define EVENTS 40u
#define BYTES_MAX (64u << 10)

static uint8_t kept[BYTES_MAX];
static size_t kept_n;

static sink_err keep_begin(void *store, uint32_t slot, const char *name) {
    (void)store, (void)slot, (void)name;
    kept_n = 0;
    return SINK_OK;
}

static sink_err keep_write(void *store, const void *data, size_t n) {
    (void)store;
    assert_true(kept_n + n <= BYTES_MAX);
    memcpy(kept + kept_n, data, n);
    kept_n += n;
    return SINK_OK;
}

static sink_err keep_finish(void *store) {
    (void)store;
    return SINK_OK;
}

static const sink_store_ops keep_ops = {
    .aside_begin = keep_begin, .aside_write = keep_write, .aside_finish = keep_finish};

static body *body_make(void) {
    static const wire_definition definitions[] = {{1, {(const uint8_t *)"buy", 3}},
                                                  {2, {(const uint8_t *)"price", 5}},
                                                  {3, {(const uint8_t *)"path", 4}}};
    const wire_prop props[] = {{.key_id = 2, .type = WIRE_DOUBLE, .v.d = 2.5},
                               {.key_id = 3, .type = WIRE_STRING, .v.s = {"/", 1}}};
    wire_event events[EVENTS];
    for (uint32_t i = 0; i < EVENTS; i++)
        events[i] = (wire_event){.name_id = 1, .at_us = i, .props = props, .n_props = i % 3};
    wire_batch_head head = {.first_seq = 1,
                            .low = 1,
                            .run = {.ordinal = 1, .sdk = {(const uint8_t *)"t", 1}},
                            .definitions = definitions,
                            .n_definitions = 3};
    return body_of(&head, events, EVENTS,
                   (journal_entry){.kind = ENTRY_BATCH, .ceil_us = INT64_MAX, .tenant = "default"});
}

typedef struct turn {
    const encoder_ops *ops;
    encoder_options opt;
    void *encoder;
    uint8_t *alone; /* what it writes of a body that nobody else has had */
    size_t n;
} turn;

static void body_write(turn *t, body *b) {
    order_event events[EVENTS];
    for (uint32_t i = 0; i < EVENTS; i++)
        events[i] = order_event_of(b, i);
    uint64_t rows, n;
    uint32_t crc;
    assert_int_equal(t->ops->begin(t->encoder, 0, "object"), SINK_OK);
    assert_int_equal(t->ops->put(t->encoder, events, EVENTS, false, &rows), SINK_OK);
    assert_int_equal(t->ops->finish(t->encoder, &n, &crc), SINK_OK);
    assert_int_equal(rows, EVENTS);
    assert_int_equal(n, kept_n);
}

static void turn_begin(turn *t) {
    t->encoder = t->ops->create(&t->opt, (sink_store){&keep_ops, NULL});
    assert_non_null(t->encoder);
    body *b = body_make();
    body_write(t, b);
    body_unref(b);
    t->n = kept_n;
    t->alone = malloc(kept_n);
    assert_non_null(t->alone);
    memcpy(t->alone, kept, kept_n);
}

static void test_encoders_that_take_turns_at_a_body_then_each_writes_what_it_writes_alone(void **state) {
    (void)state;
    static const encoder_column one[] = {{"path", COLUMN_STRING}};
    static const encoder_column two[] = {{"price", COLUMN_DOUBLE}, {"path", COLUMN_STRING}};
    turn turns[] = {
        {.ops = &encoder_jsonl},
        {.ops = &encoder_parquet, .opt = {.columns = two, .n_columns = 2}},
        {.ops = &encoder_record},
        {.ops = &encoder_parquet, .opt = {.columns = one, .n_columns = 1}},
        {.ops = &encoder_parquet, .opt = {.codec = OUTPUT_ZSTD}},
    };
    size_t n = sizeof turns / sizeof *turns;
    for (size_t i = 0; i < n; i++)
        turn_begin(&turns[i]);
    body *b = body_make();
    for (size_t i = 0; i < 4 * n; i++) {
        turn *t = &turns[i * 7 % n];
        body_write(t, b);
        assert_int_equal(kept_n, t->n);
        assert_memory_equal(kept, t->alone, kept_n);
    }
    body_unref(b);
    for (size_t i = 0; i < n; i++) {
        turns[i].ops->destroy(turns[i].encoder);
        free(turns[i].alone);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoders_that_take_turns_at_a_body_then_each_writes_what_it_writes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Memory runs out at the first allocation, at the second, and so on: the encoder says so, and nothing else
 * happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "encoder.h"
#include "rows_rig.h"
#include "tests/unit/collector/sinks/nothing_store.h"

#define EVENTS 600u

static unsigned long left; /* allocations until one fails; 0: none does */
static bool failed;

static bool fails_now(void) {
    bool now = left > 0 && --left == 0;
    failed |= now;
    return now;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
int __real_posix_memalign(void **ret, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
int __wrap_posix_memalign(void **ret, size_t align, size_t n);

void *__wrap_malloc(size_t n) { return fails_now() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails_now() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails_now() ? NULL : __real_realloc(p, n); }
int __wrap_posix_memalign(void **ret, size_t align, size_t n) {
    return fails_now() ? 12 : __real_posix_memalign(ret, align, n);
}

/* Names, keys and values of all kinds, so that everything grows that can. */
static body *body_make(void) {
    static const wire_definition definitions[] = {{1, {(const uint8_t *)"buy", 3}},
                                                  {2, {(const uint8_t *)"\xFF", 1}}};
    static char texts[EVENTS][16];
    static wire_prop props[EVENTS][3];
    wire_event events[EVENTS];
    for (uint32_t i = 0; i < EVENTS; i++) {
        size_t n = (size_t)snprintf(texts[i], sizeof texts[i], "%u\xFE", i / 2);
        props[i][0] = (wire_prop){.key_id = 2, .type = WIRE_STRING, .v.s = {texts[i], n}};
        props[i][1] = (wire_prop){.key = texts[i], .key_len = (uint8_t)n, .type = WIRE_DOUBLE, .v.d = i};
        props[i][2] = (wire_prop){.key_id = 1, .type = WIRE_BYTES, .v.s = {texts[i], n}};
        events[i] = (wire_event){.name_id = 1, .at_us = i, .props = props[i], .n_props = 3};
    }
    wire_batch_head head = {.first_seq = 1,
                            .low = 1,
                            .run = {.ordinal = 1, .sdk = {(const uint8_t *)"t", 1}},
                            .definitions = definitions,
                            .n_definitions = 2};
    return body_of(&head, events, EVENTS,
                   (journal_entry){.kind = ENTRY_BATCH, .ceil_us = INT64_MAX, .tenant = "default"});
}

static sink_err object_write(void *encoder, body *b) {
    order_event events[EVENTS];
    for (uint32_t i = 0; i < EVENTS; i++)
        events[i] = order_event_of(b, i);
    uint64_t rows, n;
    uint32_t crc;
    sink_err err = encoder_parquet.begin(encoder, 0, "object");
    if (err == SINK_OK)
        err = encoder_parquet.put(encoder, events, EVENTS, false, &rows);
    return err == SINK_OK ? encoder_parquet.finish(encoder, &n, &crc) : err;
}

/* Also with memory again: the next object is whole. */
static void expect_memory_or_whole(body *b) {
    static const encoder_column columns[] = {{"buy", COLUMN_STRING}, {"price", COLUMN_DOUBLE}};
    encoder_options opt = {.codec = OUTPUT_GZIP, .columns = columns, .n_columns = 2};
    void *encoder = encoder_parquet.create(&opt, (sink_store){&nothing, NULL});
    assert_true(encoder || failed);
    if (!encoder)
        return;
    sink_err err = object_write(encoder, b);
    assert_int_equal(err, failed ? SINK_ERR_MEMORY : SINK_OK);
    left = 0;
    assert_int_equal(object_write(encoder, b), SINK_OK);
    encoder_parquet.destroy(encoder);
}

static void test_memory_runs_out_anywhere_then_said_and_survived(void **state) {
    (void)state;
    unsigned long n = 0;
    do {
        body *b = body_make();
        failed = false;
        left = ++n;
        expect_memory_or_whole(b);
        left = 0;
        body_unref(b);
    } while (failed);
    assert_true(n > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_runs_out_anywhere_then_said_and_survived)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Any bytes as a batch: what the scan takes becomes rows, in memory of exactly the size that was asked for;
 * each line is JSON, each Record is one to nanopb. */
#include "rows_rig.h"
#include "tests/unit/schemas/reference_record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds)
        abort();
}

static void line_check(const rendered *line) {
    require(memchr(line->bytes, '\n', line->n) == NULL);
    /* A run's ordinal may be beyond what the parser takes as an integer. */
    json_error_t error;
    json_t *parsed = json_loadb(line->bytes, line->n, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    /* JSON allows U+0000 in a key, the parser does not. */
    require(parsed != NULL || json_error_code(&error) == json_error_null_byte_in_key);
    json_decref(parsed);
}

static void record_check(const rendered *record) {
    require(reference_record_decodes((const uint8_t *)record->bytes, record->n));
}

static void event_render(const row_format *format, void *self, body *b, uint32_t index,
                         void (*check)(const rendered *row)) {
    const order_event event = order_event_of(b, index);
    row rows[ROWS_MAX];
    const unsigned n = rows_of(&event, index % 2, rows);
    require(n > 0);
    for (unsigned i = 0; i < n; i++) {
        require(row_name(&rows[i]).n > 0);
        rendered out = row_render(format, self, &rows[i]);
        check(&out);
        free(out.bytes);
    }
}

static void body_render(const row_format *format, const uint8_t *data, size_t size,
                        void (*check)(const rendered *row)) {
    /* Where the first number is greater than 1, those before it were settled elsewhere. */
    const journal_entry entry = {.received_us = INT64_C(1700000000000000),
                                 .ceil_us = INT64_C(1700000000000000),
                                 .time_quality = 1,
                                 .error_us = 77,
                                 .gap_first = 1,
                                 .tenant = "t\"\xC3"};
    body *b = body_of_bytes(data, size, entry);
    if (!b)
        return;
    b->gap = b->first_seq > 1;
    void *self = format->create();
    require(self != NULL && format->prepare(self, b));
    for (uint32_t i = 0; i < b->n_items; i = body_item_end(b, i))
        event_render(format, self, b, i, check);
    body_unref(b);
    format->destroy(self);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    body_render(&row_format_jsonl, data, size, line_check);
    body_render(&row_format_record, data, size, record_check);
    return 0;
}

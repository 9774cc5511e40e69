/* Records against nanopb's coder and against bytes of protoc. */
#include "rows_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/schemas/batch_build.h"
#include "tests/unit/schemas/reference.h"
#include "tests/unit/schemas/reference_record.h"
#include "utf8.h"

enum { EVENTS_BY_DEFAULT = 100000, RECORD_BYTES_MAX = 1 << 20 };

/* clang-format off */
#define TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
/* clang-format on */

static void *rendering;

/* ---- bytes of protoc --------------------------------------------------------------------------------- */

static const journal_entry golden_entry = {
    .received_us = INT64_C(1431590404100000), .ceil_us = INT64_MAX, .tenant = "default"};

static void expect_golden(const char *name, const row *r) {
    const char *root = getenv("WADI_SOURCE_DIR");
    char path[4096];
    uint8_t expected[2048];
    (void)snprintf(path, sizeof path, "%s/schemas/golden/v1/%s.bin", root ? root : ".", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    const size_t n = fread(expected, 1, sizeof expected, file);
    (void)fclose(file);
    rendered out = row_render(&row_format_record, rendering, r);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.bytes, expected, n);
    free(out.bytes);
}

static wire_batch_head golden_batch(uint64_t first_seq) {
    wire_batch_head head = {.first_seq = first_seq, .low = first_seq, .run = {.ordinal = 3}};
    for (uint8_t i = 0; i < WIRE_ID_BYTES; i++) {
        head.installation[i] = i;
        head.stream[i] = (uint8_t)(WIRE_ID_BYTES + i);
    }
    return head;
}

static void test_event_then_the_bytes_of_protoc(void **state) {
    (void)state;
    static const wire_definition definitions[] = {
        {1, TEXT("page_view")}, {2, TEXT("path")}, {3, TEXT("delta")}};
    static const wire_attribute app = {TEXT("app"), TEXT("demo")};
    const wire_context context = {
        .id = 1, .user = TEXT("u-1"), .session = TEXT("s-1"), .attributes = &app, .n_attributes = 1};
    uint8_t encoded[64];
    wire_span contexts = {encoded, 0};
    assert_int_equal(wire_context_encode(&context, encoded, sizeof encoded, &contexts.n), WIRE_OK);
    wire_batch_head head = golden_batch(42);
    head.resent_through = 42;
    head.definitions = definitions;
    head.n_definitions = 3;
    head.contexts = &contexts;
    head.n_contexts = 1;
    const wire_prop props[] = {{.key_id = 2, .type = WIRE_STRING, .v.s = {"/", 1}},
                               {.key_id = 3, .type = WIRE_INT, .v.i = -2},
                               {.key = "seconds", .key_len = 7, .type = WIRE_DOUBLE, .v.d = 0.1},
                               {.key = "cached", .key_len = 6, .type = WIRE_FALSE},
                               {.key = "digest", .key_len = 6, .type = WIRE_BYTES, .v.s = {"\x00\xff", 2}}};
    const wire_event event = {.name_id = 1, .context = 1, .at_us = 123, .props = props, .n_props = 5};
    journal_entry entry = golden_entry;
    entry.basis_us = INT64_C(1431590401500000);
    entry.time_quality = 1;
    entry.error_us = 1500;
    body *b = body_of(&head, &event, 1, entry);
    assert_true(row_format_record.prepare(rendering, b));
    row rows[ROWS_MAX];
    const order_event first = order_event_of(b, 0);
    assert_int_equal(rows_of(&first, true, rows), 1);
    expect_golden("record", &rows[0]);
    body_unref(b);
}

static void test_dropped_numbers_then_the_bytes_of_protoc(void **state) {
    (void)state;
    static const uint32_t crcs[] = {5, 6};
    const wire_dropped dropped = {.first_seq = 43, .reason = 1, .crcs = crcs, .n = 2};
    wire_batch_head head = golden_batch(43);
    head.dropped = &dropped;
    head.n_dropped = 1;
    journal_entry entry = golden_entry;
    entry.floor_us = INT64_C(1431590401500123);
    entry.time_quality = 3;
    entry.error_us = 2600000;
    strcpy(entry.tenant, "acme");
    body *b = body_of(&head, NULL, 0, entry);
    assert_true(row_format_record.prepare(rendering, b));
    row rows[ROWS_MAX];
    const order_event first = order_event_of(b, 0);
    assert_int_equal(rows_of(&first, false, rows), 1);
    expect_golden("record-dropped", &rows[0]);
    body_unref(b);
}

/* ---- random batches ---------------------------------------------------------------------------------- */

/* What texts become, by another way than the renderer's: each character is read and written again. */
static uint8_t pool[RECORD_BYTES_MAX];
static size_t pool_n;

static size_t character_write(uint8_t out[4], uint32_t c) {
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    const unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xC0, 0xE0, 0xF0};
    out[0] = (uint8_t)(leads[more] | c >> 6 * more);
    for (unsigned i = 1; i <= more; i++)
        out[i] = (uint8_t)(0x80 | (c >> 6 * (more - i) & 0x3F));
    return more + 1;
}

static size_t character_read(const uint8_t *p, size_t n, uint32_t *ret_c) {
    for (size_t bytes = 1; bytes <= 4 && bytes <= n; bytes++) {
        static const uint8_t masks[] = {0x7F, 0x1F, 0x0F, 0x07};
        uint32_t c = p[0] & masks[bytes - 1];
        for (size_t i = 1; i < bytes; i++)
            c = c << 6 | (p[i] & 0x3F);
        uint8_t again[4];
        if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) || character_write(again, c) != bytes)
            continue;
        *ret_c = c;
        if (memcmp(again, p, bytes) == 0)
            return bytes;
    }
    return 0;
}

static wire_span repaired(wire_span text) {
    uint8_t *const out = pool + pool_n;
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        uint32_t c = 0;
        const size_t bytes = character_read(text.data + i, text.n - i, &c);
        n += character_write(out + n, bytes > 0 ? c : 0xFFFD);
        i += bytes > 0 ? bytes : 1;
    }
    pool_n += n;
    assert_true(pool_n + 4 * WIRE_EVENT_BYTES_MAX < sizeof pool || text.n < 1024);
    return (wire_span){out, n};
}

static wire_span text_by_id(const built_batch *built, uint32_t id, wire_span inlined) {
    for (size_t i = 0; i < built->head.n_definitions; i++) {
        if (built->head.definitions[i].id == id)
            return built->head.definitions[i].text;
    }
    return repaired(inlined);
}

/* The event as nanopb reads it. */
static void event_expect(const built_batch *built, const uint8_t *data, size_t n, reference_record *record,
                         uint32_t *ret_context) {
    static reference_event reference;
    static wire_prop props[WIRE_PROPS_MAX];
    static reference_field fields[WIRE_PROPS_MAX];
    wire_event ev;
    assert_true(reference_event_decode(data, n, &reference));
    event_from_reference(&reference, &ev, props);
    record->name = text_by_id(built, ev.name_id, (wire_span){(const uint8_t *)ev.name, ev.name_len});
    for (size_t i = 0; i < ev.n_props; i++) {
        const wire_prop *p = &props[i];
        fields[i] = (reference_field){.type = (wire_type)p->type};
        fields[i].key = text_by_id(built, p->key_id, (wire_span){(const uint8_t *)p->key, p->key_len});
        if (p->type == WIRE_STRING)
            fields[i].s = repaired((wire_span){p->v.s.data, p->v.s.n});
        else if (p->type == WIRE_BYTES)
            fields[i].s = (wire_span){p->v.s.data, p->v.s.n};
        else if (p->type == WIRE_INT)
            fields[i].i = p->v.i;
        else if (p->type == WIRE_DOUBLE)
            fields[i].d = p->v.d;
    }
    record->properties = fields;
    record->n_properties = ev.n_props;
    *ret_context = ev.context;
}

static wire_span span_of(const char *text) { return (wire_span){(const uint8_t *)text, strlen(text)}; }

static void range_expect(uint64_t first, uint64_t last, const char *name, const char *reason,
                         reference_record *record) {
    static reference_field fields[4];
    fields[0] = (reference_field){.key = TEXT("first_seq"), .type = WIRE_INT, .i = (int64_t)first};
    fields[1] = (reference_field){.key = TEXT("last_seq"), .type = WIRE_INT, .i = (int64_t)last};
    fields[2] = (reference_field){.key = TEXT("count"), .type = WIRE_INT, .i = (int64_t)(last - first + 1)};
    fields[3] = (reference_field){.key = TEXT("reason"), .type = WIRE_STRING, .s = span_of(reason)};
    record->name = span_of(name);
    record->properties = fields;
    record->n_properties = 4;
}

static reference_record origin_expect(const body *b, uint64_t seq, bool explicit_time, bool late) {
    const journal_entry *entry = &b->entry;
    const bool tenant = strcmp(entry->tenant, "default") != 0;
    return (reference_record){.time_quality = explicit_time ? 4 : entry->time_quality,
                              .received_us = entry->received_us,
                              .installation = entry->installation,
                              .stream = entry->stream,
                              .seq = seq,
                              .run = entry->run_ordinal,
                              .late = late,
                              .resent = seq <= entry->resent_through,
                              .time_error_us = explicit_time ? 0 : entry->error_us,
                              .tenant = span_of(tenant ? entry->tenant : "")};
}

/* batch_build's contexts: the id decides who and how many attributes. */
static void context_expect(uint32_t id, reference_record *record) {
    static const reference_field attributes[] = {{.key = TEXT("app"), .type = WIRE_STRING, .s = TEXT("test")},
                                                 {.key = TEXT("empty"), .type = WIRE_STRING, .s = TEXT("")}};
    if (id == 0)
        return;
    record->user = span_of(id > 1 ? "somebody" : "");
    record->session = span_of("s-1");
    record->context = attributes;
    record->n_context = id - 1;
}

static void row_check(const row *r, const reference_record *expected) {
    static uint8_t bytes[RECORD_BYTES_MAX];
    const size_t n = reference_record_encode(expected, bytes, sizeof bytes);
    assert_true(n > 0);
    rendered out = row_render(&row_format_record, rendering, r);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.bytes, bytes, n);
    free(out.bytes);
}

/* One number, or one run of tombstones, and the gap before it. Returns the next index. */
static uint32_t index_check(const built_batch *built, body *b, uint32_t index, bool late) {
    const body_item *item = body_item_of(b, index);
    const order_event event = order_event_of(b, index);
    const uint64_t seq = built->head.first_seq + index;
    const bool explicit_time = item->flags & WIRE_ITEM_EXPLICIT;
    const uint32_t end = body_item_end(b, index);
    row rows[ROWS_MAX];
    const unsigned n = rows_of(&event, late, rows);
    const bool gap = index == 0 && b->entry.gap_first != 0;
    assert_int_equal(n, gap ? 2 : 1);
    pool_n = 0;
    if (gap) {
        reference_record expected = origin_expect(b, b->entry.gap_first, explicit_time, late);
        expected.time_us = event.us;
        range_expect(b->entry.gap_first, seq - 1, "_wadi.gap", "settled_elsewhere", &expected);
        row_check(&rows[0], &expected);
    }
    reference_record expected = origin_expect(b, seq, explicit_time, late);
    expected.time_us = event.us;
    uint32_t context = 0;
    if (item->flags & WIRE_ITEM_DROPPED)
        range_expect(seq, seq + end - index - 1, "_wadi.dropped", wire_drop_reason_name(item->reason),
                     &expected);
    else
        event_expect(built, body_event_of(b, index), item->len, &expected, &context);
    context_expect(context, &expected);
    const wire_span name = row_name(&rows[n - 1]); /* as it came: not repaired */
    assert_true(name.n <= expected.name.n);
    if (name.n == expected.name.n)
        assert_memory_equal(name.data, expected.name.data, name.n);
    row_check(&rows[n - 1], &expected);
    return end;
}

static journal_entry random_entry(const built_batch *built, random_source *random) {
    static const char *const tenants[] = {"default", "acme", "b\xC3\xBC"};
    journal_entry entry = {.received_us = (int64_t)random_bits(random, 56),
                           .time_quality = (uint8_t)random_below(random, 4),
                           .ceil_us = (int64_t)random_bits(random, 56),
                           .floor_us = (int64_t)random_bits(random, 50) - (INT64_C(1) << 49),
                           .basis_us = (int64_t)random_bits(random, 56),
                           .error_us = random_bits(random, 40)};
    if (built->head.first_seq > 1 && random_below(random, 2))
        entry.gap_first = 1 + random_below(random, built->head.first_seq - 1);
    strcpy(entry.tenant, tenants[random_below(random, 3)]);
    return entry;
}

static void test_random_events_then_the_bytes_of_nanopb(void **state) {
    (void)state;
    static built_batch built;
    random_source random = random_open("record_test");
    uint64_t left = random_rounds("WADI_TEST_EVENTS", EVENTS_BY_DEFAULT);
    while (left > 0) {
        char plan[BUILD_NUMBERS_MAX + 1] = {0};
        for (uint64_t i = 0, n = 1 + random_below(&random, BUILD_NUMBERS_MAX); i < n; i++)
            plan[i] = "EEEEEEab"[random_below(&random, 8)];
        batch_build(&built, plan, random_below(&random, 2) ? 0 : 5000, &random);
        body *b = body_of_bytes(built.body, built.n, random_entry(&built, &random));
        assert_non_null(b);
        assert_true(row_format_record.prepare(rendering, b));
        for (uint32_t i = 0; i < b->n_items && left > 0; left--)
            i = index_check(&built, b, i, random_below(&random, 2));
        body_unref(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_then_the_bytes_of_protoc),
        cmocka_unit_test(test_dropped_numbers_then_the_bytes_of_protoc),
        cmocka_unit_test(test_random_events_then_the_bytes_of_nanopb),
    };
    rendering = row_format_record.create();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    row_format_record.destroy(rendering);
    return failed;
}

/* Batches there and back: the head by nanopb, the events by hand, both read by the scanner. */
#include "tests/unit/schemas/batch_build.h"
#include "tests/unit/schemas/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static built_batch built;
static wire_item items[BUILD_NUMBERS_MAX];
static wire_dict dict;
static wire_batch batch;

static void head_expect(void) {
    const wire_batch_head *head = &built.head;
    assert_memory_equal(batch.installation, head->installation, WIRE_ID_BYTES);
    assert_memory_equal(batch.stream, head->stream, WIRE_ID_BYTES);
    assert_true(batch.first_seq == head->first_seq && batch.low == head->low && batch.chain == head->chain);
    assert_true(batch.last_seq == head->first_seq + built.n_items - 1);
    assert_true(batch.resent_through == head->resent_through);
    assert_true(batch.pending == head->pending && batch.refused == head->refused);
    assert_memory_equal(batch.run.boot_id, head->run.boot_id, WIRE_ID_BYTES);
    assert_true(batch.run.ordinal == head->run.ordinal && batch.run.nonce == head->run.nonce);
    assert_true(batch.run.boot_us == head->run.boot_us && batch.run.wall_us == head->run.wall_us);
    assert_int_equal(batch.run.sdk.n, head->run.sdk.n);
    assert_memory_equal(batch.run.sdk.data, head->run.sdk.data, head->run.sdk.n);
    assert_memory_equal(batch.clock.boot_id, head->clock.boot_id, WIRE_ID_BYTES);
    assert_true(batch.clock.boot_us == head->clock.boot_us && batch.clock.wall_us == head->clock.wall_us);
    assert_true(batch.clock.has_offset == head->clock.has_offset);
    assert_true(batch.clock.offset_us == head->clock.offset_us);
    assert_true(batch.clock.offset_error_us == head->clock.offset_error_us);
    assert_true(batch.clock.has_not_after == head->clock.has_not_after);
    assert_true(batch.clock.not_after_us == head->clock.not_after_us);
}

static void lists_expect(void) {
    for (uint32_t i = 0; i < BUILD_IDS; i++) {
        const wire_span text = wire_dict_get(&dict, built.definitions[i].id);
        assert_int_equal(text.n, built.definitions[i].text.n);
        assert_memory_equal(text.data, built.definitions[i].text.data, text.n);
        assert_true(i == 0 || dict.entries[i - 1].id < dict.entries[i].id);
    }
    assert_null(wire_dict_get(&dict, 0).data);
    assert_null(wire_dict_get(&dict, dict.entries[BUILD_IDS - 1].id + 1).data);
    assert_int_equal(batch.n_contexts, BUILD_CONTEXTS);
    for (uint32_t i = 0; i < BUILD_CONTEXTS; i++) {
        wire_context_view view;
        assert_int_equal(batch.context_ids[i], i + 1);
        assert_int_equal(wire_context_scan(batch.contexts[i], &view), WIRE_OK);
        assert_int_equal(view.id, i + 1);
        assert_int_equal(view.n_attributes, i);
        assert_int_equal(view.user.n, i ? 8 : 0);
        assert_memory_equal(view.session.data, "s-1", 3);
    }
}

static void items_expect(bool scanned) {
    assert_int_equal(batch.n_items, built.n_items);
    assert_int_equal(batch.n_events, built.n_events);
    assert_true(batch.events_bytes == built.events_bytes);
    assert_true(batch.chain_after == (scanned ? built.chain_after : 0));
    for (uint32_t i = 0; i < built.n_items; i++) {
        const wire_item *expected = &built.items[i], *item = &items[i];
        const bool with_crc = scanned || expected->flags == WIRE_ITEM_DROPPED;
        assert_true(item->at_us == expected->at_us);
        assert_int_equal(item->crc, with_crc ? expected->crc : 0);
        assert_int_equal(item->off, expected->off);
        assert_int_equal(item->len, expected->len);
        assert_int_equal(item->flags, expected->flags);
        assert_int_equal(item->reason, expected->reason);
    }
}

static void reference_expect(void) {
    static reference_batch reference;
    assert_true(reference_batch_decode(built.body, built.n, &reference));
    assert_int_equal(reference.message.version, WIRE_VERSION);
    assert_true(reference.message.first_seq == batch.first_seq && reference.message.chain == batch.chain);
    assert_memory_equal(reference.message.stream, batch.stream, WIRE_ID_BYTES);
    assert_int_equal(reference.n_definitions, dict.n);
    assert_int_equal(reference.n_contexts, batch.n_contexts);
    assert_int_equal(reference.n_events, batch.n_events);
    assert_int_equal(reference.n_dropped, batch.n_items - batch.n_events);
}

static void plan_check(const char *plan, uint32_t id_base, random_source *random) {
    batch_build(&built, plan, id_base, random);
    memset(items, 0xa5, sizeof items);
    memset(&batch, 0xa5, sizeof batch);
    assert_int_equal(wire_batch_scan(built.body, built.n, items, BUILD_NUMBERS_MAX, &dict, &batch), WIRE_OK);
    head_expect();
    lists_expect();
    items_expect(true);
    reference_expect();
    memset(items, 0xa5, sizeof items);
    memset(&batch, 0xa5, sizeof batch);
    assert_int_equal(wire_batch_rescan(built.body, built.n, items, BUILD_NUMBERS_MAX, &dict, &batch),
                     WIRE_OK);
    head_expect();
    items_expect(false);
}

static void test_batch_when_numbers_are_dropped_anywhere_then_the_items_say_so(void **state) {
    (void)state;
    static const char *const plans[] = {"E",     "EEEE",   "aaE",  "EaaE",     "EEaa", "aaaa",
                                        "aabbb", "aEbbEc", "EabE", "aaEbbbEE", "a",    "aEEEEEEEEEEEEEEEa"};
    random_source random = random_open("plans");
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        plan_check(plans[i], 0, &random);
}

static void test_batch_when_random_then_scans_to_what_was_built(void **state) {
    (void)state;
    static const uint32_t bases[] = {0, WIRE_DEFINITIONS_MAX - 10, 1000000, WIRE_NAME_ID_MAX - BUILD_IDS};
    random_source random = random_open("batch");
    for (uint64_t i = random_rounds("WADI_TEST_BATCHES", 2000); i > 0; i--) {
        char plan[BUILD_NUMBERS_MAX + 1] = {0};
        const uint64_t n = 1 + random_below(&random, 20);
        for (uint64_t j = 0; j < n; j++)
            plan[j] = "EEEab"[random_below(&random, 5)];
        plan_check(plan, bases[i % 4], &random);
    }
}

/* Every prefix, in memory of just that size so that a sanitizer sees one byte too many. It is a batch only
 * where an event ends and no tombstone is left behind a gap. */
static void test_batch_when_cut_anywhere_then_refused_or_a_whole_batch(void **state) {
    (void)state;
    random_source random = random_open("cut");
    do
        batch_build(&built, "EbEEcE", 0, &random);
    while (built.n > 3000);
    uint32_t accepted = 0;
    for (size_t n = 0; n < built.n; n++) {
        uint8_t *const body = malloc(n + 1);
        assert_non_null(body);
        memcpy(body + 1, built.body, n);
        const wire_err err = wire_batch_scan(body + 1, n, items, BUILD_NUMBERS_MAX, &dict, &batch);
        const wire_err again = wire_batch_rescan(body + 1, n, items, BUILD_NUMBERS_MAX, &dict, &batch);
        free(body);
        const bool whole = n == built.items[3].off + built.items[3].len;
        assert_int_equal(err == WIRE_OK, whole);
        assert_true(err != WIRE_OK || again == WIRE_OK);
        accepted += whole;
    }
    assert_int_equal(accepted, 1);
}

static void test_batch_when_unknown_fields_follow_then_they_pass_through(void **state) {
    (void)state;
    static const uint8_t unknown[] = {0x82, 0x01, 0x03, 'n', 'e', 'w', 0x88, 0x01, 0x05};
    random_source random = random_open("unknown");
    batch_build(&built, "EEa", 0, &random);
    memcpy(built.body + built.n, unknown, sizeof unknown);
    built.n += sizeof unknown;
    assert_int_equal(wire_batch_scan(built.body, built.n, items, BUILD_NUMBERS_MAX, &dict, &batch), WIRE_OK);
    items_expect(true);
    reference_expect();
}

static void test_head_when_the_buffer_is_too_small_then_space(void **state) {
    (void)state;
    static uint8_t out[8192];
    random_source random = random_open("space");
    batch_build(&built, "aEb", 0, &random);
    size_t n = 0;
    for (size_t cap = 0; cap < built.head_bytes; cap++)
        assert_int_equal(wire_batch_head_encode(&built.head, out, cap, &n), WIRE_ERR_SPACE);
    assert_int_equal(wire_batch_head_encode(&built.head, out, built.head_bytes, &n), WIRE_OK);
    assert_int_equal(n, built.head_bytes);
    assert_memory_equal(out, built.body, n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_when_numbers_are_dropped_anywhere_then_the_items_say_so),
        cmocka_unit_test(test_batch_when_random_then_scans_to_what_was_built),
        cmocka_unit_test(test_batch_when_cut_anywhere_then_refused_or_a_whole_batch),
        cmocka_unit_test(test_batch_when_unknown_fields_follow_then_they_pass_through),
        cmocka_unit_test(test_head_when_the_buffer_is_too_small_then_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

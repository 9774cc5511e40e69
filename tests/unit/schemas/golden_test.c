/* Files of a released wire decode to what they were made from, and encode to the same bytes, for good. */
#include "tests/unit/schemas/golden.h"
#include "tests/unit/schemas/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t bytes[GOLDEN_BYTES_MAX];

static size_t golden_read(const char *name) {
    const char *root = getenv("WADI_SOURCE_DIR");
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/schemas/golden/v1/%s.bin", root ? root : ".", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    const size_t n = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    return n;
}

static void test_golden_when_encoded_again_then_the_same_bytes(void **state) {
    (void)state;
    for (size_t i = 0; i < golden_files_n; i++) {
        uint8_t out[GOLDEN_BYTES_MAX];
        const size_t n = golden_read(golden_files[i].name);
        assert_true(n > 0);
        assert_int_equal(golden_files[i].encode(out), n);
        assert_memory_equal(out, bytes, n);
    }
}

static void event_expect(const uint8_t *data, size_t n, const wire_event *expected) {
    wire_event_view view;
    wire_event read;
    static wire_prop props[WIRE_PROPS_MAX];
    assert_int_equal(wire_event_scan(data, n, &view), WIRE_OK);
    event_from_view(&view, &read, props);
    assert_true(event_equal(&read, expected));
}

static void test_golden_events_when_read_then_their_values(void **state) {
    (void)state;
    event_expect(bytes, golden_read("event"), &golden_event);
    event_expect(bytes, golden_read("event-inline"), &golden_event_inline);
}

static void golden_items_expect(const wire_item *items) {
    event_expect(bytes + items[0].off, items[0].len, &golden_event);
    event_expect(bytes + items[3].off, items[3].len, &golden_event_inline);
    assert_int_equal(items[0].crc, 0xeed334ef);
    assert_int_equal(items[3].crc, 0x68070a81);
    assert_int_equal(items[0].at_us, 1500000);
    assert_int_equal(items[0].flags, 0);
    assert_int_equal(items[1].crc, 0xdeadbeef);
    assert_int_equal(items[2].crc, 1);
    assert_int_equal(items[2].flags, WIRE_ITEM_DROPPED);
    assert_int_equal(items[2].reason, 1);
    assert_int_equal(items[3].at_us, INT64_C(1431590401000000));
    assert_int_equal(items[3].flags, WIRE_ITEM_EXPLICIT);
    assert_int_equal(items[4].reason, 3);
}

static void test_golden_batch_when_scanned_then_its_values(void **state) {
    (void)state;
    static wire_dict dict;
    wire_item items[GOLDEN_NUMBERS];
    wire_batch batch;
    wire_context_view context;
    const size_t n = golden_read("batch");
    assert_int_equal(wire_batch_scan(bytes, n, items, GOLDEN_NUMBERS, &dict, &batch), WIRE_OK);
    golden_items_expect(items);
    assert_int_equal(batch.n_items, GOLDEN_NUMBERS);
    assert_int_equal(batch.n_events, 2);
    assert_int_equal(batch.first_seq, 42);
    assert_int_equal(batch.last_seq, 46);
    assert_true(batch.chain == 0x0123456789abcdef);
    assert_true(batch.chain_after == 0x28ea27d8b7e4f237);
    assert_int_equal(batch.low, 40);
    assert_int_equal(batch.resent_through, 41);
    assert_int_equal(batch.pending, 1000);
    assert_int_equal(batch.refused, 7);
    assert_memory_equal(batch.installation, golden_head.installation, WIRE_ID_BYTES);
    assert_memory_equal(batch.stream, golden_head.stream, WIRE_ID_BYTES);
    assert_int_equal(batch.run.nonce, 0x12345678);
    assert_int_equal(batch.run.wall_us, INT64_C(1431590400000000));
    assert_memory_equal(batch.run.sdk.data, "libwadi/0.1.0", batch.run.sdk.n);
    assert_int_equal(batch.clock.offset_us, INT64_C(1431590395000123));
    assert_int_equal(batch.clock.not_after_us, INT64_C(1431590500000000));
    assert_memory_equal(wire_dict_get(&dict, 200).data, "digest", 6);
    assert_int_equal(batch.n_contexts, 1);
    assert_int_equal(wire_context_scan(batch.contexts[0], &context), WIRE_OK);
    assert_memory_equal(context.user.data, "u-1", context.user.n);
    assert_memory_equal(context.attributes[0].value.data, "demo", context.attributes[0].value.n);
}

static void ack_expect(const char *name, const wire_ack *expected) {
    wire_ack ack;
    assert_int_equal(wire_ack_decode(bytes, golden_read(name), &ack), WIRE_OK);
    assert_int_equal(ack.status, expected->status);
    assert_int_equal(ack.agreed_through, expected->agreed_through);
    assert_int_equal(ack.next_seq, expected->next_seq);
    assert_true(ack.chain == expected->chain);
    assert_string_equal(ack.collector, expected->collector);
    assert_true(ack.received_us == expected->received_us && ack.sent_us == expected->sent_us);
    assert_int_equal(ack.retry_after_ms, expected->retry_after_ms);
    assert_string_equal(ack.message, expected->message);
    assert_int_equal(ack.refused_seq, expected->refused_seq);
    assert_int_equal(ack.settings_version, expected->settings_version);
}

static void test_golden_acks_when_read_then_their_values(void **state) {
    (void)state;
    ack_expect("ack-ok", &golden_ack_ok);
    ack_expect("ack-unverified", &golden_ack_unverified);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_when_encoded_again_then_the_same_bytes),
        cmocka_unit_test(test_golden_events_when_read_then_their_values),
        cmocka_unit_test(test_golden_batch_when_scanned_then_its_values),
        cmocka_unit_test(test_golden_acks_when_read_then_their_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

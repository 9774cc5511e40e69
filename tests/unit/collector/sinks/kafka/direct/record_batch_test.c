/* Batches against bytes that another program has written by Kafka's description of the format. That readers
 * which are not ours understand them too, tests/integration/kafka shows. */
#include "kafka/direct/record_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define X10 "xxxxxxxxxx"
#define FIRST_MS INT64_C(1700000000123)

static const uint8_t golden[] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xb0, 0xff, 0xff, 0xff, 0xff,
    0x02, 0x56, 0x8f, 0xcf, 0x5c, 0x00, 0x10, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x01, 0x8b, 0xcf,
    0xe5, 0x68, 0x7b, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x82, 0x00, 0x00, 0x00, 0x01, 0x02,
    0x03, 0x04, 0x05, 0x00, 0x06, 0x7f, 0xff, 0xff, 0xfe, 0x00, 0x00, 0x00, 0x03, 0x1c, 0x00, 0x00,
    0x00, 0x06, 0x6b, 0x65, 0x79, 0x0a, 0x76, 0x61, 0x6c, 0x75, 0x65, 0x00, 0xbe, 0x01, 0x00, 0xbf,
    0x9a, 0x0c, 0x02, 0x02, 0x6b, 0x8c, 0x01, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78,
    0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78,
    0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78,
    0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78,
    0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x78, 0x04, 0x08, 0x6e,
    0x61, 0x6d, 0x65, 0x06, 0x74, 0x61, 0x70, 0x08, 0x6c, 0x61, 0x74, 0x65, 0x00, 0x1c, 0x00, 0x0e,
    0x04, 0x00, 0x02, 0x76, 0x02, 0x06, 0x73, 0x65, 0x71, 0x04, 0x31, 0x32};

/* An older one behind the first, headers with and without a value, no key, and a sequence about to begin
 * anew. */
static const message_header headers_two[] = {{"name", 4, "tap", 3}, {"late", 4, "", 0}};
static const message_header headers_one[] = {{"seq", 3, "12", 2}};
static const message messages[] = {
    {.key = "key", .key_n = 3, .value = "value", .value_n = 5, .time_ms = FIRST_MS},
    {.key = "k",
     .key_n = 1,
     .value = X10 X10 X10 X10 X10 X10 X10,
     .value_n = 70,
     .time_ms = FIRST_MS - 100000,
     .headers = headers_two,
     .n_headers = 2},
    {.key = "", .value = "v", .value_n = 1, .time_ms = FIRST_MS + 7, .headers = headers_one, .n_headers = 1}};
#define MESSAGES (sizeof messages / sizeof *messages)
static const record_writer writer = {0x0102030405, 6, INT32_MAX - 1};

/* With no more room than was asked for, so that a sanitizer sees a byte too many. */
static void add_exactly(record_batch *b, const message *m) {
    size_t before = b->n, most = record_bytes_max(m);
    b->size = b->n + most;
    b->data = realloc(b->data, b->size);
    assert_non_null(b->data);
    record_batch_add(b, m);
    assert_true(b->n - before <= most);
}

static void test_record_batch_then_is_as_kafka_describes_it(void **state) {
    (void)state;
    record_batch b = {0};
    pack *plain = pack_new(PACK_NONE);
    for (unsigned round = 0; round < 2; round++) { /* the second one in the memory of the first */
        record_batch_clear(&b);
        for (size_t i = 0; i < MESSAGES; i++)
            add_exactly(&b, &messages[i]);
        uint8_t out[sizeof golden];
        assert_int_equal(record_batch_bytes_max(&b, plain), sizeof golden);
        assert_int_equal(record_batch_write(&b, &writer, plain, out, sizeof out), sizeof golden);
        assert_memory_equal(out, golden, sizeof golden);
    }
    record_batch_fini(&b);
    pack_free(plain);
}

/* Every length around where its number takes a byte more. */
static void test_record_batch_when_sizes_grow_then_a_record_fits_what_was_asked_for(void **state) {
    (void)state;
    static char text[20000];
    memset(text, 'x', sizeof text);
    record_batch b = {0};
    for (size_t n = 0; n < sizeof text; n += n < 200 ? 1 : 977) {
        message_header h = {text, n / 2, text, n};
        message m = {.key = text, .key_n = n, .value = text, .value_n = n, .headers = &h, .n_headers = 1};
        m.time_ms = n % 2 ? INT64_MAX : 1;
        add_exactly(&b, &m);
    }
    record_batch_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_batch_then_is_as_kafka_describes_it),
        cmocka_unit_test(test_record_batch_when_sizes_grow_then_a_record_fits_what_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

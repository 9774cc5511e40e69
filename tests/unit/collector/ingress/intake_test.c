#include "collector/ingress/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "collector/journal/entry.h"

#define ID "0123456789abcdef"
/* Version, ids, first_seq 5, low 5, run, clock, a definition. */
#define BATCH_HEAD                                                                                  \
    "\x08\x01\x12\x10" ID "\x1a\x10" ID "\x20\x05\x30\x05\x42\x12\x1a\x10" ID "\x4a\x12\x0a\x10" ID \
    "\x52\x05\x08\x01\x12\x01n"
#define EVENT "\x7a\x02\x08\x01"
#define BAD_EVENT "\x7a\x02\x08\x02" /* a name that is not defined */

static const char batch[] = BATCH_HEAD EVENT EVENT EVENT;
static const size_t batch_n = sizeof batch - 1;
static struct intake *intake;
static submission *sub;
static struct fault fault;

static int setup(void **state) {
    (void)state;
    intake = intake_new(1 << 20, 100);
    return intake == NULL;
}

static int teardown(void **state) {
    (void)state;
    intake_free(intake);
    return 0;
}

static bool take(const void *body, size_t n, uint8_t encoding) {
    uint8_t *copy = malloc(n != 0 ? n : 1);
    memcpy(copy, body, n);
    sub = NULL;
    fault = (struct fault){0};
    return intake_take(intake, copy, n, encoding, &sub, &fault);
}

static void assert_taken(const void *body, size_t n, uint8_t encoding) {
    assert_true(take(body, n, encoding));
    assert_int_equal(sub->encoding, encoding);
    assert_int_equal(sub->body_bytes, n);
    assert_memory_equal(sub->body, body, n);
    assert_int_equal(sub->facts.raw_bytes, batch_n);
    assert_int_equal(sub->facts.first_seq, 5);
    assert_int_equal(sub->facts.last_seq, 7);
    assert_int_equal(sub->facts.n_items, 3);
    assert_int_equal(sub->facts.n_events, 3);
    assert_memory_equal(sub->facts.stream, ID, 16);
    assert_int_equal(sub->items[2].len, 2);
    intake_submission_free(sub);
}

static void assert_refused(const void *body, size_t n, uint8_t encoding, uint16_t status, uint64_t seq) {
    assert_false(take(body, n, encoding));
    assert_null(sub);
    assert_int_equal(fault.status, status);
    assert_int_equal(fault.refused_seq, seq);
    assert_true(fault.message[0] != '\0');
}

static size_t gzip(const void *in, size_t n, uint8_t *out, size_t cap) {
    z_stream z = {
        .next_in = (Bytef *)(uintptr_t)in, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)cap};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void test_batch_in_every_encoding_then_taken_as_received(void **state) {
    (void)state;
    uint8_t out[1024];
    assert_taken(batch, batch_n, ENTRY_PLAIN);
    assert_taken(out, ZSTD_compress(out, sizeof out, batch, batch_n, 1), ENTRY_ZSTD);
    assert_taken(out, gzip(batch, batch_n, out, sizeof out), ENTRY_GZIP);
}

static void test_batch_cut_anywhere_then_refused_unless_between_events(void **state) {
    (void)state;
    for (size_t n = 0; n < batch_n; n++) {
        bool whole = n >= sizeof BATCH_HEAD - 1 + 4 && (n - (sizeof BATCH_HEAD - 1)) % 4 == 0;
        assert_int_equal(take(batch, n, ENTRY_PLAIN), whole);
        intake_submission_free(sub);
        if (!whole)
            assert_int_equal(fault.status, 400);
    }
}

static void test_bad_event_then_its_number(void **state) {
    (void)state;
    static const char bad[] = BATCH_HEAD EVENT BAD_EVENT EVENT;
    assert_refused(bad, sizeof bad - 1, ENTRY_PLAIN, 400, 6);
    assert_false(fault.unjudged);
}

static void test_more_than_is_allowed_then_413(void **state) {
    (void)state;
    static char many[sizeof BATCH_HEAD + 101 * 4];
    size_t n = sizeof BATCH_HEAD - 1;
    memcpy(many, BATCH_HEAD, n);
    for (unsigned i = 0; i < 101; i++, n += 4)
        memcpy(many + n, EVENT, 4);
    assert_refused(many, n, ENTRY_PLAIN, 413, 0);
    assert_true(take(many, n - 4, ENTRY_PLAIN));
    intake_submission_free(sub);
}

static void test_bomb_then_413_and_the_next_is_taken(void **state) {
    (void)state;
    const size_t n = (1 << 20) + 1;
    uint8_t *zeros = calloc(1, n), *out = malloc(n);
    assert_refused(out, ZSTD_compress(out, n, zeros, n, 1), ENTRY_ZSTD, 413, 0);
    assert_refused(out, gzip(zeros, n, out, n), ENTRY_GZIP, 413, 0);
    assert_refused(zeros, n, ENTRY_PLAIN, 413, 0);
    assert_taken(out, ZSTD_compress(out, n, batch, batch_n, 1), ENTRY_ZSTD);
    free(zeros);
    free(out);
}

static void test_wrong_encoding_then_400(void **state) {
    (void)state;
    uint8_t out[1024];
    size_t n = ZSTD_compress(out, sizeof out, batch, batch_n, 1);
    assert_refused(batch, batch_n, ENTRY_ZSTD, 400, 0);
    assert_refused(batch, batch_n, ENTRY_GZIP, 400, 0);
    assert_refused(out, n, ENTRY_GZIP, 400, 0);
    assert_refused(out, n, ENTRY_PLAIN, 400, 0);
    assert_refused(out, n - 1, ENTRY_ZSTD, 400, 0);
    assert_true(fault.unjudged);
    assert_refused(out, 0, ENTRY_ZSTD, 400, 0);
    assert_refused(out, 0, ENTRY_GZIP, 400, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_in_every_encoding_then_taken_as_received),
        cmocka_unit_test(test_batch_cut_anywhere_then_refused_unless_between_events),
        cmocka_unit_test(test_bad_event_then_its_number),
        cmocka_unit_test(test_more_than_is_allowed_then_413),
        cmocka_unit_test(test_bomb_then_413_and_the_next_is_taken),
        cmocka_unit_test(test_wrong_encoding_then_400),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

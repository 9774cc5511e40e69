/* Through a store that keeps everything in one buffer. */
#include "output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "sdk/src/base/crc32c.h"

#define PLAIN_BYTES 1000000u

static uint8_t kept[4 * PLAIN_BYTES], plain[PLAIN_BYTES], again[PLAIN_BYTES + 1];
static size_t kept_n;
static bool full;

static sink_err keep_begin(void *store, uint32_t slot, const char *name) {
    (void)store;
    assert_string_equal(name, "object");
    assert_int_equal(slot, 3);
    kept_n = 0;
    return SINK_OK;
}

static sink_err keep_write(void *store, const void *data, size_t n) {
    (void)store;
    if (full)
        return SINK_ERR_NO_SPACE;
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

static void plain_fill(void) {
    srand(3);
    for (size_t i = 0; i < PLAIN_BYTES; i++)
        plain[i] = (uint8_t)("abcdefgh"[rand() % 8] + (rand() % 50 == 0));
}

/* Writes `plain` in pieces of up to `piece` bytes. */
static void write_all(output *o, size_t piece, size_t n) {
    assert_int_equal(output_begin(o, 3, "object"), SINK_OK);
    for (size_t at = 0; at < n;) {
        size_t part = n - at < piece ? n - at : piece;
        char *to = output_reserve(o, part);
        assert_non_null(to);
        memcpy(to, plain + at, part);
        assert_int_equal(output_advance(o, part), SINK_OK);
        at += part;
    }
    uint64_t bytes;
    uint32_t crc;
    assert_int_equal(output_finish(o, &bytes, &crc), SINK_OK);
    assert_int_equal(bytes, kept_n);
    assert_int_equal(crc, base_crc32c(0, kept, kept_n));
}

static size_t read_back(output_codec codec) {
    if (codec == OUTPUT_ZSTD)
        return ZSTD_decompress(again, sizeof again, kept, kept_n);
    if (codec == OUTPUT_PLAIN) {
        memcpy(again, kept, kept_n);
        return kept_n;
    }
    z_stream z = {.next_in = kept, .avail_in = (uInt)kept_n, .next_out = again, .avail_out = sizeof again};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    return z.total_out;
}

static void test_output_of_each_codec_then_reads_back_and_bytes_do_not_depend_on_pieces(void **state) {
    (void)state;
    static uint8_t first[sizeof kept];
    plain_fill();
    for (int codec = OUTPUT_PLAIN; codec <= OUTPUT_ZSTD; codec++) {
        output *o = output_new((sink_store){&keep_ops, NULL}, (output_codec)codec);
        assert_non_null(o);
        write_all(o, 333, PLAIN_BYTES);
        assert_int_equal(read_back((output_codec)codec), PLAIN_BYTES);
        assert_memory_equal(again, plain, PLAIN_BYTES);
        memcpy(first, kept, kept_n);
        size_t first_n = kept_n;
        write_all(o, 300000, PLAIN_BYTES);
        assert_int_equal(kept_n, first_n);
        assert_memory_equal(kept, first, first_n);
        write_all(o, 10, 0);
        assert_int_equal(read_back((output_codec)codec), 0);
        output_free(o);
    }
}

static void test_output_when_the_store_is_full_then_says_so(void **state) {
    (void)state;
    output *o = output_new((sink_store){&keep_ops, NULL}, OUTPUT_PLAIN);
    assert_int_equal(output_begin(o, 3, "object"), SINK_OK);
    assert_non_null(output_reserve(o, 600000));
    memset(output_reserve(o, 600000), 'x', 600000);
    full = true;
    assert_int_equal(output_advance(o, 600000), SINK_ERR_NO_SPACE);
    full = false;
    output_free(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_of_each_codec_then_reads_back_and_bytes_do_not_depend_on_pieces),
        cmocka_unit_test(test_output_when_the_store_is_full_then_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

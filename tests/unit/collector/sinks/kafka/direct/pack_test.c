/* What is packed comes out again, by the libraries' own readers. */
#include "kafka/direct/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lz4frame.h>
#include <zstd.h>

#define BYTES_MAX 300000u

static uint8_t plain[BYTES_MAX], again[BYTES_MAX + 1];

static void lz4_unpack(const uint8_t *in, size_t n, size_t expected) {
    LZ4F_dctx *ctx;
    LZ4F_frameInfo_t info;
    size_t used = n, made = sizeof again, left = n;
    assert_false(LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)));
    assert_false(LZ4F_isError(LZ4F_getFrameInfo(ctx, &info, in, &used)));
    assert_int_equal(info.blockMode, LZ4F_blockIndependent); /* Java's reader knows nothing else */
    left -= used;
    assert_int_equal(LZ4F_decompress(ctx, again, &made, in + used, &left, NULL), 0);
    assert_int_equal(used + left, n);
    assert_int_equal(made, expected);
    LZ4F_freeDecompressionContext(ctx);
}

static void unpack(pack_codec codec, const uint8_t *in, size_t n, size_t expected) {
    if (codec == PACK_LZ4)
        lz4_unpack(in, n, expected);
    else if (codec == PACK_ZSTD)
        assert_int_equal(ZSTD_decompress(again, sizeof again, in, n), expected);
    else
        memcpy(again, in, n);
}

/* Texts, and noise, which no codec makes smaller. */
static void plain_make(size_t n, bool noise) {
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        plain[i] = noise ? (uint8_t)(x >> 24) : (uint8_t)("abcdefgh"[i % 8] + (x >> 28 == 0));
    }
}

static void round_trip(pack *p, pack_codec wanted, size_t n, bool noise) {
    plain_make(n, noise);
    size_t most = pack_bytes_max(p, n);
    uint8_t *out = malloc(most);
    assert_non_null(out);
    pack_codec codec;
    size_t packed = pack_run(p, plain, n, out, most, &codec);
    assert_true(packed > 0 && packed <= n);
    assert_int_equal(codec, noise || n < 100 ? PACK_NONE : wanted);
    unpack(codec, out, packed, n);
    assert_memory_equal(again, plain, n);
    free(out);
}

static void test_pack_then_comes_out_again(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 10, 1000, 65536, 65537, 131072, BYTES_MAX};
    static const char *const names[] = {"none", "lz4", "zstd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pack_codec codec;
        assert_true(pack_codec_find(names[i], &codec));
        pack *p = pack_new(codec);
        assert_non_null(p);
        for (size_t j = 0; j < 2 * sizeof sizes / sizeof *sizes; j++)
            round_trip(p, codec, sizes[j / 2], j % 2);
        pack_free(p);
    }
}

static void test_pack_when_the_codec_is_librdkafkas_then_is_not_found(void **state) {
    (void)state;
    pack_codec codec;
    assert_false(pack_codec_find("snappy", &codec));
    assert_false(pack_codec_find("gzip", &codec));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_then_comes_out_again),
        cmocka_unit_test(test_pack_when_the_codec_is_librdkafkas_then_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

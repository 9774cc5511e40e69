#include "sdk/src/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef uint32_t (*crc_fn)(uint32_t crc, const void *data, size_t n);

/* RFC 3720, appendix B.4, and the check value that catalogues of CRCs give. */
static void vectors_check(crc_fn crc) {
    uint8_t bytes[32];
    static const uint8_t read_command[48] = {0x01, 0xc0,        [16] = 0x14, [22] = 0x04, [26] = 0x00,
                                             0x14, [31] = 0x18, 0x28,        [40] = 0x02};
    assert_int_equal(crc(0, "", 0), 0);
    assert_int_equal(crc(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc(0, bytes, sizeof bytes), 0x62a8ab43);
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    assert_int_equal(crc(0, bytes, sizeof bytes), 0x46dd794e);
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc(0, bytes, sizeof bytes), 0x113fdb5c);
    assert_int_equal(crc(0, read_command, sizeof read_command), 0xd9963a56);
}

static void test_crc32c_when_published_vectors_then_equal(void **state) {
    (void)state;
    vectors_check(base_crc32c);
    vectors_check(base_crc32c_portable);
}

static uint8_t data[4096 + 64];

static void data_fill(void) {
    uint32_t x = 12345;
    for (size_t i = 0; i < sizeof data; i++) {
        x = x * 1103515245u + 12345u;
        data[i] = (uint8_t)(x >> 16);
    }
}

static void test_crc32c_when_any_length_and_alignment_then_as_by_table(void **state) {
    (void)state;
    data_fill();
    for (size_t n = 0; n <= 4096; n += n < 900 ? 1 : 97) {
        for (size_t offset = 0; offset < 9; offset++) {
            const uint32_t begin = (uint32_t)n * 2654435761u;
            assert_int_equal(base_crc32c(begin, data + offset, n),
                             base_crc32c_portable(begin, data + offset, n));
        }
    }
}

static void test_crc32c_when_cut_then_continues(void **state) {
    (void)state;
    data_fill();
    const uint32_t whole = base_crc32c(0, data, 1000);
    for (size_t cut = 0; cut <= 1000; cut++)
        assert_int_equal(base_crc32c(base_crc32c(0, data, cut), data + cut, 1000 - cut), whole);
}

static void test_crc32c_when_one_bit_flips_then_differs(void **state) {
    (void)state;
    data_fill();
    const uint32_t before = base_crc32c(0, data, 300);
    for (size_t bit = 0; bit < 300 * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(base_crc32c(0, data, 300), before);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_when_published_vectors_then_equal),
        cmocka_unit_test(test_crc32c_when_any_length_and_alignment_then_as_by_table),
        cmocka_unit_test(test_crc32c_when_cut_then_continues),
        cmocka_unit_test(test_crc32c_when_one_bit_flips_then_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "sdk/src/base/crc32c.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#include <stdatomic.h>
#include <wmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

/* ---- by table: four bytes a step -------------------------------------------------------------- */

/* A CRC is linear: the entry of a byte is the sum of the entries of its bits. So the tables are written
 * down by their 8 bits, and the compiler fills them in. */
#define BIT(n, i, value) (((n) >> (i)) & 1u ? (value) : 0u)
#define ENTRY_0(n)                                                                                       \
    (BIT(n, 0, 0xf26b8303u) ^ BIT(n, 1, 0xe13b70f7u) ^ BIT(n, 2, 0xc79a971fu) ^ BIT(n, 3, 0x8ad958cfu) ^ \
     BIT(n, 4, 0x105ec76fu) ^ BIT(n, 5, 0x20bd8edeu) ^ BIT(n, 6, 0x417b1dbcu) ^ BIT(n, 7, 0x82f63b78u))
#define ENTRY_1(n)                                                                                       \
    (BIT(n, 0, 0x13a29877u) ^ BIT(n, 1, 0x274530eeu) ^ BIT(n, 2, 0x4e8a61dcu) ^ BIT(n, 3, 0x9d14c3b8u) ^ \
     BIT(n, 4, 0x3fc5f181u) ^ BIT(n, 5, 0x7f8be302u) ^ BIT(n, 6, 0xff17c604u) ^ BIT(n, 7, 0xfbc3faf9u))
#define ENTRY_2(n)                                                                                       \
    (BIT(n, 0, 0xa541927eu) ^ BIT(n, 1, 0x4f6f520du) ^ BIT(n, 2, 0x9edea41au) ^ BIT(n, 3, 0x38513ec5u) ^ \
     BIT(n, 4, 0x70a27d8au) ^ BIT(n, 5, 0xe144fb14u) ^ BIT(n, 6, 0xc76580d9u) ^ BIT(n, 7, 0x8b277743u))
#define ENTRY_3(n)                                                                                       \
    (BIT(n, 0, 0xdd45aab8u) ^ BIT(n, 1, 0xbf672381u) ^ BIT(n, 2, 0x7b2231f3u) ^ BIT(n, 3, 0xf64463e6u) ^ \
     BIT(n, 4, 0xe964b13du) ^ BIT(n, 5, 0xd725148bu) ^ BIT(n, 6, 0xaba65fe7u) ^ BIT(n, 7, 0x52a0c93fu))
#define ROW_4(entry, n) entry((n) + 0u), entry((n) + 1u), entry((n) + 2u), entry((n) + 3u)
#define ROW_16(entry, n) \
    ROW_4(entry, n), ROW_4(entry, (n) + 4u), ROW_4(entry, (n) + 8u), ROW_4(entry, (n) + 12u)
#define ROW_64(entry, n) \
    ROW_16(entry, n), ROW_16(entry, (n) + 16u), ROW_16(entry, (n) + 32u), ROW_16(entry, (n) + 48u)
#define TABLE(entry) \
    { ROW_64(entry, 0u), ROW_64(entry, 64u), ROW_64(entry, 128u), ROW_64(entry, 192u) }

static const uint32_t table[4][256] = {TABLE(ENTRY_0), TABLE(ENTRY_1), TABLE(ENTRY_2), TABLE(ENTRY_3)};

uint32_t base_crc32c_portable(uint32_t crc, const void *data, size_t n) {
    const uint8_t *p = data;
    uint32_t state = ~crc;
    for (; n >= 4; n -= 4, p += 4) {
        uint32_t word;
        memcpy(&word, p, 4);
        state ^= le32toh(word);
        state = table[3][state & 0xff] ^ table[2][(state >> 8) & 0xff] ^ table[1][(state >> 16) & 0xff] ^
                table[0][state >> 24];
    }
    for (; n > 0; n--)
        state = (state >> 8) ^ table[0][(state ^ *p++) & 0xff];
    return ~state;
}

/* ---- by the CPU's instruction ----------------------------------------------------------------- */

#if defined(__x86_64__)

/* The instruction takes three cycles but can start every cycle. So a block is cut into three equal lanes
 * of 1 to 32 words that run side by side; one carry-less multiplication each moves the first two lanes'
 * CRCs to the end. The constants are x^(128 k - 33) and x^(64 k - 33) modulo the polynomial, reflected, for
 * lanes of k words: 33, because the last word's own step multiplies by x^32 and the product of two
 * reflected factors lies one bit low. */
#define LANE_WORDS_MAX 32u
#define LANES_BYTES_MIN 96u /* below, setting up costs more than it saves */

static const uint32_t lane_shift[LANE_WORDS_MAX][2] = {
    {0x493c7d27, 0x00000001}, {0xba4fc28e, 0x493c7d27}, {0xddc0152b, 0xf20c0dfe}, {0x9e4addf8, 0xba4fc28e},
    {0x39d3b296, 0x3da6d0cb}, {0x0715ce53, 0xddc0152b}, {0x47db8317, 0x1c291d04}, {0x0d3b6092, 0x9e4addf8},
    {0xc96cfdc0, 0x740eef02}, {0x878a92a7, 0x39d3b296}, {0xdaece73e, 0x083a6eec}, {0xab7aff2a, 0x0715ce53},
    {0x2162d385, 0xc49f4f67}, {0x83348832, 0x47db8317}, {0x299847d5, 0x2ad91c30}, {0xb9e02b86, 0x0d3b6092},
    {0x18b33a4e, 0x6992cea2}, {0xb6dd949b, 0xc96cfdc0}, {0x78d9ccb7, 0x7e908048}, {0xbac2fd7b, 0x878a92a7},
    {0xa60ce07b, 0x1b3d8f29}, {0xce7f39f4, 0xdaece73e}, {0x61d82e56, 0xf1d0f55e}, {0xd270f1a2, 0xab7aff2a},
    {0xc619809d, 0xa87ab8a8}, {0x2b3cac5d, 0x2162d385}, {0x65863b64, 0x8462d800}, {0x1b03397f, 0x83348832},
    {0xebb883bd, 0x71d111a8}, {0xb3e32c28, 0x299847d5}, {0x064f7f26, 0xffd852c6}, {0xdd7e3b0c, 0xb9e02b86},
};

static inline uint64_t word_load(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

__attribute__((target("sse4.2,pclmul"))) static inline uint64_t lane_move(uint64_t state, uint32_t shift) {
    const __m128i a = _mm_cvtsi64_si128((long long)state);
    const __m128i b = _mm_cvtsi32_si128((int)shift);
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(a, b, 0));
}

/* 3 * k words. */
__attribute__((target("sse4.2,pclmul"))) static inline uint64_t lanes(uint64_t state, const uint8_t *p,
                                                                      size_t k) {
    const uint8_t *second = p + 8 * k, *third = second + 8 * k, *last = second - 8;
    uint64_t a = state, b = 0, c = 0;
    for (; p < last; p += 8, second += 8, third += 8) {
        a = _mm_crc32_u64(a, word_load(p));
        b = _mm_crc32_u64(b, word_load(second));
        c = _mm_crc32_u64(c, word_load(third));
    }
    a = _mm_crc32_u64(a, word_load(p));
    b = _mm_crc32_u64(b, word_load(second));
    const uint32_t *shift = lane_shift[k - 1];
    return _mm_crc32_u64(c, word_load(third) ^ lane_move(a, shift[0]) ^ lane_move(b, shift[1]));
}

/* Fewer than 8 bytes. */
__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_few(uint32_t state, const uint8_t *p,
                                                                    size_t n) {
    for (; n > 0; n--)
        state = _mm_crc32_u8(state, *p++);
    return state;
}

/* The odd bytes come first: zeros in front change nothing where the state is 0, and a state can be added to
 * the bytes that follow it. So the first 0 to 7 of at least 8 bytes, with zeros in front, are a word like any
 * other, without a branch that depends on the length. */
__attribute__((target("sse4.2,pclmul"))) static inline uint64_t crc32c_odd(uint64_t state, const uint8_t *p,
                                                                           unsigned odd) {
    const uint64_t first = (word_load(p) ^ state) << (56u - 8u * odd) << 8;
    /* What of the state goes beyond those bytes is added to the next ones. */
    return _mm_crc32_u64(0, first) ^ state >> (8u * odd);
}

/* Whole words, many. */
__attribute__((target("sse4.2,pclmul"), noinline)) static uint64_t crc32c_many(uint64_t state,
                                                                               const uint8_t *p, size_t n) {
    while (n >= LANES_BYTES_MIN) {
        size_t k = n / 24;
        if (k > LANE_WORDS_MAX)
            k = LANE_WORDS_MAX;
        state = lanes(state, p, k);
        p += 24 * k;
        n -= 24 * k;
    }
    for (; n > 0; n -= 8, p += 8)
        state = _mm_crc32_u64(state, word_load(p));
    return state;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                                      size_t n) {
    const uint8_t *p = data;
    if (n < 8)
        return ~crc32c_few(~crc, p, n);
    const unsigned odd = n % 8;
    uint64_t state = crc32c_odd(~crc, p, odd);
    p += odd;
    n -= odd;
    if (n >= LANES_BYTES_MIN)
        return ~(uint32_t)crc32c_many(state, p, n);
    const uint8_t *end = p + n;
    for (ptrdiff_t at = -(ptrdiff_t)n; at != 0; at += 8)
        state = _mm_crc32_u64(state, word_load(end + at));
    return ~(uint32_t)state;
}

typedef uint32_t (*crc32c_fn)(uint32_t crc, const void *data, size_t n);

static uint32_t crc32c_first(uint32_t crc, const void *data, size_t n);

/* Replaced by the first call: no constructor, and a race of first calls stores the same value. */
static _Atomic(crc32c_fn) crc32c_chosen = crc32c_first;

/* CPUID is asked directly because __builtin_cpu_supports brings a constructor with it. */
static uint32_t crc32c_first(uint32_t crc, const void *data, size_t n) {
    unsigned a, b, c = 0, d;
    const bool known = __get_cpuid(1, &a, &b, &c, &d) != 0;
    const crc32c_fn fn = known && (c & bit_SSE4_2) && (c & bit_PCLMUL) ? crc32c_sse42 : base_crc32c_portable;
    atomic_store_explicit(&crc32c_chosen, fn, memory_order_relaxed);
    return fn(crc, data, n);
}

uint32_t base_crc32c(uint32_t crc, const void *data, size_t n) {
    return atomic_load_explicit(&crc32c_chosen, memory_order_relaxed)(crc, data, n);
}

#elif defined(__ARM_FEATURE_CRC32)

uint32_t base_crc32c(uint32_t crc, const void *data, size_t n) {
    const uint8_t *p = data;
    uint32_t state = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        state = __crc32cd(state, word);
    }
    for (; n > 0; n--)
        state = __crc32cb(state, *p++);
    return ~state;
}

#else

uint32_t base_crc32c(uint32_t crc, const void *data, size_t n) { return base_crc32c_portable(crc, data, n); }

#endif

/* Short terminated strings, read 16 bytes at a time where the page permits. */
#ifndef WDI_TEXT_H
#define WDI_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#define WDI_TEXT_BLOCK 16u

/* Up to 16 bytes of a string, in memory order; those from the terminator on are zeros. `n` come before it. */
typedef struct wdi_text_block {
    uint64_t words[2];
    uint32_t n;
} wdi_text_block;

/* A text of n bytes to compare with: its first 16, padded with zeros, and which of them, with the terminator,
 * decide. A text that needs more than these is never equal. */
#define WDI_TEXT_NEVER (1u << WDI_TEXT_BLOCK)
static inline uint32_t wdi_text_mask(uint32_t n) {
    return n < WDI_TEXT_BLOCK ? (2u << n) - 1 : WDI_TEXT_NEVER;
}

/* The same string, of which the compiler knows nothing. Before the first use, or the old one is kept, too. */
static inline const char *wdi_text_unknown(const char *s) {
    __asm__("" : "+r"(s));
    return s;
}

#if defined(__x86_64__)

/* 16 bytes from the string's first on; what stands behind the terminator is whatever lies there. */
typedef __m128i wdi_text_raw;

/* The smallest page there is: a load that stays in it cannot fault. It may pass the terminator, which is
 * harmless, and which sanitizers must not report. */
#define WDI_TEXT_PAGE 4096u
#define WDI_TEXT_UNCHECKED __attribute__((no_sanitize("address", "thread")))

/* Byte by byte. */
static inline __m128i wdi_text_load_slowly(const char *s) {
    char copy[WDI_TEXT_BLOCK] = {0};
    for (uint32_t i = 0; s != NULL && i < WDI_TEXT_BLOCK && s[i] != '\0'; i++)
        copy[i] = s[i];
    return _mm_loadu_si128((const __m128i *)(const void *)copy);
}

/* NULL reads as the empty string: like a string that begins a page, it takes the slow way. From the pointer
 * the compiler must not know the string's size, and conclude from it: wdi_text_unknown. */
WDI_TEXT_UNCHECKED static inline wdi_text_raw wdi_text_load(const char *s) {
    /* Neither in the last 15 bytes of a page nor its first. */
    if (__builtin_expect((((uintptr_t)s + WDI_TEXT_BLOCK - 1) & (WDI_TEXT_PAGE - WDI_TEXT_BLOCK)) != 0, 1))
        return _mm_loadu_si128((const __m128i *)(const void *)s);
    return wdi_text_load_slowly(s);
}

static inline uint32_t wdi_text_bits(__m128i truths) { return (uint32_t)_mm_movemask_epi8(truths); }

/* Bytes before the terminator; 16: it is not among these. */
static inline uint32_t wdi_text_length(wdi_text_raw raw) {
    uint32_t zeros = wdi_text_bits(_mm_cmpeq_epi8(raw, _mm_setzero_si128()));
    return (uint32_t)__builtin_ctz(zeros | 1u << WDI_TEXT_BLOCK);
}

static inline wdi_text_block wdi_text_cut(wdi_text_raw raw) {
    static const uint8_t mask[2 * WDI_TEXT_BLOCK] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                     255, 255, 255, 255, 255, 255, 255, 255};
    uint32_t n = wdi_text_length(raw);
    raw = _mm_and_si128(raw, _mm_loadu_si128((const __m128i *)(const void *)(mask + WDI_TEXT_BLOCK - n)));
    return (wdi_text_block){
        .words = {(uint64_t)_mm_cvtsi128_si64(raw),
                  (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(raw, raw))},
        .n = n,
    };
}

static inline bool wdi_text_equal(wdi_text_raw raw, const uint64_t *words, uint32_t mask) {
    __m128i text = _mm_load_si128((const __m128i *)(const void *)words);
    return (~wdi_text_bits(_mm_cmpeq_epi8(raw, text)) & mask) == 0;
}

/* Writes 16 bytes, of which the string's are the first. */
static inline void wdi_text_store(uint8_t *out, wdi_text_raw raw) {
    _mm_storeu_si128((__m128i *)(void *)out, raw);
}

#else

typedef wdi_text_block wdi_text_raw;

static inline wdi_text_raw wdi_text_load(const char *s) {
    wdi_text_block block = {.n = s == NULL ? 0 : (uint32_t)strnlen(s, WDI_TEXT_BLOCK)};
    if (s != NULL)
        memcpy(block.words, s, block.n);
    return block;
}

static inline uint32_t wdi_text_length(wdi_text_raw raw) { return raw.n; }

static inline wdi_text_block wdi_text_cut(wdi_text_raw raw) { return raw; }

static inline bool wdi_text_equal(wdi_text_raw raw, const uint64_t *words, uint32_t mask) {
    return wdi_text_mask(raw.n) == mask && mask != WDI_TEXT_NEVER && raw.words[0] == words[0] &&
           raw.words[1] == words[1];
}

static inline void wdi_text_store(uint8_t *out, wdi_text_raw raw) {
    memcpy(out, raw.words, sizeof raw.words);
}

#endif

static inline wdi_text_block wdi_text_read(const char *s) {
    return wdi_text_cut(wdi_text_load(wdi_text_unknown(s)));
}

#endif

/* Short terminated strings, read 16 bytes at a time where the page permits. */
#ifndef WDI_TEXT_H
#define WDI_TEXT_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#define WDI_TEXT_BLOCK 16u

/* 16 bytes of a string, in memory order; those from the terminator on are zeros. `n` come before it. */
typedef struct wdi_text_block {
    uint64_t words[2];
    uint32_t n;
} wdi_text_block;

#if defined(__x86_64__)

/* The smallest page there is: a load that stays in it cannot fault. It may pass the terminator, which is
 * harmless, and which sanitizers must not report. */
#define WDI_TEXT_PAGE 4096u
#define WDI_TEXT_UNCHECKED __attribute__((no_sanitize("address", "thread")))

WDI_TEXT_UNCHECKED static inline __m128i wdi_text_load(const char *s) {
    __asm__("" : "+r"(s)); /* the compiler must not know the string's size, and conclude from it */
    if (__builtin_expect(((uintptr_t)s & (WDI_TEXT_PAGE - 1)) <= WDI_TEXT_PAGE - WDI_TEXT_BLOCK, 1))
        return _mm_loadu_si128((const __m128i *)(const void *)s);
    char copy[WDI_TEXT_BLOCK] = {0};
    for (uint32_t i = 0; i < WDI_TEXT_BLOCK && s[i] != '\0'; i++)
        copy[i] = s[i];
    return _mm_loadu_si128((const __m128i *)(const void *)copy);
}

WDI_TEXT_UNCHECKED static inline wdi_text_block wdi_text_read(const char *s) {
    static const uint8_t mask[2 * WDI_TEXT_BLOCK] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                     255, 255, 255, 255, 255, 255, 255, 255};
    __m128i block = wdi_text_load(s);
    uint32_t zeros = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_setzero_si128()));
    uint32_t n = (uint32_t)__builtin_ctz(zeros | 1u << WDI_TEXT_BLOCK);
    block = _mm_and_si128(block, _mm_loadu_si128((const __m128i *)(const void *)(mask + WDI_TEXT_BLOCK - n)));
    return (wdi_text_block){
        .words = {(uint64_t)_mm_cvtsi128_si64(block),
                  (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(block, block))},
        .n = n,
    };
}

#else

static inline wdi_text_block wdi_text_read(const char *s) {
    wdi_text_block block = {.n = (uint32_t)strnlen(s, WDI_TEXT_BLOCK)};
    memcpy(block.words, s, block.n);
    return block;
}

#endif

#endif

/* Short terminated strings, read 16 bytes at a time where the page permits. */
#ifndef WDI_TEXT_H
#define WDI_TEXT_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define WDI_TEXT_BLOCK 16u

/* Loads may pass the terminator, never the page: harmless, and what sanitizers must not report. */
#define WDI_TEXT_UNCHECKED __attribute__((no_sanitize("address", "thread")))

#if defined(__SSE2__)

/* The smallest page there is: a load that stays in it cannot fault. */
#define WDI_TEXT_PAGE 4096u

WDI_TEXT_UNCHECKED static inline __m128i wdi_text_load(const char *s) {
    if (__builtin_expect(((uintptr_t)s & (WDI_TEXT_PAGE - 1)) <= WDI_TEXT_PAGE - WDI_TEXT_BLOCK, 1))
        return _mm_loadu_si128((const __m128i *)(const void *)s);
    char copy[WDI_TEXT_BLOCK] = {0};
    for (uint32_t i = 0; i < WDI_TEXT_BLOCK && s[i] != '\0'; i++)
        copy[i] = s[i];
    return _mm_loadu_si128((const __m128i *)(const void *)copy);
}

/* Copies the string's next 16 bytes, those from the terminator on as zeros; returns how many come before it.
 */
WDI_TEXT_UNCHECKED static inline uint32_t wdi_text_block(const char *s, uint64_t ret_words[2]) {
    static const uint8_t mask[2 * WDI_TEXT_BLOCK] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                     255, 255, 255, 255, 255, 255, 255, 255};
    __m128i block = wdi_text_load(s);
    uint32_t zeros = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_setzero_si128()));
    uint32_t n = (uint32_t)__builtin_ctz(zeros | 1u << WDI_TEXT_BLOCK);
    block = _mm_and_si128(block, _mm_loadu_si128((const __m128i *)(const void *)(mask + WDI_TEXT_BLOCK - n)));
    _mm_storeu_si128((__m128i *)(void *)ret_words, block);
    return n;
}

#else

static inline uint32_t wdi_text_block(const char *s, uint64_t ret_words[2]) {
    uint32_t n = (uint32_t)strnlen(s, WDI_TEXT_BLOCK);
    memset(ret_words, 0, WDI_TEXT_BLOCK);
    memcpy(ret_words, s, n);
    return n;
}

#endif

#endif

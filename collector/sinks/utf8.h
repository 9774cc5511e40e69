/* utf8: texts come from devices as they are; what leaves is UTF-8, and each byte that is none has become
 * U+FFFD. Pure; any thread. */
#ifndef SINKS_UTF8_H
#define SINKS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD"
#define UTF8_REPAIRED_MAX(n) (3u * (size_t)(n))

/* Length of the UTF-8 sequence at `p`, 0 if there is none: no overlong forms, no surrogates, not beyond
 * U+10FFFF. n is at least 1. */
static inline size_t utf8_sequence(const uint8_t *p, size_t n) {
    uint8_t c = p[0];
    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c <= 0xDF)
        return n >= 2 && (p[1] & 0xC0) == 0x80 ? 2 : 0;
    if (c >= 0xE0 && c <= 0xEF) {
        if (n < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
            return 0;
        bool overlong = c == 0xE0 && p[1] < 0xA0, surrogate = c == 0xED && p[1] > 0x9F;
        return overlong || surrogate ? 0 : 3;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (n < 4 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80)
            return 0;
        bool overlong = c == 0xF0 && p[1] < 0x90, beyond = c == 0xF4 && p[1] > 0x8F;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

static inline uint64_t utf8_word(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* Most texts are, and then need no closer look. */
static inline bool utf8_ascii(const uint8_t *text, size_t n) {
    uint64_t seen = 0;
    if (n >= 8) {
        for (size_t i = 0; i < n - 8; i += 8)
            seen |= utf8_word(text + i);
        seen |= utf8_word(text + n - 8);
    } else {
        for (size_t i = 0; i < n; i++)
            seen |= text[i];
    }
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

/* How long the text is once it is UTF-8; n: it is. */
size_t utf8_repaired_bytes(const uint8_t *text, size_t n);

/* Writes that many. */
size_t utf8_repair(char *out, const uint8_t *text, size_t n);

#endif

#include "json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 sequence at `p`, 0 if there is none: no overlong forms, no surrogates, not beyond
 * U+10FFFF. */
static size_t utf8_sequence(const uint8_t *p, size_t n) {
    uint8_t c = p[0];
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

/* Whether any of eight bytes needs a closer look: a control character, a quote, a backslash or not ASCII.
 * Exact for bytes below 0x80; the others set their own top bit. */
static bool word_special(uint64_t w) {
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
    uint64_t hit = (w - ones * 0x20) | (quote - ones) | (slash - ones) | w;
    return (hit & tops) != 0;
}

static size_t put_escape(char *out, uint8_t c) {
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    switch (c) {
    case '"':
    case '\\':
        out[1] = (char)c;
        return 2;
    case '\n':
        out[1] = 'n';
        return 2;
    case '\t':
        out[1] = 't';
        return 2;
    case '\r':
        out[1] = 'r';
        return 2;
    default:
        memcpy(out + 1, "u00", 3);
        out[4] = digits[c >> 4];
        out[5] = digits[c & 15];
        return 6;
    }
}

/* One character that word_special had to look at; *i moves behind it. */
static size_t put_character(char *out, const uint8_t *text, size_t n, size_t *i) {
    uint8_t c = text[*i];
    if (c < 0x80) {
        (*i)++;
        if (c >= 0x20 && c != '"' && c != '\\') {
            out[0] = (char)c;
            return 1;
        }
        return put_escape(out, c);
    }
    size_t sequence = utf8_sequence(text + *i, n - *i);
    if (sequence == 0) {
        (*i)++;
        memcpy(out, "\xEF\xBF\xBD", 3); /* U+FFFD */
        return 3;
    }
    memcpy(out, text + *i, sequence);
    *i += sequence;
    return sequence;
}

/* Copies words as long as nothing in them needs a look. What is left of a text of at least one word is
 * taken with the bytes before it once more. How far it came. */
static size_t put_plain(char *at, const uint8_t *text, size_t i, size_t n) {
    uint64_t word;
    size_t begin = i;
    while (i < n) {
        if (n - i < 8 && i - begin < 8 - (n - i))
            return i; /* too short for that */
        size_t from = n - i < 8 ? n - 8 : i;
        memcpy(&word, text + from, 8);
        if (word_special(word))
            return i;
        memcpy(at + (from - begin), &word, 8);
        i = from + 8;
    }
    return i;
}

size_t json_put_string(char *out, const uint8_t *text, size_t n) {
    char *at = out;
    *at++ = '"';
    size_t i = 0;
    while (i < n) {
        size_t plain = put_plain(at, text, i, n);
        at += plain - i;
        i = plain;
        for (size_t end = n - i >= 8 ? i + 8 : n; i < end;)
            at += put_character(at, text, n, &i);
    }
    *at++ = '"';
    return (size_t)(at - out);
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

char *json_put_digits6(char *out, uint32_t value) {
    memcpy(out, pairs + 2 * (value / 10000), 2);
    memcpy(out + 2, pairs + 2 * (value / 100 % 100), 2);
    memcpy(out + 4, pairs + 2 * (value % 100), 2);
    return out + 6;
}

size_t json_put_uint(char *out, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * value, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    memcpy(out, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

size_t json_put_int(char *out, int64_t value) {
    if (value >= 0)
        return json_put_uint(out, (uint64_t)value);
    out[0] = '-';
    return 1 + json_put_uint(out + 1, 0 - (uint64_t)value);
}

/* Most doubles that people record are short decimals: n / 10^k with n < 2^53 is correctly rounded both
 * ways, so if it gives the value back, its digits do. 0: not one of those. */
static size_t put_short_decimal(char *out, double value) {
    static const double tens[] = {10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    static const uint64_t whole_tens[] = {10,      100,      1000,      10000,     100000,
                                          1000000, 10000000, 100000000, 1000000000};
    double size = fabs(value);
    for (unsigned k = 0; k < sizeof tens / sizeof *tens; k++) {
        double scaled = size * tens[k];
        if (scaled >= 9007199254740992.0)
            return 0;
        uint64_t n = (uint64_t)(scaled + 0.5);
        if ((double)n / tens[k] != size)
            continue;
        char *at = out;
        if (signbit(value))
            *at++ = '-';
        at += json_put_uint(at, n / whole_tens[k]);
        *at++ = '.';
        uint64_t fraction = n % whole_tens[k];
        for (unsigned digit = k + 1; digit > 0; digit--) {
            at[digit - 1] = (char)('0' + fraction % 10);
            fraction /= 10;
        }
        return (size_t)(at - out) + k + 1;
    }
    return 0;
}

size_t json_put_double(char *out, double value) {
    if (isnan(value)) {
        memcpy(out, "\"NaN\"", 5);
        return 5;
    }
    if (isinf(value)) {
        const char *text = value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
        memcpy(out, text, strlen(text));
        return strlen(text);
    }
    size_t n = put_short_decimal(out, value);
    if (n > 0)
        return n;
    char text[JSON_NUMBER_MAX];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    n = strlen(text);
    memcpy(out, text, n);
    if (strpbrk(text, ".e") == NULL) {
        memcpy(out + n, ".0", 2);
        n += 2;
    }
    return n;
}

size_t json_put_base64(char *out, const uint8_t *data, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *at = out;
    *at++ = '"';
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                     (left > 2 ? data[i + 2] : 0u);
        *at++ = digits[v >> 18];
        *at++ = digits[v >> 12 & 63];
        *at++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[v & 63] : '=';
    }
    *at++ = '"';
    return (size_t)(at - out);
}

#include "json.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

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
        memcpy(out, UTF8_REPLACEMENT, 3);
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

__extension__ typedef unsigned __int128 wide;

/* A double between 1e-4 and 1e15, whose printed form has no exponent, times 10^k: whole + rest / 2^shift,
 * exactly. */
typedef struct scaled {
    uint64_t mantissa, whole; /* whole has LONG_DIGITS digits */
    wide rest, ten_k;         /* ten_k: 10^k */
    unsigned shift;
    int exponent; /* of the first digit */
} scaled;

#define LONG_DIGITS 17
#define LONG_LEAST UINT64_C(10000000000000000) /* 10^16 */
#define MANTISSA_LEAST (UINT64_C(1) << 52)

static void scale_by(scaled *s, int k) {
    s->ten_k = 1;
    for (int i = 0; i < k; i++)
        s->ten_k *= 10;
    wide product = s->mantissa * s->ten_k; /* below 2^123: k is at most 21 */
    s->whole = (uint64_t)(product >> s->shift);
    s->rest = product - ((wide)s->whole << s->shift);
    s->exponent = LONG_DIGITS - 1 - k;
}

static bool scale(scaled *s, double size) {
    if (!(size >= 1e-4 && size < 1e15))
        return false;
    uint64_t bits;
    memcpy(&bits, &size, sizeof bits);
    s->mantissa = (bits & (MANTISSA_LEAST - 1)) | MANTISSA_LEAST;
    int binary = (int)(bits >> 52) - 1023;
    s->shift = (unsigned)(52 - binary);
    /* The decimal exponent is that of 2^binary, or one more. */
    int decimal = binary >= 0 ? binary * 1233 / 4096 : -((4095 - binary * 1233) / 4096);
    scale_by(s, LONG_DIGITS - 1 - decimal);
    if (s->whole >= 10 * LONG_LEAST)
        scale_by(s, LONG_DIGITS - 2 - decimal);
    return s->whole >= LONG_LEAST && s->exponent >= -4;
}

/* The nearest number that has `unit` less digits than `whole`; of two, the even one, as printf does. */
static uint64_t scaled_round(const scaled *s, uint64_t unit) {
    uint64_t digits = s->whole / unit, left = s->whole % unit;
    /* Twice what is cut off, against the unit, both times 2^shift. */
    wide twice = (((wide)left << s->shift) + s->rest) << 1, one = (wide)unit << s->shift;
    return digits + (twice > one || (twice == one && digits % 2 == 1));
}

/* Whether a reader finds the double nearest to these digits again. */
static bool scaled_reads_back(const scaled *s, uint64_t digits, uint64_t unit) {
    uint64_t whole = digits * unit;
    bool above = whole > s->whole;
    wide off = above ? ((wide)(whole - s->whole) << s->shift) - s->rest
                     : ((wide)(s->whole - whole) << s->shift) + s->rest;
    /* Half a step of the mantissa is ten_k / 2; below a power of two steps are half as long. */
    wide steps = off * (!above && s->mantissa == MANTISSA_LEAST ? 4 : 2);
    return steps < s->ten_k || (steps == s->ten_k && s->mantissa % 2 == 0);
}

static size_t put_point(char *out, const char *digits, size_t n, int exponent) {
    char *at = out;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    for (int i = exponent; i < 0; i++) {
        *at++ = '0';
        if (i == exponent)
            *at++ = '.';
    }
    for (size_t i = 0; i < n || (int)i <= exponent + 1; i++) {
        if (exponent >= 0 && (int)i == exponent + 1)
            *at++ = '.';
        *at++ = i < n ? digits[i] : '0';
    }
    return (size_t)(at - out);
}

/* The least of 15, 16 and 17 digits that read back, as below by printf, in a tenth of the time. 0: not of
 * that size. */
static size_t put_long_decimal(char *out, double value) {
    static const uint64_t units[] = {100, 10, 1};
    scaled s;
    if (!scale(&s, fabs(value)))
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        uint64_t digits = scaled_round(&s, units[i]);
        if (digits * units[i] >= 10 * LONG_LEAST)
            return 0; /* a digit more: another exponent */
        if (!scaled_reads_back(&s, digits, units[i]))
            continue;
        char text[20];
        size_t n = json_put_uint(text, digits), sign = signbit(value) != 0;
        out[0] = '-';
        return sign + put_point(out + sign, text, n, s.exponent);
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
    if (n == 0)
        n = put_long_decimal(out, value);
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

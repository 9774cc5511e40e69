#include "text.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_FIRST_BYTES = 1024, NAME_LENGTH_MAX = 63 };

static const char hex_digits[] = "0123456789abcdef";

void text_init(struct text *t, char *buffer, size_t size) {
    *t = (struct text){.data = buffer, .capacity = size};
    buffer[0] = '\0';
}

void text_init_growing(struct text *t, size_t bytes_max) { *t = (struct text){.grow_max = bytes_max}; }

void text_fini(struct text *t) {
    if (t->grow_max > 0)
        free(t->data);
    *t = (struct text){0};
}

/* Makes room for `n` more bytes and the NUL if it can; answers how many of them fit. */
static size_t text_reserve(struct text *t, size_t n) {
    size_t needed = t->length + n + 1;
    if (needed > t->capacity && t->capacity < t->grow_max) {
        size_t capacity = t->capacity > 0 ? t->capacity : TEXT_FIRST_BYTES;
        while (capacity < needed && capacity < t->grow_max)
            capacity *= 2;
        if (capacity > t->grow_max)
            capacity = t->grow_max;
        char *data = realloc(t->data, capacity);
        if (data) {
            t->data = data;
            t->capacity = capacity;
        }
    }
    if (needed <= t->capacity)
        return n;
    t->cut = true;
    return t->capacity > t->length ? t->capacity - t->length - 1 : 0;
}

void text_append(struct text *t, const char *bytes, size_t n) {
    size_t fitting = text_reserve(t, n);
    if (t->capacity == 0)
        return;
    memcpy(t->data + t->length, bytes, fitting);
    t->length += fitting;
    t->data[t->length] = '\0';
}

void text_put(struct text *t, const char *string) { text_append(t, string, strlen(string)); }

void text_vprintf(struct text *t, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length > 0) {
        size_t fitting = text_reserve(t, (size_t)length);
        if (t->capacity > t->length)
            vsnprintf(t->data + t->length, fitting + 1, format, again);
        t->length += fitting;
    }
    va_end(again);
}

void text_printf(struct text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(t, format, arguments);
    va_end(arguments);
}

/* The value of a character that YAML and terminals take for no text, though it is valid UTF-8: U+0080 …
 * U+009F, U+FEFF, U+FFFE, U+FFFF. 0: it is none of them. */
static unsigned unprintable(const char *at) {
    const unsigned char *c = (const unsigned char *)at;
    if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
        return c[1];
    if (c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf)
        return 0xfeff;
    if (c[0] == 0xef && c[1] == 0xbf && (c[2] == 0xbe || c[2] == 0xbf))
        return 0xff40u + c[2];
    return 0;
}

void text_put_escaped(struct text *t, const char *string) {
    for (const char *c = string; *c; c++) {
        const unsigned value = unprintable(c);
        if (*c == '"' || *c == '\\')
            text_printf(t, "\\%c", *c);
        else if (*c == '\n')
            text_put(t, "\\n");
        else if ((unsigned char)*c < 0x20 || *c == 0x7f)
            text_printf(t, "\\u%04x", (unsigned)*c);
        else if (value) {
            text_printf(t, "\\u%04x", value);
            c += value < 0x100 ? 1 : 2;
        } else
            text_append(t, c, 1);
    }
}

static const char *html_entity(char c) {
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void text_put_html(struct text *t, const char *string) {
    for (const char *c = string; *c; c++) {
        const char *entity = html_entity(*c);
        if (entity)
            text_put(t, entity);
        else
            text_append(t, c, 1);
    }
}

void text_put_hex(struct text *t, const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char digits[3];
        hex_encode(digits, bytes + i, 1);
        text_append(t, digits, 2);
    }
}

/* Four bytes at a time, all eight digits at once: two ids of every event become text. */
static void hex_encode_4(char *ret_digits, const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    uint64_t x = be32toh(word); /* a half-byte to each byte */
    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    x = htobe64(x + UINT64_C(0x3030303030303030) + letters * ('a' - 10 - '0'));
    memcpy(ret_digits, &x, sizeof x);
}

void hex_encode(char *ret_digits, const uint8_t *bytes, size_t n) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        hex_encode_4(ret_digits + 2 * i, bytes + i);
    for (; i < n; i++) {
        ret_digits[2 * i] = hex_digits[bytes[i] >> 4];
        ret_digits[2 * i + 1] = hex_digits[bytes[i] & 15];
    }
    ret_digits[2 * n] = '\0';
}

enum { NO_DIGIT = 16 };

static unsigned hex_value(char c) {
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a' + 10);
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A' + 10);
    return NO_DIGIT;
}

bool hex_decode(uint8_t *ret_bytes, size_t n, const char *digits, size_t digits_length) {
    if (digits_length != 2 * n)
        return false;
    for (size_t i = 0; i < digits_length; i++)
        if (hex_value(digits[i]) == NO_DIGIT)
            return false;
    for (size_t i = 0; i < n; i++)
        ret_bytes[i] = (uint8_t)(hex_value(digits[2 * i]) << 4 | hex_value(digits[2 * i + 1]));
    return true;
}

void uuid_format(char ret_text[UUID_TEXT_SIZE], const uint8_t id[16]) {
    static const uint8_t group_bytes[] = {4, 2, 2, 2, 6};
    char *out = ret_text;
    const uint8_t *in = id;
    for (size_t i = 0; i < sizeof group_bytes; i++) {
        if (i > 0)
            *out++ = '-';
        hex_encode(out, in, group_bytes[i]);
        out += 2 * group_bytes[i];
        in += group_bytes[i];
    }
}

static unsigned min3(unsigned a, unsigned b, unsigned c) {
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance, one row at a time; names longer than the row are never near. */
static unsigned edit_distance(const char *a, const char *b) {
    size_t b_length = strlen(b);
    unsigned row[NAME_LENGTH_MAX + 1];
    if (b_length > NAME_LENGTH_MAX || strlen(a) > NAME_LENGTH_MAX)
        return NAME_LENGTH_MAX;
    for (unsigned j = 0; j <= b_length; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_length];
}

const char *nearest_name(const char *word, const char *const *names) {
    const char *nearest = NULL;
    unsigned least = (unsigned)(strlen(word) / 3 + 1);
    if (least > 3)
        least = 3;
    least++;
    for (; *names; names++) {
        unsigned distance = edit_distance(word, *names);
        if (distance < least) {
            least = distance;
            nearest = *names;
        }
    }
    return nearest;
}

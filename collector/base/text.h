/* Bounded text: a string builder that never writes past its end, and small conversions that the
 * whole collector shares. Nothing here allocates unless it says so. Any thread. */
#ifndef COLLECTOR_BASE_TEXT_H
#define COLLECTOR_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Always NUL-terminated. What does not fit is cut off and remembered in `cut`. */
struct text {
    char *data;
    size_t length;
    size_t capacity; /* of data, the NUL included */
    size_t grow_max; /* capacity that a growing text may reach; 0: `data` is the caller's */
    bool cut;
};

/* Builds in the caller's buffer of `size` >= 1 bytes, which it borrows. */
void text_init(struct text *t, char *buffer, size_t size);

/* Builds on the heap, up to `bytes_max`; no memory is cut like no room. Release by text_fini. */
void text_init_growing(struct text *t, size_t bytes_max);

void text_fini(struct text *t);

void text_append(struct text *t, const char *bytes, size_t n);
void text_put(struct text *t, const char *string);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *t, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* As the inside of a JSON string: quotes, backslashes and control characters escaped. YAML's double
 * quotes, logfmt and Prometheus' labels take the same. */
void text_put_escaped(struct text *t, const char *string);

/* As HTML text or attribute value. */
void text_put_html(struct text *t, const char *string);

/* As lower-case hex digits. */
void text_put_hex(struct text *t, const uint8_t *bytes, size_t n);

/* Writes 2n lower-case digits and a NUL. */
void hex_encode(char *ret_digits, const uint8_t *bytes, size_t n);

/* Reads exactly 2n digits of either case. false, and nothing written, for anything else. */
bool hex_decode(uint8_t *ret_bytes, size_t n, const char *digits, size_t digits_length);

enum { UUID_TEXT_SIZE = 37 };

/* A 16-byte id in the grouping of UUIDs: 8-4-4-4-12, lower-case, with a NUL. */
void uuid_format(char ret_text[UUID_TEXT_SIZE], const uint8_t id[16]);

/* The name of `names` (NULL-terminated) that `word` was probably meant to be, by edit distance; NULL
 * when none is near: more than a third of the letters differ, or 3. */
const char *nearest_name(const char *word, const char *const *names);

#endif

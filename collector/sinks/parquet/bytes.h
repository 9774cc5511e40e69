/* bytes: a buffer that grows. When memory runs out it says so in `failed`, once and for all, and takes
 * nothing more, so that who puts many small things looks only at the end. One thread. */
#ifndef PARQUET_BYTES_H
#define PARQUET_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct bytes {
    uint8_t *data;
    size_t n, cap;
    bool failed; /* memory ran out: something is missing */
} bytes;

void bytes_free(bytes *b);

/* Empty, and as if memory had never run out. */
static inline void bytes_clear(bytes *b) {
    b->n = 0;
    b->failed = false;
}

/* Makes room for n more. false: out of memory. */
bool bytes_grow(bytes *b, size_t n);

/* Room for n more bytes behind the last; NULL when out of memory. The caller adds what it wrote to b->n. */
static inline uint8_t *bytes_reserve(bytes *b, size_t n) {
    if (__builtin_expect(b->cap - b->n < n, 0) && !bytes_grow(b, n))
        return NULL;
    return b->data + b->n;
}

static inline void bytes_put(bytes *b, const void *data, size_t n) {
    uint8_t *at = bytes_reserve(b, n);
    if (!at || n == 0)
        return;
    memcpy(at, data, n);
    b->n += n;
}

static inline void bytes_put_byte(bytes *b, uint8_t value) { bytes_put(b, &value, 1); }

/* Seven bits a byte, the least first. */
static inline void bytes_put_varint(bytes *b, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        bytes_put_byte(b, (uint8_t)(value | 0x80));
    bytes_put_byte(b, (uint8_t)value);
}

#endif

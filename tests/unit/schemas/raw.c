#include "tests/unit/schemas/raw.h"

#include <assert.h>
#include <string.h>

void raw_append(raw *out, const void *data, size_t n) {
    assert(n <= sizeof out->data - out->n);
    if (n > 0)
        memcpy(out->data + out->n, data, n);
    out->n += n;
}

void raw_varint(raw *out, uint64_t value) {
    uint8_t bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    raw_append(out, bytes, n);
}

void raw_number(raw *out, uint32_t field, uint64_t value) {
    raw_varint(out, (uint64_t)field << 3);
    raw_varint(out, value);
}

void raw_bytes(raw *out, uint32_t field, const void *data, size_t n) {
    raw_varint(out, (uint64_t)field << 3 | 2);
    raw_varint(out, n);
    raw_append(out, data, n);
}

void raw_filler(raw *out, uint32_t field, size_t n) {
    static uint8_t filler[1 << 16];
    assert(n <= sizeof filler);
    memset(filler, 'x', sizeof filler);
    raw_bytes(out, field, filler, n);
}

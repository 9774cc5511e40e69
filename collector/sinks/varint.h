/* varint: protobuf's numbers, written straight into a buffer. Pure; any thread. */
#ifndef SINKS_VARINT_H
#define SINKS_VARINT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VARINT_BYTES_MAX 10u

static inline size_t varint_bytes(uint64_t value) {
    return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

static inline char *varint_put(char *at, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *at++ = (char)(uint8_t)(value | 0x80);
    *at++ = (char)value;
    return at;
}

/* The same bytes without a loop, whose end nobody can predict. Up to 8 bytes are written whatever the value
 * needs: there must be room, and what follows must be written later. */
static inline char *varint_put_wide(char *at, uint64_t value) {
    if (value < 0x80) {
        *at = (char)value;
        return at + 1;
    }
    if (value >> 56)
        return varint_put(at, value);
    /* Seven bits to each byte: halves, then quarters, then pairs. */
    value = (value & UINT64_C(0x00fffffff0000000)) << 4 | (value & UINT64_C(0x000000000fffffff));
    value = (value & UINT64_C(0x0fffc0000fffc000)) << 2 | (value & UINT64_C(0x00003fff00003fff));
    value = (value & UINT64_C(0x3f803f803f803f80)) << 1 | (value & UINT64_C(0x007f007f007f007f));
    unsigned last = (unsigned)(63 - __builtin_clzll(value)) / 8;
    uint64_t word = htole64(value | (UINT64_C(0x8080808080808080) & ((UINT64_C(1) << 8 * last) - 1)));
    memcpy(at, &word, sizeof word);
    return at + last + 1;
}

static inline uint64_t varint_zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

#endif

/* How numbers are written; for the encoders. */
#ifndef WIRE_PUT_H
#define WIRE_PUT_H

#include <stdint.h>

static inline uint64_t wire_zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (0 - ((uint64_t)value >> 63));
}

static inline uint8_t *wire_varint_put(uint8_t *p, uint64_t value) {
    while (value >= 0x80) {
        *p++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *p++ = (uint8_t)value;
    return p;
}

#endif

#include "tests/fuzz/mutate.h"

#include <string.h>

uint64_t mutate_random(uint64_t *state) {
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t x = *state;
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

/* Values at which counters and lengths break. */
static uint8_t edge_byte(uint64_t random) {
    static const uint8_t edges[] = {0, 1, 2, 7, 8, 15, 16, 0x7f, 0x80, 0x81, 0xfe, 0xff};
    return edges[random % sizeof edges];
}

static size_t range_drop(uint8_t *data, size_t size, size_t at, size_t n) {
    memmove(data + at, data + at + n, size - at - n);
    return size - n;
}

static size_t range_double(uint8_t *data, size_t size, size_t cap, size_t at, size_t n) {
    if (n > cap - size)
        return size;
    memmove(data + at + n, data + at, size - at);
    return size + n;
}

size_t mutate(uint8_t *data, size_t size, size_t cap, uint64_t *state) {
    if (size == 0)
        return 0;
    const uint64_t random = mutate_random(state);
    const size_t at = (size_t)(mutate_random(state) % size);
    const size_t n = 1 + (size_t)(mutate_random(state) % (size - at)) % 32;
    switch (random % 6) {
    case 0:
        data[at] ^= (uint8_t)(1u << (random >> 8) % 8);
        return size;
    case 1:
        data[at] = edge_byte(random >> 8);
        return size;
    case 2:
        data[at] = (uint8_t)(data[at] + 1 - (random >> 8) % 3);
        return size;
    case 3:
        return range_drop(data, size, at, n);
    case 4:
        return range_double(data, size, cap, at, n);
    default:
        return random % 5 == 0 ? at : size;
    }
}

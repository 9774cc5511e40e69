#include "hybrid.h"

#define GROUP 8u   /* values that are packed together */
#define RUN_MIN 8u /* a shorter run is not worth leaving a packed stretch for */

unsigned hybrid_width(uint32_t max) { return max == 0 ? 1 : 32 - (unsigned)__builtin_clz(max); }

void hybrid_pack(bytes *out, const uint32_t *values, size_t n, unsigned width) {
    uint8_t *at = bytes_reserve(out, (n * width + 7) / 8 + 8);
    if (!at)
        return;
    const uint8_t *begin = at;
    uint64_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < n; i++) {
        bits |= (uint64_t)values[i] << held;
        held += width;
        if (held >= 32) {
            memcpy(at, &bits, 4); /* little-endian, as everywhere in this folder */
            at += 4;
            bits >>= 32;
            held -= 32;
        }
    }
    memcpy(at, &bits, 8);
    out->n += (size_t)(at - begin) + (held + 7) / 8;
}

static void packed_put(bytes *out, const uint32_t *values, size_t n, unsigned width) {
    if (n == 0)
        return;
    size_t groups = (n + GROUP - 1) / GROUP, from = out->n;
    bytes_put_varint(out, groups << 1 | 1);
    size_t head = out->n - from;
    hybrid_pack(out, values, n, width);
    /* The last group is whole, whatever n is. */
    size_t missing = head + groups * width - (out->n - from);
    uint8_t *at = bytes_reserve(out, missing);
    if (!at)
        return;
    memset(at, 0, missing);
    out->n += missing;
}

static void run_put(bytes *out, uint32_t value, size_t n, unsigned width) {
    bytes_put_varint(out, (uint64_t)n << 1);
    bytes_put(out, &value, (width + 7) / 8);
}

static size_t run_length(const uint32_t *values, size_t n) {
    size_t i = 1;
    while (i < n && values[i] == values[0])
        i++;
    return i;
}

void hybrid_put(bytes *out, const uint32_t *values, size_t n, unsigned width) {
    size_t from = 0, i = 0; /* values[from … i) wait to be packed: whole groups */
    while (i < n) {
        size_t run = run_length(values + i, n - i);
        if (run < RUN_MIN) {
            i = n - i < GROUP ? n : i + GROUP;
            continue;
        }
        packed_put(out, values + from, i - from, width);
        run_put(out, values[i], run, width);
        from = i += run;
    }
    packed_put(out, values + from, n - from, width);
}

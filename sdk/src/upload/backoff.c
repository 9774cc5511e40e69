#include "sdk/src/upload/backoff.h"

/* 1 … n, evenly but for n / 2^64. */
static uint64_t pick(uint64_t n, uint64_t random) { return n > 0 ? random % n + 1 : 0; }

uint64_t wdi_backoff_next(uint32_t attempt, uint64_t min_us, uint64_t max_us, uint64_t random) {
    uint64_t cap_us = min_us;
    for (uint32_t i = 0; i < attempt && cap_us < max_us; i++)
        cap_us = cap_us > max_us / 2 ? max_us : cap_us * 2;
    return pick(cap_us < max_us ? cap_us : max_us, random);
}

uint64_t wdi_backoff_cap(uint64_t max_us, uint64_t random) {
    return max_us / 2 + pick(max_us - max_us / 2, random);
}

uint64_t wdi_backoff_asked(uint64_t asked_us, uint64_t random) {
    return asked_us + pick(asked_us / 10, random);
}

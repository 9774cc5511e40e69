/* sim_random: seeded numbers for histories. splitmix64: every seed gives another history. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sim_random {
    uint64_t state;
} sim_random;

static inline uint64_t sim_next(sim_random *r) {
    uint64_t x = r->state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* 0 … n-1. */
static inline uint32_t sim_below(sim_random *r, uint32_t n) { return (uint32_t)(sim_next(r) % n); }

static inline bool sim_chance(sim_random *r, uint32_t percent) { return sim_below(r, 100) < percent; }

#endif

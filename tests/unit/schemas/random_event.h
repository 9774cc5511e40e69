/* Random events for tests, all from one seed. */
#ifndef RANDOM_EVENT_H
#define RANDOM_EVENT_H

#include "schemas/wire/wire.h"

typedef struct random_source {
    uint64_t state;
} random_source;

/* The seed of WADI_TEST_SEED, or one of the clock's; printed. */
random_source random_open(const char *what);

/* A count from the environment. */
uint64_t random_rounds(const char *variable, uint64_t fallback);

uint64_t random_next(random_source *random);

/* 0 … n - 1. */
uint64_t random_below(random_source *random, uint64_t n);

/* Any number of bits from 0 to `bits` is equally likely. */
uint64_t random_bits(random_source *random, unsigned bits);

typedef struct random_event {
    wire_event event;
    wire_prop props[WIRE_PROPS_MAX];
    uint8_t bytes[16384]; /* what texts point into */
} random_event;

/* Within the limits; ids up to id_max, or without bound when it is 0. */
void random_event_fill(random_event *event, random_source *random, uint32_t id_max);

#endif

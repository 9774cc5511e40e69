#include "tests/unit/schemas/random_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t random_rounds(const char *variable, uint64_t fallback) {
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : fallback;
}

random_source random_open(const char *what) {
    const uint64_t seed = random_rounds("WADI_TEST_SEED", (uint64_t)time(NULL));
    printf("%s: WADI_TEST_SEED=%llu\n", what, (unsigned long long)seed);
    return (random_source){seed};
}

uint64_t random_next(random_source *random) {
    random->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t x = random->state;
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

uint64_t random_below(random_source *random, uint64_t n) { return random_next(random) % n; }

uint64_t random_bits(random_source *random, unsigned bits) {
    const uint64_t width = random_below(random, bits + 1);
    return width == 0 ? 0 : random_next(random) >> (64 - width);
}

static size_t random_count(random_source *random) {
    switch (random_below(random, 50)) {
    case 0:
        return random_below(random, WIRE_PROPS_MAX + 1);
    case 1:
        return 0;
    default:
        return random_below(random, 12);
    }
}

static size_t random_text_bytes(random_source *random) {
    switch (random_below(random, 200)) {
    case 0:
        return random_below(random, 5000);
    case 1:
        return 120 + random_below(random, 20);
    default:
        return random_below(random, 40);
    }
}

static uint32_t random_id(random_source *random, uint32_t id_max) {
    if (random_below(random, 10) == 0)
        return 0;
    if (id_max)
        return 1 + (uint32_t)random_below(random, id_max);
    return (uint32_t)random_bits(random, 29);
}

static wire_prop random_prop(random_event *event, random_source *random, uint32_t id_max) {
    const uint8_t *const text = event->bytes + random_below(random, 256);
    wire_prop prop = {.key_id = random_id(random, id_max), .type = (uint8_t)random_below(random, 6)};
    if (prop.key_id == 0) {
        prop.key = (const char *)event->bytes;
        prop.key_len = (uint8_t)(1 + random_below(random, 255));
    }
    if (prop.type == WIRE_INT) {
        const int64_t magnitude = (int64_t)(random_bits(random, 64) >> 1);
        prop.v.i = random_below(random, 2) ? magnitude : -magnitude - 1;
    } else if (prop.type == WIRE_DOUBLE) {
        const uint64_t bits = random_next(random);
        memcpy(&prop.v.d, &bits, 8);
    } else if (prop.type == WIRE_STRING || prop.type == WIRE_BYTES) {
        prop.v.s.data = text;
        prop.v.s.n = random_text_bytes(random);
    }
    return prop;
}

static void random_event_try(random_event *event, random_source *random, uint32_t id_max) {
    wire_event *const ev = &event->event;
    *ev = (wire_event){
        .name_id = random_id(random, id_max),
        .at_us = random_bits(random, 57),
        .context = (uint32_t)random_bits(random, 32),
        .priority = (uint32_t)random_below(random, 4),
        .has_time = random_below(random, 10) == 0,
        .props = event->props,
        .n_props = random_count(random),
    };
    if (ev->name_id == 0) {
        ev->name = (const char *)event->bytes + 7;
        ev->name_len = (uint8_t)(1 + random_below(random, 255));
    }
    if (ev->has_time)
        ev->time_us = (int64_t)random_bits(random, 55) - (INT64_C(1) << 54);
    for (size_t i = 0; i < ev->n_props; i++)
        event->props[i] = random_prop(event, random, id_max);
}

/* Any bytes, or ASCII, or characters of every length. */
static void bytes_fill(random_event *event, random_source *random) {
    static const char characters[] = "a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x8C\xA7\"\\\n";
    const uint64_t kind = random_below(random, 3), shift = random_below(random, sizeof characters - 1);
    for (size_t i = 0; i < sizeof event->bytes; i += 8) {
        uint64_t word = random_next(random);
        if (kind == 1)
            word &= UINT64_C(0x7f7f7f7f7f7f7f7f);
        memcpy(event->bytes + i, &word, 8);
    }
    for (size_t i = 0; kind == 2 && i < sizeof event->bytes; i++)
        event->bytes[i] = (uint8_t)characters[(i + shift) % (sizeof characters - 1)];
}

void random_event_fill(random_event *event, random_source *random, uint32_t id_max) {
    bytes_fill(event, random);
    do
        random_event_try(event, random, id_max);
    while (wire_event_size(&event->event) == 0);
}

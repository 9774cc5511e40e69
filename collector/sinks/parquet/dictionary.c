#include "dictionary.h"

#include <stdlib.h>

#define SLOTS_MIN 64u
/* Values that a device chooses so that they meet in one place end the dictionary instead of slowing it down.
 * Others never come that far in a table that is at most half full. */
#define PROBES_MAX 256u
#define HASH_FACTOR UINT64_C(0x9E3779B97F4A7C15)

void dictionary_free(dictionary *d) {
    bytes_free(&d->stored);
    free(d->starts);
    free(d->marks);
    free(d->slots);
    *d = (dictionary){.fixed = d->fixed};
}

void dictionary_clear(dictionary *d) {
    d->n = 0;
    d->failed = false;
    bytes_clear(&d->stored);
    if (d->slots)
        memset(d->slots, 0, d->slots_n * sizeof *d->slots);
}

size_t dictionary_bytes(const dictionary *d) {
    return d->stored.cap + d->entries_cap * (sizeof *d->starts + sizeof *d->marks) +
           d->slots_n * sizeof *d->slots;
}

static inline uint64_t word_mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * HASH_FACTOR;
    return hash ^ hash >> 32;
}

static inline uint32_t value_hash(const uint8_t *data, size_t n) {
    uint64_t hash = n * HASH_FACTOR, word = 0;
    for (; n > 8; n -= 8, data += 8) {
        memcpy(&word, data, 8);
        hash = word_mix(hash, word);
    }
    word = 0;
    memcpy(&word, data, n);
    return (uint32_t)word_mix(hash, word);
}

wire_span dictionary_value(const dictionary *d, uint32_t index) {
    const uint8_t *at = d->stored.data + d->starts[index];
    if (d->fixed)
        return (wire_span){at, 8};
    uint32_t n;
    memcpy(&n, at, sizeof n);
    return (wire_span){at + sizeof n, n};
}

static bool slots_double(dictionary *d) {
    uint32_t slots_n = d->slots_n ? 2 * d->slots_n : SLOTS_MIN;
    dictionary_slot *slots = calloc(slots_n, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = 0; i < d->slots_n; i++) {
        if (d->slots[i].index == 0)
            continue;
        uint32_t at = d->slots[i].hash & (slots_n - 1);
        while (slots[at].index != 0)
            at = (at + 1) & (slots_n - 1);
        slots[at] = d->slots[i];
    }
    free(d->slots);
    d->slots = slots;
    d->slots_n = slots_n;
    return true;
}

static bool entries_double(dictionary *d) {
    uint32_t cap = d->entries_cap ? 2 * d->entries_cap : SLOTS_MIN / 2;
    uint32_t *starts = realloc(d->starts, cap * sizeof *starts);
    if (!starts)
        return false;
    d->starts = starts;
    uint32_t *marks = realloc(d->marks, cap * sizeof *marks);
    if (!marks)
        return false;
    d->marks = marks;
    d->entries_cap = cap;
    return true;
}

static uint32_t entry_add(dictionary *d, const void *data, size_t n) {
    if (d->n == DICTIONARY_ENTRIES_MAX || d->stored.n + sizeof(uint32_t) + n > DICTIONARY_BYTES_MAX)
        return DICTIONARY_FULL;
    if (d->n == d->entries_cap && !entries_double(d)) {
        d->failed = true;
        return DICTIONARY_FULL;
    }
    uint32_t length = (uint32_t)n;
    d->starts[d->n] = (uint32_t)d->stored.n;
    d->marks[d->n] = 0;
    if (!d->fixed)
        bytes_put(&d->stored, &length, sizeof length);
    bytes_put(&d->stored, data, n);
    d->failed |= d->stored.failed;
    return d->failed ? DICTIONARY_FULL : d->n++;
}

uint32_t dictionary_index(dictionary *d, const void *data, size_t n) {
    if (2 * d->n >= d->slots_n && !slots_double(d)) {
        d->failed = true;
        return DICTIONARY_FULL;
    }
    uint32_t hash = value_hash(data, n), mask = d->slots_n - 1;
    for (uint32_t probe = 0; probe < PROBES_MAX; probe++) {
        dictionary_slot *slot = &d->slots[(hash + probe) & mask];
        if (slot->index == 0) {
            uint32_t index = entry_add(d, data, n);
            if (index != DICTIONARY_FULL)
                *slot = (dictionary_slot){hash, index + 1};
            return index;
        }
        if (slot->hash != hash)
            continue;
        wire_span value = dictionary_value(d, slot->index - 1);
        if (value.n == n && memcmp(value.data, data, n) == 0)
            return slot->index - 1;
    }
    return DICTIONARY_FULL;
}

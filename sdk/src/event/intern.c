#include "sdk/src/event/intern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/wire/wire.h"
#include "sdk/src/event/text.h"

#define WORDS (WDI_INTERN_BYTES_MAX / 8)
#define SLOT_BITS 10
#define EMPTY 0u
#define BUSY UINT32_MAX /* being defined; nobody waits for it */

_Static_assert(WDI_INTERN_SLOTS == 1u << SLOT_BITS, "the hash gives as many bits");

/* A string up to 56 bytes, padded with zeros, and its number: one cache line. */
typedef struct wdi_intern_slot {
    uint64_t words[WORDS];
    _Atomic uint32_t id; /* EMPTY, BUSY, or the number: then the rest is there, for good */
    uint32_t n;
} wdi_intern_slot;

_Static_assert(sizeof(wdi_intern_slot) == 64, "one cache line");

/* A string that is looked up; one block longer than the longest that has a place. */
typedef struct text {
    uint64_t words[WORDS + 1];
    uint32_t n;
    uint32_t n_words;
    uint64_t hash;
} text;

static const uint64_t hash_factors[WORDS + 1] = {
    UINT64_C(0x9E3779B97F4A7C15), UINT64_C(0xD6E8FEB86659FD93), UINT64_C(0xA0761D6478BD642F),
    UINT64_C(0xE7037ED1A0B428DB), UINT64_C(0x8EBC6AF09C88C6E3), UINT64_C(0x589965CC75374CC3),
    UINT64_C(0x1D8E4E27C47D124F), UINT64_C(0xEB44ACCAB455D165),
};

wadi_err wdi_intern_init(wdi_intern *intern) {
    intern->slots = aligned_alloc(sizeof(wdi_intern_slot), WDI_INTERN_SLOTS * sizeof(wdi_intern_slot));
    if (intern->slots == NULL)
        return WADI_ERR_NO_MEMORY;
    memset(intern->slots, 0, WDI_INTERN_SLOTS * sizeof(wdi_intern_slot));
    atomic_init(&intern->count, 0);
    return WADI_OK;
}

void wdi_intern_fini(wdi_intern *intern) {
    free(intern->slots);
    intern->slots = NULL;
}

/* Most names have at most 16 bytes: the first block is all there is to do for them. */
static inline void text_read(const char *string, text *ret_text) {
    uint32_t n = wdi_text_block(string, ret_text->words);
    uint64_t hash = ret_text->words[0] * hash_factors[0] + ret_text->words[1] * hash_factors[1];
    uint32_t n_words = 2;
    while (n == n_words * 8 && n_words <= WORDS) {
        uint64_t *words = ret_text->words + n_words;
        n += wdi_text_block(string + n, words);
        hash += words[0] * hash_factors[n_words] + words[1] * hash_factors[n_words + 1];
        n_words += 2;
    }
    ret_text->n = n;
    ret_text->n_words = n_words;
    ret_text->hash = hash;
}

static inline bool slot_is(const wdi_intern_slot *slot, const text *t) {
    uint64_t differs = (slot->words[0] ^ t->words[0]) | (slot->words[1] ^ t->words[1]);
    if (differs != 0 || slot->n != t->n)
        return false;
    return t->n <= WDI_TEXT_BLOCK || memcmp(slot->words + 2, t->words + 2, t->n - WDI_TEXT_BLOCK) == 0;
}

/* Writes the definition into the ring; 0: no room. */
static uint32_t define(wdi_intern *intern, wdi_ring *ring, const char *string, uint32_t n) {
    uint64_t pos = 0;
    uint8_t *payload = wdi_ring_claim(ring, (uint32_t)sizeof(uint32_t) + n, &pos);
    if (payload == NULL)
        return 0;
    uint32_t id = atomic_fetch_add_explicit(&intern->count, 1, memory_order_relaxed) + 1;
    for (uint32_t i = 0; i < sizeof id; i++)
        payload[i] = (uint8_t)(id >> 8 * i);
    memcpy(payload + sizeof id, string, n);
    wdi_ring_commit(ring, pos, WDI_RECORD_DEFINITION, WADI_NORMAL, (uint32_t)sizeof(uint32_t) + n);
    return id;
}

/* Takes the empty slot for the text. Who meets it meanwhile, a signal handler of this very thread too, goes
 * on without. With no room in the ring the slot is given back. */
static uint32_t slot_take(wdi_intern *intern, wdi_ring *ring, wdi_intern_slot *slot, const text *t) {
    uint32_t empty = EMPTY;
    if (atomic_load_explicit(&intern->count, memory_order_relaxed) >= WDI_INTERN_STRINGS_MAX ||
        !atomic_compare_exchange_strong_explicit(&slot->id, &empty, BUSY, memory_order_acquire,
                                                 memory_order_relaxed))
        return 0;
    memcpy(slot->words, t->words, sizeof slot->words);
    slot->n = t->n;
    uint32_t id = define(intern, ring, (const char *)slot->words, t->n);
    atomic_store_explicit(&slot->id, id, memory_order_release);
    return id;
}

static uint32_t slot_find(wdi_intern *intern, wdi_ring *ring, const text *t) {
    uint32_t at = (uint32_t)(t->hash >> (64 - SLOT_BITS));
    for (uint32_t probe = 0; probe < WDI_INTERN_PROBES_MAX; probe++) {
        wdi_intern_slot *slot = intern->slots + at;
        uint32_t id = atomic_load_explicit(&slot->id, memory_order_acquire);
        if (id == EMPTY)
            return slot_take(intern, ring, slot, t);
        if (id == BUSY)
            return 0;
        if (slot_is(slot, t))
            return id;
        at = (at + 1) % WDI_INTERN_SLOTS;
    }
    return 0;
}

wdi_interned wdi_intern_get(wdi_intern *intern, wdi_ring *ring, const char *string) {
    text t;
    text_read(string, &t);
    if (t.n == 0 || t.n > WDI_INTERN_BYTES_MAX)
        return (wdi_interned){0, t.n == 0 ? 0 : (uint32_t)strnlen(string, WDI_TEXT_TOO_LONG)};
    return (wdi_interned){slot_find(intern, ring, &t), t.n};
}

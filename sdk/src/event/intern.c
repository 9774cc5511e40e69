#include "sdk/src/event/intern.h"

#include <stdlib.h>
#include <string.h>

#define WORDS (WDI_INTERN_BYTES_MAX / 8)
#define EMPTY 0u
#define BUSY UINT32_MAX /* nobody waits for it */

_Static_assert(sizeof(wdi_intern_slot) == 64, "one cache line");

/* A string that is looked up, with room for one word more than the longest that has a place. */
typedef struct text {
    uint64_t words[WORDS + 1];
    uint32_t n;
    uint64_t hash;
} text;

static const uint64_t hash_factors[WORDS + 1] = {
    WDI_INTERN_FACTOR_0,          WDI_INTERN_FACTOR_1,          UINT64_C(0xA0761D6478BD642F),
    UINT64_C(0xE7037ED1A0B428DB), UINT64_C(0x8EBC6AF09C88C6E3), UINT64_C(0x589965CC75374CC3),
    UINT64_C(0x1D8E4E27C47D124F), UINT64_C(0xEB44ACCAB455D165),
};

wadi_err wdi_intern_init(wdi_intern *intern) {
    size_t bytes = WDI_INTERN_SLOTS * sizeof(wdi_intern_slot);
    intern->slots = aligned_alloc(sizeof(wdi_intern_slot), bytes);
    if (intern->slots == NULL)
        return WADI_ERR_NO_MEMORY;
    memset(intern->slots, 0, bytes);
    atomic_init(&intern->count, 0);
    return WADI_OK;
}

void wdi_intern_fini(wdi_intern *intern) {
    free(intern->slots);
    intern->slots = NULL;
}

/* Ends at the terminator, or with n beyond WDI_INTERN_BYTES_MAX. */
static void text_read(const char *string, text *ret_text) {
    memset(ret_text, 0, sizeof *ret_text);
    for (uint32_t at = 0; at <= WORDS; at += 2) {
        wdi_text_block block = wdi_text_read(string + ret_text->n);
        memcpy(ret_text->words + at, block.words, sizeof block.words);
        ret_text->hash += block.words[0] * hash_factors[at] + block.words[1] * hash_factors[at + 1];
        ret_text->n += block.n;
        if (block.n < WDI_TEXT_BLOCK)
            return;
    }
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
    uint32_t at = (uint32_t)(t->hash >> (64 - WDI_INTERN_SLOT_BITS));
    for (uint32_t probe = 0; probe < WDI_INTERN_PROBES_MAX; probe++) {
        wdi_intern_slot *slot = intern->slots + at;
        uint32_t id = atomic_load_explicit(&slot->id, memory_order_acquire);
        if (id == EMPTY)
            return slot_take(intern, ring, slot, t);
        if (id == BUSY)
            return 0;
        if (memcmp(slot->words, t->words, sizeof slot->words) == 0)
            return id;
        at = (at + 1) % WDI_INTERN_SLOTS;
    }
    return 0;
}

wdi_interned wdi_intern_search(wdi_intern *intern, wdi_ring *ring, const char *string) {
    text t;
    text_read(string, &t);
    if (t.n == 0)
        return (wdi_interned){0, 0};
    if (t.n > WDI_INTERN_BYTES_MAX)
        return (wdi_interned){0, (uint32_t)strnlen(string, WDI_TEXT_TOO_LONG)};
    return (wdi_interned){slot_find(intern, ring, &t), t.n};
}

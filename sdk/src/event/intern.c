#include "sdk/src/event/intern.h"

#include <endian.h>
#include <string.h>
#include <sys/mman.h>

#define WORDS (WDI_INTERN_BYTES_MAX / 8)

_Static_assert(sizeof(wdi_intern_text) == 64, "one cache line");
_Static_assert(WDI_INTERN_NUMBERS * sizeof(wdi_intern_text) <= 1u << 16, "a guess has 16 bits");
_Static_assert((WDI_INTERN_NUMBERS << 3) <= 1u << 14, "a key takes two bytes at most");

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
    wdi_intern_table *table =
        mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    intern->table = table == MAP_FAILED ? NULL : table;
    if (intern->table == NULL)
        return WADI_ERR_NO_MEMORY;
    table->texts[WDI_INTERN_EMPTY].mask = WDI_TEXT_NEVER;
    table->texts[WDI_INTERN_BUSY].mask = WDI_TEXT_NEVER;
    atomic_init(&intern->count, 0);
    return WADI_OK;
}

void wdi_intern_fini(wdi_intern *intern) {
    if (intern->table != NULL)
        munmap(intern->table, sizeof *intern->table);
    intern->table = NULL;
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

static void text_keep(wdi_intern_text *kept, uint32_t id, const text *t) {
    uint32_t key = id << 3;
    if (key >= 0x80)
        key = (key & 0x7f) | 0x80 | (key >> 7) << 8;
    memcpy(kept->words, t->words, sizeof kept->words);
    kept->mask = wdi_text_mask(t->n);
    kept->key = htole16((uint16_t)key);
    kept->key_bytes = key < 0x80 ? 1 : 2;
    kept->n = (uint8_t)t->n;
}

/* Writes the definition into the ring; 0: no room. */
static uint32_t define(wdi_intern *intern, wdi_ring *ring, const text *t) {
    uint64_t pos = 0;
    uint8_t *payload = wdi_ring_claim(ring, (uint32_t)sizeof(uint32_t) + t->n, &pos);
    if (payload == NULL)
        return 0;
    uint32_t id = atomic_fetch_add_explicit(&intern->count, 1, memory_order_relaxed) + 1;
    for (uint32_t i = 0; i < sizeof id; i++)
        payload[i] = (uint8_t)(id >> 8 * i);
    memcpy(payload + sizeof id, t->words, t->n);
    wdi_ring_commit(ring, pos, WDI_RECORD_DEFINITION, WADI_NORMAL, (uint32_t)sizeof(uint32_t) + t->n);
    return id;
}

/* Takes the empty slot for the text. Who meets it meanwhile, a signal handler of this very thread too, goes
 * on without. With no room in the ring, or no place for the text, the slot is given back. */
static uint32_t slot_take(wdi_intern *intern, wdi_ring *ring, _Atomic uint16_t *slot, const text *t) {
    uint16_t empty = WDI_INTERN_EMPTY;
    if (atomic_load_explicit(&intern->count, memory_order_relaxed) >= WDI_INTERN_STRINGS_MAX ||
        !atomic_compare_exchange_strong_explicit(slot, &empty, WDI_INTERN_BUSY, memory_order_acquire,
                                                 memory_order_relaxed))
        return 0;
    uint32_t id = define(intern, ring, t);
    bool kept = id != 0 && id < WDI_INTERN_NUMBERS;
    if (kept)
        text_keep(&intern->table->texts[id], id, t);
    atomic_store_explicit(slot, kept ? (uint16_t)id : WDI_INTERN_EMPTY, memory_order_release);
    return kept ? id : 0;
}

static uint32_t slot_find(wdi_intern *intern, wdi_ring *ring, const text *t) {
    uint32_t at = (uint32_t)(t->hash >> (64 - WDI_INTERN_SLOT_BITS));
    for (uint32_t probe = 0; probe < WDI_INTERN_PROBES_MAX; probe++) {
        _Atomic uint16_t *slot = &intern->table->slots[at];
        uint32_t id = atomic_load_explicit(slot, memory_order_acquire);
        if (id == WDI_INTERN_EMPTY)
            return slot_take(intern, ring, slot, t);
        if (id == WDI_INTERN_BUSY)
            return 0;
        if (memcmp(intern->table->texts[id].words, t->words, sizeof intern->table->texts[id].words) == 0)
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

/* The dictionary of one run: names and keys to small numbers, by content.
 *
 * Texts lie in the order of their numbers, so that a small dictionary takes little memory; a fixed
 * open-addressed table leads to them by hash. Both are looked up and filled without locks, from any thread
 * and signal handlers. The definition of a new string is in the ring before its number can be used, so every
 * reader of the ring meets the definition first. A string that finds no place (table full, text too long,
 * another thread about to define something at that place, no room in the ring) has the number 0 and travels
 * inline.
 *
 * Most events of one name have the same keys in the same order. So for each name the numbers of its keys are
 * kept as guesses: to compare a key with the text of its guess takes half of a search, and holds for keys in
 * buffers too.
 */
#ifndef WDI_INTERN_H
#define WDI_INTERN_H

#include <stdatomic.h>
#include <stdint.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/event/text.h"
#include "sdk/src/ring/ring.h"

#define WDI_INTERN_STRINGS_MAX 768u
/* Many times the strings: nearly every one stands in its first slot. */
#define WDI_INTERN_SLOT_BITS 12
#define WDI_INTERN_SLOTS (1u << WDI_INTERN_SLOT_BITS)
/* Numbers that are remembered. Several threads may define at once, and go a little beyond STRINGS_MAX. */
#define WDI_INTERN_NUMBERS 1024u
#define WDI_INTERN_BYTES_MAX 56u /* longer text travels inline */
#define WDI_INTERN_PROBES_MAX 16u

/* A slot holds a number, or: */
#define WDI_INTERN_EMPTY 0u
#define WDI_INTERN_BUSY WDI_INTERN_NUMBERS /* being defined: nobody waits for it */

/* A text by its number: one cache line. Written once, before its number is in a slot. Those of EMPTY and BUSY
 * equal no string. */
typedef struct wdi_intern_text {
    uint64_t words[WDI_INTERN_BYTES_MAX / 8]; /* padded with zeros */
    uint32_t mask;                            /* wdi_text_mask */
    uint16_t key;      /* number << 3 as a varint, little-endian: a key in an Event, but for its type */
    uint8_t key_bytes; /* 1 or 2 */
    uint8_t n;
} wdi_intern_text;

/* The row of a name's guesses; longer ones run on into rows of numbers that are mostly keys', and so free. */
#define WDI_INTERN_GUESSES 8u
#define WDI_INTERN_KEYS_MAX 24u /* that are guessed in one event */

/* One mapping: pages that are never used take no memory. */
typedef struct wdi_intern_table {
    _Alignas(64) wdi_intern_text texts[WDI_INTERN_NUMBERS + 1];
    _Atomic uint16_t slots[WDI_INTERN_SLOTS];
    /* Each the distance of a text, in bytes: the number times the size of one. */
    _Atomic uint16_t guesses[WDI_INTERN_NUMBERS * WDI_INTERN_GUESSES + WDI_INTERN_KEYS_MAX];
} wdi_intern_table;

typedef struct wdi_intern {
    wdi_intern_table *table;
    _Atomic uint32_t count; /* numbers given: 1 … count */
} wdi_intern;

/* WADI_ERR_NO_MEMORY. */
WADI_NODISCARD wadi_err wdi_intern_init(wdi_intern *intern);
/* Accepts a zeroed one. */
void wdi_intern_fini(wdi_intern *intern);

/* A name or key, looked up. */
typedef struct wdi_interned {
    uint32_t id;
    uint32_t n; /* its length; WDI_TEXT_TOO_LONG: over 255 bytes */
} wdi_interned;
#define WDI_TEXT_TOO_LONG 256u

/* Any string: searches the whole table, and defines what is not there. */
wdi_interned wdi_intern_search(wdi_intern *intern, wdi_ring *ring, const char *string);

/* Multiply and add: the highest bits, which are used, depend on every byte. */
#define WDI_INTERN_FACTOR_0 UINT64_C(0x9E3779B97F4A7C15)
#define WDI_INTERN_FACTOR_1 UINT64_C(0xD6E8FEB86659FD93)

static inline const wdi_intern_text *wdi_intern_at(const wdi_intern_table *table, uint32_t id) {
    const wdi_intern_text *text = table->texts + id;
    __asm__("" : "+r"(text)); /* else compilers work out the address of each member anew */
    return text;
}

static inline const wdi_intern_text *wdi_intern_guessed(const wdi_intern_table *table,
                                                        const _Atomic uint16_t *guess) {
    size_t distance = atomic_load_explicit(guess, memory_order_acquire);
    return (const wdi_intern_text *)(const void *)((const uint8_t *)table->texts + distance);
}

static inline bool wdi_intern_is(const wdi_intern_text *text, wdi_text_raw raw) {
    return wdi_text_equal(raw, text->words, text->mask);
}

/* The number of the terminated string; defines it in the ring at first use. The string that is shorter than a
 * block and stands in its first slot, nearly every one, is found here. */
static inline wdi_interned wdi_intern_get(wdi_intern *intern, wdi_ring *ring, const char *string) {
    string = wdi_text_unknown(string);
    wdi_text_raw raw = wdi_text_load(string);
    wdi_text_block block = wdi_text_cut(raw);
    uint64_t hash = block.words[0] * WDI_INTERN_FACTOR_0 + block.words[1] * WDI_INTERN_FACTOR_1;
    const wdi_intern_table *table = intern->table;
    uint32_t id =
        atomic_load_explicit(&table->slots[hash >> (64 - WDI_INTERN_SLOT_BITS)], memory_order_acquire);
    if (__builtin_expect(wdi_intern_is(wdi_intern_at(table, id), raw), 1))
        return (wdi_interned){id, block.n};
    return wdi_intern_search(intern, ring, string);
}

/* The guesses for the keys of an event of that name. */
static inline _Atomic uint16_t *wdi_intern_guesses(const wdi_intern *intern, uint32_t name_id) {
    return intern->table->guesses + name_id * WDI_INTERN_GUESSES;
}

#endif

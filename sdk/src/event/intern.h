/* The dictionary of one run: names and keys to small numbers, by content.
 *
 * A fixed open-addressed table, looked up and filled without locks, from any thread and signal handlers. The
 * definition of a new string is in the ring before its number can be used, so every reader of the ring meets
 * the definition first. A string that finds no place (table full, text too long, another thread about to
 * define something at that place, no room in the ring) has the number 0 and travels inline.
 */
#ifndef WDI_INTERN_H
#define WDI_INTERN_H

#include <stdatomic.h>
#include <stdint.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/event/text.h"
#include "sdk/src/ring/ring.h"

#define WDI_INTERN_SLOT_BITS 10
#define WDI_INTERN_SLOTS (1u << WDI_INTERN_SLOT_BITS)
#define WDI_INTERN_STRINGS_MAX 768u /* a fuller table takes longer to search */
#define WDI_INTERN_BYTES_MAX 56u    /* longer text travels inline */
#define WDI_INTERN_PROBES_MAX 16u

/* A string of up to 56 bytes, padded with zeros, and its number: one cache line. */
typedef struct wdi_intern_slot {
    uint64_t words[WDI_INTERN_BYTES_MAX / 8];
    _Atomic uint32_t
        id; /* 0: empty; UINT32_MAX: being defined; the number: then the rest is there, for good */
    uint32_t n;
} wdi_intern_slot;

typedef struct wdi_intern {
    wdi_intern_slot *slots;
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

/* The number of the terminated string; defines it in the ring at first use. The string that is shorter than a
 * block and stands in its first slot, nearly every one, is found here. */
static inline wdi_interned wdi_intern_get(wdi_intern *intern, wdi_ring *ring, const char *string) {
    wdi_text_block block = wdi_text_read(string);
    uint64_t hash = block.words[0] * WDI_INTERN_FACTOR_0 + block.words[1] * WDI_INTERN_FACTOR_1;
    const wdi_intern_slot *slot = intern->slots + (hash >> (64 - WDI_INTERN_SLOT_BITS));
    uint32_t id = atomic_load_explicit(&slot->id, memory_order_acquire);
    if (__builtin_expect(id - 1 < WDI_INTERN_STRINGS_MAX && block.n < WDI_TEXT_BLOCK &&
                             slot->words[0] == block.words[0] && slot->words[1] == block.words[1],
                         1))
        return (wdi_interned){id, block.n}; /* never the empty string: no slot is all zeros */
    return wdi_intern_search(intern, ring, string);
}

#endif

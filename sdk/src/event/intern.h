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
#include "sdk/src/ring/ring.h"

#define WDI_INTERN_SLOTS 1024u
#define WDI_INTERN_STRINGS_MAX 768u /* a fuller table takes longer to search */
#define WDI_INTERN_BYTES_MAX 56u    /* longer text travels inline */
#define WDI_INTERN_PROBES_MAX 16u

struct wdi_intern_slot;

typedef struct wdi_intern {
    struct wdi_intern_slot *slots;
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

/* The number of the terminated string; defines it in the ring at first use. */
wdi_interned wdi_intern_get(wdi_intern *intern, wdi_ring *ring, const char *string);

#endif

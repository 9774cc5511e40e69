/* The hot path: from wadi_track to a committed record in the ring.
 *
 * wadi_track and wadi_track_ex are defined here, over a wdi_tracker that must be the first member of
 * `struct wadi`. No global state.
 */
#ifndef WDI_TRACK_H
#define WDI_TRACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/event/intern.h"
#include "sdk/src/ring/bell.h"
#include "sdk/src/ring/ring.h"

typedef struct wdi_tracker {
    wdi_ring ring;     /* the owner opens, recovers, starts and closes it */
    wdi_bell bell;     /* rung after an event when the background thread sleeps */
    wdi_intern intern; /* names and keys of this run */
    const uint32_t
        *process;       /* a page of its own: the process's id, and 0 in a child, since a fork wipes it */
    bool process_asked; /* the kernel cannot wipe pages: ask it who we are, every time */
    wadi_err (*reopen)(struct wdi_tracker *); /* in a child: gives it a ring of its own, or says why not.
                                                 NULL: WADI_ERR_FORKED */
    uint64_t boot_us;                         /* the run's start, CLOCK_BOOTTIME */
    _Atomic uint32_t refusal;                 /* a wadi_err that wadi_track answers; WADI_OK: none */
    _Atomic uint32_t context;                 /* id that events carry from now on; 0: none */
    _Alignas(64) _Atomic uint64_t refused_full;
    _Atomic uint64_t refused_invalid; /* WADI_ERR_INVALID, WADI_ERR_TOO_LARGE */
    _Atomic uint64_t refused_io;      /* WADI_ERR_IO */
} wdi_tracker;

/* Before the first wadi_track; everything but `ring` may be uninitialised and is left ready, but records may
 * be taken only after wdi_ring_start: until then, refuse. `boot_us` is the run's start, from which events
 * count their time. Takes memory: wdi_tracker_fini gives it back. WADI_ERR_NO_MEMORY. */
WADI_NODISCARD wadi_err wdi_tracker_init(wdi_tracker *tracker, uint64_t boot_us);

/* Accepts a zeroed or half-built one. No producer may be inside. Leaves `ring` alone. */
void wdi_tracker_fini(wdi_tracker *tracker);

/* From now on wadi_track answers that error, and records nothing. */
void wdi_tracker_refuse(wdi_tracker *tracker, wadi_err err);
/* WADI_OK: what is written to the ring now goes well. */
wadi_err wdi_tracker_refusal(wdi_tracker *tracker);

/* A file system may die while nobody looks. The background thread, before it looks away for long: the next
 * one to record asks the ring first (wdi_ring_ready). */
void wdi_tracker_chill(wdi_tracker *tracker);
/* Asks the ring now. False: from now on wadi_track answers WADI_ERR_IO, until it is asked again with another
 * answer. A refusal for another reason stays as it is. */
bool wdi_tracker_ready(wdi_tracker *tracker);

/* True in a child after fork(), until it owns the tracker: nothing may be recorded there. */
bool wdi_tracker_forked(const wdi_tracker *tracker);

/* In such a child: as new, with nothing interned; refuses. Counts go on. WADI_ERR_NO_MEMORY. */
WADI_NODISCARD wadi_err wdi_tracker_renew(wdi_tracker *tracker);
/* Then, last of all, with a ring that is this process's: other threads record from here on. */
void wdi_tracker_own(wdi_tracker *tracker);

/* Puts an encoded Context into the ring, and lets every event recorded from now on carry its id. One caller
 * at a time. WADI_ERR_FULL, WADI_ERR_TOO_LARGE: nothing has changed. */
WADI_NODISCARD wadi_err wdi_tracker_set_context(wdi_tracker *tracker, uint32_t id, const void *context,
                                                uint32_t n);

#endif

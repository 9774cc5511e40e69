/* The bell: how a producer wakes the background thread, without a system call while it is awake.
 *
 * The thread says how deeply it sleeps; who has work for it looks at that and makes one futex wake, after
 * which the thread counts as awake. The store of the sleeper's state, its look at the ring's tail, the
 * producer's claim (a read-modify-write of the tail) and the producer's look at the state are all
 * sequentially consistent, so at least one of the two sees the other: no wake-up is lost. That is why
 * `wdi_ring_empty` looks at what is claimed, not at what is committed.
 */
#ifndef WDI_BELL_H
#define WDI_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum wdi_sleep {
    WDI_AWAKE = 0,
    WDI_DOZING =
        1, /* until the next flush: only what is urgent wakes it (a critical event, a ring half full) */
    WDI_ASLEEP = 2, /* idle, usually without end: any event wakes it */
} wdi_sleep;

typedef struct wdi_bell {
    _Atomic uint32_t state; /* wdi_sleep; a futex */
} wdi_bell;

#define WDI_BELL_FOREVER UINT64_MAX

/* The background thread, in this order: wdi_bell_lie_down; look whether there is work after all (ring not
 * empty when about to be ASLEEP; flush or close asked for); then wdi_bell_sleep, or wdi_bell_rise. */
void wdi_bell_lie_down(wdi_bell *bell, wdi_sleep depth);
/* Until rung or until timeout_us is over; at once if rung since lie_down. Awake afterwards. */
void wdi_bell_sleep(wdi_bell *bell, uint64_t timeout_us);
void wdi_bell_rise(wdi_bell *bell);

/* Any thread, signal handlers: wakes the thread if it sleeps as deeply as `depth` or deeper. */
void wdi_bell_wake(wdi_bell *bell);
static inline void wdi_bell_ring(wdi_bell *bell, wdi_sleep depth) {
    if (atomic_load_explicit(&bell->state, memory_order_seq_cst) >= (uint32_t)depth)
        wdi_bell_wake(bell);
}

#endif

/* drain: moves what the ring holds into the store, in synced transactions. Background thread, and wadi_open.
 */
#ifndef WDI_CORE_DRAIN_H
#define WDI_CORE_DRAIN_H

#include "sdk/src/ring/ring.h"
#include "sdk/src/store/store.h"

typedef struct wdi_drain_stats {
    uint64_t events;  /* of this handle's own run */
    uint64_t refused; /* records that the store would not take: a bug or damage; skipped */
} wdi_drain_stats;

/* Everything recorded so far, unless a slot blocks; then *ret_blocked, and the rest is for later. After an
 * error nothing of the last transaction counts, and it is read again next time. */
WADI_NODISCARD wadi_err wdi_drain_ring(wdi_store *store, wdi_ring *ring, wdi_drain_stats *stats,
                                       bool *ret_blocked);

/* Everything that the recovery yields. WADI_ERR_DISK_FULL: some is still in the ring, and stays there. */
WADI_NODISCARD wadi_err wdi_drain_recovery(wdi_store *store, wdi_recovery *recovery);

#endif

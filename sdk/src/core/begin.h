/* begin: what stands between the locking of a lane and its first record, or its upload. Whoever holds the
 * lane. */
#ifndef WDI_CORE_BEGIN_H
#define WDI_CORE_BEGIN_H

#include <stdbool.h>

#include "sdk/src/ring/ring.h"
#include "sdk/src/store/store.h"

/* Moves what an earlier run left in the ring into the store, under that run. *ret_start: where the next one
 * begins; *ret_lost: bytes that could not be read or kept. WADI_ERR_DISK_FULL: the ring has what is not in
 * the store, and this may be called again. */
WADI_NODISCARD wadi_err wdi_begin_recover(wdi_store *store, wdi_ring *ring, const wdi_diag *diag,
                                          uint64_t *ret_start, uint64_t *ret_lost);

/* Then: begins a run of now, in store and ring. *ret_started, after an error too: what was in the ring is
 * gone. `ret_run` lends from the store. */
WADI_NODISCARD wadi_err wdi_begin_run(wdi_store *store, wdi_ring *ring, uint64_t start, uint32_t ring_bytes,
                                      wire_run *ret_run, bool *ret_started);

#endif

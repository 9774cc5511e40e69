/* The beginning of a run, once what the last one left is in the store. */
#include "sdk/src/core/begin.h"

#include "sdk/src/base/clock.h"
#include "sdk/src/base/random.h"
#include "sdk/src/core/handle.h"

#include <string.h>

static wdi_run_id run_id_of(const wire_run *run) {
    wdi_run_id id = {.ordinal = run->ordinal, .nonce = run->nonce};
    memcpy(id.boot_id, run->boot_id, sizeof id.boot_id);
    return id;
}

wadi_err wdi_begin_recover(wdi_store *store, wdi_ring *ring, const wdi_diag *diag, uint64_t *ret_start,
                           uint64_t *ret_lost) {
    wire_run last;
    wdi_run_id last_id;
    uint8_t boot_id[WIRE_ID_BYTES];
    wdi_recovery recovery;
    wdi_store_run(store, &last);
    last_id = run_id_of(&last);
    base_boot_id(boot_id);
    wdi_ring_recover(ring, last.ordinal != 0 ? &last_id : NULL, wdi_store_ring_pos(store), boot_id,
                     &recovery);
    wadi_err err = wdi_drain_recovery(store, &recovery);
    if (err != WADI_OK)
        return err;
    if (recovery.lost_bytes != 0)
        wdi_diagf(diag, WADI_DIAG_ERROR, "ring: %llu bytes could not be read or kept",
                  (unsigned long long)recovery.lost_bytes);
    *ret_lost = recovery.lost_bytes;
    *ret_start = recovery.next_start;
    return WADI_OK;
}

static wadi_err run_make(wire_run *ret_run) {
    static const char sdk[] = "libwadi/" WADI_VERSION;
    *ret_run = (wire_run){
        .boot_us = base_boot_us(), .wall_us = base_wall_us(), .sdk = {(const uint8_t *)sdk, sizeof sdk - 1}};
    base_boot_id(ret_run->boot_id);
    return base_random(&ret_run->nonce, sizeof ret_run->nonce) ? WADI_OK : WADI_ERR_SYSTEM;
}

wadi_err wdi_begin_run(wdi_store *store, wdi_ring *ring, uint64_t start, uint32_t ring_bytes,
                       wire_run *ret_run, bool *ret_started) {
    wire_run run;
    *ret_started = false;
    wadi_err err = run_make(&run);
    if (err == WADI_OK)
        err = wdi_store_run_begin(store, &run, start);
    if (err != WADI_OK)
        return err;
    *ret_started = true;
    wdi_store_run(store, ret_run);
    wdi_run_id id = run_id_of(ret_run);
    return wdi_ring_start(ring, &id, start, ring_bytes);
}

wadi_err wdi_run_begin(wadi *w, uint32_t ring_bytes) {
    wire_run run;
    uint64_t start = 0;
    wadi_err err = wdi_begin_recover(w->store, &w->tracker.ring, &w->diag, &start, &w->ring_lost);
    if (err == WADI_OK)
        err = wdi_begin_run(w->store, &w->tracker.ring, start, ring_bytes, &run, &w->ring_started);
    if (err == WADI_OK)
        err = wdi_attributes_publish(&w->attributes, &w->tracker);
    if (err != WADI_OK)
        return err;
    w->tracker.boot_us = run.boot_us;
    w->begun = true;
    wdi_tracker_refuse(&w->tracker, WADI_OK); /* last: from here on others write to the ring */
    return WADI_OK;
}

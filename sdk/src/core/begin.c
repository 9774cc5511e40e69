/* The beginning of a run, once what the last one left is in the store. */
#include "sdk/src/base/clock.h"
#include "sdk/src/base/random.h"
#include "sdk/src/core/handle.h"

#include <string.h>

static wdi_run_id run_id_of(const wire_run *run) {
    wdi_run_id id = {.ordinal = run->ordinal, .nonce = run->nonce};
    memcpy(id.boot_id, run->boot_id, sizeof id.boot_id);
    return id;
}

/* Moves what an earlier run left in the ring into the store, under that run. */
static wadi_err ring_recover(wadi *w, uint64_t *ret_start) {
    wire_run last;
    wdi_run_id last_id;
    uint8_t boot_id[WIRE_ID_BYTES];
    wdi_recovery recovery;
    wdi_store_run(w->store, &last);
    last_id = run_id_of(&last);
    base_boot_id(boot_id);
    wdi_ring_recover(&w->tracker.ring, last.ordinal != 0 ? &last_id : NULL, wdi_store_ring_pos(w->store),
                     boot_id, &recovery);
    wadi_err err = wdi_drain_recovery(w->store, &recovery);
    if (err != WADI_OK)
        return err;
    w->ring_lost = recovery.lost_bytes;
    if (w->ring_lost != 0)
        wdi_diagf(&w->diag, WADI_DIAG_ERROR, "ring: %llu bytes could not be read or kept",
                  (unsigned long long)w->ring_lost);
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

wadi_err wdi_run_begin(wadi *w, uint32_t ring_bytes) {
    wire_run run;
    uint64_t ring_start = 0;
    wadi_err err = ring_recover(w, &ring_start);
    if (err == WADI_OK)
        err = run_make(&run);
    if (err == WADI_OK)
        err = wdi_store_run_begin(w->store, &run, ring_start);
    if (err != WADI_OK)
        return err;
    w->ring_started = true;
    wdi_store_run(w->store, &run);
    wdi_run_id id = run_id_of(&run);
    err = wdi_ring_start(&w->tracker.ring, &id, ring_start, ring_bytes);
    if (err == WADI_OK)
        err = wdi_attributes_publish(&w->attributes, &w->tracker);
    if (err != WADI_OK)
        return err;
    w->tracker.boot_us = run.boot_us;
    w->begun = true;
    wdi_tracker_refuse(&w->tracker, WADI_OK); /* last: from here on others write to the ring */
    return WADI_OK;
}

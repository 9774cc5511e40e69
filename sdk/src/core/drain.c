#include "sdk/src/core/drain.h"

#include <string.h>

#include "schemas/wire/wire.h"
#include "sdk/src/base/clock.h"

/* ---- one record --------------------------------------------------------------------------------- */

static wadi_err definition_put(wdi_store *store, const wdi_record *r) {
    uint32_t id = 0;
    if (r->n <= sizeof id)
        return WADI_ERR_INVALID;
    for (size_t i = 0; i < sizeof id; i++)
        id |= (uint32_t)r->data[i] << (8 * i);
    return wdi_store_put_definition(store, id, r->data + sizeof id, r->n - sizeof id);
}

static wadi_err context_put(wdi_store *store, const wdi_record *r) {
    wire_context_view view;
    if (wire_context_scan((wire_span){r->data, r->n}, &view) != WIRE_OK)
        return WADI_ERR_INVALID;
    return wdi_store_put_context(store, view.id, r->data, r->n);
}

/* A record that the store refuses as such is skipped: it would block the way for good. */
static wadi_err record_put(wdi_store *store, const wdi_record *r, wdi_drain_stats *stats) {
    wadi_err err = WADI_ERR_INVALID;
    /* By a commit that failed, and reached the disk all the same. */
    if (r->end <= wdi_store_ring_pos(store)) {
        stats->events += r->kind == WDI_RECORD_EVENT;
        return WADI_OK;
    }
    switch (r->kind) {
    case WDI_RECORD_EVENT:
        err = wdi_store_put_event(store, r->data, r->n, r->crc, r->priority, r->end);
        stats->events += err == WADI_OK;
        break;
    case WDI_RECORD_DEFINITION:
        err = definition_put(store, r);
        break;
    case WDI_RECORD_CONTEXT:
        err = context_put(store, r);
        break;
    }
    if (err != WADI_ERR_INVALID)
        return err;
    stats->refused++;
    return WADI_OK;
}

/* Room first: dropping is what makes it. */
static wadi_err room_make(wdi_store *store) {
    bool more = true;
    wadi_err err = WADI_OK;
    while (err == WADI_OK && more)
        err = wdi_store_quota_step(store, &more);
    return err;
}

/* ---- the ring ----------------------------------------------------------------------------------- */

/* LMDB reuses pages only two transactions after the one that freed them. Full of those, one more transaction
 * helps. */
static bool touch_helps(wdi_store *store, wadi_err err) {
    return err == WADI_ERR_DISK_FULL && !wdi_store_is_full(store) && wdi_store_touch(store) == WADI_OK;
}

/* The wall clock of the run's start, by what it shows now. Where there is no room for the note it can wait.
 */
static wadi_err wall_note(wdi_store *store) {
    wire_run run;
    wdi_store_run(store, &run);
    wadi_err err = wdi_store_run_wall(store, base_wall_us() - (int64_t)(base_boot_us() - run.boot_us));
    return err == WADI_ERR_CORRUPT ? err : WADI_OK;
}

/* One transaction. *ret_state: why it stopped; RECORD: it was full. */
static wadi_err ring_step(wdi_store *store, wdi_ring *ring, wdi_drain_stats *stats,
                          wdi_ring_state *ret_state) {
    const size_t bytes_max = wdi_store_txn_bytes_max(store);
    wdi_record record;
    wdi_drain_stats counted = *stats;
    size_t bytes = 0;
    uint64_t start = wdi_ring_cursor(ring);
    *ret_state = WDI_RING_RECORD;
    wadi_err err = room_make(store);
    if (err == WADI_OK)
        err = wdi_store_begin(store);
    while (err == WADI_OK && bytes < bytes_max) {
        *ret_state = wdi_ring_read(ring, &record);
        if (*ret_state != WDI_RING_RECORD)
            break;
        bytes += record.n + WDI_RING_RECORD_HEADER;
        err = record_put(store, &record, &counted);
    }
    uint64_t end = wdi_ring_cursor(ring);
    if (err == WADI_OK && end != start)
        err = wdi_store_commit(store, end);
    else
        wdi_store_abort(store);
    if (err != WADI_OK) {
        wdi_ring_seek(ring, start);
        return err;
    }
    *stats = counted;
    wdi_ring_release(ring, end);
    return wall_note(store);
}

wadi_err wdi_drain_ring(wdi_store *store, wdi_ring *ring, wdi_drain_stats *stats, bool *ret_blocked) {
    wdi_ring_state state = WDI_RING_RECORD;
    *ret_blocked = false;
    while (state == WDI_RING_RECORD && !wdi_ring_empty(ring)) {
        wadi_err err = ring_step(store, ring, stats, &state);
        if (touch_helps(store, err))
            err = ring_step(store, ring, stats, &state);
        if (err != WADI_OK)
            return err;
    }
    *ret_blocked = state == WDI_RING_BLOCKED;
    return WADI_OK;
}

/* ---- what an earlier run left ------------------------------------------------------------------- */

/* One transaction, from *record on, which is then the next one. */
static wadi_err recovery_step(wdi_store *store, wdi_recovery *recovery, wdi_record *record, bool *any) {
    const size_t bytes_max = wdi_store_txn_bytes_max(store);
    wdi_drain_stats unused = {0};
    uint64_t end = record->end;
    size_t bytes = 0;
    wadi_err err = room_make(store);
    if (err == WADI_OK)
        err = wdi_store_begin_recovery(store);
    for (; err == WADI_OK && *any && bytes < bytes_max; *any = wdi_recovery_next(recovery, record)) {
        bytes += record->n + WDI_RING_RECORD_HEADER;
        end = record->end;
        err = record_put(store, record, &unused);
        if (err != WADI_OK)
            break;
    }
    if (err == WADI_OK)
        return wdi_store_commit(store, end);
    wdi_store_abort(store);
    return err;
}

wadi_err wdi_drain_recovery(wdi_store *store, wdi_recovery *recovery) {
    wdi_record record;
    wadi_err err = WADI_OK;
    bool any = wdi_recovery_next(recovery, &record);
    while (err == WADI_OK && any) {
        const wdi_recovery before = *recovery;
        const wdi_record first = record;
        err = recovery_step(store, recovery, &record, &any);
        if (!touch_helps(store, err))
            continue;
        *recovery = before;
        record = first;
        any = true;
        err = recovery_step(store, recovery, &record, &any);
    }
    return err;
}

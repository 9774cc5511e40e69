/* Runs, and the clocks of the boots that they belong to. */
#include "sdk/src/store/inside.h"

#include <string.h>

#define RUNS_FORGET_MAX 64u   /* at once: a transaction stays small */
#define RUNS_AHEAD_MAX 1024u  /* looked through for the next boot whose offset is known */
#define WALL_STEP_US 1000000u /* less than this is no news of the wall clock */

void wdi_run_fill(const wdi_run_record *record, wire_run *ret_run) {
    wire_run run = {.ordinal = record->ordinal,
                    .nonce = record->nonce,
                    .boot_us = record->boot_us,
                    .wall_us = record->wall_us,
                    .sdk = {(const uint8_t *)record->sdk, record->sdk_bytes}};
    memcpy(run.boot_id, record->boot_id, sizeof run.boot_id);
    *ret_run = run;
}

void wdi_store_run(const wdi_store *s, wire_run *ret_run) { wdi_run_fill(&s->run, ret_run); }

wadi_err wdi_store_run_wall(wdi_store *s, int64_t wall_us) {
    uint64_t step_us = wall_us > s->run.wall_us ? (uint64_t)wall_us - (uint64_t)s->run.wall_us
                                                : (uint64_t)s->run.wall_us - (uint64_t)wall_us;
    if (step_us < WALL_STEP_US || s->run.ordinal == 0 || !wdi_room_left(s, WDI_ROOM_RUN))
        return WADI_OK;
    wdi_run_record run = s->run;
    wdi_key key = wdi_key_number(WDI_KEY_RUN, run.ordinal);
    run.wall_us = wall_us;
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK)
        err = wdi_record_put(s, &key, &run, sizeof run);
    err = wdi_txn_end(s, err);
    if (err == WADI_OK)
        s->run = run;
    return err;
}

wadi_err wdi_run_load(wdi_store *s, uint64_t ordinal, wdi_run_record *ret_run) {
    wdi_key key = wdi_key_number(WDI_KEY_RUN, ordinal);
    wdi_run_record run;
    wadi_err err = wdi_record_load(s, &key, &run, sizeof run);
    if (err != WADI_OK)
        return err;
    if (run.sdk_bytes >= sizeof run.sdk || run.ordinal != ordinal)
        return WADI_ERR_CORRUPT;
    *ret_run = run;
    return WADI_OK;
}

static wdi_run_record run_record(const wire_run *run, uint64_t ordinal) {
    wdi_run_record record;
    memset(&record, 0, sizeof record);
    record.ordinal = ordinal;
    record.nonce = run->nonce;
    record.boot_us = run->boot_us;
    record.wall_us = run->wall_us;
    memcpy(record.boot_id, run->boot_id, sizeof record.boot_id);
    record.sdk_bytes = (uint32_t)(run->sdk.n < sizeof record.sdk ? run->sdk.n : sizeof record.sdk - 1);
    if (record.sdk_bytes > 0)
        memcpy(record.sdk, run->sdk.data, record.sdk_bytes);
    return record;
}

wadi_err wdi_store_run_begin(wdi_store *s, const wire_run *run, uint64_t ring_pos) {
    wadi_err err = wdi_room_left(s, WDI_ROOM_RUN) ? wdi_txn_begin(s) : WADI_ERR_DISK_FULL;
    if (err != WADI_OK)
        return err;
    wdi_meta *meta = &s->state.meta;
    wdi_run_record record = run_record(run, meta->run + 1);
    wdi_key key = wdi_key_number(WDI_KEY_RUN, record.ordinal);
    meta->run = record.ordinal;
    meta->ring_pos = ring_pos;
    err = wdi_record_put(s, &key, &record, sizeof record);
    if (err == WADI_OK)
        err = wdi_boots_note(s, &record);
    if (err == WADI_OK)
        err = wdi_runs_forget(s);
    err = wdi_txn_end(s, err);
    if (err != WADI_OK)
        return err;
    if (memcmp(s->run.boot_id, record.boot_id, sizeof record.boot_id) != 0)
        memset(&s->clock, 0, sizeof s->clock); /* another boot's says nothing about this one */
    s->run = record;
    s->context_last = 0;
    return WADI_OK;
}

/* ---- forgetting --------------------------------------------------------------------------------- */

/* With the last run of a boot goes what is known of its clock. */
static wadi_err boot_forget(wdi_store *s, const wdi_run_record *run) {
    wdi_run_record next, newest; /* the newest may be of the boot again: moved away, and back */
    wadi_err err = wdi_run_load(s, run->ordinal + 1, &next);
    if (err == WADI_OK)
        err = wdi_run_load(s, s->state.meta.run, &newest);
    if (err != WADI_OK || memcmp(next.boot_id, run->boot_id, sizeof next.boot_id) == 0 ||
        memcmp(newest.boot_id, run->boot_id, sizeof newest.boot_id) == 0)
        return err;
    wdi_key key = wdi_key_boot(run->boot_id);
    return wdi_record_del(s, &key);
}

static wadi_err run_forget(wdi_store *s, uint64_t ordinal) {
    wdi_run_record run;
    wdi_key key = wdi_key_number(WDI_KEY_RUN, ordinal);
    uint32_t all = UINT32_MAX;
    wadi_err err = wdi_run_load(s, ordinal, &run);
    if (err == WADI_OK)
        err = boot_forget(s, &run);
    if (err == WADI_OK)
        err = wdi_pairs_forget(s, WDI_KEY_DEFINITION, ordinal, UINT32_MAX, &all);
    if (err == WADI_OK)
        err = wdi_pairs_forget(s, WDI_KEY_CONTEXT, ordinal, UINT32_MAX, &all);
    return err == WADI_OK ? wdi_record_del(s, &key) : err;
}

wadi_err wdi_runs_forget(wdi_store *s) {
    wdi_meta *meta = &s->state.meta;
    uint64_t oldest = meta->run;
    wdi_chunk chunk;
    bool found = false;
    if (meta->oldest_run >= meta->run)
        return WADI_OK;
    wadi_err err = wdi_chunk_seek(s, 0, &chunk, &found);
    if (err == WADI_OK && found)
        oldest = chunk.head.run;
    wdi_chunk_walk_end(s);
    for (uint32_t i = 0; err == WADI_OK && i < RUNS_FORGET_MAX && meta->oldest_run < oldest; i++) {
        err = run_forget(s, meta->oldest_run);
        meta->oldest_run++;
    }
    return err;
}

/* ---- clocks ------------------------------------------------------------------------------------- */

static wadi_err boot_load(wdi_store *s, const uint8_t boot_id[WIRE_ID_BYTES], wdi_boot_record *ret_boot,
                          bool *ret_found) {
    wdi_key key = wdi_key_boot(boot_id);
    wire_span record;
    bool found = false;
    wadi_err err = wdi_record_get(s, &key, &record, &found);
    if (err != WADI_OK)
        return err;
    if (found && record.n != sizeof *ret_boot)
        return WADI_ERR_CORRUPT;
    if (found)
        memcpy(ret_boot, record.data, sizeof *ret_boot);
    *ret_found = found;
    return WADI_OK;
}

wadi_err wdi_store_clock_sample(wdi_store *s, int64_t offset_us, uint64_t error_us, uint64_t at_us,
                                bool *ret_kept) {
    const wdi_clock_sample sample = {offset_us, error_us > 0 ? error_us : 1, at_us};
    wdi_boot_record clock = s->clock;
    bool keep = wdi_clock_take(&clock, &sample);
    if (ret_kept != NULL)
        *ret_kept = keep;
    if (!keep)
        return WADI_OK;
    wdi_key key = wdi_key_boot(s->run.boot_id);
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK)
        err = wdi_record_put(s, &key, &clock, sizeof clock);
    err = wdi_txn_end(s, err);
    if (err == WADI_OK)
        s->clock = clock;
    return err;
}

bool wdi_store_clock(const wdi_store *s, uint64_t boot_us, int64_t *ret_offset_us) {
    uint64_t error_us = 0;
    wdi_clock_at(&s->clock, boot_us, ret_offset_us, &error_us);
    return error_us != 0;
}

bool wdi_store_wants_clock(const wdi_store *s, uint64_t now_us) { return wdi_clock_stale(&s->clock, now_us); }

/* The start of the next boot whose offset is known: boot clock 0, in the collector's time. */
static wadi_err bound_find(wdi_store *s, const wdi_run_record *run, wire_clock *clock) {
    const uint8_t *boot_id = run->boot_id;
    wdi_run_record later;
    for (uint64_t i = run->ordinal + 1; i <= s->state.meta.run && i - run->ordinal <= RUNS_AHEAD_MAX; i++) {
        wdi_boot_record boot;
        bool found = false;
        wadi_err err = wdi_run_load(s, i, &later);
        if (err == WADI_OK && memcmp(later.boot_id, boot_id, WIRE_ID_BYTES) != 0)
            err = boot_load(s, later.boot_id, &boot, &found);
        if (err != WADI_OK)
            return err;
        if (found) {
            uint64_t error_us = 0;
            wdi_clock_at(&boot, 0, &clock->not_after_us, &error_us);
            clock->not_after_us += (int64_t)error_us;
            clock->has_not_after = true;
            return WADI_OK;
        }
    }
    return WADI_OK;
}

/* One offset for the whole batch: that of its middle. */
wadi_err wdi_clock_fill(wdi_store *s, const wdi_run_record *run, uint64_t first_at_us, uint64_t last_at_us,
                        wire_clock *clock) {
    wdi_boot_record boot;
    bool found = false;
    wadi_err err = boot_load(s, run->boot_id, &boot, &found);
    if (err != WADI_OK)
        return err;
    clock->has_offset = found;
    clock->offset_us = 0;
    clock->offset_error_us = 0;
    if (!found)
        return bound_find(s, run, clock);
    uint64_t half_us = last_at_us > first_at_us ? (last_at_us - first_at_us) / 2 : 0;
    wdi_clock_at(&boot, run->boot_us + first_at_us + half_us, &clock->offset_us, &clock->offset_error_us);
    clock->offset_error_us += half_us / (1000000 / WDI_DRIFT_PPM);
    return WADI_OK;
}

wadi_err wdi_clock_load(wdi_store *s, wdi_boot_record *ret_boot) {
    bool found = false;
    memset(ret_boot, 0, sizeof *ret_boot);
    return boot_load(s, s->run.boot_id, ret_boot, &found);
}

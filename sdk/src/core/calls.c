/* The public calls on an open handle that are neither recording nor opening. */
#include "sdk/src/core/fork.h"

#include <string.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/core/signals.h"

/* In a child the first call opens its lane, whichever it is. */
static wadi_err handle_check(wadi *w) {
    if (w == NULL)
        return WADI_ERR_INVALID;
    return wdi_tracker_forked(&w->tracker) ? wdi_fork_reopen(w) : WADI_OK;
}

wadi_err wadi_flush(wadi *w) {
    wadi_err err = handle_check(w);
    if (err != WADI_OK)
        return err;
    atomic_store(&w->flush_wanted, true);
    wdi_thread_wake(w);
    return WADI_OK;
}

wadi_err wadi_wait(wadi *w, wadi_ticket ticket, wadi_level level, uint32_t timeout_ms) {
    wadi_err err = handle_check(w);
    if (err != WADI_OK)
        return err;
    if (ticket == 0 || ticket > wdi_ring_tail(&w->tracker.ring) ||
        (level != WADI_DISK && level != WADI_ACKED))
        return WADI_ERR_INVALID;
    err = wdi_progress_ask(&w->progress, ticket, level);
    if (err == WADI_ERR_TIMEOUT && timeout_ms != 0) {
        err = wadi_flush(w);
        if (err == WADI_OK)
            err =
                wdi_progress_wait(&w->progress, ticket, level, base_mono_us() + (uint64_t)timeout_ms * 1000);
    }
    return err == WADI_ERR_TIMEOUT ? wdi_progress_why(&w->progress, ticket) : err;
}

wadi_err wadi_identify(wadi *w, const char *user) {
    wadi_err err = handle_check(w);
    return err == WADI_OK ? wdi_attributes_user(&w->attributes, &w->tracker, user) : err;
}

wadi_err wadi_set_context(wadi *w, const char *key, const char *value) {
    wadi_err err = handle_check(w);
    return err == WADI_OK ? wdi_attributes_set(&w->attributes, &w->tracker, key, value) : err;
}

wadi_err wadi_stats_get(wadi *w, wadi_stats *ret_stats) {
    wadi_stats stats;
    wadi_err err = handle_check(w);
    if (err != WADI_OK)
        return err;
    if (ret_stats == NULL || ret_stats->struct_size < sizeof ret_stats->struct_size)
        return WADI_ERR_INVALID;
    wdi_progress_stats(&w->progress, &stats);
    stats.refused_full = atomic_load_explicit(&w->tracker.refused_full, memory_order_relaxed);
    stats.refused_invalid = atomic_load_explicit(&w->tracker.refused_invalid, memory_order_relaxed);
    stats.refused_io = atomic_load_explicit(&w->tracker.refused_io, memory_order_relaxed);
    stats.struct_size = ret_stats->struct_size;
    memcpy(ret_stats, &stats, stats.struct_size < sizeof stats ? stats.struct_size : sizeof stats);
    return WADI_OK;
}

wadi_err wadi_installation(wadi *w, char ret_hex[33]) {
    static const char digits[] = "0123456789abcdef";
    wadi_err err = handle_check(w);
    if (err != WADI_OK)
        return err;
    uint8_t id[WDI_INSTALLATION_BYTES];
    wdi_installation_id(&w->installation, id);
    for (size_t i = 0; i < sizeof id; i++) {
        ret_hex[2 * i] = digits[id[i] >> 4];
        ret_hex[2 * i + 1] = digits[id[i] & 15];
    }
    ret_hex[32] = '\0';
    return WADI_OK;
}

wadi_err wadi_reset_installation(wadi *w) {
    wdi_signal_hold hold;
    wadi_err err = handle_check(w);
    if (err != WADI_OK)
        return err;
    wdi_signal_hold_begin(&hold);
    err = wdi_installation_reset(&w->installation);
    wdi_signal_hold_end(&hold);
    return err;
}

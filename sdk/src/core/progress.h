/* progress: what the background thread has reached, for wadi_wait and wadi_stats. Any thread; takes a lock.
 */
#ifndef WDI_CORE_PROGRESS_H
#define WDI_CORE_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sdk/src/store/store.h"

typedef struct wdi_progress {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* by CLOCK_MONOTONIC */
    uint64_t disk_pos;      /* tickets up to this one are on disk */
    uint64_t owed_ticket;   /* tickets below are settled */
    wadi_err failed;        /* nothing will be reached any more */
    bool gone;              /* what is stored ends with the process: nothing is on disk */
    wdi_dropped_log dropped;
    wadi_stats stats; /* of store, ring and uploader */
} wdi_progress;

WADI_NODISCARD wadi_err wdi_progress_init(wdi_progress *p);
void wdi_progress_fini(wdi_progress *p);

/* The thread reports. The log is copied as far as it is new. */
void wdi_progress_set(wdi_progress *p, uint64_t disk_pos, uint64_t owed_ticket,
                      const wdi_dropped_log *dropped, const wadi_stats *stats);
void wdi_progress_gone(wdi_progress *p);
void wdi_progress_fail(wdi_progress *p, wadi_err err);

/* Whether the ticket has reached the level now. WADI_ERR_TIMEOUT: not yet. */
WADI_NODISCARD wadi_err wdi_progress_ask(wdi_progress *p, wadi_ticket ticket, wadi_level level);
/* The same, until `deadline_us` of base_mono_us. */
WADI_NODISCARD wadi_err wdi_progress_wait(wdi_progress *p, wadi_ticket ticket, wadi_level level,
                                          uint64_t deadline_us);
/* Of a ticket that has not reached a level in time: what the store's last attempt came to, if that is why. */
WADI_NODISCARD wadi_err wdi_progress_why(wdi_progress *p, wadi_ticket ticket);
void wdi_progress_stats(wdi_progress *p, wadi_stats *ret_stats);

#endif

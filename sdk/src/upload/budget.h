/* budget: how many bytes may still go out today, kept in the store so that a restart begins no new day.
 *
 * A day begins with its first body and is over when 24 hours are proven to have passed (wdi_moment_elapsed):
 * no clock that is set forward, and no restart, makes it shorter. Bodies of batches count as sent, those of
 * failed attempts too; headers, TLS and the question who is there do not. A single event of more than all of
 * a day's bytes goes first on its day, or it would never go. */
#ifndef WDI_UPLOAD_BUDGET_H
#define WDI_UPLOAD_BUDGET_H

#include "sdk/src/store/store.h"

typedef struct wdi_budget {
    uint64_t max; /* 0: no limit, and none of the calls does anything */
    uint64_t spent;
    uint64_t wanted; /* the body that did not fit any more; 0: none */
    wdi_moment began;
} wdi_budget;

void wdi_budget_load(wdi_budget *b, uint64_t max, wdi_store *store);

/* What a body may have to fit into what is left of the day, or into a new one. */
size_t wdi_budget_left(const wdi_budget *b, const wdi_store *store, uint64_t boot_us);

/* 0: `n` bytes may go now (0 bytes: as many as last did not fit). Else how long to wait before asking again,
 * at most an hour. */
uint64_t wdi_budget_wait_us(wdi_budget *b, const wdi_store *store, uint64_t boot_us, size_t n);

/* Before they go: what cannot be noted is not sent. */
WADI_NODISCARD wadi_err wdi_budget_spend(wdi_budget *b, wdi_store *store, uint64_t boot_us, size_t n);

#endif

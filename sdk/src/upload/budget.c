#include "sdk/src/upload/budget.h"

#include <stdint.h>
#include <string.h>

#define DAY_US (UINT64_C(24) * 3600 * 1000000)
#define WAIT_US_MAX (UINT64_C(3600) * 1000000)

/* Read only by the machine that wrote it. */
typedef struct budget_note {
    uint64_t spent;
    wdi_moment began;
} budget_note;

void wdi_budget_load(wdi_budget *b, uint64_t max, wdi_store *store) {
    budget_note note;
    size_t n = 0;
    *b = (wdi_budget){.max = max};
    if (max == 0 || wdi_store_note_get(store, WDI_NOTE_UPLOAD_BUDGET, &note, sizeof note, &n) != WADI_OK ||
        n != sizeof note)
        return;
    b->spent = note.spent;
    b->began = note.began;
}

/* What is left of the day; 0: it is over. */
static uint64_t day_left_us(const wdi_budget *b, const wdi_moment *now) {
    uint64_t elapsed_us = wdi_moment_elapsed(&b->began, now);
    return elapsed_us < DAY_US ? DAY_US - elapsed_us : 0;
}

/* Nothing of it is spent yet. */
static bool day_is_new(const wdi_budget *b, const wdi_moment *now) {
    return b->spent == 0 || day_left_us(b, now) == 0;
}

size_t wdi_budget_left(const wdi_budget *b, const wdi_store *store, uint64_t boot_us) {
    const wdi_moment now = wdi_store_moment(store, boot_us);
    uint64_t spent = day_is_new(b, &now) ? 0 : b->spent;
    uint64_t left = b->max == 0 ? SIZE_MAX : spent < b->max ? b->max - spent : 0;
    return left < SIZE_MAX ? (size_t)left : SIZE_MAX;
}

uint64_t wdi_budget_wait_us(wdi_budget *b, const wdi_store *store, uint64_t boot_us, size_t n) {
    const wdi_moment now = wdi_store_moment(store, boot_us);
    b->wanted = n > 0 ? n : b->wanted;
    bool fits = b->spent < b->max && b->wanted <= b->max - b->spent;
    if (b->max == 0 || day_is_new(b, &now) || fits) {
        b->wanted = 0;
        return 0;
    }
    uint64_t left_us = day_left_us(b, &now);
    return left_us < WAIT_US_MAX ? left_us : WAIT_US_MAX;
}

/* Once the collector's time is known, the day's beginning is known by it too, as the latest that it can have
 * been: after the next restart it tells how long the device was off. */
static void began_by_collector(wdi_budget *b, const wdi_moment *now) {
    if (b->began.collector_error_us != 0 || now->collector_error_us == 0)
        return;
    b->began.collector_us = now->collector_us - (int64_t)wdi_moment_elapsed(&b->began, now);
    b->began.collector_error_us = now->collector_error_us;
}

wadi_err wdi_budget_spend(wdi_budget *b, wdi_store *store, uint64_t boot_us, size_t n) {
    const wdi_moment now = wdi_store_moment(store, boot_us);
    budget_note note;
    if (b->max == 0)
        return WADI_OK;
    if (day_is_new(b, &now)) {
        b->spent = 0;
        b->began = now;
    }
    began_by_collector(b, &now);
    memset(&note, 0, sizeof note);
    note.spent = b->spent + n;
    note.began = b->began;
    wadi_err err = wdi_store_note_put(store, WDI_NOTE_UPLOAD_BUDGET, &note, sizeof note);
    if (err == WADI_OK)
        b->spent = note.spent;
    return err;
}

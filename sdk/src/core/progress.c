#include "sdk/src/core/progress.h"

#include <errno.h>
#include <string.h>
#include <time.h>

wadi_err wdi_progress_init(wdi_progress *p) {
    pthread_condattr_t attr;
    memset(p, 0, sizeof *p);
    if (pthread_mutex_init(&p->lock, NULL) != 0)
        return WADI_ERR_SYSTEM;
    bool made = pthread_condattr_init(&attr) == 0;
    if (made) {
        made = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
               pthread_cond_init(&p->changed, &attr) == 0;
        pthread_condattr_destroy(&attr);
    }
    if (!made) {
        pthread_mutex_destroy(&p->lock);
        return WADI_ERR_SYSTEM;
    }
    return WADI_OK;
}

void wdi_progress_fini(wdi_progress *p) {
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
}

void wdi_progress_set(wdi_progress *p, uint64_t disk_pos, uint64_t owed_ticket,
                      const wdi_dropped_log *dropped, const wadi_stats *stats) {
    pthread_mutex_lock(&p->lock);
    p->disk_pos = disk_pos;
    p->owed_ticket = owed_ticket;
    p->stats = *stats;
    uint64_t from = p->dropped.n;
    if (dropped->n - from > WDI_DROPPED_LOG_MAX)
        from = dropped->n - WDI_DROPPED_LOG_MAX;
    for (; from < dropped->n; from++)
        p->dropped.tickets[from % WDI_DROPPED_LOG_MAX] = dropped->tickets[from % WDI_DROPPED_LOG_MAX];
    p->dropped.n = dropped->n;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

void wdi_progress_gone(wdi_progress *p) {
    pthread_mutex_lock(&p->lock);
    p->gone = true;
    p->stats.store_error = WADI_ERR_IO;
    p->stats.store_errors++;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

void wdi_progress_fail(wdi_progress *p, wadi_err err) {
    pthread_mutex_lock(&p->lock);
    p->failed = err;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static bool ticket_dropped(const wdi_progress *p, wadi_ticket ticket) {
    uint64_t n = p->dropped.n < WDI_DROPPED_LOG_MAX ? p->dropped.n : WDI_DROPPED_LOG_MAX;
    for (uint64_t i = 0; i < n; i++)
        if (p->dropped.tickets[i] == ticket)
            return true;
    return false;
}

static wadi_err level_ask(const wdi_progress *p, wadi_ticket ticket, wadi_level level) {
    bool stored = ticket <= p->disk_pos;
    if (level == WADI_DISK && (stored || p->gone))
        return p->gone ? WADI_ERR_IO : WADI_OK;
    if (level == WADI_ACKED && stored && ticket < p->owed_ticket)
        return ticket_dropped(p, ticket) ? WADI_ERR_DROPPED : WADI_OK;
    return p->failed != WADI_OK ? p->failed : WADI_ERR_TIMEOUT;
}

wadi_err wdi_progress_ask(wdi_progress *p, wadi_ticket ticket, wadi_level level) {
    pthread_mutex_lock(&p->lock);
    wadi_err err = level_ask(p, ticket, level);
    pthread_mutex_unlock(&p->lock);
    return err;
}

wadi_err wdi_progress_wait(wdi_progress *p, wadi_ticket ticket, wadi_level level, uint64_t deadline_us) {
    const struct timespec deadline = {.tv_sec = (time_t)(deadline_us / 1000000),
                                      .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    pthread_mutex_lock(&p->lock);
    wadi_err err = level_ask(p, ticket, level);
    while (err == WADI_ERR_TIMEOUT && pthread_cond_timedwait(&p->changed, &p->lock, &deadline) != ETIMEDOUT)
        err = level_ask(p, ticket, level);
    if (err == WADI_ERR_TIMEOUT)
        err = level_ask(p, ticket, level);
    pthread_mutex_unlock(&p->lock);
    return err;
}

wadi_err wdi_progress_why(wdi_progress *p, wadi_ticket ticket) {
    pthread_mutex_lock(&p->lock);
    wadi_err err =
        ticket > p->disk_pos && p->stats.store_error != 0 ? (wadi_err)p->stats.store_error : WADI_ERR_TIMEOUT;
    pthread_mutex_unlock(&p->lock);
    return err;
}

void wdi_progress_stats(wdi_progress *p, wadi_stats *ret_stats) {
    pthread_mutex_lock(&p->lock);
    *ret_stats = p->stats;
    pthread_mutex_unlock(&p->lock);
}

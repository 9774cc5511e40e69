#include "sdk/src/core/handle.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/core/error.h"
#include "sdk/src/core/fork.h"
#include "sdk/src/core/signals.h"

#define THREAD_STACK_BYTES (256u * 1024u)

/* ---- the lane's content ------------------------------------------------------------------------- */

/* A lane without room must open all the same, or it could never upload again: the thread begins the run once
 * something has settled. */
static wadi_err run_begin(wadi *w) {
    wdi_tracker_refuse(&w->tracker, WADI_ERR_FULL);
    wadi_err err = wdi_run_begin(w, w->options.values.ring_bytes);
    if (err != WADI_ERR_DISK_FULL || w->ring_started)
        return err;
    wdi_diagf(&w->diag, WADI_DIAG_ERROR,
              "the store is full: nothing is recorded until some of it is delivered");
    return WADI_OK;
}

static wadi_err lane_begin(wadi *w) {
    const wadi_options *o = &w->options.values;
    wadi_err err = wdi_installation_open(&w->installation, w->lane.dir_fd,
                                         o->installation_from != NULL ? WDI_MACHINE_ID_PATH : NULL, &w->diag);
    if (err != WADI_OK)
        return err;
    wdi_store_options store = {.path = w->lane.store_path,
                               .quarantine_dir = w->lane.quarantine_dir,
                               .disk_bytes_max = o->disk_bytes_max,
                               .max_age_us = wdi_options_max_age_us(o),
                               .diag = &w->diag,
                               .working = &w->fork.working};
    wdi_store_numbers numbers;
    if (wdi_ring_note_get(w->lane.dir_fd, &numbers, sizeof numbers))
        store.numbers = &numbers;
    wdi_installation_id(&w->installation, store.installation);
    err = wdi_store_open(&store, &w->store);
    if (err == WADI_OK && !wdi_lane_holds(&w->lane, w->store))
        err = WADI_ERR_IO;
    if (err == WADI_OK)
        err = wdi_ring_open(&w->tracker.ring, w->lane.dir_fd, o->ring_bytes);
    if (err == WADI_OK)
        err = run_begin(w);
    if (err == WADI_OK && fsync(w->lane.dir_fd) != 0) /* the names of new files */
        err = wdi_err_of_errno(errno);
    return err;
}

/* ---- the handle --------------------------------------------------------------------------------- */

/* All signals are the application's: the thread takes none. */
static wadi_err thread_start(wadi *w) {
    pthread_attr_t attr;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0)
        return WADI_ERR_SYSTEM;
    sigfillset(&all);
    int failed = pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    if (failed == 0)
        failed = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (failed == 0) {
        failed = pthread_create(&w->thread, &attr, wdi_thread_main, w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
    if (failed != 0)
        return WADI_ERR_SYSTEM;
    return WADI_OK;
}

/* What wdi_handle_start made, in the reverse order; the thread has ended, or never was. */
static void handle_stop(wadi *w) {
    wdi_upload_close(w->upload);
    w->upload = NULL;
    wdi_ring_close(&w->tracker.ring);
    wdi_store_close(w->store);
    w->store = NULL;
    wdi_installation_close(&w->installation);
    memset(&w->installation, 0, sizeof w->installation);
    wdi_lane_close(&w->lane);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    w->wake_fd = -1;
}

wadi_err wdi_handle_start(wadi *w) {
    wdi_signal_hold hold;
    wdi_signal_hold_begin(&hold);
    wdi_fork_opening(w, true);
    wadi_err err = wdi_lane_open(&w->lane, w->options.values.dir, w->options.values.lanes_max);
    if (err == WADI_OK)
        err = lane_begin(w);
    if (err == WADI_OK && w->options.values.endpoint != NULL) {
        /* TLS has locks of its own, which a child must not find held; all else of a handle that is being
         * opened it leaves alone. */
        pthread_mutex_lock(&w->fork.working);
        err = wdi_upload_open(&w->options.values, &wdi_transport_mbedtls, w->store, &w->diag, &w->upload);
        pthread_mutex_unlock(&w->fork.working);
    }
    if (err == WADI_OK) {
        w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        err = w->wake_fd >= 0 ? wdi_thread_report(w) : WADI_ERR_SYSTEM;
    }
    if (err == WADI_OK)
        err = thread_start(w);
    if (err != WADI_OK) {
        wdi_diagf(&w->diag, WADI_DIAG_ERROR, "open %s: %s", w->options.values.dir, wadi_strerror(err));
        pthread_mutex_lock(&w->fork.working);
        handle_stop(w);
        pthread_mutex_unlock(&w->fork.working);
    }
    wdi_fork_opening(w, false);
    wdi_signal_hold_end(&hold);
    return err;
}

static void handle_free(wadi *w) {
    wdi_fork_unlist(w);
    wdi_tracker_fini(&w->tracker);
    wdi_attributes_fini(&w->attributes);
    wdi_progress_fini(&w->progress);
    wdi_options_fini(&w->options);
    wdi_fork_fini(&w->fork);
    free(w);
}

/* The tracker knows nothing of handles, but that it stands first in one. */
static wadi_err tracker_reopen(wdi_tracker *tracker) { return wdi_fork_reopen((wadi *)(void *)tracker); }

static wadi_err tracker_init(wadi *w) {
    wadi_err err = wdi_tracker_init(&w->tracker, 0);
    w->tracker.reopen = tracker_reopen;
    return err;
}

/* What handle_free relies on. */
static wadi_err handle_new(const wadi_options *opt, wadi **ret_w) {
    const char *why = NULL;
    wadi *w = aligned_alloc(_Alignof(wadi), sizeof *w);
    if (w == NULL)
        return WADI_ERR_NO_MEMORY;
    memset(w, 0, sizeof *w);
    w->wake_fd = -1;
    w->lane = WDI_LANE_NONE;
    wdi_orphan_init(&w->orphan);
    wadi_err err = wdi_fork_init(&w->fork);
    if (err != WADI_OK)
        goto free_handle;
    err = wdi_options_init(&w->options, opt, &why);
    const wadi_options *o = &w->options.values;
    w->diag = (wdi_diag){o->diag, o->diag_context, o->diag_level, &w->fork.working};
    if (err == WADI_ERR_INVALID)
        wdi_diagf(&w->diag, WADI_DIAG_ERROR, "option %s is missing or out of range", why);
    if (err != WADI_OK)
        goto free_fork;
    err = wdi_progress_init(&w->progress);
    if (err != WADI_OK)
        goto free_options;
    err = wdi_attributes_init(&w->attributes, o->app, o->app_version);
    if (err != WADI_OK)
        goto free_progress;
    err = tracker_init(w);
    if (err != WADI_OK)
        goto free_attributes;
    wdi_fork_list(w);
    *ret_w = w;
    return WADI_OK;
free_attributes:
    wdi_attributes_fini(&w->attributes);
free_progress:
    wdi_progress_fini(&w->progress);
free_options:
    wdi_options_fini(&w->options);
free_fork:
    wdi_fork_fini(&w->fork);
free_handle:
    free(w);
    return err;
}

wadi_err wadi_open(const wadi_options *opt, wadi **ret_w) {
    wadi *w = NULL;
    if (ret_w == NULL)
        return WADI_ERR_INVALID;
    wadi_err err = handle_new(opt, &w);
    if (err != WADI_OK)
        return err;
    err = wdi_handle_start(w);
    if (err == WADI_OK)
        *ret_w = w;
    else
        handle_free(w);
    return err;
}

/* ---- closing ------------------------------------------------------------------------------------ */

wadi_err wadi_close(wadi *w, uint32_t timeout_ms) {
    if (w == NULL)
        return WADI_OK;
    if (wdi_tracker_forked(&w->tracker)) {
        if (!wdi_fork_leave(w))
            return WADI_ERR_FORKED;
        handle_free(w);
        return WADI_OK;
    }
    wdi_tracker_refuse(&w->tracker, WADI_ERR_CLOSED);
    atomic_store(&w->close_deadline_us, base_mono_us() + (uint64_t)timeout_ms * 1000);
    atomic_store(&w->closing, true);
    wdi_thread_wake(w);
    pthread_join(w->thread, NULL);
    uint64_t left = wdi_store_pending(w->store);
    wadi_err err = left > 0 && w->upload != NULL ? WADI_ERR_TIMEOUT : WADI_OK;
    if (left > 0 && w->gone)
        err = WADI_ERR_IO;
    if (!w->begun || !wdi_ring_empty(&w->tracker.ring))
        err = w->store_error != WADI_OK ? w->store_error : WADI_ERR_TIMEOUT;
    pthread_mutex_lock(&w->fork.working);
    handle_stop(w);
    pthread_mutex_unlock(&w->fork.working);
    handle_free(w);
    return err;
}

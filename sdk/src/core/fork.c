#include "sdk/src/core/fork.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"
#include "sdk/src/core/lock.h"

/* ---- handlers ----------------------------------------------------------------------------------- */

/* Order of locks: handles_lock, each handle's `working` and attributes, the list of file locks. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;
static wadi *handles;

static void fork_prepare(void) {
    pthread_mutex_lock(&handles_lock);
    for (wadi *w = handles; w != NULL; w = w->fork.next) {
        atomic_store(&w->fork.wanted, true);
        pthread_mutex_lock(&w->fork.working);
        atomic_store(&w->fork.wanted, false);
        pthread_mutex_lock(&w->attributes.lock);
    }
    wdi_locks_fork_prepare();
}

static void fork_parent(void) {
    wdi_locks_fork_parent();
    for (wadi *w = handles; w != NULL; w = w->fork.next) {
        pthread_mutex_unlock(&w->attributes.lock);
        pthread_mutex_unlock(&w->fork.working);
    }
    pthread_mutex_unlock(&handles_lock);
}

/* At once: by the child's first call an application that makes a daemon of itself has closed them all, and
 * has others of its own under their numbers. */
static void descriptors_close(wadi *w) {
    wdi_orphan_disown(&w->orphan);
    wdi_upload_disown(w->upload);
    wdi_store_disown(w->store);
    wdi_ring_disown(&w->tracker.ring);
    wdi_lane_disown(&w->lane);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    w->wake_fd = -1;
}

/* Whoever else held or awaited a lock is not here: they are made anew. */
static void fork_child(void) {
    wdi_locks_fork_child();
    for (wadi *w = handles; w != NULL; w = w->fork.next) {
        wdi_fork *f = &w->fork;
        (void)!wdi_fork_init(f);
        (void)pthread_mutex_init(&w->attributes.lock, NULL);
        f->torn |= f->opening > 0;
        f->opening = 0;
        if (!f->torn)
            descriptors_close(w);
        f->fresh = true;
        atomic_store(&f->again_us, 0);
        atomic_store(&f->child, true);
    }
    pthread_mutex_unlock(&handles_lock);
}

static void handlers_register(void) { (void)pthread_atfork(fork_prepare, fork_parent, fork_child); }

/* ---- handles ------------------------------------------------------------------------------------ */

wadi_err wdi_fork_init(wdi_fork *f) {
    pthread_mutexattr_t attr;
    if (pthread_mutexattr_init(&attr) != 0)
        return WADI_ERR_SYSTEM;
    int failed = pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    if (failed == 0)
        failed = pthread_mutex_init(&f->working, &attr);
    if (failed == 0)
        failed = pthread_mutex_init(&f->reopening, NULL);
    pthread_mutexattr_destroy(&attr);
    return failed == 0 ? WADI_OK : WADI_ERR_SYSTEM;
}

void wdi_fork_fini(wdi_fork *f) {
    pthread_mutex_destroy(&f->reopening);
    pthread_mutex_destroy(&f->working);
}

void wdi_fork_list(wadi *w) {
    pthread_once(&once, handlers_register);
    pthread_mutex_lock(&handles_lock);
    w->fork.next = handles;
    handles = w;
    pthread_mutex_unlock(&handles_lock);
}

void wdi_fork_unlist(wadi *w) {
    pthread_mutex_lock(&handles_lock);
    for (wadi **at = &handles; *at != NULL; at = &(*at)->fork.next) {
        if (*at != w)
            continue;
        *at = w->fork.next;
        break;
    }
    pthread_mutex_unlock(&handles_lock);
}

void wdi_fork_opening(wadi *w, bool opening) {
    pthread_mutex_lock(&w->fork.working);
    if (opening)
        w->fork.opening++;
    else if (w->fork.opening > 0) /* none, where `diag` forked */
        w->fork.opening--;
    pthread_mutex_unlock(&w->fork.working);
}

void wdi_fork_give_way(wadi *w) {
    static const struct timespec pause = {.tv_nsec = 100000};
    if (!atomic_load(&w->fork.wanted))
        return;
    pthread_mutex_unlock(&w->fork.working);
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&w->fork.working);
}

/* ---- the child ---------------------------------------------------------------------------------- */

/* Memory. What LMDB had in its hands stays as it is, and so does all of a handle that was
 * being opened. */
static void parent_leave(wadi *w) {
    if (!w->fork.torn) {
        wdi_orphan_forget(&w->orphan);
        wdi_upload_forget(w->upload);
        wdi_store_forget(w->store);
        wdi_ring_close(&w->tracker.ring);
        wdi_lane_close(&w->lane);
    }
    w->fork.torn = false;
    w->upload = NULL;
    w->store = NULL;
    memset(&w->tracker.ring, 0, sizeof w->tracker.ring);
    w->lane = WDI_LANE_NONE;
    w->wake_fd = -1;
    (void)!wdi_progress_init(&w->progress); /* its waiters are not here: to destroy it would wait for them */
}

bool wdi_fork_leave(wadi *w) {
    if (!atomic_load(&w->fork.child))
        return false;
    parent_leave(w);
    return true;
}

/* As wadi_open left it, and before. The context stays. */
static wadi_err handle_renew(wadi *w) {
    parent_leave(w);
    w->drained = (wdi_drain_stats){0};
    w->ring_lost = w->owed_ticket = w->store_errors = 0;
    w->store_error = WADI_OK;
    w->gone = false;
    w->begun = w->ring_started = false;
    w->attributes.id = 0;
    atomic_store(&w->flush_wanted, false);
    atomic_store(&w->closing, false);
    atomic_store(&w->close_deadline_us, 0);
    if (w->fork.fresh) {
        atomic_store(&w->tracker.refused_full, 0);
        atomic_store(&w->tracker.refused_invalid, 0);
        atomic_store(&w->tracker.refused_io, 0);
        w->fork.fresh = false;
    }
    return wdi_tracker_renew(&w->tracker);
}

/* Another thread may fork meanwhile: that child finds what is here whole, and all of it. */
static wadi_err handle_renew_whole(wadi *w) {
    pthread_mutex_lock(&w->fork.working);
    wadi_err err = handle_renew(w);
    pthread_mutex_unlock(&w->fork.working);
    return err;
}

static wadi_err reopen(wadi *w) {
    wdi_fork *f = &w->fork;
    wadi_err err = handle_renew_whole(w);
    if (err == WADI_OK)
        err = wdi_handle_start(w);
    if (err == WADI_OK) {
        atomic_store(&f->child, false);
        wdi_tracker_own(&w->tracker); /* last: other threads record from here on */
        return err;
    }
    atomic_store(&f->again_err, (uint32_t)err);
    atomic_store(&f->again_us, base_mono_us() + WDI_REOPEN_US);
    return err;
}

static bool is_too_early(const wdi_fork *f) {
    uint64_t again_us = atomic_load(&f->again_us);
    return again_us != 0 && base_mono_us() < again_us;
}

wadi_err wdi_fork_reopen(wadi *w) {
    wdi_fork *f = &w->fork;
    sigset_t all, before;
    wadi_err err = WADI_OK;
    if (is_too_early(f))
        return (wadi_err)atomic_load(&f->again_err);
    /* A handler that records would wait for the thread that it interrupts. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&f->reopening);
    if (wdi_tracker_forked(&w->tracker)) { /* still */
        if (!atomic_load(&f->child))
            err = WADI_ERR_FORKED;
        else if (is_too_early(f))
            err = (wadi_err)atomic_load(&f->again_err);
        else
            err = reopen(w);
    }
    pthread_mutex_unlock(&f->reopening);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

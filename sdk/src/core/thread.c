/* The background thread: ring to store, store to collector, and sleep.
 *
 * Awake it drains every flush_ms. Nothing recorded for IDLE_US: it sleeps until an event, a call or the
 * uploader's next attempt, and has no wake-ups of its own. While an exchange is under way it polls the
 * network, and the bell cannot end a poll: then it looks at the bell every POLL_SLICE_US.
 *
 * Holds `fork.working` but while it sleeps, so that fork() finds its work at a pause. */
#include "sdk/src/core/fork.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"

#define IDLE_US 2000000u
#define AWAY_US 2000000u /* a sleep of more than that is long: nobody sees a file system die */
#define POLL_SLICE_US 20000u
#define BLOCKED_US 2000u  /* a slot is claimed and not committed yet */
#define RETRY_US 1000000u /* after the store failed */
#define CLOSE_BLOCKED_US 50000u
#define AGE_US_MAX 60000000u /* between two looks for events that are too old */
#define AGE_US_MIN 100000u

typedef struct pump {
    wadi *w;
    uint64_t now_us;
    uint64_t drain_us;  /* when to drain at the latest */
    uint64_t active_us; /* when something was last in the ring */
    uint64_t age_us;    /* when to look for events that are too old */
    uint64_t drained_pos;
    bool blocked;
    wadi_err failed; /* the store's last outcome */
} pump;

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ---- reporting ---------------------------------------------------------------------------------- */

/* Before anybody is told that they are given: so no number that somebody knows of is lost with the store. */
static void numbers_note(wadi *w) {
    wdi_store_numbers numbers;
    wdi_store_numbers_get(w->store, &numbers);
    wdi_ring_note_set(&w->tracker.ring, &numbers, sizeof numbers);
}

wadi_err wdi_thread_report(wadi *w) {
    wadi_stats stats = WADI_STATS_INIT;
    wdi_upload_stats upload = {0};
    wadi_err err = WADI_OK;
    if (w->store_error != WADI_ERR_IO || w->gone) /* of a dead file system nothing is read */
        err = wdi_store_owed_ticket(w->store, &w->owed_ticket);
    wdi_store_stats(w->store, &stats);
    if (w->upload != NULL)
        wdi_upload_stats_get(w->upload, &upload);
    stats.uploads = upload.uploads;
    stats.upload_errors = upload.upload_errors;
    stats.upload_bytes = upload.upload_bytes;
    stats.upload_day_bytes = upload.upload_day_bytes;
    stats.store_errors = w->store_errors;
    stats.store_error = (uint64_t)w->store_error;
    stats.ring_lost = w->ring_lost + w->tracker.ring.damaged_bytes;
    stats.accepted = w->drained.events;
    if (w->begun)
        numbers_note(w);
    wdi_progress_set(&w->progress, wdi_store_ring_pos(w->store), w->owed_ticket,
                     wdi_store_dropped_log(w->store), &stats);
    return err;
}

/* What is in the ring stays there; damage is for good. */
static void store_failed(pump *p, wadi_err err) {
    if (err != p->failed)
        wdi_diagf(&p->w->diag, WADI_DIAG_ERROR, "store: %s", wadi_strerror(err));
    if (err == WADI_ERR_CORRUPT) {
        wdi_tracker_refuse(&p->w->tracker, err); /* what nobody will store is not taken */
        wdi_progress_fail(&p->w->progress, err);
    }
    p->failed = p->w->store_error = err;
    p->w->store_errors++;
    p->drain_us = err == WADI_ERR_CORRUPT ? UINT64_MAX : p->now_us + RETRY_US;
}

/* ---- working ------------------------------------------------------------------------------------ */

/* Of a store that was full. The ring keeps its size: to make it anew may fail. */
static wadi_err run_begin_late(wadi *w) {
    if (w->ring_started)
        return WADI_ERR_CORRUPT;
    pthread_mutex_unlock(&w->fork.working);
    wdi_fork_opening(w, true);
    wadi_err err = wdi_run_begin(w, (uint32_t)(w->tracker.ring.mask + 1));
    wdi_fork_opening(w, false);
    pthread_mutex_lock(&w->fork.working);
    if (err == WADI_OK)
        wdi_diagf(&w->diag, WADI_DIAG_WARN, "the store has room again: events are recorded");
    return err;
}

/* Uploads go on, since nothing else saves what there is. */
static void lane_look(wadi *w) {
    if (!w->gone && wdi_lane_gone(&w->lane)) {
        wdi_diagf(&w->diag, WADI_DIAG_ERROR,
                  "the store's files were deleted: what is not delivered is lost when this handle is closed");
        w->gone = true;
        w->store_errors++;
        wdi_progress_gone(&w->progress);
    }
    w->store_error = w->gone ? WADI_ERR_IO : WADI_OK;
}

/* Both look at memory that may have to wait for the file system: fork() need not wait with them. */
static bool ring_is_ready(wadi *w) {
    pthread_mutex_unlock(&w->fork.working);
    bool ready = wdi_tracker_ready(&w->tracker);
    pthread_mutex_lock(&w->fork.working);
    return ready;
}

static void ring_warm(wadi *w, uint64_t bytes) {
    pthread_mutex_unlock(&w->fork.working);
    wdi_ring_warm(&w->tracker.ring, bytes);
    pthread_mutex_lock(&w->fork.working);
}

static void drain(pump *p) {
    wadi *w = p->w;
    wadi_err err = w->begun ? WADI_OK : run_begin_late(w);
    if (err != WADI_OK) {
        store_failed(p, err);
        return;
    }
    const uint64_t flush_us = (uint64_t)w->options.values.flush_ms * 1000;
    if (!ring_is_ready(w)) {
        store_failed(p, WADI_ERR_IO);
        return;
    }
    if (!wdi_ring_empty(&w->tracker.ring))
        p->active_us = p->now_us;
    else if (p->failed != WADI_OK)
        err = wdi_store_touch(w->store); /* nothing to write: is it well again? */
    uint64_t start = wdi_ring_cursor(&w->tracker.ring);
    if (err == WADI_OK)
        err = wdi_drain_ring(w->store, &w->tracker.ring, &w->drained, &p->blocked);
    if (err == WADI_OK && wdi_ring_cursor(&w->tracker.ring) != start)
        ring_warm(w, wdi_ring_cursor(&w->tracker.ring) - start);
    if (err != WADI_OK) {
        store_failed(p, err);
        return;
    }
    if (p->failed != WADI_OK)
        wdi_diagf(&w->diag, WADI_DIAG_WARN, "store: works again");
    p->failed = WADI_OK;
    lane_look(w);
    p->drain_us = p->now_us + (p->blocked ? BLOCKED_US : flush_us);
}

/* A hundredth of the age is near enough, and no reason to wake up. */
static void age(pump *p) {
    wadi *w = p->w;
    uint64_t every_us = (uint64_t)w->options.values.max_age_s * 10000;
    bool more = true;
    if (!w->begun || p->failed != WADI_OK || p->now_us < p->age_us)
        return;
    every_us = every_us < AGE_US_MIN ? AGE_US_MIN : every_us;
    p->age_us = p->now_us + earlier(every_us, AGE_US_MAX);
    wadi_err err = WADI_OK;
    while (err == WADI_OK && more)
        err = wdi_store_age_step(w->store, base_boot_us(), &more);
    if (err != WADI_OK)
        store_failed(p, err);
}

/* A dead file system may answer a look into the store with a SIGBUS, and takes no note of what is sent. What
 * is not stepped must not end the sleep either. */
static bool uploads(const pump *p) {
    return p->w->upload != NULL && p->failed != WADI_ERR_CORRUPT && p->failed != WADI_ERR_IO;
}

static bool delivers_orphans(const pump *p) { return p->w->upload != NULL && p->failed != WADI_ERR_IO; }

static void upload(pump *p) {
    wadi *w = p->w;
    if (!uploads(p))
        return;
    wdi_upload_refused_set(w->upload, atomic_load_explicit(&w->tracker.refused_full, memory_order_relaxed));
    wdi_store_ring_tail_set(w->store, wdi_ring_tail(&w->tracker.ring));
    uint8_t installation[WDI_INSTALLATION_BYTES];
    if (wdi_installation_changed(&w->installation, installation))
        wdi_store_installation_set(w->store, installation);
    wadi_err err = wdi_upload_step(w->upload, p->now_us);
    if (err != WADI_OK)
        store_failed(p, err);
}

/* Other lanes' events, with a connection of their own. */
static void orphans(pump *p) {
    wadi *w = p->w;
    uint8_t installation[WDI_INSTALLATION_BYTES];
    if (!delivers_orphans(p))
        return;
    wdi_installation_id(&w->installation, installation);
    const wdi_orphan_host host = {.options = &w->options.values,
                                  .lane = &w->lane,
                                  .installation = installation,
                                  .diag = &w->diag,
                                  .working = &w->fork.working,
                                  .offline = wdi_upload_offline(w->upload)};
    wdi_orphan_step(&w->orphan, &host, p->now_us);
}

static bool ring_is_filling(const wadi *w) {
    return wdi_ring_used(&w->tracker.ring) > (w->tracker.ring.mask + 1) / 4;
}

static bool drain_is_due(pump *p) {
    wadi *w = p->w;
    if (atomic_exchange(&w->flush_wanted, false)) {
        if (w->upload != NULL)
            wdi_upload_kick(w->upload, p->now_us);
        wdi_orphan_flush(&w->orphan, p->now_us);
        return p->failed == WADI_OK || p->now_us >= p->drain_us;
    }
    return p->now_us >= p->drain_us || (p->failed == WADI_OK && !p->blocked && ring_is_filling(w));
}

static void work(pump *p, bool urgent) {
    p->now_us = base_mono_us();
    bool due = drain_is_due(p);
    if (due || (urgent && p->failed == WADI_OK))
        drain(p);
    age(p);
    upload(p);
    orphans(p);
    if (p->failed != WADI_ERR_CORRUPT) {
        wadi_err err = wdi_thread_report(p->w);
        if (err != WADI_OK)
            store_failed(p, err);
    }
    p->now_us = base_mono_us();
}

/* ---- sleeping ----------------------------------------------------------------------------------- */

/* What came while the thread was awake rang no bell. Looked at after lying down, so that nothing falls in
 * between. Whoever is about to commit may have looked at the bell already: that slot is looked at again
 * soon. */
static bool ring_is_urgent(pump *p) {
    wdi_ring *ring = &p->w->tracker.ring;
    wdi_record record;
    bool urgent = ring_is_filling(p->w);
    uint64_t start = wdi_ring_cursor(ring);
    wdi_ring_state state = WDI_RING_RECORD;
    while (!urgent && (state = wdi_ring_read(ring, &record)) == WDI_RING_RECORD)
        urgent = record.priority == WADI_CRITICAL;
    if (state == WDI_RING_BLOCKED)
        p->drain_us = earlier(p->drain_us, p->now_us + BLOCKED_US);
    wdi_ring_seek(ring, start);
    return urgent;
}

static bool called(wadi *w) { return atomic_load(&w->flush_wanted) || atomic_load(&w->closing); }

static void eventfd_clear(int fd) {
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);
    (void)n;
}

/* Waits for the descriptors and for a call, at most until then; UINT64_MAX: without end. */
static void poll_until(pump *p, struct pollfd *fds, nfds_t n, uint64_t until_us) {
    int wake_fd = p->w->wake_fd;
    uint64_t wait_us = until_us > p->now_us ? until_us - p->now_us : 0;
    const struct timespec timeout = {.tv_sec = (time_t)(wait_us / 1000000),
                                     .tv_nsec = (long)(wait_us % 1000000) * 1000};
    fds[n] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    pthread_mutex_unlock(&p->w->fork.working);
    (void)ppoll(fds, n + 1, until_us == UINT64_MAX ? NULL : &timeout, NULL);
    pthread_mutex_lock(&p->w->fork.working);
    if (fds[n].revents != 0)
        eventfd_clear(wake_fd);
}

/* Polls the network. True when there is something urgent in the ring. */
static bool sleep_polling(pump *p, struct pollfd *fds, nfds_t n, uint64_t until_us) {
    wdi_bell *bell = &p->w->tracker.bell;
    wdi_bell_lie_down(bell, WDI_DOZING);
    bool urgent = ring_is_urgent(p);
    if (!urgent && !called(p->w))
        poll_until(p, fds, n, earlier(earlier(until_us, p->drain_us), p->now_us + POLL_SLICE_US));
    urgent |= atomic_load(&bell->state) == WDI_AWAKE; /* it was rung */
    wdi_bell_rise(bell);
    return urgent;
}

/* Sleeps on the bell. True when it was rung, or may have been. */
static bool sleep_on_bell(pump *p, uint64_t upload_us) {
    wdi_bell *bell = &p->w->tracker.bell;
    const wdi_ring *ring = &p->w->tracker.ring;
    bool idle = p->now_us - p->active_us >= IDLE_US && wdi_ring_empty(ring);
    if (idle || p->drain_us > p->now_us + AWAY_US)
        wdi_tracker_chill(&p->w->tracker);
    wdi_bell_lie_down(bell, idle ? WDI_ASLEEP : WDI_DOZING);
    bool urgent = idle ? !wdi_ring_empty(ring) : ring_is_urgent(p);
    uint64_t until_us = idle ? upload_us : earlier(upload_us, p->drain_us);
    if (urgent || called(p->w)) {
        wdi_bell_rise(bell);
        return urgent;
    }
    p->now_us = base_mono_us();
    pthread_mutex_unlock(&p->w->fork.working);
    if (until_us == WDI_UPLOAD_NEVER)
        wdi_bell_sleep(bell, WDI_BELL_FOREVER);
    else if (until_us > p->now_us)
        wdi_bell_sleep(bell, until_us - p->now_us);
    else
        wdi_bell_rise(bell);
    pthread_mutex_lock(&p->w->fork.working);
    return base_mono_us() < until_us;
}

static bool pump_sleep(pump *p) {
    struct pollfd fds[2 * WDI_UPLOAD_POLLFDS_MAX + 1];
    size_t n = 0;
    uint64_t upload_us = WDI_UPLOAD_NEVER;
    if (uploads(p)) {
        n = wdi_upload_pollfds(p->w->upload, fds, WDI_UPLOAD_POLLFDS_MAX);
        upload_us = wdi_upload_deadline_us(p->w->upload);
    }
    if (delivers_orphans(p)) {
        n += wdi_orphan_pollfds(&p->w->orphan, fds + n, WDI_UPLOAD_POLLFDS_MAX);
        upload_us = earlier(upload_us, wdi_orphan_deadline_us(&p->w->orphan));
    }
    /* Nothing can be done about the ring: no bell, which a full one would ring all the time. */
    if (p->failed != WADI_OK || p->blocked) {
        poll_until(p, fds, (nfds_t)n, earlier(upload_us, p->drain_us));
        return false;
    }
    if (n > 0)
        return sleep_polling(p, fds, (nfds_t)n, upload_us);
    return sleep_on_bell(p, upload_us);
}

/* ---- closing ------------------------------------------------------------------------------------ */

/* wadi_track answers CLOSED by now; a call that was inside may still hold a slot. */
static void drain_last(pump *p) {
    uint64_t give_up_us = base_mono_us() + CLOSE_BLOCKED_US;
    do {
        p->now_us = base_mono_us();
        drain(p);
        if (p->blocked) {
            pthread_mutex_unlock(&p->w->fork.working);
            usleep(BLOCKED_US);
            pthread_mutex_lock(&p->w->fork.working);
        }
    } while (p->failed == WADI_OK && p->blocked && base_mono_us() < give_up_us);
}

static void upload_last(pump *p) {
    wadi *w = p->w;
    uint64_t deadline_us = atomic_load(&w->close_deadline_us);
    if (p->failed == WADI_ERR_DISK_FULL)
        p->failed = WADI_OK; /* to deliver is what makes room */
    if (w->upload == NULL || p->failed != WADI_OK)
        return;
    wdi_upload_kick(w->upload, p->now_us);
    for (;;) {
        struct pollfd fds[WDI_UPLOAD_POLLFDS_MAX + 1];
        p->now_us = base_mono_us();
        upload(p);
        if (p->failed != WADI_OK || p->now_us >= deadline_us || wdi_upload_idle(w->upload) ||
            wdi_upload_offline(w->upload))
            return;
        size_t n = wdi_upload_pollfds(w->upload, fds, WDI_UPLOAD_POLLFDS_MAX);
        uint64_t until_us = earlier(deadline_us, wdi_upload_deadline_us(w->upload));
        p->now_us = base_mono_us();
        poll_until(p, fds, (nfds_t)n, until_us);
    }
}

/* ---- the thread --------------------------------------------------------------------------------- */

void wdi_thread_wake(wadi *w) {
    const uint64_t one = 1;
    ssize_t n = write(w->wake_fd, &one, sizeof one);
    (void)n; /* full: it will wake anyway */
    wdi_bell_ring(&w->tracker.bell, WDI_DOZING);
}

void *wdi_thread_main(void *handle) {
    /* By itself: for another thread it would go through /proc, which makes the end of the process dear. */
    pthread_setname_np(pthread_self(), "wadi");
    wadi *w = handle;
    pump p = {.w = w, .now_us = base_mono_us()};
    bool urgent = false;
    pthread_mutex_lock(&w->fork.working);
    p.active_us = p.now_us;
    p.drain_us = p.now_us + (uint64_t)w->options.values.flush_ms * 1000;
    if (!w->begun)
        store_failed(&p, WADI_ERR_DISK_FULL);
    while (!atomic_load(&w->closing)) {
        work(&p, urgent);
        wdi_fork_give_way(w);
        urgent = pump_sleep(&p);
    }
    drain_last(&p);
    upload_last(&p);
    if (p.failed != WADI_ERR_CORRUPT)
        (void)!wdi_thread_report(w);
    wdi_orphan_close(&w->orphan);
    pthread_mutex_unlock(&w->fork.working);
    return NULL;
}

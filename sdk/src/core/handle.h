/* handle: what a `wadi` is made of. Built in open.c, driven by thread.c. */
#ifndef WDI_CORE_HANDLE_H
#define WDI_CORE_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/core/attributes.h"
#include "sdk/src/core/drain.h"
#include "sdk/src/core/installation.h"
#include "sdk/src/core/lane.h"
#include "sdk/src/core/options.h"
#include "sdk/src/core/orphan.h"
#include "sdk/src/core/progress.h"
#include "sdk/src/event/track.h"
#include "sdk/src/upload/upload.h"

/* What a fork finds and leaves; fork.c. */
typedef struct wdi_fork {
    wadi *next; /* of the process's handles */
    /* Error-checking. Held by the thread that works on what the handle is made of: not while it sleeps, waits
     * for the disk, or calls the application. fork() takes it, so that a child finds all of that whole. */
    pthread_mutex_t working;
    pthread_mutex_t reopening;  /* one thread of a child at a time */
    _Atomic bool child;         /* this process is one, and has no lane of its own yet */
    _Atomic uint64_t again_us;  /* of base_mono_us: no attempt to open that lane before; 0: at once */
    _Atomic uint32_t again_err; /* what the last one came to, a wadi_err */
    _Atomic bool wanted;        /* fork() waits for `working` */
    bool fresh;                 /* the child has not tried yet: what is counted is the parent's */
    unsigned opening;           /* wdi_fork_opening */
    bool torn;                  /* … it was, in the parent: what it had made is unknown, and left alone */
} wdi_fork;

struct wadi {
    wdi_tracker tracker; /* first: the hot path takes the handle for it */
    wdi_fork fork;

    /* Constant after wadi_open. */
    wdi_options options;
    wdi_diag diag;
    wdi_lane lane;
    pthread_t thread;
    int wake_fd; /* an eventfd: ends the thread's poll */

    /* The background thread's own. */
    wdi_store *store;
    wdi_upload *upload; /* NULL: record only, and other lanes are left alone */
    wdi_orphan orphan;
    wdi_drain_stats drained;
    uint64_t ring_lost;
    uint64_t owed_ticket; /* as last reported */
    uint64_t store_errors;
    wadi_err store_error; /* the last outcome */
    bool gone;            /* the lane's files were deleted: what is stored ends with this process */
    bool begun;           /* the run; until then the tracker refuses, and the ring is an earlier run's */
    bool ring_started;    /* that ring is gone: nothing can be begun again */

    /* Shared. */
    wdi_progress progress;
    wdi_attributes attributes;     /* has a lock of its own */
    wdi_installation installation; /* likewise */
    _Atomic bool flush_wanted;
    _Atomic uint64_t close_deadline_us; /* of base_mono_us; 0: not closing. Written before closing is set */
    _Atomic bool closing;
};

/* open.c: opens a lane and starts the background thread. After an error nothing of that is left. */
WADI_NODISCARD wadi_err wdi_handle_start(wadi *w);

/* begin.c: moves what an earlier run left in the ring into the store, begins a run, and lets the tracker
 * record. WADI_ERR_DISK_FULL, with ring_started still false: there is no room for that yet; the ring has
 * what is not in the store, and this may be called again. */
WADI_NODISCARD wadi_err wdi_run_begin(wadi *w, uint32_t ring_bytes);

/* thread.c: the background thread's main function; its argument is the handle. */
void *wdi_thread_main(void *w);
/* Any thread: the background thread looks at flush_wanted and closing at once. */
void wdi_thread_wake(wadi *w);
/* Reports what has been reached to `progress`. */
WADI_NODISCARD wadi_err wdi_thread_report(wadi *w);

#endif

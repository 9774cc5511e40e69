/* orphan: delivers what lanes that nobody holds still owe.
 *
 * A process that crashes and never comes back leaves a lane with events in it. Every process of the directory
 * that uploads looks for such lanes: when it opens, and later only when it is awake anyway, at most every
 * WDI_ORPHAN_LOOK_US, or WDI_ORPHAN_FLUSH_US where wadi_flush asks. A lane that a look found empty is not
 * opened again before its store's file changes, by any process of this boot (a file `settled` beside it says
 * so): a look costs a few system calls a lane, and nothing is woken for it. One that owes something is held
 * while its ring is recovered, and its store is uploaded over a connection of its own; then it is let go.
 * Offline it is let go too, for whoever comes back to it, and there is a time for the next attempt.
 *
 * Nothing of another lane is dropped, neither of age nor for room: the limits are its own process's,
 * whichever takes it next.
 *
 * Takes memory, of which nothing is left afterwards. Threads: all calls from the background thread. */
#ifndef WDI_CORE_ORPHAN_H
#define WDI_CORE_ORPHAN_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "sdk/src/core/lane.h"
#include "sdk/src/ring/ring.h"
#include "sdk/src/store/store.h"
#include "sdk/src/upload/upload.h"

#define WDI_ORPHAN_LOOK_US 60000000u
#define WDI_ORPHAN_FLUSH_US 1000000u
#define WDI_ORPHAN_RETRY_US_MAX (16u * 60000000u) /* doubles from WDI_ORPHAN_LOOK_US */

/* Of a store's file that was seen to owe nothing; zeros: not seen. Whoever takes the lane changes that file
 * before it records. */
typedef struct wdi_orphan_mark {
    uint64_t changed_ns, file, bytes;
} wdi_orphan_mark;

typedef struct wdi_orphan {
    uint64_t look_us;  /* no look before */
    uint64_t last_us;  /* when the last one began */
    uint64_t retry_us; /* after the next failure */
    uint32_t next;     /* the lane that the look under way goes on with */
    bool owed;         /* a lane could not be delivered: wake up for the next look */
    bool partial;      /* the ring has more than the store had room for */
    bool opening;      /* what is below is being made; a fork leaves it alone */
    /* What is held; upload NULL: nothing. */
    wdi_lane lane;
    wdi_store *store;
    wdi_ring ring;
    wdi_upload *upload;
    wdi_orphan_mark marks[WDI_LANES_MAX];
} wdi_orphan;

/* What it needs of the handle; all borrowed for the call. */
typedef struct wdi_orphan_host {
    const wadi_options *options;
    const wdi_lane *lane;
    const uint8_t *installation;
    const wdi_diag *diag;
    pthread_mutex_t *working; /* held by the caller; let go of while a lane is opened */
    bool offline;             /* its own upload has nobody to talk to */
} wdi_orphan_host;

void wdi_orphan_init(wdi_orphan *o);
/* Lets go of what is held. */
void wdi_orphan_close(wdi_orphan *o);
/* In the child of a fork, from its handler: closes the descriptors. */
void wdi_orphan_disown(wdi_orphan *o);
/* Then, later. */
void wdi_orphan_forget(wdi_orphan *o);

/* Does all that can be done now. */
void wdi_orphan_step(wdi_orphan *o, const wdi_orphan_host *host, uint64_t now_us);
/* wadi_flush. */
void wdi_orphan_flush(wdi_orphan *o, uint64_t now_us);

size_t wdi_orphan_pollfds(const wdi_orphan *o, struct pollfd *ret_fds, size_t max);
uint64_t wdi_orphan_deadline_us(const wdi_orphan *o);

#endif

/* fork: what becomes of handles when their process forks.
 *
 * The parent notices nothing, but that fork() waits until its background threads pause: for work, never for
 * the network, and for the disk only where wdi_store_reopen reads a store again. The child has copies of the
 * handles in memory, and no more: not the threads, not the lanes, whose locks it lets go of. It must not
 * write to what it shares with the parent, the ring above all. So a fork wipes the page that tells wadi_track
 * whose handle it is, and the child's first event gives the handle a lane, a store and a thread of its own,
 * in place. What comes of the child is then like any other process. Threads: any. */
#ifndef WDI_CORE_FORK_H
#define WDI_CORE_FORK_H

#include "sdk/src/core/handle.h"

/* The locks, before anything else is made of the handle. */
WADI_NODISCARD wadi_err wdi_fork_init(wdi_fork *f);
void wdi_fork_fini(wdi_fork *f);

/* From wdi_fork_list to wdi_fork_unlist a fork knows the handle. */
void wdi_fork_list(wadi *w);
void wdi_fork_unlist(wadi *w);

/* Between the two, what the handle is made of is being made by the calling thread, which waits for the disk
 * and does not hold `working`: a child that is forked meanwhile leaves all of it alone. */
void wdi_fork_opening(wadi *w, bool opening);

/* The background thread, which may be quicker to take `working` again than fork() to wake: lets it through.
 */
void wdi_fork_give_way(wadi *w);

/* In a child that has no lane of its own: gives the handle one. WADI_ERR_FORKED: no handler of ours ran at
 * the fork, so nothing here can be relied upon. After any other error it tries again, but not before
 * WDI_REOPEN_US are over. Allocates, and waits for the disk. */
WADI_NODISCARD wadi_err wdi_fork_reopen(wadi *w);
#define WDI_REOPEN_US 1000000u

/* In such a child: lets go of what was the parent's, as often as one likes. False: as above. */
bool wdi_fork_leave(wadi *w);

#endif

/* lock: a file under flock, held by this process until it lets go or ends.
 *
 * flock survives fork(), so a child that lives on would hold what its parent holds, for longer than the
 * parent lives. A fork therefore never falls between the taking of a lock and its listing, and the child
 * closes the descriptors of all that are listed. Threads: any. */
#ifndef WDI_CORE_LOCK_H
#define WDI_CORE_LOCK_H

#include "sdk/include/wadi/wadi.h"

typedef struct wdi_lock {
    int fd; /* -1: not held; also in a child after fork() */
    struct wdi_lock *next;
} wdi_lock;
#define WDI_LOCK_NONE ((wdi_lock){-1, NULL})

/* Makes the file `name` in the directory if need be, and locks it. *lock needs no initialisation, and must
 * stay where it is until released. WADI_ERR_BUSY: somebody holds it, this process included. */
WADI_NODISCARD wadi_err wdi_lock_take(wdi_lock *lock, int dir_fd, const char *name);
void wdi_lock_release(wdi_lock *lock); /* accepts one that is not held */

/* The handlers of fork(), see fork.c. */
void wdi_locks_fork_prepare(void);
void wdi_locks_fork_parent(void);
void wdi_locks_fork_child(void);

#endif

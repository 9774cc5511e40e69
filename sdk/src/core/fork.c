#include "sdk/src/core/fork.h"

#include <pthread.h>

#include "sdk/src/core/lock.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void handlers_register(void) {
    (void)pthread_atfork(wdi_locks_fork_prepare, wdi_locks_fork_parent, wdi_locks_fork_child);
}

void wdi_fork_watch(void) { pthread_once(&once, handlers_register); }

#include "sdk/src/core/signals.h"

#include <pthread.h>
#include <time.h>

static void set_make(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGXFSZ);
}

void wdi_signal_hold_begin(wdi_signal_hold *hold) {
    sigset_t set, pending;
    set_make(&set);
    sigemptyset(&pending);
    bool blocked = pthread_sigmask(SIG_BLOCK, &set, &hold->before) == 0;
    hold->held = blocked && sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 0;
    if (blocked && !hold->held)
        (void)pthread_sigmask(SIG_SETMASK, &hold->before, NULL); /* one is pending: it is blocked already */
}

void wdi_signal_hold_end(const wdi_signal_hold *hold) {
    static const struct timespec now = {0, 0};
    sigset_t set;
    if (!hold->held)
        return;
    set_make(&set);
    (void)sigtimedwait(&set, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &hold->before, NULL);
}

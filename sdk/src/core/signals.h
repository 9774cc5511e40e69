/* signals: our writes end no program.
 *
 * A write beyond RLIMIT_FSIZE fails with EFBIG, and the kernel also sends SIGXFSZ to the thread that wrote,
 * whose default is to end the process. The background thread blocks all signals for good; this is for calls
 * that write in a thread of the application's. Threads: any; async-signal-safe. */
#ifndef WDI_CORE_SIGNALS_H
#define WDI_CORE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

typedef struct wdi_signal_hold {
    sigset_t before;
    bool held; /* and nothing was pending before */
} wdi_signal_hold;

void wdi_signal_hold_begin(wdi_signal_hold *hold);
/* Takes back what our writes raised, and puts the thread's mask back. */
void wdi_signal_hold_end(const wdi_signal_hold *hold);

#endif

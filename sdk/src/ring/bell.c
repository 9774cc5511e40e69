#include "sdk/src/ring/bell.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"

void wdi_bell_lie_down(wdi_bell *bell, wdi_sleep depth) {
    atomic_store_explicit(&bell->state, (uint32_t)depth, memory_order_seq_cst);
}

void wdi_bell_rise(wdi_bell *bell) { atomic_store_explicit(&bell->state, WDI_AWAKE, memory_order_seq_cst); }

/* Returns early on a wake, a signal, or for no reason; the caller looks again. */
static void futex_wait(wdi_bell *bell, uint32_t state, uint64_t timeout_us) {
    struct timespec timeout = {(time_t)(timeout_us / 1000000u), (long)(timeout_us % 1000000u) * 1000};
    syscall(SYS_futex, &bell->state, FUTEX_WAIT_PRIVATE, state,
            timeout_us == WDI_BELL_FOREVER ? NULL : &timeout, NULL, 0);
}

void wdi_bell_sleep(wdi_bell *bell, uint64_t timeout_us) {
    uint64_t start_us = base_mono_us();
    uint64_t left_us = timeout_us;
    uint32_t state;
    while ((state = atomic_load_explicit(&bell->state, memory_order_seq_cst)) != WDI_AWAKE && left_us > 0) {
        futex_wait(bell, state, left_us);
        if (timeout_us != WDI_BELL_FOREVER) {
            uint64_t slept_us = base_mono_us() - start_us;
            left_us = slept_us < timeout_us ? timeout_us - slept_us : 0;
        }
    }
    wdi_bell_rise(bell);
}

void wdi_bell_wake(wdi_bell *bell) {
    int saved = errno; /* a signal handler must leave it as it was */
    if (atomic_exchange_explicit(&bell->state, WDI_AWAKE, memory_order_seq_cst) != WDI_AWAKE)
        syscall(SYS_futex, &bell->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved;
}

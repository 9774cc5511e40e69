/* dial: from a host's name to a connected socket: looks it up, then tries its addresses in turn.
 *
 * Each address gets an even share of the time that is left, so that a dead one does not eat it all.
 * Non-blocking. Threads: one at a time.
 */
#ifndef WDI_TRANSPORT_DIAL_H
#define WDI_TRANSPORT_DIAL_H

#include "sdk/src/transport/resolve.h"

typedef enum wdi_dial_state {
    WDI_DIAL_NONE = 0,
    WDI_DIAL_PENDING,
    WDI_DIAL_CONNECTED,
    WDI_DIAL_FAILED
} wdi_dial_state;

typedef struct wdi_dial {
    wdi_resolver *resolver; /* owned */
    wdi_dial_state state;
    bool loopback_only;
    int fd;      /* connecting; -1: none */
    size_t next; /* address to try after this one */
    uint64_t attempt_until_us, until_us;
    char error[96];
} wdi_dial;

WADI_NODISCARD wadi_err wdi_dial_init(wdi_dial *d);
void wdi_dial_fini(wdi_dial *d);

/* `loopback_only`: whatever the name resolves to, nothing else is connected to. */
wdi_dial_state wdi_dial_start(wdi_dial *d, const char *host, uint16_t port, bool loopback_only,
                              uint64_t now_us, uint64_t until_us);
wdi_dial_state wdi_dial_step(wdi_dial *d, uint64_t now_us);
void wdi_dial_cancel(wdi_dial *d);

/* In the child of a fork, from its handler: closes the descriptors. Async-signal-safe. Only wdi_dial_fini may
 * follow. */
void wdi_dial_disown(wdi_dial *d);

/* CONNECTED: hands the socket over, once. */
int wdi_dial_take(wdi_dial *d);

size_t wdi_dial_pollfds(const wdi_dial *d, struct pollfd *ret_fds, size_t max);
uint64_t wdi_dial_deadline_us(const wdi_dial *d, uint64_t now_us);

#endif

/* resolve: looks a name up by c-ares, without blocking; getaddrinfo can be neither bounded nor cancelled.
 *
 * The only file that includes ares.h is resolve.c. A look-up reads /etc/resolv.conf anew, since devices move
 * between networks. Addresses and localhost are answered at once. Threads: one at a time per resolver.
 */
#ifndef WDI_TRANSPORT_RESOLVE_H
#define WDI_TRANSPORT_RESOLVE_H

#include "wadi/wadi.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define WDI_ADDRESSES_MAX 8u /* more are not tried */

typedef struct wdi_address {
    socklen_t n;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
} wdi_address;

typedef enum wdi_resolve_state {
    WDI_RESOLVE_NONE = 0,
    WDI_RESOLVE_PENDING,
    WDI_RESOLVE_DONE,
    WDI_RESOLVE_FAILED,
} wdi_resolve_state;

typedef struct wdi_resolver wdi_resolver;

WADI_NODISCARD wadi_err wdi_resolver_new(wdi_resolver **ret_r);
void wdi_resolver_free(wdi_resolver *r); /* accepts NULL */

/* Begins a look-up; one that is under way is given up. The result may be there at once. */
wdi_resolve_state wdi_resolver_start(wdi_resolver *r, const char *host, uint16_t port);
wdi_resolve_state wdi_resolver_step(wdi_resolver *r);
/* In the child of a fork, from its handler: closes the descriptors. Async-signal-safe. Only wdi_resolver_free
 * may follow. */
void wdi_resolver_disown(wdi_resolver *r);
void wdi_resolver_cancel(wdi_resolver *r);

size_t wdi_resolver_pollfds(const wdi_resolver *r, struct pollfd *ret_fds, size_t max);
/* When to call step at the latest, for its own repeated queries. */
uint64_t wdi_resolver_deadline_us(const wdi_resolver *r, uint64_t now_us);

/* DONE: the addresses, in the order to try. FAILED: why, for people. */
size_t wdi_resolver_addresses(const wdi_resolver *r, const wdi_address **ret_addresses);
const char *wdi_resolver_error(const wdi_resolver *r);

#endif

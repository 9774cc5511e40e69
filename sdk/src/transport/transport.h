/* transport: carries one HTTP exchange at a time between the SDK and its collector.
 *
 * The seam between the uploader and what talks to the network. A backend keeps at most one connection,
 * works without blocking, and is driven by the caller's poll loop:
 *
 *     connect ─▶ CONNECTING ─▶ READY ─▶ post ─▶ EXCHANGING ─▶ ANSWERED ─▶ connect (keep-alive: READY at once)
 *                     └──────────┴────────────────┴──▶ FAILED ─▶ connect
 *
 * Connecting is a step of its own so that a batch can be made, with the clocks of that moment, once the
 * handshake is over: its time does not count as transit.
 *
 * Threads: all calls from one thread. Blocks: never, but for the reading of files in `open`.
 */
#ifndef WDI_TRANSPORT_H
#define WDI_TRANSPORT_H

#include "wadi/wadi.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WDI_TRANSPORT_POLLFDS_MAX 16u /* a name look-up may have several sockets */
#define WDI_TRANSPORT_ERROR_BYTES 160u
#define WDI_TRANSPORT_NEVER UINT64_MAX

typedef enum wdi_transport_state {
    WDI_TRANSPORT_CLOSED = 0, /* no connection, nothing under way */
    WDI_TRANSPORT_CONNECTING,
    WDI_TRANSPORT_READY, /* connected: post */
    WDI_TRANSPORT_EXCHANGING,
    WDI_TRANSPORT_ANSWERED, /* response() is valid until the next call that changes the state */
    WDI_TRANSPORT_FAILED,   /* failure() says why */
} wdi_transport_state;

typedef enum wdi_transport_failure {
    WDI_FAILURE_NONE = 0,
    WDI_FAILURE_UNREACHABLE, /* no connection: name, route, refused, handshake, or too slow at these */
    WDI_FAILURE_STALE,       /* a kept connection died before the answer's first byte: go again at once */
    WDI_FAILURE_TIMEOUT,     /* the exchange took too long */
    WDI_FAILURE_BROKEN,      /* cut off, or not HTTP */
} wdi_transport_failure;

/* One POST to <endpoint's prefix>/v1/batches. `body` stays the caller's, untouched, until the exchange has
 * ended. */
typedef struct wdi_request {
    const uint8_t *body;
    size_t n;
    const char *encoding; /* "zstd", "gzip" or NULL; a literal */
} wdi_request;

/* What the collector, or something between, answered. `body` is borrowed; `body_truncated`: it was longer
 * than an Ack can be, and only its beginning was kept. */
typedef struct wdi_response {
    unsigned status;
    const uint8_t *body;
    size_t n;
    bool body_truncated;
    bool has_retry_after;
    uint64_t retry_after_ms; /* a date is taken relative to the answer's own Date, where it has one */
} wdi_response;

/* A backend. `t` is what its open made. now_us is base_mono_us() of this moment. */
typedef struct wdi_transport_ops {
    const char *name;

    /* Copies what it needs of `opt`, whose defaults are resolved. `why` gets a line for people when it fails.
     * WADI_ERR_INVALID: the endpoint; WADI_ERR_TLS: a file; WADI_ERR_NO_MEMORY; WADI_ERR_SYSTEM. */
    wadi_err (*open)(const wadi_options *opt, char *why, size_t why_size, void **ret_t);
    void (*close)(void *t); /* accepts NULL */
    /* In the child of a fork, from its handler: closes the descriptors, async-signal-safe; only `forget`
     * follows. NULL: there are none. */
    void (*disown)(void *t);
    /* In a forked child: frees and closes, and says nothing on connections that are the parent's. */
    void (*forget)(void *t);

    /* Collector clock minus boot clock, as a collector told it: certificates are judged by it. NULL where
     * there are none. */
    void (*clock_set)(void *t, int64_t offset_us);

    /* Begins to connect; READY at once where a kept connection looks alive. Not while EXCHANGING. */
    wdi_transport_state (*connect)(void *t, uint64_t now_us);
    /* Only when READY. */
    wdi_transport_state (*post)(void *t, const wdi_request *request, uint64_t now_us);
    /* Moves on as far as it can; call it when a descriptor is ready or the deadline has come. */
    wdi_transport_state (*step)(void *t, uint64_t now_us);
    /* Ends whatever is under way, and the connection. State: CLOSED. */
    void (*cancel)(void *t);

    /* What to wait for, at most `max`, and when to call step at the latest (WDI_TRANSPORT_NEVER: no limit).
     */
    size_t (*pollfds)(const void *t, struct pollfd *ret_fds, size_t max);
    uint64_t (*deadline_us)(const void *t);

    const wdi_response *(*response)(const void *t);
    wdi_transport_failure (*failure)(const void *t, const char **ret_text);
} wdi_transport_ops;

/* HTTP/1.1 over TLS by mbedTLS, or in the clear to loopback; names by c-ares. */
extern const wdi_transport_ops wdi_transport_mbedtls;

#endif

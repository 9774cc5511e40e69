/* upload: takes batches from the store to the collector and its answers back to the store.
 *
 * A state machine for the background thread, one exchange in flight:
 *
 *     idle ─▶ connecting ─▶ exchanging ─▶ idle …        (more is owed: on at once)
 *                 └────────────┴─▶ waiting ─▶ connecting  (back-off, Retry-After)
 *
 * The thread's loop, after each commit to the store and whenever poll returns:
 *
 *     wdi_upload_step(u, base_mono_us());
 *     n = wdi_upload_pollfds(u, fds, WDI_UPLOAD_POLLFDS_MAX);
 *     poll(fds, n, until wdi_upload_deadline_us(u));
 *
 * It uploads what the store holds as soon as it holds it: the thread's commits, every flush_ms or when the
 * ring fills, set the pace. Nothing is ever deleted but through the store's own settling of an Ack.
 *
 * Threads: all calls from the background thread. Blocks: for the store's disk, never for the network.
 */
#ifndef WDI_UPLOAD_H
#define WDI_UPLOAD_H

#include "sdk/src/core/diag.h"
#include "sdk/src/transport/transport.h"

#define WDI_UPLOAD_POLLFDS_MAX WDI_TRANSPORT_POLLFDS_MAX
#define WDI_UPLOAD_NEVER WDI_TRANSPORT_NEVER

struct wdi_store;
typedef struct wdi_upload wdi_upload;

typedef struct wdi_upload_stats {
    uint64_t uploads;          /* exchanges begun */
    uint64_t upload_errors;    /* that did not end with OK */
    uint64_t upload_bytes;     /* bodies as sent */
    uint64_t upload_day_bytes; /* of upload_bytes_per_day_max; 0 without it */
} wdi_upload_stats;

/* `opt`: defaults resolved, endpoint not NULL; copied, as is `diag`. Borrows `store` until wdi_upload_close.
 * `transport`: normally &wdi_transport_mbedtls. Takes all its memory here. WADI_ERR_INVALID, WADI_ERR_TLS,
 * WADI_ERR_NO_MEMORY, WADI_ERR_SYSTEM; diag has been told why. */
WADI_NODISCARD wadi_err wdi_upload_open(const wadi_options *opt, const wdi_transport_ops *transport,
                                        struct wdi_store *store, const wdi_diag *diag, wdi_upload **ret_u);

/* Gives up what is under way: the next process sends it again. Accepts NULL. */
void wdi_upload_close(wdi_upload *u);
/* In the child of a fork, from its handler: closes the descriptors. Async-signal-safe. Only wdi_upload_forget
 * may follow. Accepts NULL. */
void wdi_upload_disown(wdi_upload *u);
/* In a forked child, instead of close: leaves the parent's connection alone. Accepts NULL. */
void wdi_upload_forget(wdi_upload *u);

/* Does all that can be done now. An error is the store's: the uploader is stopped and only waits for close.
 */
WADI_NODISCARD wadi_err wdi_upload_step(wdi_upload *u, uint64_t now_us);

size_t wdi_upload_pollfds(const wdi_upload *u, struct pollfd *ret_fds, size_t max);
uint64_t wdi_upload_deadline_us(const wdi_upload *u);

/* wadi_flush, and the beginning of wadi_close: ends a back-off, but not the wait that a collector asked for.
 */
void wdi_upload_kick(wdi_upload *u, uint64_t now_us);

/* Nothing is owed and nothing is under way. */
bool wdi_upload_idle(const wdi_upload *u);

/* The last attempt could not connect, or no answer can be expected soon: wadi_close need not wait. */
bool wdi_upload_offline(const wdi_upload *u);

/* Calls refused so far because the ring was full: the collector is told with the next batch. */
void wdi_upload_refused_set(wdi_upload *u, uint64_t refused);

void wdi_upload_stats_get(const wdi_upload *u, wdi_upload_stats *ret_stats);

#endif

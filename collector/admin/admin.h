/* admin: /metrics, /healthz, /readyz, /ledger and a status page, on their own listener and thread.
 *
 * It is served by libevent's evhttp, which is not fit to face the internet: it takes requests that a
 * strict parser refuses. Here it is enough, because the listener is on loopback by default, answers GET
 * and HEAD only, has small limits and a short timeout, and changes nothing. Devices never reach it.
 *
 * May use: base. What it shows of the journal comes through `admin_ops`. */
#ifndef COLLECTOR_ADMIN_ADMIN_H
#define COLLECTOR_ADMIN_ADMIN_H

#include <stddef.h>
#include <stdint.h>

#include "ledger.h"

struct admin;

enum { ADMIN_PAGE_ROWS_MAX = 1000 };

enum admin_result {
    ADMIN_OK,
    ADMIN_UNAVAILABLE, /* of a callback: it cannot be read now; answered 503 */
    ADMIN_NOT_BOUND,   /* the address cannot be listened on */
    ADMIN_SYSTEM       /* no memory, no thread, no descriptor */
};

/* Called on the admin thread, one at a time, until admin_close returns. */
struct admin_ops {
    enum admin_result (*ledger_total)(void *context, ledger *ret_total);

    /* Up to `rows_max` installations that come after the tenant and installation of `after`, all zero to
     * begin, in an order that stays; fewer only at the end. */
    enum admin_result (*ledger_page)(void *context, const ledger_row *after, size_t rows_max,
                                     ledger_row *ret_rows, size_t *ret_count);
};

struct admin_options {
    const char *listen;    /* for net_address_parse */
    const char *collector; /* the collector's id */
    const char *version;
    const struct admin_ops *ops;
    void *context; /* of the ops */
};

/* Listens and starts the thread. Borrows everything that `options` points to until admin_close; copies
 * `options` itself. Failures are logged. */
__attribute__((warn_unused_result)) enum admin_result admin_open(const struct admin_options *options,
                                                                 struct admin **ret_admin);

/* The port that it listens on, for `listen` with port 0. */
uint16_t admin_port(const struct admin *admin);

/* Stops the thread and closes every connection. Accepts NULL. Waits for a callback under way. */
void admin_close(struct admin *admin);

#endif

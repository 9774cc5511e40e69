#include "sdk/src/transport/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

wadi_err wdi_dial_init(wdi_dial *d) {
    *d = (wdi_dial){.fd = -1};
    return wdi_resolver_new(&d->resolver);
}

void wdi_dial_fini(wdi_dial *d) {
    if (d->resolver == NULL)
        return;
    wdi_dial_cancel(d);
    wdi_resolver_free(d->resolver);
    d->resolver = NULL;
}

static void attempt_close(wdi_dial *d) {
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

void wdi_dial_cancel(wdi_dial *d) {
    attempt_close(d);
    wdi_resolver_cancel(d->resolver);
    d->state = WDI_DIAL_NONE;
}

static bool address_is_loopback(const wdi_address *address) {
    if (address->at.any.sa_family == AF_INET)
        return (ntohl(address->at.v4.sin_addr.s_addr) >> 24) == 127;
    return address->at.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->at.v6.sin6_addr);
}

/* errno of the attempt, 0 while it is under way or done. */
static int attempt_begin(wdi_dial *d, const wdi_address *address) {
    if (d->loopback_only && !address_is_loopback(address))
        return EACCES;
    d->fd = socket(address->at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (d->fd < 0)
        return errno;
    int on = 1;
    (void)setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* only a matter of speed */
    if (connect(d->fd, &address->at.any, address->n) == 0 || errno == EINPROGRESS)
        return 0;
    return errno;
}

/* Goes through the addresses until one is connecting. */
static void attempt_next(wdi_dial *d, uint64_t now_us) {
    const wdi_address *addresses = NULL;
    size_t n = wdi_resolver_addresses(d->resolver, &addresses);
    while (d->next < n) {
        uint64_t left_us = d->until_us > now_us ? d->until_us - now_us : 0;
        d->attempt_until_us = now_us + left_us / (n - d->next);
        int error = attempt_begin(d, &addresses[d->next++]);
        if (error == 0)
            return;
        snprintf(d->error, sizeof d->error, "connect: %s", strerror(error));
        attempt_close(d);
    }
    d->state = WDI_DIAL_FAILED;
}

static void attempt_check(wdi_dial *d, uint64_t now_us) {
    struct pollfd fd = {.fd = d->fd, .events = POLLOUT};
    int error = 0;
    socklen_t n = sizeof error;
    if (poll(&fd, 1, 0) > 0) {
        if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
            error = errno;
        if (error == 0) {
            d->state = WDI_DIAL_CONNECTED;
            return;
        }
    } else if (now_us >= d->attempt_until_us) {
        error = ETIMEDOUT;
    } else {
        return;
    }
    snprintf(d->error, sizeof d->error, "connect: %s", strerror(error));
    attempt_close(d);
    attempt_next(d, now_us);
}

wdi_dial_state wdi_dial_start(wdi_dial *d, const char *host, uint16_t port, bool loopback_only,
                              uint64_t now_us, uint64_t until_us) {
    wdi_dial_cancel(d);
    d->state = WDI_DIAL_PENDING;
    d->loopback_only = loopback_only;
    d->next = 0;
    d->until_us = until_us;
    (void)wdi_resolver_start(d->resolver, host, port);
    return wdi_dial_step(d, now_us);
}

wdi_dial_state wdi_dial_step(wdi_dial *d, uint64_t now_us) {
    if (d->state != WDI_DIAL_PENDING)
        return d->state;
    if (d->fd >= 0) {
        attempt_check(d, now_us);
        return d->state;
    }
    wdi_resolve_state resolved = wdi_resolver_step(d->resolver);
    if (resolved == WDI_RESOLVE_DONE) {
        attempt_next(d, now_us);
    } else if (resolved == WDI_RESOLVE_FAILED || now_us >= d->until_us) {
        snprintf(d->error, sizeof d->error, "name look-up: %s",
                 resolved == WDI_RESOLVE_FAILED ? wdi_resolver_error(d->resolver) : "too slow");
        d->state = WDI_DIAL_FAILED;
    }
    return d->state;
}

void wdi_dial_disown(wdi_dial *d) {
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    wdi_resolver_disown(d->resolver);
}

int wdi_dial_take(wdi_dial *d) {
    int fd = d->fd;
    d->fd = -1;
    wdi_dial_cancel(d);
    return fd;
}

size_t wdi_dial_pollfds(const wdi_dial *d, struct pollfd *ret_fds, size_t max) {
    if (d->state != WDI_DIAL_PENDING || max == 0)
        return 0;
    if (d->fd < 0)
        return wdi_resolver_pollfds(d->resolver, ret_fds, max);
    ret_fds[0] = (struct pollfd){.fd = d->fd, .events = POLLOUT};
    return 1;
}

uint64_t wdi_dial_deadline_us(const wdi_dial *d, uint64_t now_us) {
    if (d->state != WDI_DIAL_PENDING)
        return UINT64_MAX;
    uint64_t own = d->fd >= 0 ? d->attempt_until_us : wdi_resolver_deadline_us(d->resolver, now_us);
    return own < d->until_us ? own : d->until_us;
}

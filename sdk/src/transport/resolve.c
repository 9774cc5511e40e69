#include "sdk/src/transport/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS_MAX 16u

struct wdi_resolver {
    ares_channel channel; /* NULL between look-ups */
    wdi_resolve_state state;
    struct pollfd sockets[SOCKETS_MAX];
    size_t n_sockets;
    wdi_address addresses[WDI_ADDRESSES_MAX];
    size_t n_addresses;
    const char *error;
};

static int library_status = ARES_ENOTINITIALIZED;

static void library_init(void) { library_status = ares_library_init(ARES_LIB_INIT_ALL); }

wadi_err wdi_resolver_new(wdi_resolver **ret_r) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_init);
    if (library_status != ARES_SUCCESS)
        return WADI_ERR_SYSTEM;
    wdi_resolver *r = calloc(1, sizeof *r);
    if (r == NULL)
        return WADI_ERR_NO_MEMORY;
    *ret_r = r;
    return WADI_OK;
}

void wdi_resolver_free(wdi_resolver *r) {
    if (r == NULL)
        return;
    wdi_resolver_cancel(r);
    free(r);
}

/* In sight of leak checkers: of a look-up that was under way at a fork; c-ares cannot free it without closing
 * descriptors that are the application's by then. */
static ares_channel abandoned;

void wdi_resolver_disown(wdi_resolver *r) {
    for (size_t i = 0; i < r->n_sockets; i++)
        close(r->sockets[i].fd);
    r->n_sockets = 0;
    if (r->channel != NULL)
        abandoned = r->channel;
    r->channel = NULL;
}

void wdi_resolver_cancel(wdi_resolver *r) {
    ares_channel channel = r->channel;
    r->channel = NULL;
    if (channel != NULL)
        ares_destroy(channel); /* calls lookup_done with ARES_EDESTRUCTION */
    r->n_sockets = 0;
    r->state = WDI_RESOLVE_NONE;
}

/* c-ares says here which of its sockets wait for what. */
static void socket_changed(void *context, ares_socket_t fd, int readable, int writable) {
    wdi_resolver *r = context;
    short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
    size_t i = 0;
    while (i < r->n_sockets && r->sockets[i].fd != fd)
        i++;
    if (events == 0) {
        if (i < r->n_sockets)
            r->sockets[i] = r->sockets[--r->n_sockets];
    } else if (i < SOCKETS_MAX) { /* beyond that the query times out and another server is asked */
        r->sockets[i] = (struct pollfd){.fd = fd, .events = events};
        if (i == r->n_sockets)
            r->n_sockets++;
    }
}

static void lookup_done(void *context, int status, int timeouts, struct ares_addrinfo *result) {
    wdi_resolver *r = context;
    (void)timeouts;
    if (status == ARES_EDESTRUCTION)
        return;
    r->n_addresses = 0;
    const struct ares_addrinfo_node *node = result != NULL ? result->nodes : NULL;
    for (; node != NULL && r->n_addresses < WDI_ADDRESSES_MAX; node = node->ai_next) {
        wdi_address *address = &r->addresses[r->n_addresses];
        if (node->ai_addrlen > sizeof address->at)
            continue;
        memcpy(&address->at, node->ai_addr, node->ai_addrlen);
        address->n = node->ai_addrlen;
        r->n_addresses++;
    }
    if (result != NULL)
        ares_freeaddrinfo(result);
    r->state = r->n_addresses > 0 ? WDI_RESOLVE_DONE : WDI_RESOLVE_FAILED;
    r->error = ares_strerror(status != ARES_SUCCESS ? status : ARES_ENODATA);
}

/* c-ares 1.18 asks the name server about an IPv4 address all the same (for its AAAA record), and only then
 * answers: without a network that would take as long as the look-up may. */
static bool literal_take(wdi_resolver *r, const char *host, uint16_t port) {
    wdi_address *address = &r->addresses[0];
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &address->at.v4.sin_addr) == 1) {
        address->at.v4.sin_family = AF_INET;
        address->at.v4.sin_port = htons(port);
        address->n = sizeof address->at.v4;
    } else if (inet_pton(AF_INET6, host, &address->at.v6.sin6_addr) == 1) {
        address->at.v6.sin6_family = AF_INET6;
        address->at.v6.sin6_port = htons(port);
        address->n = sizeof address->at.v6;
    } else {
        return false;
    }
    r->n_addresses = 1;
    r->state = WDI_RESOLVE_DONE;
    return true;
}

wdi_resolve_state wdi_resolver_start(wdi_resolver *r, const char *host, uint16_t port) {
    wdi_resolver_cancel(r);
    if (literal_take(r, host, port))
        return r->state;
    struct ares_options options = {
        .timeout = 2000, .tries = 3, .sock_state_cb = socket_changed, .sock_state_cb_data = r};
    int rc = ares_init_options(&r->channel, &options,
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (rc != ARES_SUCCESS) {
        r->channel = NULL;
        r->error = ares_strerror(rc);
        r->state = WDI_RESOLVE_FAILED;
        return r->state;
    }
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    r->state = WDI_RESOLVE_PENDING;
    ares_getaddrinfo(r->channel, host, service, &hints, lookup_done, r);
    return r->state;
}

wdi_resolve_state wdi_resolver_step(wdi_resolver *r) {
    if (r->state != WDI_RESOLVE_PENDING)
        return r->state;
    struct pollfd sockets[SOCKETS_MAX];
    size_t n = wdi_resolver_pollfds(r, sockets, SOCKETS_MAX);
    if (poll(sockets, n, 0) < 0)
        n = 0;
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* its time-outs */
    for (size_t i = 0; i < n && r->state == WDI_RESOLVE_PENDING; i++) {
        bool readable = (sockets[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
        bool writable = (sockets[i].revents & POLLOUT) != 0;
        ares_process_fd(r->channel, readable ? sockets[i].fd : ARES_SOCKET_BAD,
                        writable ? sockets[i].fd : ARES_SOCKET_BAD);
    }
    return r->state;
}

size_t wdi_resolver_pollfds(const wdi_resolver *r, struct pollfd *ret_fds, size_t max) {
    size_t n = r->n_sockets < max ? r->n_sockets : max;
    memcpy(ret_fds, r->sockets, n * sizeof *ret_fds);
    return n;
}

uint64_t wdi_resolver_deadline_us(const wdi_resolver *r, uint64_t now_us) {
    struct timeval left;
    if (r->channel == NULL || ares_timeout(r->channel, NULL, &left) == NULL)
        return UINT64_MAX;
    return now_us + (uint64_t)left.tv_sec * 1000000 + (uint64_t)left.tv_usec;
}

size_t wdi_resolver_addresses(const wdi_resolver *r, const wdi_address **ret_addresses) {
    *ret_addresses = r->addresses;
    return r->n_addresses;
}

const char *wdi_resolver_error(const wdi_resolver *r) { return r->error; }

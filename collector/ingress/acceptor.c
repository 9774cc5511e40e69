#include "collector/ingress/acceptor.h"

#include <event2/event.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/diag.h"
#include "collector/base/metrics.h"
#include "collector/base/net.h"

#define ACCEPTS_MAX 64u /* before other events have their turn */

static int listener_open(const char *listen, int backlog) {
    static const int on = 1;
    struct net_address address;
    if (!net_address_parse(listen, &address))
        return -EINVAL;
    int fd = net_listen(&address, backlog);
    if (fd >= 0) /* what it accepts inherits it: answers are whole, there is nothing to wait for */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

bool acceptor_open(struct acceptor *a, struct loop_shared *shared) {
    int fd = listener_open(shared->opt.listen, shared->opt.listen_backlog);
    *a = (struct acceptor){.fd = fd, .shared = shared};
    if (fd < 0)
        diag_error("cannot listen", DIAG_STR("address", shared->opt.listen),
                   DIAG_STR("error", strerror(-fd)));
    return fd >= 0;
}

uint16_t acceptor_port(const struct acceptor *a) { return net_local_port(a->fd); }

static void deal(struct acceptor *a, int fd) {
    struct loop_shared *shared = a->shared;
    metric_add(METRIC_INGEST_CONNECTIONS_ACCEPTED, 0, 1);
    if (atomic_fetch_add(&shared->connections, 1) < shared->opt.limits.connections) {
        struct loop *loop = &a->loops[a->next];
        a->next = (a->next + 1) % shared->opt.n_loops;
        if (loop_give(loop, fd))
            return;
    } else {
        diag_warn("too many connections", DIAG_UINT("max", shared->opt.limits.connections));
    }
    atomic_fetch_sub(&shared->connections, 1);
    close(fd);
}

static void on_accept(evutil_socket_t listener, short what, void *context) {
    (void)what;
    static const struct timeval pause = {.tv_usec = 100000};
    struct acceptor *a = context;
    for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            deal(a, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The connection stays where it is, and would wake us again at once. */
            diag_warn("cannot accept", DIAG_STR("error", strerror(errno)));
            event_del(a->event);
            event_add(a->resume_event, &pause);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
    }
}

static void on_resume(evutil_socket_t fd, short what, void *context) {
    (void)fd, (void)what;
    struct acceptor *a = context;
    event_add(a->event, NULL);
}

bool acceptor_attach(struct acceptor *a, struct loop *loops) {
    a->loops = loops;
    a->event = event_new(loops[0].base, a->fd, EV_READ | EV_PERSIST, on_accept, a);
    a->resume_event = event_new(loops[0].base, -1, 0, on_resume, a);
    loops[0].acceptor = a;
    return a->event != NULL && a->resume_event != NULL && event_add(a->event, NULL) == 0;
}

void acceptor_stop(struct acceptor *a) {
    if (a->event != NULL)
        event_free(a->event);
    if (a->resume_event != NULL)
        event_free(a->resume_event);
    a->event = a->resume_event = NULL;
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}

void acceptor_fini(struct acceptor *a) {
    if (a->shared != NULL)
        acceptor_stop(a);
}

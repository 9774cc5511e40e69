#include "fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "exchange.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/base/tls.h"

#define LATENCIES_MAX (1u << 22)
#define RETRY_US 20000u /* after a 503: shorter than it asks for, to keep the pressure up */

typedef struct connection {
    int fd;
    base_tls_conn *tls;
    uint8_t *request;
    size_t request_n, request_sent;
    uint8_t answer[EXCHANGE_ANSWER_BYTES_MAX];
    size_t answer_n;
    uint32_t events; /* of the batch on the way */
    uint32_t next;   /* its streams are next, next + connections … */
    uint64_t sent_us;
    uint64_t again_us; /* after a 503: not before */
    bool idle;
} connection;

struct fleet {
    fleet_options opt;
    base_tls *tls;
    connection *connections;
    int epoll;
    uint32_t *latencies_us;
    size_t n_latencies;
    fleet_result result;
    uint64_t requested, began_us;
};

/* ---- connecting -------------------------------------------------------------------------------------- */

/* The socket blocks during the handshake, and never after. */
static bool connection_open(fleet *f, connection *c) {
    c->fd = exchange_connect(f->opt.host, f->opt.port);
    if (c->fd < 0) {
        perror("bench: connect");
        return false;
    }
    if (base_tls_conn_new(f->tls, c->fd, f->opt.host, &c->tls) != BASE_TLS_OK)
        return false;
    base_tls_result r;
    do
        r = base_tls_handshake(c->tls);
    while (r == BASE_TLS_WANT_READ || r == BASE_TLS_WANT_WRITE);
    if (r != BASE_TLS_OK) {
        fprintf(stderr, "bench: handshake: %s\n", base_tls_error(c->tls));
        return false;
    }
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    c->idle = true;
    c->request = malloc(LOAD_BODY_BYTES_MAX + EXCHANGE_HEAD_BYTES_MAX);
    return c->request && epoll_ctl(f->epoll, EPOLL_CTL_ADD, c->fd, &ev) == 0;
}

fleet *fleet_connect(const fleet_options *opt) {
    fleet *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->opt = *opt;
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->connections = calloc(opt->connections, sizeof *f->connections);
    f->latencies_us = malloc(LATENCIES_MAX * sizeof *f->latencies_us);
    base_tls_options tls = {.ca_file = opt->ca_file};
    char why[256] = "out of memory";
    if (!f->connections || !f->latencies_us || base_tls_new(&tls, why, sizeof why, &f->tls) != BASE_TLS_OK) {
        fprintf(stderr, "bench: %s\n", why);
        fleet_close(f);
        return NULL;
    }
    for (uint32_t i = 0; i < opt->connections; i++)
        f->connections[i].fd = -1;
    for (uint32_t i = 0; i < opt->connections; i++) {
        f->connections[i].next = i;
        if (!connection_open(f, &f->connections[i])) {
            fleet_close(f);
            return NULL;
        }
    }
    return f;
}

void fleet_close(fleet *f) {
    if (!f)
        return;
    for (uint32_t i = 0; f->connections && i < f->opt.connections; i++) {
        base_tls_conn_free(f->connections[i].tls);
        if (f->connections[i].fd >= 0)
            close(f->connections[i].fd);
        free(f->connections[i].request);
    }
    base_tls_free(f->tls);
    if (f->epoll >= 0)
        close(f->epoll);
    free(f->connections);
    free(f->latencies_us);
    free(f);
}

/* ---- one exchange ------------------------------------------------------------------------------------ */

static void want(fleet *f, connection *c, uint32_t events) {
    struct epoll_event ev = {.events = events, .data.ptr = c};
    epoll_ctl(f->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static bool request_write(fleet *f, connection *c) {
    while (c->request_sent < c->request_n) {
        size_t n = 0;
        base_tls_result r =
            base_tls_write(c->tls, c->request + c->request_sent, c->request_n - c->request_sent, &n);
        if (r == BASE_TLS_WANT_WRITE || r == BASE_TLS_WANT_READ) {
            want(f, c, EPOLLIN | EPOLLOUT);
            return true;
        }
        if (r != BASE_TLS_OK) {
            fprintf(stderr, "bench: write: %s\n", base_tls_error(c->tls));
            return false;
        }
        c->request_sent += n;
        if (c->request_sent == c->request_n)
            want(f, c, EPOLLIN);
    }
    return true;
}

static bool request_send(fleet *f, connection *c) {
    c->request_sent = 0;
    c->answer_n = 0;
    c->idle = false;
    c->sent_us = base_mono_us();
    return request_write(f, c);
}

static bool request_make(fleet *f, connection *c, load *l, uint32_t streams) {
    wire_span body = load_batch(l, c->next, base_wall_us(), &c->events);
    c->next += f->opt.connections;
    if (c->next >= streams)
        c->next %= f->opt.connections;
    c->request_n = exchange_request_put(c->request, f->opt.host, body);
    f->requested += c->events;
    f->result.body_bytes += body.n;
    return request_send(f, c);
}

static bool answer_take(fleet *f, connection *c, int status, wire_span body) {
    wire_ack ack;
    c->idle = true;
    if (status == 503) {
        f->result.answered_503++;
        c->again_us = base_mono_us() + RETRY_US;
        return true;
    }
    if (status != 200 || wire_ack_decode(body.data, body.n, &ack) != WIRE_OK ||
        ack.status != WIRE_STATUS_OK) {
        fprintf(stderr, "bench: answered %d: %.*s\n", status, (int)body.n, (const char *)body.data);
        return false;
    }
    if (f->n_latencies < LATENCIES_MAX)
        f->latencies_us[f->n_latencies++] = (uint32_t)(base_mono_us() - c->sent_us);
    f->result.events += c->events;
    f->result.batches++;
    c->request_n = 0;
    return true;
}

static bool answer_read(fleet *f, connection *c) {
    for (;;) {
        size_t n = 0;
        base_tls_result r =
            base_tls_read(c->tls, c->answer + c->answer_n, EXCHANGE_ANSWER_BYTES_MAX - c->answer_n, &n);
        if (r == BASE_TLS_WANT_READ || r == BASE_TLS_WANT_WRITE)
            return true;
        if (r != BASE_TLS_OK) {
            fprintf(stderr, "bench: read: %s\n", base_tls_error(c->tls));
            return false;
        }
        c->answer_n += n;
        int status = 0;
        wire_span body;
        int whole = exchange_answer_parse(c->answer, c->answer_n, &status, &body);
        if (whole < 0) {
            fprintf(stderr, "bench: not an answer\n");
            return false;
        }
        if (whole > 0)
            return answer_take(f, c, status, body);
    }
}

/* ---- the run ------------------------------------------------------------------------------------------ */

/* Whether the next batch may go now. */
static bool batch_is_due(const fleet *f, uint64_t now_us) {
    if (f->requested >= f->opt.events)
        return false;
    return f->opt.rate == 0 || f->requested * UINT64_C(1000000) <= (now_us - f->began_us) * f->opt.rate;
}

static bool idle_serve(fleet *f, load *l, uint32_t streams, uint32_t *ret_busy) {
    uint64_t now_us = base_mono_us();
    *ret_busy = f->requested < f->opt.events;
    for (uint32_t i = 0; i < f->opt.connections; i++) {
        connection *c = &f->connections[i];
        if (c->idle && c->request_n > 0 && now_us >= c->again_us && !request_send(f, c))
            return false;
        if (c->idle && c->request_n == 0 && batch_is_due(f, now_us) && !request_make(f, c, l, streams))
            return false;
        *ret_busy += !c->idle || c->request_n > 0;
    }
    return true;
}

static int latency_compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void latencies_sum(fleet *f) {
    qsort(f->latencies_us, f->n_latencies, sizeof *f->latencies_us, latency_compare);
    if (f->n_latencies > 0) {
        f->result.ack_p50_us = f->latencies_us[f->n_latencies / 2];
        f->result.ack_p99_us = f->latencies_us[f->n_latencies * 99 / 100];
    }
}

bool fleet_run(fleet *f, load *l, uint32_t streams, fleet_result *ret_result) {
    f->began_us = base_mono_us();
    uint32_t busy;
    if (!idle_serve(f, l, streams, &busy))
        return false;
    while (busy > 0) {
        struct epoll_event ready[256];
        int n = epoll_wait(f->epoll, ready, 256, f->opt.rate ? 1 : 20);
        for (int i = 0; i < n; i++) {
            connection *c = ready[i].data.ptr;
            if ((ready[i].events & EPOLLOUT) && !request_write(f, c))
                return false;
            if ((ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !answer_read(f, c))
                return false;
        }
        if (!idle_serve(f, l, streams, &busy))
            return false;
    }
    f->result.elapsed_us = base_mono_us() - f->began_us;
    latencies_sum(f);
    *ret_result = f->result;
    return true;
}

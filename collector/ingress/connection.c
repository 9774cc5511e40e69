#include "collector/ingress/connection.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/diag.h"
#include "collector/base/metrics.h"
#include "collector/ingress/serve.h"
#include "sdk/src/base/clock.h"

#define RUN_READS_MAX 64u                /* before the loop's other connections have their turn: 1 MiB */
#define LINGER_US UINT64_C(2000000)      /* for the peer to read the last answer and to close */
#define LINGER_DRAIN_US UINT64_C(250000) /* the same while the collector stops */
#define LINGER_BYTES_MAX (16u << 20)

/* ---- life --------------------------------------------------------------------------------------- */

static void deadline_set(struct connection *c, uint64_t in_us) { c->deadline_us = base_mono_us() + in_us; }

static void queue_leave(struct connection *c) {
    if (c->queued != NULL)
        TAILQ_REMOVE(c->queued, c, queue);
    c->queued = NULL;
}

static void queue_enter(struct connection *c, struct connection_queue *queue) {
    if (c->queued == NULL)
        TAILQ_INSERT_TAIL(queue, c, queue);
    c->queued = queue;
    loop_handshake_soon(c->loop);
}

static void shaking_end(struct connection *c) {
    if (!c->shaking)
        return;
    c->shaking = false;
    c->loop->handshakes--;
    if (!TAILQ_EMPTY(&c->loop->waiting))
        loop_handshake_soon(c->loop);
}

static void connection_free(struct connection *c) {
    struct loop *loop = c->loop;
    queue_leave(c);
    shaking_end(c);
    event_del(&c->read_event);
    event_del(&c->write_event);
    loop->buffered_bytes -= c->counted_bytes;
    base_tls_conn_free(c->tls);
    request_free(c->request);
    free(c->held);
    free(c->out);
    close(c->fd);
    loop_leave(loop, c->id);
    free(c);
}

void connection_end(struct connection *c) { c->state = CONNECTION_CLOSED; }

static void on_ready(evutil_socket_t fd, short what, void *context);

void connection_open(struct loop *loop, int fd) {
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL || !loop_enter(loop, c, &c->id)) {
        atomic_fetch_sub(&loop->shared->connections, 1);
        close(fd);
        free(c);
        return;
    }
    c->loop = loop;
    c->fd = fd;
    deadline_set(c, loop->shared->opt.timeouts.handshake_us);
    event_assign(&c->read_event, loop->base, fd, EV_READ | EV_PERSIST, on_ready, c);
    event_assign(&c->write_event, loop->base, fd, EV_WRITE, on_ready, c);
    event_add(&c->read_event, NULL);
}

static void reading_switch(struct connection *c, bool on) {
    if (c->reading_off == !on)
        return;
    c->reading_off = !on;
    if (on)
        event_add(&c->read_event, NULL);
    else
        event_del(&c->read_event);
}

/* ---- handshake ---------------------------------------------------------------------------------- */

static void shake_fail(struct connection *c, const char *reason) {
    struct sockaddr_storage address;
    socklen_t n = sizeof address;
    char peer[NI_MAXHOST] = "";
    if (getpeername(c->fd, (struct sockaddr *)&address, &n) == 0) /* numeric: nothing is looked up */
        (void)getnameinfo((struct sockaddr *)&address, n, peer, sizeof peer, NULL, 0, NI_NUMERICHOST);
    metric_add(METRIC_INGEST_HANDSHAKES_FAILED, 0, 1);
    diag_info("handshake failed", DIAG_STR("peer", peer), DIAG_STR("reason", reason));
}

static void linger(struct connection *c) {
    bool draining = atomic_load_explicit(&c->loop->shared->draining, memory_order_relaxed);
    shutdown(c->fd, SHUT_WR);
    c->state = CONNECTION_LINGERING;
    deadline_set(c, draining ? LINGER_DRAIN_US : LINGER_US);
    reading_switch(c, true);
    c->readable = true;
}

static void plain_http_refuse(struct connection *c) {
    struct fault fault;
    char out[ANSWER_BYTES_MAX];
    fault_set(&fault, 400, NULL, "this port speaks TLS: use https");
    struct answer answer = {.status = 400, .close = true, .date = loop_date(c->loop)};
    size_t n = answer_format_text(&answer, fault.message, out);
    /* Into an empty socket buffer: it fits, or nobody is there. */
    (void)!send(c->fd, out, n, MSG_NOSIGNAL);
    metric_add(METRIC_INGEST_REQUESTS, METRIC_INDEX_2(METRIC_PROTOCOL_OTHER, CODE, metric_code(400)), 1);
    shake_fail(c, "plain HTTP on the TLS port");
    linger(c);
}

/* The first byte tells who it is: a TLS record of a handshake begins with 22, a method with a letter. */
static bool greet(struct connection *c) {
    uint8_t first = 0;
    ssize_t got = recv(c->fd, &first, 1, MSG_PEEK);
    if (got < 0) {
        c->readable = false;
        return false;
    }
    if (got == 0)
        connection_end(c);
    else if (first >= 'A' && first <= 'Z')
        plain_http_refuse(c);
    else if (c->loop->handshakes < LOOP_HANDSHAKES_MAX)
        connection_begin(c);
    else {
        reading_switch(c, false);
        queue_enter(c, &c->loop->waiting);
        c->readable = false;
    }
    return true;
}

void connection_begin(struct connection *c) {
    queue_leave(c);
    c->request = request_new(&c->loop->shared->request_limits);
    if (c->request == NULL || base_tls_conn_new(c->loop->shared->tls, c->fd, NULL, &c->tls) != BASE_TLS_OK) {
        shake_fail(c, "out of memory");
        connection_end(c);
        return;
    }
    c->shaking = true;
    c->loop->handshakes++;
    c->state = CONNECTION_HANDSHAKE;
    reading_switch(c, true);
    c->readable = true;
}

static void shake_succeed(struct connection *c) {
    shaking_end(c);
    if (c->loop->shared->opt.client_auth && !base_tls_peer_name(c->tls, c->peer_name, sizeof c->peer_name))
        c->peer_name[0] = '\0';
    c->state = CONNECTION_READING;
    deadline_set(c, c->loop->shared->opt.timeouts.idle_us);
}

void connection_shake(struct connection *c) {
    queue_leave(c);
    base_tls_result result = base_tls_handshake(c->tls);
    switch (result) {
    case BASE_TLS_OK:
        shake_succeed(c);
        break;
    case BASE_TLS_WANT_READ:
        c->readable = false;
        break;
    case BASE_TLS_WANT_WRITE:
        c->readable = false;
        event_add(&c->write_event, NULL);
        break;
    case BASE_TLS_CLOSED:
    case BASE_TLS_ERR_CONFIG:
    case BASE_TLS_ERR_VERIFY:
    case BASE_TLS_ERR_PEER:
    case BASE_TLS_ERR_MEMORY:
        shake_fail(c, base_tls_error(c->tls));
        linger(c); /* the alert that says why must arrive */
        break;
    }
}

/* ---- sending ------------------------------------------------------------------------------------ */

/* As much as the socket takes. */
static size_t send_some(struct connection *c, const void *data, size_t n) {
    size_t done = 0;
    while (done < n && c->state != CONNECTION_CLOSED) {
        size_t took = 0, tried = c->out_retry_n != 0 ? c->out_retry_n : n - done;
        base_tls_result result = base_tls_write(c->tls, (const uint8_t *)data + done, tried, &took);
        c->out_retry_n = 0;
        if (result == BASE_TLS_OK) {
            done += took;
        } else if (result == BASE_TLS_WANT_WRITE || result == BASE_TLS_WANT_READ) {
            c->out_retry_n = tried;
            break;
        } else {
            connection_end(c);
        }
    }
    return done;
}

void connection_count_body(struct connection *c) {
    uint64_t now = request_body_capacity(c->request);
    c->loop->buffered_bytes += now - c->counted_bytes;
    c->counted_bytes = now;
}

static void answered(struct connection *c) {
    request_reset(c->request);
    connection_count_body(c);
    c->fault.status = 0;
    if (c->close_after) {
        base_tls_close_notify(c->tls);
        linger(c);
        return;
    }
    c->state = CONNECTION_READING;
    deadline_set(c, c->loop->shared->opt.timeouts.idle_us);
    reading_switch(c, true);
}

static void sent_check(struct connection *c) {
    if (c->state == CONNECTION_CLOSED)
        return;
    if (c->out_n > 0)
        event_add(&c->write_event, NULL);
    else if (c->state == CONNECTION_ANSWERING)
        answered(c);
}

void connection_send(struct connection *c, const void *data, size_t n) {
    size_t sent = c->out_n == 0 ? send_some(c, data, n) : 0;
    if (sent < n && c->state != CONNECTION_CLOSED) {
        char *out = realloc(c->out, c->out_n + (n - sent));
        if (out == NULL) {
            connection_end(c);
            return;
        }
        memcpy(out + c->out_n, (const uint8_t *)data + sent, n - sent);
        c->out = out;
        c->out_n += n - sent;
    }
    sent_check(c);
}

static void flush(struct connection *c) {
    if (c->out_n == 0)
        return;
    size_t sent = send_some(c, c->out, c->out_n);
    c->out_n -= sent;
    memmove(c->out, c->out + sent, c->out_n);
    if (c->out_n == 0) {
        free(c->out);
        c->out = NULL;
    }
    sent_check(c);
}

void connection_answer_begin(struct connection *c, bool close_after) {
    c->state = CONNECTION_ANSWERING;
    c->close_after = close_after;
    deadline_set(c, c->loop->shared->opt.timeouts.body_us);
}

/* ---- reading ------------------------------------------------------------------------------------ */

/* Gives bytes to the request; what is left when it is complete waits for its turn. */
static void take(struct connection *c, const uint8_t *data, size_t n) {
    size_t used = serve_input(c, data, n);
    if (used == n || c->state == CONNECTION_CLOSED || c->state == CONNECTION_LINGERING || c->close_after)
        return;
    c->held = malloc(n - used);
    if (c->held == NULL) {
        connection_end(c);
        return;
    }
    c->held_n = n - used;
    memcpy(c->held, data + used, c->held_n);
}

static void take_held(struct connection *c) {
    uint8_t *held = c->held;
    size_t n = c->held_n;
    c->held = NULL;
    c->held_n = 0;
    take(c, held, n);
    free(held);
}

static bool read_once(struct connection *c) {
    uint8_t *space = c->loop->read;
    size_t cap = LOOP_READ_BYTES, got = 0;
    request_body_space(c->request, &space, &cap);
    base_tls_result result = base_tls_read(c->tls, space, cap, &got);
    if (result == BASE_TLS_OK) {
        take(c, space, got);
        return true;
    }
    c->readable = false;
    if (result == BASE_TLS_WANT_WRITE)
        event_add(&c->write_event, NULL);
    else if (result == BASE_TLS_CLOSED)
        serve_input_end(c);
    else if (result != BASE_TLS_WANT_READ)
        connection_end(c);
    return result != BASE_TLS_WANT_READ && result != BASE_TLS_WANT_WRITE;
}

static bool reading_advance(struct connection *c) {
    if (c->held_n > 0) {
        take_held(c);
        return true;
    }
    return (c->readable || base_tls_pending(c->tls) > 0) && read_once(c);
}

/* Past TLS: nobody will look at it. */
static bool discard(struct connection *c) {
    ssize_t got = recv(c->fd, c->loop->read, LOOP_READ_BYTES, 0);
    if (got > 0)
        c->lingered_bytes += (size_t)got;
    else if (got == 0)
        connection_end(c);
    else
        c->readable = false; /* when it is broken, the next event says so by an end */
    if (c->lingered_bytes > LINGER_BYTES_MAX)
        connection_end(c);
    return got > 0;
}

/* ---- the machine -------------------------------------------------------------------------------- */

/* true: there may be more to do. */
static bool advance(struct connection *c) {
    switch (c->state) {
    case CONNECTION_FRESH:
        return c->readable && greet(c);
    case CONNECTION_HANDSHAKE:
        if (c->readable)
            queue_enter(c, &c->loop->shaking);
        return false;
    case CONNECTION_READING:
        return reading_advance(c);
    case CONNECTION_WAITING:
    case CONNECTION_ANSWERING:
        if (c->readable) /* pipelined: not before the answer */
            reading_switch(c, false);
        return false;
    case CONNECTION_LINGERING:
        return c->readable && discard(c);
    case CONNECTION_CLOSED:
        break;
    }
    return false;
}

void connection_run(struct connection *c) {
    unsigned steps = 0;
    while (advance(c))
        if (++steps == RUN_READS_MAX) {
            event_active(&c->read_event, EV_READ, 0);
            break;
        }
    if (c->state == CONNECTION_CLOSED)
        connection_free(c);
}

static void on_ready(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    struct connection *c = context;
    c->readable = true; /* after EV_WRITE too: it may be what a read or handshake waited for */
    if (what & EV_WRITE)
        flush(c);
    connection_run(c);
}

void connection_expire(struct connection *c) {
    switch (c->state) {
    case CONNECTION_FRESH:
    case CONNECTION_HANDSHAKE:
        shake_fail(c, "too slow");
        connection_end(c);
        break;
    case CONNECTION_READING:
    case CONNECTION_WAITING:
        serve_expire(c);
        break;
    case CONNECTION_ANSWERING:
    case CONNECTION_LINGERING:
    case CONNECTION_CLOSED:
        connection_end(c);
        break;
    }
}

void connection_drain(struct connection *c) {
    bool idle = c->state == CONNECTION_READING && !request_begun(c->request);
    if (idle)
        base_tls_close_notify(c->tls);
    if (idle || c->state == CONNECTION_FRESH || c->state == CONNECTION_HANDSHAKE)
        connection_end(c);
}

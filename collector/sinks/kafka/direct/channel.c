#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"

#define CONNECT_MS 10000u /* to be there: name, connection, handshake, password */
#define SLICE_MS 200u     /* how fast a stop is noticed */
#define READ_BYTES 16384u
#define ANSWER_BYTES_MAX (32u << 20)
#define IDLE_US UINT64_C(240000000) /* brokers close what is idle for 10 minutes */
#define LENGTH_BYTES 4u
#define VERSIONS_MAX 64u /* of the protocol's requests; ours are below */

struct channel {
    kafka_link *link;
    int fd; /* negative: none */
    base_tls_conn *tls;
    const char *client_id;
    char peer[HOST_SIZE + 8];
    int32_t correlation;        /* of the last request */
    uint64_t used_us, until_us; /* last heard of; end of the session, 0: never */
    bool wants_write;           /* TLS does, to read */
    struct {
        int16_t least, most;
        bool known;
    } versions[VERSIONS_MAX];
    uint8_t *in;
    size_t in_at, in_n, in_size;
};

static sink_err broken(const channel *c, const char *why) {
    link_say(c->link, "broker %s: %s", c->peer, why);
    return SINK_ERR_IO;
}

/* ---- bytes -------------------------------------------------------------------------------------------- */

static sink_err tls_result(channel *c, base_tls_result result, const char *what) {
    if (result == BASE_TLS_OK || result == BASE_TLS_WANT_READ)
        return SINK_OK;
    if (result == BASE_TLS_WANT_WRITE) {
        c->wants_write = true;
        return SINK_OK;
    }
    const char *why = result == BASE_TLS_CLOSED ? "it has closed the connection" : base_tls_error(c->tls);
    return broken(c, why && why[0] ? why : what);
}

sink_err channel_write(channel *c, const uint8_t *data, size_t n, size_t *ret_done) {
    *ret_done = 0;
    while (*ret_done < n) {
        if (c->tls) {
            size_t done = 0;
            base_tls_result result = base_tls_write(c->tls, data + *ret_done, n - *ret_done, &done);
            if (result != BASE_TLS_OK)
                return tls_result(c, result, "it does not take what is written");
            *ret_done += done;
            continue;
        }
        ssize_t done = send(c->fd, data + *ret_done, n - *ret_done, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? SINK_OK : broken(c, strerror(errno));
        *ret_done += (size_t)done;
    }
    return SINK_OK;
}

/* What there is, up to n bytes; *ret_n 0: nothing yet. */
static sink_err bytes_read(channel *c, uint8_t *into, size_t n, size_t *ret_n) {
    *ret_n = 0;
    if (c->tls) {
        c->wants_write = false;
        base_tls_result result = base_tls_read(c->tls, into, n, ret_n);
        return tls_result(c, result, "it cannot be read from");
    }
    ssize_t done;
    do
        done = recv(c->fd, into, n, 0);
    while (done < 0 && errno == EINTR);
    if (done == 0)
        return broken(c, "it has closed the connection");
    if (done < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? SINK_OK : broken(c, strerror(errno));
    *ret_n = (size_t)done;
    return SINK_OK;
}

/* ---- answers ------------------------------------------------------------------------------------------ */

/* How long the first answer in c->in is, with its length; 0: not known yet. */
static size_t answer_bytes_of(const channel *c) {
    if (c->in_n - c->in_at < LENGTH_BYTES)
        return 0;
    answer length = {c->in + c->in_at, c->in + c->in_n, false};
    return LENGTH_BYTES + (uint32_t)answer_i32(&length);
}

/* Room behind what is there, for the rest of an answer of so many bytes or for some of what comes. */
static sink_err room_make(channel *c, size_t whole) {
    if (c->in_at > 0) {
        memmove(c->in, c->in + c->in_at, c->in_n - c->in_at);
        c->in_n -= c->in_at;
        c->in_at = 0;
    }
    size_t wanted = whole > c->in_n + READ_BYTES ? whole : c->in_n + READ_BYTES;
    if (wanted <= c->in_size)
        return SINK_OK;
    uint8_t *in = realloc(c->in, wanted);
    if (!in)
        return SINK_ERR_MEMORY;
    c->in = in;
    c->in_size = wanted;
    return SINK_OK;
}

sink_err channel_read(channel *c, int32_t *ret_correlation, answer *ret_answer, bool *ret_there) {
    for (;;) {
        size_t whole = answer_bytes_of(c);
        if (whole > ANSWER_BYTES_MAX || (whole > 0 && whole < 2 * LENGTH_BYTES))
            return broken(c, "it does not speak Kafka's protocol");
        *ret_there = whole > 0 && c->in_n - c->in_at >= whole;
        if (*ret_there) {
            *ret_answer = (answer){c->in + c->in_at + LENGTH_BYTES, c->in + c->in_at + whole, false};
            *ret_correlation = answer_i32(ret_answer);
            c->in_at += whole;
            return SINK_OK;
        }
        size_t n;
        sink_err err = room_make(c, whole);
        if (err == SINK_OK)
            err = bytes_read(c, c->in + c->in_n, c->in_size - c->in_n, &n);
        if (err != SINK_OK || n == 0)
            return err;
        c->in_n += n;
        c->used_us = base_mono_us();
    }
}

bool channel_stale(channel *c) {
    uint64_t now = base_mono_us();
    if (now - c->used_us > IDLE_US || (c->until_us != 0 && now > c->until_us))
        return true;
    struct pollfd p = {.fd = c->fd, .events = POLLIN | POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

int channel_fd(const channel *c) { return c->fd; }

/* ---- one at a time ------------------------------------------------------------------------------------ */

/* Until the socket is ready, the deadline is there, or a stop: then SINK_ERR_IO. */
static sink_err ready_wait(channel *c, short events, uint64_t deadline) {
    for (;;) {
        int slice = link_left_ms(c->link, deadline, SLICE_MS);
        if (slice == 0)
            return broken(c, "it does not answer in time");
        struct pollfd p = {.fd = c->fd, .events = (short)(events | (c->wants_write ? POLLOUT : 0))};
        int n = poll(&p, 1, slice);
        if (n > 0)
            return SINK_OK;
        if (n < 0 && errno != EINTR)
            return broken(c, strerror(errno));
    }
}

int32_t channel_request(channel *c, frame *f, api what, int16_t version) {
    c->correlation = (int32_t)(((uint32_t)c->correlation + 1) & INT32_MAX);
    frame_begin(f, what, version, c->correlation, c->client_id);
    return c->correlation;
}

static sink_err call_write(channel *c, const frame *request, uint64_t deadline) {
    size_t at = 0;
    for (;;) {
        size_t done;
        sink_err err = channel_write(c, request->data + at, request->n - at, &done);
        at += done;
        if (err != SINK_OK || at == request->n)
            return err;
        err = ready_wait(c, POLLOUT, deadline);
        if (err != SINK_OK)
            return err;
    }
}

sink_err channel_call(channel *c, frame *request, uint32_t most_ms, answer *ret_answer) {
    if (!frame_end(request))
        return SINK_ERR_MEMORY;
    uint64_t deadline = link_deadline_us(c->link, most_ms);
    sink_err err = call_write(c, request, deadline);
    bool there = false;
    int32_t correlation = 0;
    while (err == SINK_OK && !there) {
        err = channel_read(c, &correlation, ret_answer, &there);
        if (err == SINK_OK && !there)
            err = ready_wait(c, POLLIN, deadline);
    }
    if (err == SINK_OK && correlation != c->correlation)
        err = broken(c, "it answers what was not asked");
    return err;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static sink_err socket_connect(channel *c, const struct addrinfo *to, uint64_t deadline) {
    c->fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return broken(c, strerror(errno));
    int on = 1, problem = 0;
    socklen_t n = sizeof problem;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, to->ai_addr, to->ai_addrlen) == 0)
        return SINK_OK;
    if (errno != EINPROGRESS)
        return broken(c, strerror(errno));
    sink_err err = ready_wait(c, POLLOUT, deadline);
    if (err != SINK_OK)
        return err;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &problem, &n);
    return problem == 0 ? SINK_OK : broken(c, strerror(problem));
}

/* One that swallows what is sent to it must not take the time of the others. */
static uint64_t share_of(const channel *c, uint64_t deadline, const struct addrinfo *left) {
    unsigned n = 0;
    for (const struct addrinfo *at = left; at; at = at->ai_next)
        n++;
    return link_deadline_us(c->link, (uint32_t)link_left_ms(c->link, deadline, CONNECT_MS) / n);
}

/* The first address that answers. */
static sink_err tcp_open(channel *c, const broker_address *to, uint64_t deadline) {
    char port[8];
    snprintf(port, sizeof port, "%u", to->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *all = NULL;
    int problem = getaddrinfo(to->host, port, &hints, &all);
    if (problem != 0)
        return broken(c, gai_strerror(problem));
    sink_err err = SINK_ERR_IO;
    for (const struct addrinfo *at = all; at && err != SINK_OK; at = at->ai_next) {
        err = socket_connect(c, at, share_of(c, deadline, at));
        if (err != SINK_OK && c->fd >= 0) {
            close(c->fd);
            c->fd = -1;
        }
    }
    freeaddrinfo(all);
    return err;
}

static sink_err tls_open(channel *c, base_tls *tls, const char *host, uint64_t deadline, bool *ret_unfit) {
    if (base_tls_conn_new(tls, c->fd, host, &c->tls) != BASE_TLS_OK)
        return SINK_ERR_MEMORY;
    for (;;) {
        base_tls_result result = base_tls_handshake(c->tls);
        if (result == BASE_TLS_OK)
            return SINK_OK;
        *ret_unfit = result == BASE_TLS_ERR_VERIFY || result == BASE_TLS_ERR_PEER;
        sink_err err = tls_result(c, result, "the handshake failed");
        if (err == SINK_OK)
            err = ready_wait(c, result == BASE_TLS_WANT_WRITE ? POLLOUT : POLLIN, deadline);
        c->wants_write = false;
        if (err != SINK_OK)
            return err;
    }
}

/* All stages together have CONNECT_MS. */
static sink_err opening_call(channel *c, frame *request, uint64_t deadline, answer *ret_answer) {
    return channel_call(c, request, (uint32_t)link_left_ms(c->link, deadline, CONNECT_MS), ret_answer);
}

static sink_err versions_agree(channel *c, frame *f, uint64_t deadline, bool *ret_unfit) {
    channel_request(c, f, API_VERSIONS, 0);
    answer a;
    sink_err err = opening_call(c, f, deadline, &a);
    if (err != SINK_OK)
        return err;
    int16_t problem = answer_i16(&a);
    for (int32_t left = answer_count(&a, 6); left > 0; left--) {
        int16_t number = answer_i16(&a), least = answer_i16(&a), most = answer_i16(&a);
        if (number < 0 || number >= (int16_t)VERSIONS_MAX)
            continue;
        c->versions[number].least = least;
        c->versions[number].most = most;
        c->versions[number].known = true;
    }
    *ret_unfit = problem != 0 || a.bad;
    return *ret_unfit ? broken(c, "it does not say which versions it speaks") : SINK_OK;
}

int16_t channel_version(const channel *c, api what, int16_t least, int16_t most) {
    int16_t low = c->versions[what].least, high = c->versions[what].most;
    high = high < most ? high : most;
    return c->versions[what].known && high >= least && high >= low ? high : -1;
}

static sink_err refused(const channel *c, answer_text why, bool *ret_unfit) {
    char text[160];
    snprintf(text, sizeof text, "authentication failed: %.*s", (int)why.n, why.n > 0 ? why.data : "");
    *ret_unfit = true;
    return broken(c, text);
}

/* PLAIN, RFC 4616: nobody else's name, ours, the password. */
static sink_err password_send(channel *c, frame *f, uint64_t deadline, bool *ret_unfit) {
    const kafka_options *opt = &c->link->opt;
    char text[2 * 1025 + 1];
    int n = snprintf(text, sizeof text, "%c%s%c%s", '\0', opt->sasl_username, '\0', opt->sasl_password);
    int16_t version = channel_version(c, API_SASL_AUTHENTICATE, 0, 1);
    channel_request(c, f, API_SASL_AUTHENTICATE, version);
    frame_put_bytes(f, text, (size_t)n);
    answer a;
    sink_err err = opening_call(c, f, deadline, &a);
    memset(text, 0, sizeof text);
    if (err != SINK_OK)
        return err;
    int16_t problem = answer_i16(&a);
    answer_text why = answer_string(&a);
    answer_bytes(&a);
    int64_t session_ms = version >= 1 ? answer_i64(&a) : 0;
    if (problem != 0 || a.bad)
        return refused(c, why, ret_unfit);
    if (session_ms > 0)
        c->until_us = base_mono_us() + (uint64_t)session_ms * 800u; /* four fifths of it */
    return SINK_OK;
}

static sink_err sasl_open(channel *c, frame *f, uint64_t deadline, bool *ret_unfit) {
    channel_request(c, f, API_SASL_HANDSHAKE, 1);
    frame_put_string(f, "PLAIN");
    answer a;
    sink_err err = opening_call(c, f, deadline, &a);
    if (err != SINK_OK)
        return err;
    if (answer_i16(&a) != 0)
        return refused(c, (answer_text){"no PLAIN", 8}, ret_unfit);
    return password_send(c, f, deadline, ret_unfit);
}

sink_err channel_open(const channel_setup *setup, const broker_address *to, channel **ret_channel,
                      bool *ret_unfit) {
    channel *c = calloc(1, sizeof *c);
    if (!c)
        return SINK_ERR_MEMORY;
    *c = (channel){.link = setup->link, .fd = -1, .client_id = setup->client_id, .used_us = base_mono_us()};
    snprintf(c->peer, sizeof c->peer, "%s:%u", to->host, to->port);
    uint64_t deadline = link_deadline_us(c->link, CONNECT_MS);
    frame f = {0};
    sink_err err = tcp_open(c, to, deadline);
    if (err == SINK_OK && setup->tls)
        err = tls_open(c, setup->tls, to->host, deadline, ret_unfit);
    if (err == SINK_OK)
        err = versions_agree(c, &f, deadline, ret_unfit);
    if (err == SINK_OK && setup->link->opt.sasl_mechanism)
        err = sasl_open(c, &f, deadline, ret_unfit);
    frame_fini(&f);
    if (err == SINK_OK)
        *ret_channel = c;
    else
        channel_close(c);
    return err;
}

void channel_close(channel *c) {
    if (!c)
        return;
    base_tls_conn_free(c->tls);
    if (c->fd >= 0)
        close(c->fd);
    free(c->in);
    free(c);
}

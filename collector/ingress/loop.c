#include "collector/ingress/loop.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/diag.h"
#include "collector/base/metrics.h"
#include "collector/base/thread.h"
#include "collector/ingress/acceptor.h"
#include "collector/ingress/connection.h"
#include "collector/ingress/serve.h"
#include "sdk/src/base/clock.h"

#define SWEEP_US_MIN UINT64_C(5000)
#define SWEEP_US_MAX UINT64_C(250000)
#define MAIL_MAX 64u   /* descriptors read at a time */
#define MAIL_WAKE (-1) /* in the place of a descriptor: look at what is shared */

/* ---- places ------------------------------------------------------------------------------------- */

bool loop_enter(struct loop *loop, struct connection *c, uint64_t *ret_id) {
    uint32_t index;
    if (loop->first_free != 0) {
        index = loop->first_free - 1;
        loop->first_free = loop->slots[index].next_free;
    } else if (loop->slots_used < loop->shared->opt.limits.connections) {
        index = loop->slots_used++;
    } else {
        return false;
    }
    struct loop_slot *slot = &loop->slots[index];
    slot->connection = c;
    slot->generation++;
    if (loop->n_connections++ == 0)
        event_add(loop->sweep_event, &loop->sweep_interval);
    metric_move(METRIC_INGEST_CONNECTIONS, 0, 1);
    *ret_id = (uint64_t)slot->generation << 32 | index;
    return true;
}

void loop_leave(struct loop *loop, uint64_t id) {
    uint32_t index = (uint32_t)id;
    struct loop_slot *slot = &loop->slots[index];
    slot->connection = NULL;
    slot->next_free = loop->first_free;
    loop->first_free = index + 1;
    loop->n_connections--;
    metric_move(METRIC_INGEST_CONNECTIONS, 0, -1);
    atomic_fetch_sub(&loop->shared->connections, 1);
}

struct connection *loop_find(struct loop *loop, uint64_t id) {
    uint32_t index = (uint32_t)id;
    bool same = index < loop->slots_used && loop->slots[index].generation == (uint32_t)(id >> 32);
    return same ? loop->slots[index].connection : NULL;
}

/* ---- small services ----------------------------------------------------------------------------- */

const char *loop_date(struct loop *loop) {
    int64_t now_s = base_wall_us() / 1000000;
    if (now_s != loop->date_s) {
        answer_date_format(now_s, loop->date);
        loop->date_s = now_s;
    }
    return loop->date;
}

uint32_t loop_retry_after_ms(struct loop *loop) {
    loop->random = loop->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return 1000 + (uint32_t)(loop->random >> 33) % 1000;
}

void loop_handshake_soon(struct loop *loop) {
    /* By a timer and not event_active: the sockets are looked at between two steps. One that is due must not
     * be added again: libevent takes that for a new beginning. */
    static const struct timeval now = {0};
    if (!event_pending(loop->handshake_event, EV_TIMEOUT, NULL))
        event_add(loop->handshake_event, &now);
}

/* ---- events ------------------------------------------------------------------------------------- */

static bool is_draining(const struct loop *loop) {
    return atomic_load_explicit(&loop->shared->draining, memory_order_relaxed);
}

static void on_handshake(evutil_socket_t fd, short what, void *context) {
    (void)fd, (void)what;
    struct loop *loop = context;
    struct connection *c = TAILQ_FIRST(&loop->shaking);
    if (c != NULL)
        connection_shake(c);
    else if (loop->handshakes < LOOP_HANDSHAKES_MAX && (c = TAILQ_FIRST(&loop->waiting)) != NULL)
        connection_begin(c);
    if (c != NULL)
        connection_run(c);
    if (!TAILQ_EMPTY(&loop->shaking) ||
        (loop->handshakes < LOOP_HANDSHAKES_MAX && !TAILQ_EMPTY(&loop->waiting)))
        loop_handshake_soon(loop);
}

static void on_answers(evutil_socket_t fd, short what, void *context) {
    (void)fd, (void)what;
    struct loop *loop = context;
    submission *sub;
    while ((sub = journal_port_receive(loop->port)) != NULL)
        serve_answer(loop, sub);
}

/* Every connection, which `visit` may free. */
static void connections_visit(struct loop *loop, void (*visit)(struct connection *c, uint64_t now_us)) {
    uint64_t now_us = base_mono_us();
    for (uint32_t i = 0; i < loop->slots_used; i++)
        if (loop->slots[i].connection != NULL)
            visit(loop->slots[i].connection, now_us);
}

static void visit_sweep(struct connection *c, uint64_t now_us) {
    if (c->deadline_us > now_us)
        return;
    connection_expire(c);
    connection_run(c);
}

static void visit_drain(struct connection *c, uint64_t now_us) {
    (void)now_us;
    connection_drain(c);
    connection_run(c);
}

static void visit_end(struct connection *c, uint64_t now_us) {
    (void)now_us;
    connection_end(c);
    connection_run(c);
}

static void drain(struct loop *loop) {
    if (loop->acceptor != NULL)
        acceptor_stop(loop->acceptor);
    connections_visit(loop, visit_drain);
}

/* Deadlines are looked at from time to time and not by a timer each: a request then costs no timer. */
static void on_sweep(evutil_socket_t fd, short what, void *context) {
    (void)fd, (void)what;
    struct loop *loop = context;
    connections_visit(loop, visit_sweep);
    if (is_draining(loop))
        drain(loop);
    else if (loop->n_connections == 0)
        event_del(loop->sweep_event); /* nobody has a deadline: no wake-ups */
    uint64_t stop_at_us = atomic_load(&loop->shared->stop_at_us);
    bool idle = loop->n_connections == 0 && loop->in_flight == 0;
    if (stop_at_us != UINT64_MAX && (idle || base_mono_us() >= stop_at_us))
        event_base_loopbreak(loop->base);
}

static void on_mail(evutil_socket_t fd, short what, void *context) {
    (void)what;
    struct loop *loop = context;
    int mail[MAIL_MAX];
    ssize_t got = read(fd, mail, sizeof mail);
    for (size_t i = 0; got > 0 && i < (size_t)got / sizeof *mail; i++)
        if (mail[i] != MAIL_WAKE)
            connection_open(loop, mail[i]);
    if (is_draining(loop)) {
        static const struct timeval often = {.tv_usec = SWEEP_US_MIN};
        drain(loop);
        event_add(loop->sweep_event, &often);
    }
}

/* ---- other threads ------------------------------------------------------------------------------ */

bool loop_give(struct loop *loop, int fd) {
    return write(loop->mailbox[1], &fd, sizeof fd) == (ssize_t)sizeof fd; /* so little is written whole */
}

void loop_wake(struct loop *loop) { (void)loop_give(loop, MAIL_WAKE); /* a full pipe wakes as well */ }

/* ---- life --------------------------------------------------------------------------------------- */

static struct timeval sweep_interval(const ingress_timeouts *t) {
    uint64_t least = t->handshake_us < t->header_us ? t->handshake_us : t->header_us;
    least = t->body_us < least ? t->body_us : least;
    least = t->idle_us < least ? t->idle_us : least;
    uint64_t us = least / 8;
    us = us < SWEEP_US_MIN ? SWEEP_US_MIN : us > SWEEP_US_MAX ? SWEEP_US_MAX : us;
    return (struct timeval){.tv_sec = 0, .tv_usec = (suseconds_t)us};
}

static bool events_init(struct loop *loop) {
    struct event_config *config = event_config_new();
    if (config == NULL)
        return false;
    event_config_set_flag(config,
                          EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV); /* one thread uses it */
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL)
        return false;
    loop->mailbox_event = event_new(loop->base, loop->mailbox[0], EV_READ | EV_PERSIST, on_mail, loop);
    loop->answers_event =
        event_new(loop->base, journal_port_fd(loop->port), EV_READ | EV_PERSIST, on_answers, loop);
    loop->sweep_event = event_new(loop->base, -1, EV_PERSIST, on_sweep, loop);
    loop->handshake_event = event_new(loop->base, -1, 0, on_handshake, loop);
    loop->sweep_interval = sweep_interval(&loop->shared->opt.timeouts);
    return loop->mailbox_event != NULL && loop->answers_event != NULL && loop->sweep_event != NULL &&
           loop->handshake_event != NULL && event_add(loop->mailbox_event, NULL) == 0 &&
           event_add(loop->answers_event, NULL) == 0;
}

bool loop_init(struct loop *loop, struct loop_shared *shared, uint32_t index) {
    const ingress_limits *limits = &shared->opt.limits;
    *loop = (struct loop){.shared = shared, .index = index, .mailbox = {-1, -1}};
    TAILQ_INIT(&loop->shaking);
    TAILQ_INIT(&loop->waiting);
    loop->random = base_mono_us() * (index + 1);
    loop->slots = calloc(limits->connections, sizeof *loop->slots);
    loop->intake = intake_new(limits->decompressed_bytes, limits->batch_numbers);
    loop->port = journal_port_open(shared->opt.zmq, index, INGRESS_QUEUE_MAX);
    if (loop->slots != NULL && loop->intake != NULL && loop->port != NULL &&
        pipe2(loop->mailbox, O_CLOEXEC | O_NONBLOCK) == 0 && events_init(loop))
        return true;
    diag_error("an ingress loop cannot be set up", DIAG_STR("error", strerror(errno)));
    return false;
}

static void event_drop(struct event *event) {
    if (event != NULL)
        event_free(event);
}

void loop_fini(struct loop *loop) {
    if (loop->base != NULL)
        connections_visit(loop, visit_end);
    if (loop->port != NULL)
        on_answers(-1, 0, loop); /* whose connections are gone */
    event_drop(loop->mailbox_event);
    event_drop(loop->answers_event);
    event_drop(loop->sweep_event);
    event_drop(loop->handshake_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    for (int fd; loop->mailbox[0] >= 0 && read(loop->mailbox[0], &fd, sizeof fd) == (ssize_t)sizeof fd;)
        if (fd != MAIL_WAKE)
            close(fd);
    for (unsigned i = 0; i < 2; i++)
        if (loop->mailbox[i] >= 0)
            close(loop->mailbox[i]);
    journal_port_close(loop->port);
    intake_free(loop->intake);
    free(loop->slots);
    *loop = (struct loop){.mailbox = {-1, -1}};
}

static void *loop_main(void *context) {
    struct loop *loop = context;
    on_answers(-1, 0, loop); /* a socket that was never looked at announces nothing */
    event_base_dispatch(loop->base);
    return NULL;
}

bool loop_start(struct loop *loop) {
    char name[16];
    snprintf(name, sizeof name, "ingress-%u", loop->index % 1000);
    return thread_start(name, loop_main, loop, &loop->thread) == 0;
}

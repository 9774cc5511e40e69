#include "pipeline.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define FLIGHTS_MAX 5u /* a broker remembers so many batches of a producer in each partition */
#define WAIT_MS 60000u /* for an answer */
#define SLICE_MS 200u  /* how fast a stop is noticed */

/* A broker that leads partitions. */
typedef struct leader {
    int32_t node;
    channel *channel; /* NULL: none is open */
    int16_t version;
    flight *first, *last; /* under way, in their order */
    flight *unsent;       /* the first of those that is not all sent */
    unsigned n;
} leader;

struct pipeline {
    producer_core *core;
    cluster *cluster;
    int16_t version_least;
    leader *leaders;       /* malloc */
    struct pollfd *polled; /* malloc, as many */
    size_t n_leaders;
    flight *open;    /* begun and not sent; NULL: none */
    leader *filling; /* whose it is */
    flight *idle;
    size_t bytes; /* of all flights */
    bool lost;    /* the answer of one that has left, or of a batch in it, will not come */
};

/* ---- life --------------------------------------------------------------------------------------------- */

pipeline *pipeline_new(producer_core *core, cluster *c, int16_t version_least) {
    pipeline *p = calloc(1, sizeof *p);
    if (p)
        *p = (pipeline){.core = core, .cluster = c, .version_least = version_least};
    return p;
}

static void flights_free(flight *f) {
    while (f) {
        flight *next = f->next;
        flight_fini(f);
        free(f);
        f = next;
    }
}

void pipeline_free(pipeline *p) {
    if (!p)
        return;
    for (size_t i = 0; i < p->n_leaders; i++) {
        flights_free(p->leaders[i].first);
        channel_close(p->leaders[i].channel);
    }
    flights_free(p->idle);
    flights_free(p->open);
    free(p->leaders);
    free(p->polled);
    free(p);
}

size_t pipeline_bytes(const pipeline *p) { return p->bytes; }

void pipeline_trim(pipeline *p) {
    for (const flight *f = p->idle; f; f = f->next)
        p->bytes -= flight_bytes(f);
    flights_free(p->idle);
    p->idle = NULL;
}

/* ---- leaders ------------------------------------------------------------------------------------------ */

static leader *leader_find(const pipeline *p, int32_t node) {
    for (size_t i = 0; i < p->n_leaders; i++)
        if (p->leaders[i].node == node)
            return &p->leaders[i];
    return NULL;
}

static leader *leader_make(pipeline *p, int32_t node) {
    size_t n = p->n_leaders + 1;
    leader *leaders = realloc(p->leaders, n * sizeof *leaders);
    if (!leaders)
        return NULL;
    p->leaders = leaders;
    struct pollfd *polled = realloc(p->polled, n * sizeof *polled);
    if (!polled)
        return NULL;
    p->polled = polled;
    leaders[p->n_leaders] = (leader){.node = node};
    return &leaders[p->n_leaders++];
}

static sink_err leader_connect(pipeline *p, leader *l) {
    if (l->channel && l->n == 0 && channel_stale(l->channel)) {
        channel_close(l->channel);
        l->channel = NULL;
    }
    if (l->channel)
        return SINK_OK;
    sink_err err = cluster_connect(p->cluster, l->node, &l->channel);
    if (err != SINK_OK)
        return err;
    l->version = channel_version(l->channel, API_PRODUCE, p->version_least, FLIGHT_VERSION_MOST);
    if (l->version >= 0)
        return SINK_OK;
    link_say(p->core->link, "broker %d does not speak what the others do", (int)l->node);
    return SINK_ERR_IO;
}

/* ---- moving ------------------------------------------------------------------------------------------- */

static sink_err leader_write(pipeline *p, leader *l) {
    while (l->unsent) {
        flight *f = l->unsent;
        size_t done;
        sink_err err = channel_write(l->channel, f->out.data + f->sent, f->out.n - f->sent, &done);
        f->sent += done;
        p->lost = p->lost || err != SINK_OK;
        if (err != SINK_OK || f->sent < f->out.n)
            return err;
        l->unsent = f->next;
    }
    return SINK_OK;
}

static sink_err leader_read(pipeline *p, leader *l) {
    while (l->first) {
        answer a;
        int32_t correlation;
        bool there;
        sink_err err = channel_read(l->channel, &correlation, &a, &there);
        p->lost = p->lost || err != SINK_OK;
        if (err != SINK_OK || !there)
            return err;
        flight *f = l->first;
        if (correlation != f->correlation || f == l->unsent) {
            p->lost = true;
            link_say(p->core->link, "broker %d answers what was not asked", (int)l->node);
            return SINK_ERR_IO;
        }
        err = flight_answer(f, p->core, l->version, &a);
        p->lost = p->lost || !flight_answered(f);
        l->first = f->next;
        l->last = l->first ? l->last : NULL;
        l->n--;
        f->next = p->idle;
        p->idle = f;
        if (err != SINK_OK)
            return err;
    }
    return SINK_OK;
}

static sink_err leader_move(pipeline *p, leader *l) {
    if (l->n == 0)
        return SINK_OK;
    sink_err err = leader_write(p, l);
    return err == SINK_OK ? leader_read(p, l) : err;
}

sink_err pipeline_poll(pipeline *p) {
    sink_err err = SINK_OK;
    for (size_t i = 0; i < p->n_leaders && err == SINK_OK; i++)
        err = leader_move(p, &p->leaders[i]);
    return err;
}

/* ---- waiting ------------------------------------------------------------------------------------------ */

/* Until something may move, or `ms`. */
static sink_err any_wait(const pipeline *p, int ms) {
    nfds_t n = 0;
    for (size_t i = 0; i < p->n_leaders; i++) {
        const leader *l = &p->leaders[i];
        if (l->n > 0)
            p->polled[n++] = (struct pollfd){.fd = channel_fd(l->channel),
                                             .events = (short)(POLLIN | (l->unsent ? POLLOUT : 0))};
    }
    if (poll(p->polled, n, ms) >= 0 || errno == EINTR)
        return SINK_OK;
    link_say(p->core->link, "poll: %s", strerror(errno));
    return SINK_ERR_IO;
}

/* On the leader that has most of them under way. */
static unsigned flights_most(const pipeline *p) {
    unsigned n = 0;
    for (size_t i = 0; i < p->n_leaders; i++)
        n = p->leaders[i].n > n ? p->leaders[i].n : n;
    return n;
}

/* Until something has moved. */
static sink_err some_wait(pipeline *p, uint64_t deadline) {
    int slice = link_left_ms(p->core->link, deadline, SLICE_MS);
    if (slice == 0) {
        link_say(p->core->link, "no broker has taken the epoch's messages in time");
        return SINK_ERR_IO;
    }
    sink_err err = any_wait(p, slice);
    return err == SINK_OK ? pipeline_poll(p) : err;
}

/* Until at most so many are under way: on that leader, or, NULL, on each. */
static sink_err flights_wait(pipeline *p, const leader *only, unsigned most, uint32_t most_ms) {
    uint64_t deadline = link_deadline_us(p->core->link, most_ms);
    sink_err err = SINK_OK;
    while (err == SINK_OK && (only ? only->n : flights_most(p)) > most)
        err = some_wait(p, deadline);
    return err;
}

sink_err pipeline_room(pipeline *p, size_t most) {
    uint64_t deadline = link_deadline_us(p->core->link, WAIT_MS);
    sink_err err = SINK_OK;
    while (err == SINK_OK && p->bytes > most) {
        pipeline_trim(p);
        if (p->bytes <= most || flights_most(p) == 0)
            break;
        err = some_wait(p, deadline);
    }
    return err;
}

sink_err pipeline_drain(pipeline *p, uint32_t most_ms) { return flights_wait(p, NULL, 0, most_ms); }

bool pipeline_settle(pipeline *p, uint32_t most_ms) {
    uint64_t deadline = link_deadline_us(p->core->link, most_ms);
    while (!p->lost && flights_most(p) > 0) {
        int slice = link_left_ms(p->core->link, deadline, SLICE_MS);
        if (slice == 0 || any_wait(p, slice) != SINK_OK)
            return false;
        for (size_t i = 0; i < p->n_leaders; i++) {
            sink_err err = leader_move(p, &p->leaders[i]);
            (void)err; /* what makes a difference here is in p->lost */
        }
    }
    return !p->lost;
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static flight *flight_get(pipeline *p) {
    flight *f = p->idle;
    if (!f)
        return calloc(1, sizeof *f);
    p->idle = f->next;
    p->bytes -= flight_bytes(f);
    return f;
}

sink_err pipeline_flight(pipeline *p, int32_t node, flight **ret_flight) {
    leader *l = leader_find(p, node);
    if (!l)
        l = leader_make(p, node);
    sink_err err = l ? leader_connect(p, l) : SINK_ERR_MEMORY;
    if (err == SINK_OK)
        err = flights_wait(p, l, FLIGHTS_MAX - 1, WAIT_MS);
    flight *f = err == SINK_OK ? flight_get(p) : NULL;
    if (err == SINK_OK && !f)
        err = SINK_ERR_MEMORY;
    if (err != SINK_OK)
        return err;
    flight_begin(f, p->core, l->channel, l->version);
    p->filling = l;
    p->open = f;
    *ret_flight = f;
    return SINK_OK;
}

sink_err pipeline_send(pipeline *p, flight *f) {
    leader *l = p->filling;
    sink_err err = flight_end(f);
    if (err != SINK_OK)
        return err; /* it never leaves */
    p->open = NULL;
    if (l->last)
        l->last->next = f;
    else
        l->first = f;
    l->last = f;
    l->unsent = l->unsent ? l->unsent : f;
    l->n++;
    p->bytes += flight_bytes(f);
    return leader_write(p, l);
}

/* connection: one device's connection, from accepting to the end: its socket, TLS, states and deadlines.
 *
 *     FRESH ─▶ HANDSHAKE ─▶ READING ─▶ WAITING ─▶ ANSWERING ─▶ READING …    (keep-alive)
 *       │                      └───────────────────▶┘  └─▶ LINGERING ─▶ CLOSED
 *       └─▶ LINGERING (plain HTTP: told so)
 *
 * One request at a time: what a client pipelines stays in the socket until its turn. Every state has a
 * deadline. What requests mean, and their answers, is serve's. Belongs to its loop's thread.
 */
#ifndef INGRESS_CONNECTION_H
#define INGRESS_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "collector/ingress/loop.h"

enum connection_state {
    CONNECTION_FRESH, /* nothing of the peer seen, or its handshake waits for its turn */
    CONNECTION_HANDSHAKE,
    CONNECTION_READING,   /* a request, or idle before it */
    CONNECTION_WAITING,   /* the journal has the batch */
    CONNECTION_ANSWERING, /* the socket has not taken all of the answer yet */
    CONNECTION_LINGERING, /* the last answer is out; input is read past, so that no reset overtakes it */
    CONNECTION_CLOSED,    /* freed as soon as connection_run sees it */
};

struct connection {
    struct loop *loop;
    uint64_t id;
    int fd;
    enum connection_state state;
    bool readable;    /* the socket was, and has not been read dry since */
    bool reading_off; /* its read event is not armed */
    bool shaking;     /* counted in loop->handshakes */
    bool close_after; /* the answer that is under way is the last */
    uint64_t deadline_us;
    struct event read_event, write_event;
    struct connection_queue *queued; /* the loop's queue that it stands in */
    TAILQ_ENTRY(connection) queue;
    base_tls_conn *tls;
    char peer_name[SUBMISSION_TENANT_MAX]; /* of the client certificate */

    struct request *request;
    struct admission admission; /* of the request */
    struct fault fault;         /* decided at its head: answered when its body has been read past */
    uint64_t arrived_us;        /* when it was complete */
    uint64_t counted_bytes;     /* of its body, in loop->buffered_bytes */

    uint8_t *held; /* bytes behind the request that is being served */
    size_t held_n;
    char *out;                 /* what the socket has not taken */
    size_t out_n, out_retry_n; /* of it; of a TLS write that has to be repeated as it was */
    size_t lingered_bytes;
};

/* Takes `fd` in any case. */
void connection_open(struct loop *loop, int fd);

/* Goes as far as it can, and frees the connection when it has ended. After every call below. */
void connection_run(struct connection *c);

/* FRESH, when a place is free; HANDSHAKE, a step. */
void connection_begin(struct connection *c);
void connection_shake(struct connection *c);

/* Sends all of it in time, unless the connection breaks. */
void connection_send(struct connection *c, const void *data, size_t n);

/* Brings the loop's count of buffered bytes up to date with the request's body. */
void connection_count_body(struct connection *c);

/* Now ANSWERING by connection_send: what follows when the socket has taken it. */
void connection_answer_begin(struct connection *c, bool close_after);

/* The deadline of its state has passed. */
void connection_expire(struct connection *c);

/* The collector is about to stop: ends unless a request is under way. */
void connection_drain(struct connection *c);

/* Ends it now. */
void connection_end(struct connection *c);

#endif

/* loop: one thread's event loop with its connections, its buffers and its port to the journal.
 *
 * Threads: everything belongs to the loop's thread, but for loop_give and loop_wake. What the loops share
 * is read-only, or atomic.
 */
#ifndef INGRESS_LOOP_H
#define INGRESS_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/time.h>

#include "collector/ingress/admission.h"
#include "collector/ingress/answer.h"
#include "collector/ingress/ingress.h"
#include "collector/ingress/intake.h"
#include "collector/ingress/journal_port.h"
#include "collector/ingress/request.h"
#include "sdk/src/base/tls.h"

#define LOOP_READ_BYTES 16384u   /* a TLS record */
#define LOOP_HANDSHAKES_MAX 256u /* at a time; the next ones wait their turn */

struct acceptor;
struct connection;
struct event;
struct event_base;

TAILQ_HEAD(connection_queue, connection);

/* What the loops share. */
struct loop_shared {
    ingress_options opt;
    struct request_limits request_limits;
    struct admission_policy policy;
    base_tls *tls;
    uint64_t buffered_max;            /* of limits.buffered_bytes, what one loop may use */
    atomic_uint_fast64_t connections; /* accepted and not yet closed */
    atomic_bool draining;             /* nobody new, and nobody stays */
    atomic_uint_fast64_t stop_at_us;  /* when the loops end in any case; UINT64_MAX: not yet */
};

struct loop_slot {
    struct connection *connection;
    uint32_t generation; /* of the slot's use, so that an answer finds its connection or none */
    uint32_t next_free;  /* 1 + index; 0: none */
};

struct loop {
    struct loop_shared *shared;
    struct acceptor *acceptor; /* loop 0's */
    uint32_t index;
    pthread_t thread;
    int mailbox[2]; /* a pipe of descriptors: connections accepted for this loop */
    struct event_base *base;
    struct timeval sweep_interval;
    struct event *mailbox_event, *answers_event, *sweep_event, *handshake_event;

    struct loop_slot *slots;
    uint32_t slots_used, first_free; /* slots below slots_used have been used; 1 + index, or 0 */
    uint32_t n_connections;
    struct connection_queue shaking; /* a step of their handshake can be made */
    struct connection_queue waiting; /* their handshake has not begun: too many have */
    uint32_t handshakes;

    struct journal_port *port;
    uint32_t in_flight;      /* submissions that the journal has */
    uint64_t buffered_bytes; /* bodies of requests that are being read, or are in flight */
    struct intake *intake;
    uint64_t random;
    int64_t date_s;
    char date[ANSWER_DATE_BYTES];
    char out[ANSWER_BYTES_MAX];
    uint8_t read[LOOP_READ_BYTES];
};

/* In place, before the thread; false: it was logged why. fini accepts a half-built loop. */
bool loop_init(struct loop *loop, struct loop_shared *shared, uint32_t index);
void loop_fini(struct loop *loop);
bool loop_start(struct loop *loop);

/* Any thread: hands a connection over, or false when the loop has no room; it notices `draining`. */
bool loop_give(struct loop *loop, int fd);
void loop_wake(struct loop *loop);

/* For connections: their place, by id. */
bool loop_enter(struct loop *loop, struct connection *c, uint64_t *ret_id);
void loop_leave(struct loop *loop, uint64_t id);
struct connection *loop_find(struct loop *loop, uint64_t id); /* NULL: it is gone */

/* Now, for the header Date; lent until the next call. */
const char *loop_date(struct loop *loop);
/* 1 to 2 seconds: a fleet told to come back must not come back at once. */
uint32_t loop_retry_after_ms(struct loop *loop);
/* Asks for handshake steps to be made; one a pass, so that they never hold up batches for long. */
void loop_handshake_soon(struct loop *loop);

#endif

/* plane: how an epoch's events reach the brokers. The transaction itself, its begin, its checkpoint and its
 * commit, are librdkafka's whatever the plane; see producer.h.
 *
 *     producer ──┬── events ──▶ plane: direct (direct/) or librdkafka's own path (plane_rdkafka.c)
 *                └── begin, checkpoint, commit ──▶ librdkafka
 *
 * A plane lives as long as its producer, and ends with it after the first error, which it has then said in
 * link->message. Inside this folder only. One thread. */
#ifndef SINKS_KAFKA_PLANE_H
#define SINKS_KAFKA_PLANE_H

#include <stddef.h>
#include <stdint.h>

#include "client.h"

#define MESSAGE_HEADERS_MAX 4u

/* A topic as a plane has it; each has more behind this. */
typedef struct plane_topic {
    char name[TOPIC_NAME_SIZE];
} plane_topic;

typedef struct message_header {
    const char *name;
    size_t name_n;
    const void *value;
    size_t n;
} message_header;

/* Everything is lent for the call. */
typedef struct message {
    plane_topic *topic;
    const void *key, *value;
    size_t key_n, value_n;
    int64_t time_ms;
    const message_header *headers;
    size_t n_headers;
    uint64_t row; /* of oversize_row */
} message;

/* What a producer shares with its plane. */
typedef struct producer_core {
    kafka_link *link;
    rd_kafka_t *rk;
    int64_t id;    /* the cluster's name of this producer; negative: not known */
    int16_t epoch; /* which of those that had the transactional.id it is */
    bool failed;   /* a message was not delivered, so the transaction cannot be committed */
    bool fenced;   /* the cluster knows a later producer by the transactional.id */
    bool adrift;   /* a message that librdkafka has given up may still reach a broker */
} producer_core;

/* What became of a transaction that is to end without its messages. */
typedef enum plane_end {
    PLANE_END_DONE,
    PLANE_END_NOT_OURS, /* librdkafka has to */
    PLANE_END_LEFT,     /* it stays open, and nobody may end it under this producer's epoch */
} plane_end;

typedef struct plane_ops {
    const char *name; /* in the log */
    /* NULL or an error: said. Lent until topic_close. */
    sink_err (*topic_open)(void *self, const char *name, plane_topic **ret_topic);
    void (*topic_close)(void *self, plane_topic *topic);
    /* Adds to the transaction that is open. No room: waits for it. *ret_too_large: left out, no error. */
    sink_err (*send)(void *self, const message *m, bool *ret_too_large);
    /* Moves what can be moved; does not block. */
    sink_err (*poll)(void *self);
    /* Returns SINK_OK when the brokers have confirmed every message. */
    sink_err (*flush)(void *self);
    /* The transaction is over. */
    void (*committed)(void *self);
    /* Ends the transaction if it is the plane that has to, and if nothing of it may come to a broker later:
     * brokers before 3.6 would take a late batch of the same epoch as the beginning of a transaction that
     * nobody knows of. What is left the next producer's init_transactions ends, under the next epoch, which
     * fences off what comes late. */
    plane_end (*abort)(void *self);
    void (*close)(void *self);
} plane_ops;

typedef struct plane {
    const plane_ops *ops; /* NULL: not chosen yet */
    void *self;
} plane;

/* A topic's refusal, that is no error that time heals. */
bool plane_is_refusal(rd_kafka_resp_err_t err);
/* A batch is above what the topic takes, or above its segments. */
bool plane_is_too_large(rd_kafka_resp_err_t err);

#endif

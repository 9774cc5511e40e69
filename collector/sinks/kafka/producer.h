/* producer: one transactional producer from its start to its end, and one transaction at a time. After an
 * error only producer_close is allowed: what became of an unfinished commit, the next producer's checkpoint
 * says. Inside this folder only. One thread. Blocks for the brokers. */
#ifndef SINKS_KAFKA_PRODUCER_H
#define SINKS_KAFKA_PRODUCER_H

#include <stddef.h>
#include <stdint.h>

#include "client.h"

typedef struct producer producer;

#define MESSAGE_HEADERS_MAX 4u

typedef struct message_header {
    const char *name;
    const void *value;
    size_t n;
} message_header;

/* Everything is lent for the call. */
typedef struct message {
    rd_kafka_topic_t *topic;
    const void *key, *value;
    size_t key_n, value_n;
    int64_t time_ms; /* 0: now */
    const message_header *headers;
    size_t n_headers;
    bool first;   /* to partition 0, whatever the key */
    uint64_t row; /* of oversize_row; 0: none */
} message;

/* Does not touch the network. NULL: link->message says why. */
producer *producer_open(kafka_link *link);
/* Aborts what is open, if the broker answers soon. Accepts NULL. */
void producer_close(producer *p);

/* Fences off whoever has our transactional.id, and aborts or completes what he had begun. */
sink_err producer_init(producer *p);

/* Adds to the transaction, which it begins when there is none. The buffer full: waits for room.
 * *ret_too_large: larger than any broker is asked to take, and left out; that is no error. */
sink_err producer_send(producer *p, const message *m, bool *ret_too_large);

/* Notices messages that were not delivered. Does not block. */
sink_err producer_poll(producer *p);

/* Durable, with all that was sent since the last commit. */
sink_err producer_commit(producer *p);

/* For topics and questions about them: borrowed until producer_close. */
rd_kafka_t *producer_handle(const producer *p);

#endif

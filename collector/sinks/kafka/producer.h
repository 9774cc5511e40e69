/* producer: one transactional producer from its start to its end, and one transaction at a time. After an
 * error only producer_close is allowed: what became of an unfinished commit, the next producer's checkpoint
 * says. Inside this folder only. One thread. Blocks for the brokers. */
#ifndef SINKS_KAFKA_PRODUCER_H
#define SINKS_KAFKA_PRODUCER_H

#include <stddef.h>
#include <stdint.h>

#include "plane.h"

typedef struct producer producer;

/* Does not touch the network. NULL: link->message says why. */
producer *producer_open(kafka_link *link);
/* Aborts what is open, if the brokers soon say that nothing of it is still under way. Accepts NULL. */
void producer_close(producer *p);

/* Fences off whoever has our transactional.id, aborts or completes what he had begun, and decides which way
 * the events go, which is logged. */
sink_err producer_init(producer *p);

/* After producer_init. Lent until producer_topic_close, which accepts NULL; closed before the producer is. */
sink_err producer_topic_open(producer *p, const char *name, plane_topic **ret_topic);
void producer_topic_close(producer *p, plane_topic *topic);

/* Adds to the transaction, which it begins when there is none. The buffer full: waits for room.
 * *ret_too_large: larger than any broker is asked to take, and left out; that is no error. */
sink_err producer_send(producer *p, const message *m, bool *ret_too_large);

/* The same, by librdkafka and to partition 0, for what is in the transaction besides events. m->topic is not
 * looked at. */
sink_err producer_send_record(producer *p, rd_kafka_topic_t *topic, const message *m, bool *ret_too_large);

/* Notices messages that were not delivered. Does not block. */
sink_err producer_poll(producer *p);

/* Durable, with all that was sent since the last commit. Something of it has to be a record: for librdkafka a
 * transaction without one is empty, and it would not end it. */
sink_err producer_commit(producer *p);

/* For topics and questions about them: borrowed until producer_close. */
rd_kafka_t *producer_handle(const producer *p);

#endif

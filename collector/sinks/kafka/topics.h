/* topics: the topics that a producer has sent to, by event name. Inside this folder only. One thread. Blocks
 * for the brokers where a topic is to be created. */
#ifndef SINKS_KAFKA_TOPICS_H
#define SINKS_KAFKA_TOPICS_H

#include "producer.h"
#include "wire.h"

typedef struct topics topics;

/* Where events go. */
typedef struct topic {
    plane_topic *handle;
    uint32_t schema; /* its id, with a schema registry */
} topic;

/* NULL: out of memory. To be freed before the producer is closed. */
topics *topics_new(kafka_link *link, producer *p);
void topics_free(topics *t);

/* Where events of that name go; lent until the next call. NULL: the cluster refused the topic lately, which
 * link->message says. An error is said there too. */
sink_err topics_get(topics *t, wire_span name, bool late, const topic **ret_topic);

/* So many topics were opened that the producer, which keeps something of each, should be made anew. */
bool topics_worn(const topics *t);

/* What their topic is made of; for people. */
const char *topics_pattern(const topics *t, bool late);

#endif

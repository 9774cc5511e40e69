/* places: partitions that are added to a transaction, as a request and its answer have them. Pure. Inside
 * this folder only. */
#ifndef SINKS_KAFKA_DIRECT_PLACES_H
#define SINKS_KAFKA_DIRECT_PLACES_H

#include "frame.h"
#include "kafka/topic_name.h"

/* A partition of the transaction. */
typedef struct cluster_place {
    const char *topic;
    int32_t partition;
} cluster_place;

/* Those of one topic are neighbours. */
void places_put(frame *f, const cluster_place *places, size_t n);

/* The answer's worst code: an error that is a reason, before one that follows from it. *ret_topic, whose it
 * is, is written with an error only; *ret_n: how many partitions were added, which it may be silent about. */
int16_t places_added(answer *a, char ret_topic[TOPIC_NAME_SIZE], size_t *ret_n);

#endif

/* cluster: what the direct plane asks of the cluster besides taking messages: who leads which partition, and
 * to know of partitions that a transaction writes to. All of it goes to the transaction's coordinator, which
 * is a broker like the others. Errors are said in link->message. One thread. Blocks, within bounds. */
#ifndef SINKS_KAFKA_CLUSTER_H
#define SINKS_KAFKA_CLUSTER_H

#include "channel.h"
#include "kafka/plane.h"
#include "places.h"

typedef struct cluster cluster;

/* Finds the coordinator of the transactional.id. *ret_unfit: as channel_open's. */
sink_err cluster_open(producer_core *core, cluster **ret_cluster, bool *ret_unfit);
/* Accepts NULL. */
void cluster_close(cluster *c);

/* The connection to the coordinator, for its versions. */
const channel *cluster_coordinator(const cluster *c);
/* To a broker that cluster_topic has named. */
sink_err cluster_connect(cluster *c, int32_t node, channel **ret_channel);

/* The leader of each partition, malloc'ed, the caller's. Waits for a topic that is not there as long as
 * librdkafka is told to; a broker may create it. */
sink_err cluster_topic(cluster *c, const char *topic, int32_t **ret_leaders, int32_t *ret_n);

/* Before anything is written to them; those of one topic are neighbours. */
sink_err cluster_add(cluster *c, const cluster_place *places, size_t n);

/* Ends the transaction without its messages. */
sink_err cluster_abort(cluster *c, uint32_t most_ms);

/* Says that the topic's answer was `code`, and notes what follows from it; SINK_ERR_IO. */
sink_err cluster_refusal(producer_core *core, const char *topic, int16_t code);

#endif

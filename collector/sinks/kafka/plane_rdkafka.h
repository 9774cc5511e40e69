/* plane_rdkafka: the events by librdkafka, a message at a time. For clusters and settings that the direct
 * plane does not speak to, and for the checkpoint, which always goes this way. */
#ifndef SINKS_KAFKA_PLANE_RDKAFKA_H
#define SINKS_KAFKA_PLANE_RDKAFKA_H

#include "plane.h"

/* Borrows `core`. */
plane plane_rdkafka_open(producer_core *core);

/* One message to a partition of a topic, RD_KAFKA_PARTITION_UA: by its key. m->topic is not looked at. Waits
 * for room. */
sink_err plane_rdkafka_send(producer_core *core, rd_kafka_topic_t *topic, int32_t partition, const message *m,
                            bool *ret_too_large);

/* After an error: drops what has not left and waits for the rest. false: a broker may still get some of it.
 */
bool plane_rdkafka_settle(const producer_core *core, uint32_t most_ms);

#endif

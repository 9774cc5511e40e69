/* topic_admin: what the sink asks and wants of topics. Inside this folder only. One thread. Blocks for the
 * brokers, within bounds; an error is said in link->message. */
#ifndef SINKS_KAFKA_TOPIC_ADMIN_H
#define SINKS_KAFKA_TOPIC_ADMIN_H

#include <stddef.h>
#include <stdint.h>

#include "client.h"

typedef struct topic_plan {
    const char *name;
    uint32_t partitions; /* 0: the broker's default */
    const kafka_setting *settings;
    size_t n_settings;
} topic_plan;

/* How many partitions the topic has, the first with a leader; 0: it is not there. Never creates it. `rk` is a
 * reader. */
sink_err admin_topic_find(kafka_link *link, rd_kafka_t *rk, const char *topic, int *ret_partitions);
/* Made, or there already; *ret_refused: the cluster does not make it, for a reason that link->message says.
 */
sink_err admin_topic_create(kafka_link *link, rd_kafka_t *rk, const topic_plan *plan, bool *ret_refused);
/* *ret_value: malloc'ed, the caller's; NULL where we may not know. */
sink_err admin_topic_setting(kafka_link *link, rd_kafka_t *rk, const char *topic, const char *key,
                             char **ret_value);
/* Where partition 0 ends: for readers of committed messages, or with all that its leader holds. */
sink_err admin_topic_end(kafka_link *link, rd_kafka_t *rk, const char *topic, bool committed,
                         int64_t *ret_end);

#endif

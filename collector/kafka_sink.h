/* kafka_sink: a Kafka sink as the configuration has it. */
#ifndef COLLECTOR_KAFKA_SINK_H
#define COLLECTOR_KAFKA_SINK_H

#include "config.h"
#include "kafka/kafka_target.h"

typedef struct kafka_sink {
    kafka_link *link;
    kafka_setting *settings;
} kafka_sink;

/* Borrows the configuration, and the moment from which nothing waits for a broker (0: not yet), until
 * kafka_sink_fini. False: no memory, or settings that librdkafka refuses, which is logged. */
bool kafka_sink_init(kafka_sink *ret_sink, const struct collector_config *config, size_t index,
                     const uint8_t start_id[16], const _Atomic uint64_t *give_up_us);
void kafka_sink_fini(kafka_sink *sink);

#endif

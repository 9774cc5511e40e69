/* names: what a Kafka sink and the headers of its messages are called. Pure. */
#ifndef SINKS_KAFKA_NAMES_H
#define SINKS_KAFKA_NAMES_H

#include <stdbool.h>

#include "topic_name.h"

typedef struct kafka_names {
    char transactional_id[TOPIC_NAME_SIZE];
    char checkpoint_topic[TOPIC_NAME_SIZE];
} kafka_names;

/* Given or by default: the first two are NULL where the configuration does not give them. false: one is too
 * long. */
bool kafka_names_make(const char *transactional_id, const char *checkpoint_topic, const char *collector,
                      const char *sink, kafka_names *ret_names);

enum kafka_header {
    KAFKA_HEADER_NAME = 1,
    KAFKA_HEADER_STREAM = 2,
    KAFKA_HEADER_SEQ = 4,
    KAFKA_HEADER_LATE = 8,
    KAFKA_HEADERS_ALL = 15,
};

/* The header of messages that is called so; `none` is 0. false: nothing is. */
bool kafka_header_find(const char *name, unsigned *ret_header);

#endif

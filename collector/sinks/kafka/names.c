#include "names.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

bool kafka_names_make(const char *transactional_id, const char *checkpoint_topic, const char *collector,
                      const char *sink, kafka_names *ret_names) {
    char *id = ret_names->transactional_id, *topic = ret_names->checkpoint_topic;
    int n = transactional_id ? snprintf(id, TOPIC_NAME_SIZE, "%s", transactional_id)
                             : snprintf(id, TOPIC_NAME_SIZE, "%s-%s", collector, sink);
    int m = checkpoint_topic ? snprintf(topic, TOPIC_NAME_SIZE, "%s", checkpoint_topic)
                             : snprintf(topic, TOPIC_NAME_SIZE, "_wadi.checkpoint.%s", id);
    return (unsigned)n < TOPIC_NAME_SIZE && (unsigned)m < TOPIC_NAME_SIZE;
}

bool kafka_header_find(const char *name, unsigned *ret_header) {
    static const struct {
        const char *name;
        unsigned header;
    } headers[] = {{"name", KAFKA_HEADER_NAME},
                   {"stream", KAFKA_HEADER_STREAM},
                   {"seq", KAFKA_HEADER_SEQ},
                   {"late", KAFKA_HEADER_LATE},
                   {"none", 0}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (strcmp(headers[i].name, name) == 0) {
            *ret_header = headers[i].header;
            return true;
        }
    return false;
}

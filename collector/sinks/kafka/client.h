/* client: what the producer and the reader of checkpoints have in common: the configured settings, what is
 * logged, and errors in words. Inside this folder only. */
#ifndef SINKS_KAFKA_CLIENT_H
#define SINKS_KAFKA_CLIENT_H

#include <stdbool.h>

#include <rdkafka.h>

#include "cleanup.h"
#include "link.h"

/* Releases what librdkafka hands out. */
static inline void cleanup_error(rd_kafka_error_t **error) {
    if (*error)
        rd_kafka_error_destroy(*error);
}
#define CLEANUP_ERROR CLEANUP(cleanup_error)

/* Tries the configured settings, and learns how large batches may be. False: librdkafka refuses one, which
 * link->message names. */
bool client_settings_take(kafka_link *link);

/* NULL: link->message says why. Its opaque is the link. `reports`: of messages that were not delivered.
 * `statistics`: librdkafka's, as JSON, several times a second. */
rd_kafka_t *client_producer(kafka_link *link,
                            void (*reports)(rd_kafka_t *, const rd_kafka_message_t *, void *),
                            int (*statistics)(rd_kafka_t *, char *, size_t, void *));
rd_kafka_t *client_reader(kafka_link *link);

#endif

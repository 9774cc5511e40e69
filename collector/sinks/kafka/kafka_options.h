/* kafka_options: what the configuration says of a Kafka sink, as plain values. All strings are borrowed. */
#ifndef SINKS_KAFKA_KAFKA_OPTIONS_H
#define SINKS_KAFKA_KAFKA_OPTIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "row.h"

/* A setting of librdkafka by its own name. */
typedef struct kafka_setting {
    const char *key, *value;
} kafka_setting;

typedef struct kafka_options {
    const char *brokers;          /* host:port,host:port */
    const char *topic;            /* with {name}: a topic for each event name */
    const char *late_topic;       /* NULL: late events go where the others go */
    const char *transactional_id; /* NULL: <collector>-<sink> */
    const char *checkpoint_topic; /* NULL: _wadi.checkpoint.<transactional id> */
    const char *compression;      /* librdkafka's name of it */
    const row_format *format;
    struct {
        const char *url; /* NULL: values are as the format has them */
        const char *ca_file, *username, *password;
    } registry;
    bool tls;
    const char *ca_file, *cert_file, *key_file; /* NULL: the system's authorities, no certificate */
    const char *sasl_mechanism, *sasl_username, *sasl_password; /* mechanism NULL: none */
    unsigned headers;                                           /* with every message: of enum kafka_header */
    bool create_topics;
    uint32_t partitions, replication_factor; /* of topics that we create; 0: the broker's default */
    const char *dead_letter_path;            /* NULL: what no broker takes stops the sink */
    bool refused_aside;                      /* what a refused topic should get goes there too */
    bool librdkafka_only;                    /* the direct plane is not wanted */
    uint64_t buffer_bytes;                   /* of messages that no broker has confirmed yet */
    uint64_t roll_interval_us;               /* an epoch's, which the transaction's timeout has to exceed */
    const _Atomic uint64_t
        *give_up_us; /* of the monotonic clock: nothing waits for a broker beyond it; 0: run */
    const kafka_setting *settings;
    size_t n_settings;
} kafka_options;

#endif

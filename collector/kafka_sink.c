#include "collector/kafka_sink.h"

#include <malloc.h>
#include <stdlib.h>

#include "kafka/direct/direct.h"
#include "kafka/names.h"

static const char *compression_of(enum config_kafka_compression compression) {
    static const char *const names[] = {"lz4", "zstd", "gzip", "snappy", "none"};
    return names[compression];
}

static const char *sasl_of(enum config_sasl mechanism) {
    static const char *const names[] = {NULL, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
    return names[mechanism];
}

/* The configuration is checked: every name is one. */
static unsigned headers_of(const struct config_sink *config) {
    unsigned headers = 0;
    for (size_t i = 0; i < config->kafka.headers_count; i++) {
        unsigned header = 0;
        kafka_header_find(config->kafka.headers[i].text, &header);
        headers |= header;
    }
    return config->kafka.headers_count > 0 ? headers : KAFKA_HEADERS_ALL;
}

static kafka_options options_of(const struct config_sink *config, const kafka_setting *settings) {
    return (kafka_options){
        .brokers = config->kafka.brokers,
        .topic = config->kafka.topic,
        .late_topic = config->kafka.late_topic,
        .transactional_id = config->kafka.transactional_id,
        .checkpoint_topic = config->kafka.checkpoint_topic,
        .compression = compression_of(config->kafka.compression),
        .format = config->format == CONFIG_FORMAT_RECORD ? &row_format_record : &row_format_jsonl,
        .headers = headers_of(config),
        .create_topics = config->kafka.create_topics == CONFIG_TRUE,
        .partitions = (uint32_t)config->kafka.partitions,
        .replication_factor = (uint32_t)config->kafka.replication_factor,
        .registry = {.url = config->kafka.schema_registry.url,
                     .ca_file = config->kafka.schema_registry.ca_file,
                     .username = config->kafka.schema_registry.username,
                     .password = config->kafka.schema_registry.password},
        .tls = config->kafka.tls.enabled == CONFIG_TRUE,
        .ca_file = config->kafka.tls.ca_file,
        .cert_file = config->kafka.tls.cert_file,
        .key_file = config->kafka.tls.key_file,
        .sasl_mechanism = sasl_of(config->kafka.sasl.mechanism),
        .sasl_username = config->kafka.sasl.username,
        .sasl_password = config->kafka.sasl.password,
        .dead_letter_path = config->kafka.dead_letter.path,
        .refused_aside = config->kafka.on_refused == CONFIG_ON_REFUSED_DEAD_LETTER,
        .librdkafka_only = config->kafka.producer == CONFIG_KAFKA_PRODUCER_LIBRDKAFKA,
        .buffer_bytes = config->kafka.buffer_bytes,
        .roll_interval_us = config->roll_interval_us,
        .settings = settings,
        .n_settings = config->kafka.rdkafka_count,
    };
}

/* Where librdkafka sends the events, it takes half a dozen small blocks a message on our thread, and gives
 * them back on its own. glibc keeps such blocks apart, in lists that soon lead all over the memory; joined
 * again with their neighbours they are handed out side by side, which halves what a message with headers
 * costs. */
static void blocks_join(void) { mallopt(M_MXFAST, 0); }

bool kafka_sink_init(kafka_sink *ret_sink, const struct collector_config *config, size_t index,
                     const uint8_t start_id[16], const _Atomic uint64_t *give_up_us) {
    const struct config_sink *sink = &config->sinks[index];
    kafka_setting *settings = calloc(sink->kafka.rdkafka_count + 1, sizeof *settings);
    if (!settings)
        return false;
    for (size_t i = 0; i < sink->kafka.rdkafka_count; i++)
        settings[i] = (kafka_setting){sink->kafka.rdkafka[i].key, sink->kafka.rdkafka[i].value};
    kafka_options opt = options_of(sink, settings);
    opt.give_up_us = give_up_us;
    *ret_sink = (kafka_sink){kafka_link_new(&opt, config->id, sink->name, start_id), settings};
    if (ret_sink->link && direct_unsuitable(ret_sink->link))
        blocks_join();
    return ret_sink->link != NULL;
}

void kafka_sink_fini(kafka_sink *sink) {
    kafka_link_free(sink->link);
    free(sink->settings);
    *sink = (kafka_sink){0};
}

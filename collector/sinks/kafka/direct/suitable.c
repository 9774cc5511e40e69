#include "direct.h"

#include <string.h>

#include "pack.h"

/* Settings that are for librdkafka's part of the work, or that we read ourselves. With any other one somebody
 * has something in mind that only librdkafka does. */
static bool is_known(const char *key) {
    static const char *const keys[] = {
        "batch.size",
        "client.id",
        "debug",
        "linger.ms",
        "log_level",
        "message.max.bytes",
        "metadata.max.age.ms",
        "reconnect.backoff.max.ms",
        "reconnect.backoff.ms",
        "retry.backoff.max.ms",
        "retry.backoff.ms",
        "socket.keepalive.enable",
        "topic.metadata.propagation.max.ms",
        "topic.metadata.refresh.interval.ms",
        "transaction.timeout.ms",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

const char *direct_unsuitable(const kafka_link *link) {
    const kafka_options *opt = &link->opt;
    pack_codec codec;
    if (opt->librdkafka_only)
        return "kafka.producer says so";
    if (!pack_codec_find(opt->compression, &codec))
        return "kafka.compression";
    if (opt->sasl_mechanism && strcmp(opt->sasl_mechanism, "PLAIN") != 0)
        return "kafka.sasl.mechanism";
    for (size_t i = 0; i < opt->n_settings; i++)
        if (!is_known(opt->settings[i].key))
            return opt->settings[i].key;
    return NULL;
}

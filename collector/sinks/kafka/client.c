#include "client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "direct/direct.h"

#define MESSAGE_BYTES_LEAST 640u /* what librdkafka adds to each message that waits, headers too */
/* More of them no longer stay in the caches until they are sent; fewer wait for linger.ms, since a batch for
 * each partition does not fill. */
#define MESSAGES_MAX 50000u
#define IDENTITY_MS \
    "200" /* how often librdkafka says who it is: as soon as that events can be sent directly */
#define TRANSACTION_MS_LEAST 60000u

/* ---- what librdkafka says ----------------------------------------------------------------------------- */

/* From any of its threads. */
static void log_take(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    const kafka_link *link = rd_kafka_opaque(rk);
    if (strcmp(facility, "CONFWARN") == 0)
        return; /* that a setting is a producer's, say: the same ones are given to the reader */
    if (level <= 4)
        diag_warn("kafka", DIAG_STR("sink", link->sink), DIAG_STR("facility", facility),
                  DIAG_STR("text", text));
    else
        diag_debug("kafka", DIAG_STR("sink", link->sink), DIAG_STR("facility", facility),
                   DIAG_STR("text", text));
}

/* Served where our thread polls. What it says is in the log already; fatal errors come back from calls. */
static void error_take(rd_kafka_t *rk, int err, const char *reason, void *opaque) {
    (void)rk, (void)err, (void)reason, (void)opaque;
}

/* ---- settings ----------------------------------------------------------------------------------------- */

static bool setting_put(kafka_link *link, rd_kafka_conf_t *conf, const char *key, const char *value) {
    char why[200];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return true;
    link_say(link, "rdkafka.%s: %s", key, why);
    return false;
}

static bool number_put(kafka_link *link, rd_kafka_conf_t *conf, const char *key, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return setting_put(link, conf, key, text);
}

/* A transaction is open as long as an epoch, and must not be given up before that is over. */
static uint64_t transaction_ms(const kafka_link *link) {
    uint64_t ms = 3 * (link->opt.roll_interval_us / 1000);
    return ms > TRANSACTION_MS_LEAST ? ms : TRANSACTION_MS_LEAST;
}

static uint64_t messages_max(const kafka_link *link) {
    uint64_t n = link->opt.buffer_bytes / MESSAGE_BYTES_LEAST;
    return n > MESSAGES_MAX ? MESSAGES_MAX : n;
}

static bool given_put(kafka_link *link, rd_kafka_conf_t *conf, const char *key, const char *value) {
    return !value || setting_put(link, conf, key, value);
}

static bool security_put(kafka_link *link, rd_kafka_conf_t *conf) {
    const kafka_options *opt = &link->opt;
    static const char *const protocols[2][2] = {{NULL, "sasl_plaintext"}, {"ssl", "sasl_ssl"}};
    return given_put(link, conf, "security.protocol", protocols[opt->tls][opt->sasl_mechanism != NULL]) &&
           given_put(link, conf, "ssl.ca.location", opt->ca_file) &&
           given_put(link, conf, "ssl.certificate.location", opt->cert_file) &&
           given_put(link, conf, "ssl.key.location", opt->key_file) &&
           given_put(link, conf, "sasl.mechanism", opt->sasl_mechanism) &&
           given_put(link, conf, "sasl.username", opt->sasl_username) &&
           given_put(link, conf, "sasl.password", opt->sasl_password);
}

/* Ours before the configured ones are defaults; those behind them hold whatever is configured. */
static rd_kafka_conf_t *conf_begin(kafka_link *link) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good =
        setting_put(link, conf, "client.id", link->names.transactional_id) &&
        setting_put(link, conf, "linger.ms", "50") && /* nobody sees a message before the commit anyway */
        number_put(link, conf, "transaction.timeout.ms", transaction_ms(link)) && security_put(link, conf);
    for (size_t i = 0; good && i < link->opt.n_settings; i++)
        good = setting_put(link, conf, link->opt.settings[i].key, link->opt.settings[i].value);
    good = good && setting_put(link, conf, "bootstrap.servers", link->opt.brokers);
    if (!good) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_opaque(conf, link);
    rd_kafka_conf_set_log_cb(conf, log_take);
    rd_kafka_conf_set_error_cb(conf, error_take);
    return conf;
}

static rd_kafka_conf_t *conf_producer(kafka_link *link) {
    rd_kafka_conf_t *conf = conf_begin(link);
    if (conf && setting_put(link, conf, "transactional.id", link->names.transactional_id) &&
        setting_put(link, conf, "compression.codec", link->opt.compression) &&
        setting_put(link, conf, "partitioner", "murmur2_random") &&
        setting_put(link, conf, "delivery.report.only.error", "true") &&
        number_put(link, conf, "queue.buffering.max.kbytes", (link->opt.buffer_bytes + 1023) / 1024) &&
        number_put(link, conf, "queue.buffering.max.messages", messages_max(link)) &&
        (direct_unsuitable(link) || setting_put(link, conf, "statistics.interval.ms", IDENTITY_MS)) &&
        (link->oversize.batch_bytes == 0 || number_put(link, conf, "batch.size", link->oversize.batch_bytes)))
        return conf;
    if (conf)
        rd_kafka_conf_destroy(conf);
    return NULL;
}

static rd_kafka_conf_t *conf_reader(kafka_link *link) {
    rd_kafka_conf_t *conf = conf_begin(link);
    if (conf && setting_put(link, conf, "isolation.level", "read_committed") &&
        setting_put(link, conf, "enable.partition.eof", "true") &&
        setting_put(link, conf, "enable.auto.commit", "false") &&
        setting_put(link, conf, "auto.offset.reset", "error") &&
        setting_put(link, conf, "fetch.wait.max.ms", "10") && /* how soon the end is noticed */
        setting_put(link, conf, "allow.auto.create.topics", "false"))
        return conf;
    if (conf)
        rd_kafka_conf_destroy(conf);
    return NULL;
}

static size_t number_of(const rd_kafka_conf_t *conf, const char *key) {
    char value[24] = "0";
    size_t n = sizeof value;
    rd_kafka_conf_get(conf, key, value, &n);
    return strtoul(value, NULL, 10);
}

bool client_settings_take(kafka_link *link) {
    rd_kafka_conf_t *conf = conf_producer(link);
    if (!conf)
        return false;
    size_t batch = number_of(conf, "batch.size"), most = number_of(conf, "message.max.bytes");
    link->oversize.batch_bytes = batch < most ? batch : most;
    link->message_bytes_max = most;
    link->propagation_ms = (uint32_t)number_of(conf, "topic.metadata.propagation.max.ms");
    rd_kafka_conf_destroy(conf);
    return true;
}

/* ---- clients ------------------------------------------------------------------------------------------ */

static rd_kafka_t *client_new(kafka_link *link, rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char why[200];
    rd_kafka_t *rk = conf ? rd_kafka_new(type, conf, why, sizeof why) : NULL;
    if (conf && !rk) {
        link_say(link, "%s", why);
        rd_kafka_conf_destroy(conf);
    }
    return rk;
}

rd_kafka_t *client_producer(kafka_link *link,
                            void (*reports)(rd_kafka_t *, const rd_kafka_message_t *, void *),
                            int (*statistics)(rd_kafka_t *, char *, size_t, void *)) {
    rd_kafka_conf_t *conf = conf_producer(link);
    if (conf) {
        rd_kafka_conf_set_dr_msg_cb(conf, reports);
        rd_kafka_conf_set_stats_cb(conf, statistics);
    }
    return client_new(link, RD_KAFKA_PRODUCER, conf);
}

rd_kafka_t *client_reader(kafka_link *link) { return client_new(link, RD_KAFKA_CONSUMER, conf_reader(link)); }

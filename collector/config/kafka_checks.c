#include "kafka_checks.h"

#include <string.h>

#include "checks.h"
#include "kafka/names.h"

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
/* A third of what brokers allow by default, transaction.max.timeout.ms. */
#define ROLL_INTERVAL_MAX_US (UINT64_C(5) * 60 * 1000000)

/* librdkafka's names, aliases too, and why they cannot be given. */
static const struct {
    const char *key, *why;
} refused[] = {
    {"bootstrap.servers", "is kafka.brokers"},
    {"metadata.broker.list", "is kafka.brokers"},
    {"transactional.id", "is kafka.transactional_id"},
    {"compression.codec", "is kafka.compression"},
    {"compression.type", "is kafka.compression"},
    {"queue.buffering.max.kbytes", "is kafka.buffer"},
    {"queue.buffering.max.messages", "follows from kafka.buffer"},
    {"enable.idempotence", "is always on: exactly-once needs it"},
    {"enable.gapless.guarantee", "is what transactions give"},
    {"acks", "is always all: exactly-once needs it"},
    {"request.required.acks", "is always all: exactly-once needs it"},
    {"isolation.level", "is always read_committed for the checkpoint"},
    {"partitioner",
     "is always murmur2_random, as of Java's producer: an installation's events are in one partition"},
    {"msg_order_cmp", "does not apply"},
    {"queuing.strategy", "is always fifo: it is what keeps the order"},
    {"delivery.report.only.error", "is always true"},
    {"produce.offset.report", "does not apply"},
    {"group.id", "does not apply: the sink has no consumer group"},
    {"enable.auto.commit", "does not apply: the sink has no consumer group"},
    {"auto.offset.reset", "is always error for the checkpoint"},
    {"enable.partition.eof", "is always true for the checkpoint"},
    {"allow.auto.create.topics", "is kafka.create_topics"},
    {"plugin.library.paths", "would load code into the collector"},
    {"fetch.wait.max.ms", "does not apply"},
    {"log.queue", "does not apply"},
};

/* The sink, and where errors on it go. */
struct subject {
    struct walk *walk;
    const struct option_table *table;
    const struct config_sink *sink;
    const char *label;
};

static void wrong(const struct subject *s, const char *path, const char *other, const char *message) {
    check_wrong(s->walk, s->table, s->sink, s->label, path, other, message);
}

static void names_check(const struct subject *s) {
    static const char *const paths[] = {"kafka.topic", "kafka.late_topic", "kafka.checkpoint_topic"};
    const char *const names[] = {s->sink->kafka.topic, s->sink->kafka.late_topic,
                                 s->sink->kafka.checkpoint_topic};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *place = names[i] && i < 2 ? strstr(names[i], "{name}") : NULL;
        size_t plain = names[i] ? strspn(names[i], PLAIN) : 0;
        if (place && plain == (size_t)(place - names[i]))
            plain += strlen("{name}") + strspn(place + strlen("{name}"), PLAIN);
        if (names[i] && names[i][plain] != '\0')
            wrong(s, paths[i], NULL, "topics are made of letters, digits, `.`, `_` and `-`");
    }
}

static void security_check(const struct subject *s) {
    const struct config_sink *sink = s->sink;
    bool tls = sink->kafka.tls.enabled == CONFIG_TRUE, sasl = sink->kafka.sasl.mechanism != CONFIG_SASL_NONE;
    if (!tls && (sink->kafka.tls.ca_file || sink->kafka.tls.cert_file || sink->kafka.tls.key_file))
        wrong(s, "kafka.tls.enabled", sink->kafka.tls.ca_file ? "kafka.tls.ca_file" : "kafka.tls.cert_file",
              "is false: the files do nothing");
    if (!sink->kafka.tls.cert_file != !sink->kafka.tls.key_file)
        wrong(s, sink->kafka.tls.cert_file ? "kafka.tls.cert_file" : "kafka.tls.key_file", NULL,
              "is nothing without the other: cert_file and key_file");
    if (sasl && (!sink->kafka.sasl.username || !sink->kafka.sasl.password))
        wrong(s, "kafka.sasl.mechanism", NULL, "needs a username and a password");
}

static void settings_check(const struct subject *s) {
    for (size_t i = 0; i < s->sink->kafka.rdkafka_count; i++)
        for (size_t j = 0; j < sizeof refused / sizeof *refused; j++)
            if (strcmp(refused[j].key, s->sink->kafka.rdkafka[i].key) == 0) {
                char message[256];
                snprintf(message, sizeof message, "%s %s", refused[j].key, refused[j].why);
                wrong(s, "kafka.rdkafka", NULL, message);
            }
}

static void headers_check(const struct subject *s) {
    for (size_t i = 0; i < s->sink->kafka.headers_count; i++) {
        const char *name = s->sink->kafka.headers[i].text;
        unsigned header;
        if (name && !kafka_header_find(name, &header))
            wrong(s, "kafka.headers", NULL, "headers are name, stream, seq and late, or none");
    }
}

static bool names_of(const struct subject *s, const struct config_sink *sink, kafka_names *ret_names) {
    const char *collector = s->walk->config->id;
    return kafka_names_make(sink->kafka.transactional_id, sink->kafka.checkpoint_topic,
                            collector ? collector : "", sink->name ? sink->name : "", ret_names);
}

static bool is_text(const char *a, const char *b) { return a && strcmp(a, b) == 0; }

/* Events in it would hide the checkpoint's end. What a template makes of an event's name, the sink looks at.
 */
static void checkpoint_check(const struct subject *s) {
    kafka_names ours;
    if (!names_of(s, s->sink, &ours))
        return;
    static const char *const why = "is the checkpoint's topic, which has to be for itself";
    if (is_text(s->sink->kafka.topic, ours.checkpoint_topic))
        wrong(s, "kafka.topic", "kafka.checkpoint_topic", why);
    if (is_text(s->sink->kafka.late_topic, ours.checkpoint_topic))
        wrong(s, "kafka.late_topic", "kafka.checkpoint_topic", why);
}

/* Two sinks with one name would fence each other off, or hide each other's checkpoint; also where one of them
 * has it by default. */
static void others_check(const struct subject *s, size_t index) {
    kafka_names ours, theirs;
    if (!names_of(s, s->sink, &ours)) {
        wrong(s, "name", NULL, "makes a transactional id or a checkpoint topic that is too long");
        return;
    }
    for (size_t i = 0; i < index; i++) {
        const struct config_sink *other = &s->walk->config->sinks[i];
        if (other->type != CONFIG_SINK_KAFKA || !names_of(s, other, &theirs))
            continue;
        if (strcmp(ours.transactional_id, theirs.transactional_id) == 0)
            wrong(s, "kafka.transactional_id", "name", "another sink has this one");
        else if (strcmp(ours.checkpoint_topic, theirs.checkpoint_topic) == 0)
            wrong(s, "kafka.checkpoint_topic", "name", "another sink has this one");
    }
}

void kafka_check(struct walk *walk, const struct option_table *table, size_t index, const char *label) {
    const struct config_sink *sink = &walk->config->sinks[index];
    const struct subject s = {walk, table, sink, label};
    if (sink->format == CONFIG_FORMAT_PARQUET)
        wrong(&s, "format", NULL, "messages are `jsonl` or `record`");
    if (sink->kafka.schema_registry.url && sink->format != CONFIG_FORMAT_RECORD)
        wrong(&s, "kafka.schema_registry.url", NULL, "is for format `record`");
    if (sink->roll_interval_us > ROLL_INTERVAL_MAX_US)
        wrong(&s, "roll_interval", NULL,
              "is more than 5m: brokers give a transaction up that is open for so long");
    if (sink->kafka.on_refused == CONFIG_ON_REFUSED_DEAD_LETTER && !sink->kafka.dead_letter.path)
        wrong(&s, "kafka.dead_letter.path", "kafka.on_refused",
              "is needed when kafka.on_refused is dead_letter");
    names_check(&s);
    security_check(&s);
    settings_check(&s);
    headers_check(&s);
    checkpoint_check(&s);
    others_check(&s, index);
}

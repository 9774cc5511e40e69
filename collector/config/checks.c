#include "checks.h"

#include <string.h>
#include <strings.h>

#include "kafka_checks.h"
#include "parquet/columns.h"
#include "s3/address.h"

void check_wrong(struct walk *walk, const struct option_table *table, const void *object, const char *label,
                 const char *path, const char *other, const char *message) {
    const struct walk_note *note = walk_find(walk, table, object, path);
    const struct walk_note *other_note = other ? walk_find(walk, table, object, other) : NULL;
    if ((note && !note->good) || (other_note && !other_note->good))
        return;
    const struct walk_note *at = note ? note : other_note;
    if (!at)
        return; /* something that is required is missing, which has its error too */
    char key[128];
    snprintf(key, sizeof key, "%s%s", label, path);
    errors_add(walk->errors, at->place, key, "%s", message);
}

static void root_wrong(struct walk *walk, const char *path, const char *other, const char *message) {
    check_wrong(walk, &option_root, walk->config, "", path, other, message);
}

static void tenancy_check(struct walk *walk) {
    const struct collector_config *config = walk->config;
    bool certificates = config->tls.client_auth == CONFIG_CLIENT_AUTH_REQUIRED;
    if (certificates && !config->tls.client_ca_file)
        root_wrong(walk, "tls.client_ca_file", "tls.client_auth",
                   "is needed when tls.client_auth is required");
    if (!certificates && config->tls.client_ca_file)
        root_wrong(walk, "tls.client_ca_file", "tls.client_auth",
                   "does nothing while tls.client_auth is none; make that required, or take this out");
    if (certificates && config->auth.api_keys_count > 0)
        root_wrong(walk, "auth.api_keys", "tls.client_auth",
                   "the tenant is the certificate's CN when tls.client_auth is required; use one of the two");
}

/* Port 0 takes a free one each time, so two of them never meet. */
static bool listens_alike(const char *a, const char *b) {
    size_t n = a ? strlen(a) : 0;
    return a && b && strcmp(a, b) == 0 && !(n >= 2 && strcmp(a + n - 2, ":0") == 0);
}

static void sizes_check(struct walk *walk) {
    const struct collector_config *config = walk->config;
    if (config->limits.decompressed_bytes < config->limits.body_bytes)
        root_wrong(walk, "limits.decompressed_bytes", "limits.body_bytes", "is less than limits.body_bytes");
    if (config->journal.keep_bytes >= config->journal.max_bytes)
        root_wrong(walk, "journal.keep_bytes", "journal.max_bytes", "has to be less than journal.max_bytes");
    if (listens_alike(config->listen, config->admin.listen))
        root_wrong(walk, "admin.listen", "listen", "is the same as listen");
}

static void dedup_check(struct walk *walk) {
    if (walk->config->dedup.stream_idle_max_us != CONFIG_NEVER)
        root_wrong(walk, "dedup.stream_idle_max", NULL, "is not built in yet; `never` is");
}

static void api_keys_check(struct walk *walk) {
    const struct option_spec *list = option_find(&option_root, "auth.api_keys");
    const struct config_api_key *keys = walk->config->auth.api_keys;
    for (size_t i = 0; i < walk->config->auth.api_keys_count; i++)
        for (size_t j = 0; j < i; j++)
            if (memcmp(keys[i].sha256, keys[j].sha256, sizeof keys[i].sha256) == 0) {
                char label[64];
                snprintf(label, sizeof label, "auth.api_keys[%zu].", i);
                check_wrong(walk, list->element, &keys[i], label, "sha256", NULL,
                            "the same key stands here twice");
                break;
            }
}

static void s3_check(struct walk *walk, const struct option_table *table, const struct config_sink *sink,
                     const char *label) {
    const char *fault = sink->s3.endpoint ? s3_endpoint_fault(sink->s3.endpoint) : NULL;
    if (fault)
        check_wrong(walk, table, sink, label, "s3.endpoint", NULL, fault);
    fault = sink->s3.bucket ? s3_bucket_fault(sink->s3.bucket) : NULL;
    if (fault)
        check_wrong(walk, table, sink, label, "s3.bucket", NULL, fault);
    fault = sink->s3.prefix ? s3_prefix_fault(sink->s3.prefix) : NULL;
    if (fault)
        check_wrong(walk, table, sink, label, "s3.prefix", NULL, fault);
    if (!sink->s3.access_key_id != !sink->s3.secret_access_key)
        check_wrong(walk, table, sink, label,
                    sink->s3.access_key_id ? "s3.access_key_id" : "s3.secret_access_key", NULL,
                    "is nothing without the other: access_key_id and secret_access_key");
}

/* NULL: the i-th column can be. */
static const char *column_refusal(const struct config_sink *sink, size_t i) {
    const struct config_pair *columns = sink->parquet.columns;
    column_type type;
    if (!parquet_column_type(columns[i].value, &type))
        return "types are string, int64, double and bool";
    for (size_t j = 0; j < i; j++)
        if (strcasecmp(columns[i].key, columns[j].key) == 0)
            return "two columns of this name, for readers to whom large and small letters are alike";
    return parquet_column_refusal(columns[i].key);
}

static void parquet_check(struct walk *walk, const struct option_table *table, const struct config_sink *sink,
                          const char *label) {
    if (sink->parquet.columns_count > 0 && sink->format != CONFIG_FORMAT_PARQUET)
        check_wrong(walk, table, sink, label, "parquet.columns", "format", "is only for `format: parquet`");
    for (size_t i = 0; i < sink->parquet.columns_count; i++) {
        const char *why = column_refusal(sink, i);
        char message[512];
        snprintf(message, sizeof message, "%s: %s", sink->parquet.columns[i].key, why ? why : "");
        if (why)
            check_wrong(walk, table, sink, label, "parquet.columns", NULL, message);
    }
}

static void sink_check(struct walk *walk, const struct option_table *table, size_t i) {
    const struct config_sink *sinks = walk->config->sinks;
    char label[64];
    snprintf(label, sizeof label, "sinks[%zu].", i);
    for (size_t j = 0; j < i; j++)
        if (sinks[i].name && sinks[j].name && strcmp(sinks[i].name, sinks[j].name) == 0)
            check_wrong(walk, table, &sinks[i], label, "name", NULL, "another sink has this name");
    if (sinks[i].type == CONFIG_SINK_KAFKA)
        kafka_check(walk, table, i, label);
    if (sinks[i].type == CONFIG_SINK_S3)
        s3_check(walk, table, &sinks[i], label);
    if (sinks[i].type == CONFIG_SINK_FILE && !sinks[i].path)
        check_wrong(walk, table, &sinks[i], label, "path", "type", "is needed by a sink of type file");
    parquet_check(walk, table, &sinks[i], label);
    if (sinks[i].on_full != CONFIG_ON_FULL_BLOCK)
        check_wrong(walk, table, &sinks[i], label, "on_full", NULL, "`gap` is not built in yet; `block` is");
}

void checks_run(struct walk *walk) {
    const struct option_table *sink_table = option_find(&option_root, "sinks")->element;
    tenancy_check(walk);
    sizes_check(walk);
    dedup_check(walk);
    api_keys_check(walk);
    for (size_t i = 0; i < walk->config->sinks_count; i++)
        sink_check(walk, sink_table, i);
}

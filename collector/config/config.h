/* The collector's configuration: plain values, checked, with every default filled in. What each setting
 * means, its default and its range stand in options.def, once. */
#ifndef COLLECTOR_CONFIG_CONFIG_H
#define COLLECTOR_CONFIG_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "text.h"

/* A duration that is never over. */
#define CONFIG_NEVER UINT64_MAX

enum {
    CONFIG_SINKS_MAX = 16,
    CONFIG_API_KEYS_MAX = 4096,
    CONFIG_PARQUET_COLUMNS_MAX = 64,
    CONFIG_FILE_BYTES_MAX = 4 << 20
};

enum config_client_auth { CONFIG_CLIENT_AUTH_NONE, CONFIG_CLIENT_AUTH_REQUIRED };
enum config_tls_version { CONFIG_TLS_1_2, CONFIG_TLS_1_3 };
enum config_sink_type { CONFIG_SINK_FILE, CONFIG_SINK_S3, CONFIG_SINK_KAFKA };
enum config_format { CONFIG_FORMAT_JSONL, CONFIG_FORMAT_RECORD, CONFIG_FORMAT_PARQUET };
enum config_compression { CONFIG_COMPRESSION_ZSTD, CONFIG_COMPRESSION_GZIP, CONFIG_COMPRESSION_NONE };
enum config_s3_addressing { CONFIG_S3_PATH, CONFIG_S3_VIRTUAL };
enum config_s3_conditional {
    CONFIG_S3_CONDITIONAL_AUTO,
    CONFIG_S3_CONDITIONAL_ON,
    CONFIG_S3_CONDITIONAL_OFF
};
enum config_s3_payload { CONFIG_S3_PAYLOAD_AUTO, CONFIG_S3_PAYLOAD_SIGNED };
enum config_switch { CONFIG_FALSE, CONFIG_TRUE };
enum config_kafka_compression {
    CONFIG_KAFKA_LZ4,
    CONFIG_KAFKA_ZSTD,
    CONFIG_KAFKA_GZIP,
    CONFIG_KAFKA_SNAPPY,
    CONFIG_KAFKA_NONE
};
enum config_sasl {
    CONFIG_SASL_NONE,
    CONFIG_SASL_PLAIN,
    CONFIG_SASL_SCRAM_SHA_256,
    CONFIG_SASL_SCRAM_SHA_512
};
/* Who sends the events. */
enum config_kafka_producer { CONFIG_KAFKA_PRODUCER_AUTO, CONFIG_KAFKA_PRODUCER_LIBRDKAFKA };
enum config_on_refused { CONFIG_ON_REFUSED_RETRY, CONFIG_ON_REFUSED_DEAD_LETTER };
enum config_on_full { CONFIG_ON_FULL_BLOCK, CONFIG_ON_FULL_GAP };

/* An entry of a list of texts, and of a map. */
struct config_text {
    char *text;
};
struct config_pair {
    char *key, *value;
};

struct config_api_key {
    char *tenant;
    uint8_t sha256[32]; /* of the key; the key itself is never in the configuration */
};

struct config_sink {
    char *name;
    enum config_sink_type type;
    enum config_format format;
    char *path;
    enum config_compression compression;
    uint64_t window_us; /* order.window, unless the sink has its own */
    uint64_t max_pending_bytes;
    uint64_t roll_bytes;
    uint64_t roll_interval_us;
    uint64_t late_roll_interval_us;
    enum config_on_full on_full;
    struct {
        struct config_pair *columns; /* property and type, as parquet_column_type knows them */
        size_t columns_count;
    } parquet;
    struct {
        char *endpoint; /* NULL: Amazon's of the region */
        char *bucket;
        char *prefix; /* NULL: none */
        char *region;
        enum config_s3_addressing addressing;
        char *access_key_id, *secret_access_key, *session_token; /* NULL: looked for elsewhere */
        char *credentials_file, *profile;
        char *ca_file; /* NULL: the system's authorities */
        uint64_t part_bytes;
        uint64_t parallel_parts;
        enum config_s3_conditional conditional_writes;
        enum config_s3_payload payload;
    } s3;
    struct {
        char *brokers;
        char *topic;
        char *late_topic;            /* NULL: topic */
        char *transactional_id;      /* NULL: <id>-<name> */
        char *checkpoint_topic;      /* NULL: _wadi.checkpoint.<transactional id> */
        struct config_text *headers; /* none: all of them */
        size_t headers_count;
        enum config_switch create_topics;
        uint64_t partitions; /* 0: the broker's default, as of the next */
        uint64_t replication_factor;
        enum config_kafka_compression compression;
        struct {
            char *path; /* NULL: none */
        } dead_letter;
        enum config_kafka_producer producer;
        enum config_on_refused on_refused;
        struct {
            enum config_switch enabled;
            char *ca_file, *cert_file, *key_file; /* NULL: the system's authorities, no certificate */
        } tls;
        struct {
            enum config_sasl mechanism;
            char *username, *password;
        } sasl;
        struct {
            char *url; /* NULL: none */
            char *ca_file, *username, *password;
        } schema_registry;
        uint64_t buffer_bytes;
        struct config_pair *rdkafka;
        size_t rdkafka_count;
    } kafka;
};

struct collector_config {
    char *id;
    char *listen; /* for net_address_parse */
    uint64_t listen_backlog;
    struct {
        uint64_t threads;
    } ingress;
    struct {
        char *listen;
    } admin;
    struct {
        char *cert_file;
        char *key_file;
        char *client_ca_file; /* NULL unless client_auth is required */
        enum config_client_auth client_auth;
        enum config_tls_version min_version;
    } tls;
    struct {
        /* None, and no client certificates: everybody is the tenant `default`. With client certificates
         * the tenant is the certificate's CN, and there are no keys. */
        struct config_api_key *api_keys;
        size_t api_keys_count;
    } auth;
    struct {
        uint64_t connections;
        uint64_t header_bytes;
        uint64_t body_bytes;
        uint64_t decompressed_bytes;
        uint64_t batch_events;
    } limits;
    struct {
        uint64_t handshake_us;
        uint64_t header_us;
        uint64_t body_us;
        uint64_t idle_us;
        uint64_t drain_us;
    } timeouts;
    struct {
        char *dir;
        uint64_t max_bytes;
        double high_watermark;
        uint64_t commit_delay_us;
        uint64_t keep_us;
        uint64_t keep_bytes;
        enum config_switch check;
    } journal;
    struct {
        uint64_t window_us;
        uint64_t max_pending_bytes;
    } order;
    struct {
        uint64_t step_max_us;
    } clock;
    struct {
        uint64_t stream_idle_max_us; /* CONFIG_NEVER: kept for good */
    } dedup;
    struct config_sink *sinks;
    size_t sinks_count;
    struct {
        int level; /* enum diag_level */
    } log;
};

enum config_result {
    CONFIG_OK,
    CONFIG_UNREADABLE, /* the file cannot be read, or is larger than CONFIG_FILE_BYTES_MAX */
    CONFIG_INVALID,    /* every error of the file has been written */
    CONFIG_NO_MEMORY
};

/* Reads the YAML file `path` into `ret_config`, which the caller owns and gives to config_free. On
 * failure `ret_config` is untouched, and `errors` has every reason, a line each:
 * `path:line:column: key: message`. Blocks on the file. */
__attribute__((warn_unused_result)) enum config_result config_load(const char *path, FILE *errors,
                                                                   struct collector_config *ret_config);

/* The same from memory; `name` stands for the path in errors. */
__attribute__((warn_unused_result)) enum config_result config_parse(const char *name, const char *yaml,
                                                                    size_t yaml_bytes, FILE *errors,
                                                                    struct collector_config *ret_config);

/* Releases what the configuration owns. Accepts zeroed and half-filled ones. */
void config_free(struct collector_config *config);

/* Appends the effective configuration as YAML that config_parse reads back to the same values, but for
 * the hashes of API keys, which are never shown. */
void config_print(const struct collector_config *config, struct text *out);

/* Appends every setting with its type, default, range and meaning: for a terminal, and as the reference
 * page in Markdown. */
void config_help(struct text *out);
void config_reference(struct text *out);

#endif

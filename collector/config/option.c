#include "option.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

/* In the order of their enums in config.h and diag.h. */
static const char *const client_auth_values[] = {"none", "required", NULL};
static const char *const tls_version_values[] = {"1.2", "1.3", NULL};
static const char *const sink_type_values[] = {"file", "s3", "kafka", NULL};
static const char *const format_values[] = {"jsonl", "record", "parquet", NULL};
static const char *const compression_values[] = {"zstd", "gzip", "none", NULL};
static const char *const s3_addressing_values[] = {"path", "virtual", NULL};
static const char *const s3_conditional_values[] = {"auto", "on", "off", NULL};
static const char *const s3_payload_values[] = {"auto", "signed", NULL};
static const char *const switch_values[] = {"false", "true", NULL};
static const char *const kafka_compression_values[] = {"lz4", "zstd", "gzip", "snappy", "none", NULL};
static const char *const sasl_values[] = {"none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", NULL};
static const char *const kafka_producer_values[] = {"auto", "librdkafka", NULL};
static const char *const on_refused_values[] = {"retry", "dead_letter", NULL};
static const char *const on_full_values[] = {"block", "gap", NULL};
static const char *const log_level_values[] = {"debug", "info", "warn", "error", NULL};

static_assert(sizeof(enum config_sink_type) == sizeof(int), "enums are stored through int");

/* The short words of options.def. */
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define MS(n) ((uint64_t)(n)*1000)
#define SECONDS(n) ((uint64_t)(n)*1000000)
#define HOURS(n) SECONDS((uint64_t)(n)*3600)
#define DAYS(n) HOURS((uint64_t)(n)*24)

enum {
    REQUIRED = OPTION_REQUIRED,
    OR_ZERO = OPTION_OR_ZERO,
    OR_NEVER = OPTION_OR_NEVER,
    INHERITS = OPTION_INHERITS,
    SECRET = OPTION_SECRET
};

#define OPTION(option_path, option_type, field, def, from, to, option_flags, text) \
    {.path = (option_path),                                                        \
     .type = OPTION_##option_type,                                                 \
     .flags = (option_flags),                                                      \
     .offset = offsetof(OBJECT, field),                                            \
     .default_text = (def),                                                        \
     .least = (from),                                                              \
     .most = (to),                                                                 \
     .help = (text)},
#define OPTION_ENUM(option_path, field, def, names, option_flags, text) \
    {.path = (option_path),                                             \
     .type = OPTION_ENUM,                                               \
     .flags = (option_flags),                                           \
     .offset = offsetof(OBJECT, field),                                 \
     .default_text = (def),                                             \
     .values = (names),                                                 \
     .help = (text)},
#define OPTION_TEXTS(option_path, field, from, to, text) \
    {.path = (option_path),                              \
     .type = OPTION_TEXTS,                               \
     .flags = (from) > 0 ? OPTION_REQUIRED : 0,          \
     .offset = offsetof(OBJECT, field),                  \
     .count_offset = offsetof(OBJECT, field##_count),    \
     .least = (from),                                    \
     .most = (to),                                       \
     .element = &option_text_table,                      \
     .help = (text)},
#define OPTION_MAP(option_path, field, to, text)      \
    {.path = (option_path),                           \
     .type = OPTION_MAP,                              \
     .offset = offsetof(OBJECT, field),               \
     .count_offset = offsetof(OBJECT, field##_count), \
     .most = (to),                                    \
     .element = &option_pair_table,                   \
     .help = (text)},
#define OPTION_LIST(option_path, field, table, from, to, text) \
    {.path = (option_path),                                    \
     .type = OPTION_LIST,                                      \
     .flags = (from) > 0 ? OPTION_REQUIRED : 0,                \
     .offset = offsetof(OBJECT, field),                        \
     .count_offset = offsetof(OBJECT, field##_count),          \
     .least = (from),                                          \
     .most = (to),                                             \
     .element = &(table),                                      \
     .help = (text)},
#define TABLE(list) \
    { .options = (list), .count = sizeof(list) / sizeof *(list), .object_bytes = sizeof(OBJECT) }

#define OBJECT struct config_text
static const struct option_spec text_options[] = {
    OPTION("text", TEXT, text, NULL, 1, 4095, 0, "One of the texts.")};
const struct option_table option_text_table = TABLE(text_options);
#undef OBJECT

#define OBJECT struct config_pair
static const struct option_spec pair_options[] = {
    OPTION("key", TEXT, key, NULL, 1, 255, 0, "What is set.")
        OPTION("value", TEXT, value, NULL, 1, 65535, 0, "What it is set to.")};
const struct option_table option_pair_table = TABLE(pair_options);
#undef OBJECT

#define OBJECT struct config_api_key
#define OPTIONS_API_KEY
static const struct option_spec api_key_options[] = {
#include "options.def"
};
static const struct option_table api_key_table = TABLE(api_key_options);
#undef OBJECT

#define OBJECT struct config_sink
#define OPTIONS_SINK
static const struct option_spec sink_options[] = {
#include "options.def"
};
static const struct option_table sink_table = TABLE(sink_options);
#undef OBJECT

#define OBJECT struct collector_config
#define OPTIONS_ROOT
static const struct option_spec root_options[] = {
#include "options.def"
};
const struct option_table option_root = TABLE(root_options);

const struct option_spec *option_find(const struct option_table *table, const char *path) {
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->options[i].path, path) == 0)
            return &table->options[i];
    return NULL;
}

int option_only_for(const struct option_table *table, const struct option_spec *option) {
    const struct option_spec *type = option_find(table, "type");
    size_t section = strcspn(option->path, ".");
    if (!type || option->path[section] == '\0')
        return -1;
    for (int i = 0; type->values[i]; i++)
        if (strlen(type->values[i]) == section && strncmp(type->values[i], option->path, section) == 0)
            return i;
    return -1;
}

bool option_applies(const struct option_table *table, const struct option_spec *option, const void *object) {
    int only = option_only_for(table, option), value;
    if (only < 0)
        return true;
    memcpy(&value, (const char *)object + option_find(table, "type")->offset, sizeof value);
    return only == value;
}

void *option_list_items(const struct option_spec *option, const void *object, size_t *ret_count) {
    void *items;
    memcpy(&items, (const char *)object + option->offset, sizeof items);
    memcpy(ret_count, (const char *)object + option->count_offset, sizeof *ret_count);
    return items;
}

void option_list_set(const struct option_spec *option, void *object, void *items, size_t count) {
    memcpy((char *)object + option->offset, &items, sizeof items);
    memcpy((char *)object + option->count_offset, &count, sizeof count);
}

/* Recursion as deep as lists lie within each other: three. */
static void option_fini(const struct option_spec *option, void *object) {
    if (option_is_list(option)) {
        size_t count;
        char *items = option_list_items(option, object, &count);
        for (size_t i = 0; i < count; i++)
            option_object_fini(option->element, items + i * option->element->object_bytes);
        free(items);
    } else if (option_is_string(option)) {
        char *string;
        memcpy(&string, (char *)object + option->offset, sizeof string);
        free(string);
    }
}

void option_object_fini(const struct option_table *table, void *object) {
    for (size_t i = 0; i < table->count; i++)
        option_fini(&table->options[i], object);
    memset(object, 0, table->object_bytes);
}

bool option_is_string(const struct option_spec *option) {
    return option->type == OPTION_NAME || option->type == OPTION_TEXT || option->type == OPTION_ADDRESS;
}

bool option_is_list(const struct option_spec *option) {
    return option->type == OPTION_LIST || option->type == OPTION_TEXTS || option->type == OPTION_MAP;
}

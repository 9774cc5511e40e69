#include "option.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

/* In the order of their enums in config.h and diag.h. */
static const char *const client_auth_values[] = {"none", "required", NULL};
static const char *const tls_version_values[] = {"1.2", "1.3", NULL};
static const char *const sink_type_values[] = {"file", "s3", "kafka", NULL};
static const char *const format_values[] = {"jsonl", NULL};
static const char *const compression_values[] = {"zstd", "gzip", "none", NULL};
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

/* Recursion as deep as lists lie within each other: two. */
static void option_fini(const struct option_spec *option, void *object) {
    if (option->type == OPTION_LIST) {
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

/* The settings of options.def as tables, and the reading and showing of one value. Pure; any thread. */
#ifndef COLLECTOR_CONFIG_OPTION_H
#define COLLECTOR_CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

/* The field that each type fills in. */
enum option_type {
    OPTION_NAME,     /* char *, owned: [a-z0-9-] */
    OPTION_TEXT,     /* char *, owned */
    OPTION_ADDRESS,  /* char *, owned: for net_address_parse */
    OPTION_COUNT,    /* uint64_t */
    OPTION_FRACTION, /* double, between 0 and 1 */
    OPTION_DURATION, /* uint64_t, microseconds */
    OPTION_SIZE,     /* uint64_t, bytes */
    OPTION_ENUM,     /* int-sized enum: the index into `values` */
    OPTION_SHA256,   /* uint8_t[32] */
    OPTION_LIST,     /* pointer, owned, to `element` objects, and a size_t count */
    OPTION_TEXTS,    /* the same of struct config_text: a list of texts */
    OPTION_MAP       /* the same of struct config_pair: `key: value` with keys that are not ours */
};

enum option_flags {
    OPTION_REQUIRED = 1,
    OPTION_OR_ZERO = 2,  /* 0 too, though it is below the least value */
    OPTION_OR_NEVER = 4, /* `never` too: UINT64_MAX */
    OPTION_INHERITS = 8, /* the default is another setting's value */
    OPTION_SECRET = 16   /* never shown */
};

struct option_table;

struct option_spec {
    const char *path; /* `key`, `section.key`, `section.section.key` */
    enum option_type type;
    unsigned flags;
    size_t offset, count_offset; /* of the field in its object; the count is a list's */
    const char *default_text;    /* NULL: none */
    uint64_t least, most;
    const char *const *values; /* NULL-terminated; of an enum */
    const struct option_table *element;
    const char *help;
};

struct option_table {
    const struct option_spec *options;
    size_t count;
    size_t object_bytes;
};

/* The whole configuration: its objects are struct collector_config. */
extern const struct option_table option_root;

/* The elements of texts and maps. */
extern const struct option_table option_text_table, option_pair_table;

/* A section whose name is a choice of the table's `type` is only for objects of that type: the index of the
 * choice; -1: for all. */
int option_only_for(const struct option_table *table, const struct option_spec *option);
bool option_applies(const struct option_table *table, const struct option_spec *option, const void *object);

/* The option of the table with this path, or NULL. */
const struct option_spec *option_find(const struct option_table *table, const char *path);

/* Reads `text` into the option's field of `object`, which owns what is allocated; a string that was there
 * is released. On failure the field is untouched, and `why` says what was expected. Not for lists. */
bool option_parse(const struct option_spec *option, const char *text, void *object, struct text *why);

/* Appends the value as option_parse reads it, quoted for YAML where it has to be. Secrets show as
 * "redacted". Not for lists. */
void option_format(const struct option_spec *option, const void *object, struct text *out);

/* Whether the object has a value for it: false for a string that was neither given nor has a default. */
bool option_has_value(const struct option_spec *option, const void *object);

/* Appends what is allowed: `1s to 24h, or 0`; nothing where everything of the type is. */
void option_range_format(const struct option_spec *option, struct text *out);

/* The type's name for people. */
const char *option_type_name(const struct option_spec *option);

/* Whether its field is a char * that the object owns. */
bool option_is_string(const struct option_spec *option);

/* Whether its field is a pointer and a count: a list, texts, or a map. */
bool option_is_list(const struct option_spec *option);

/* Releases every field of an object and zeroes it. */
void option_object_fini(const struct option_table *table, void *object);

/* The field of a list, texts, or a map. */
void *option_list_items(const struct option_spec *option, const void *object, size_t *ret_count);
void option_list_set(const struct option_spec *option, void *object, void *items, size_t count);

#endif

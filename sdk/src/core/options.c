#include "sdk/src/core/options.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sdk/src/core/lane.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

static bool range_set(uint64_t given, uint64_t least, uint64_t most, uint64_t otherwise,
                      uint64_t *ret_value) {
    *ret_value = given == 0 ? otherwise : given;
    return *ret_value >= least && *ret_value <= most;
}

/* The limits that wadi.h states. */
static const char *numbers_resolve(wadi_options *o) {
    const struct {
        const char *name;
        uint32_t *value;
        uint64_t least, most, otherwise;
    } limits[] = {
        {"flush_ms", &o->flush_ms, 10, 3600000, 1000},
        {"ring_bytes", &o->ring_bytes, 64 * KIB, 64 * MIB, MIB},
        {"batch_bytes_max", &o->batch_bytes_max, 4 * KIB, MIB, 128 * KIB},
        {"connect_timeout_ms", &o->connect_timeout_ms, 1, UINT32_MAX, 10000},
        {"request_timeout_ms", &o->request_timeout_ms, 1, UINT32_MAX, 30000},
        {"retry_min_ms", &o->retry_min_ms, 1, UINT32_MAX, 500},
        {"retry_max_ms", &o->retry_max_ms, 1, UINT32_MAX, 300000},
        {"lanes_max", &o->lanes_max, 1, WDI_LANES_MAX, 16},
        {"max_age_s", &o->max_age_s, 1, UINT32_MAX, 30 * 24 * 3600},
    };
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (!range_set(*limits[i].value, limits[i].least, limits[i].most, limits[i].otherwise, &value))
            return limits[i].name;
        *limits[i].value = (uint32_t)value;
    }
    if (!range_set(o->disk_bytes_max, MIB, SIZE_MAX / 2, 64 * MIB, &value))
        return "disk_bytes_max";
    o->disk_bytes_max = value;
    if (o->retry_max_ms < o->retry_min_ms)
        return "retry_max_ms";
    if (o->installation_from != NULL && strcmp(o->installation_from, "machine-id") != 0)
        return "installation_from";
    return NULL;
}

/* Moves the strings into one piece of memory of our own. */
static wadi_err strings_copy(wdi_options *options) {
    wadi_options *o = &options->values;
    const char **strings[] = {&o->dir,     &o->endpoint, &o->ca_file,     &o->cert_file,        &o->key_file,
                              &o->api_key, &o->app,      &o->app_version, &o->installation_from};
    size_t n = 0;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        n += *strings[i] != NULL ? strlen(*strings[i]) + 1 : 0;
    options->text = malloc(n);
    if (options->text == NULL)
        return WADI_ERR_NO_MEMORY;
    char *at = options->text;
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        if (*strings[i] == NULL)
            continue;
        size_t bytes = strlen(*strings[i]) + 1;
        memcpy(at, *strings[i], bytes);
        *strings[i] = at;
        at += bytes;
    }
    return WADI_OK;
}

/* A child, and whoever looks for orphans, goes there again, from wherever the application has gone meanwhile;
 * and a symlink that was turned leads elsewhere. What cannot be made or found stays as it is: to open the
 * lane will say why. */
static void dir_resolve(wadi_options *o, char resolved[PATH_MAX]) {
    (void)mkdir(o->dir, 0700);
    if (realpath(o->dir, resolved) != NULL)
        o->dir = resolved;
}

wadi_err wdi_options_init(wdi_options *options, const wadi_options *given, const char **ret_why) {
    memset(options, 0, sizeof *options);
    *ret_why = "struct_size";
    if (given == NULL || given->struct_size < sizeof given->struct_size)
        return WADI_ERR_INVALID;
    /* A program built against an older header gives fewer options, one built against a newer header more. */
    size_t n = given->struct_size < sizeof options->values ? given->struct_size : sizeof options->values;
    memcpy(&options->values, given, n);
    options->values.struct_size = sizeof options->values;
    *ret_why = options->values.dir == NULL || options->values.dir[0] == '\0'
                   ? "dir"
                   : numbers_resolve(&options->values);
    if (*ret_why != NULL)
        return WADI_ERR_INVALID;
    char resolved[PATH_MAX];
    dir_resolve(&options->values, resolved);
    return strings_copy(options);
}

uint64_t wdi_options_max_age_us(const wadi_options *values) {
    return values->max_age_s == UINT32_MAX ? 0 : (uint64_t)values->max_age_s * 1000000;
}

void wdi_options_fini(wdi_options *options) {
    if (options->text != NULL && options->values.api_key != NULL)
        explicit_bzero(options->text + (options->values.api_key - options->text),
                       strlen(options->values.api_key));
    free(options->text);
    memset(options, 0, sizeof *options);
}

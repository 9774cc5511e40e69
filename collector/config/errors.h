/* What is wrong with a configuration file: collected in any order, written in the file's. One thread. */
#ifndef COLLECTOR_CONFIG_ERRORS_H
#define COLLECTOR_CONFIG_ERRORS_H

#include <stddef.h>
#include <stdio.h>

#include "tree.h"

enum { CONFIG_ERRORS_MAX = 100, CONFIG_ERROR_BYTES = 320 };

struct config_error {
    struct tree_place place;
    char text[CONFIG_ERROR_BYTES]; /* `key: message` */
};

struct config_errors {
    size_t count; /* of what was added, more than is kept too */
    struct config_error kept[CONFIG_ERRORS_MAX];
};

void errors_add(struct config_errors *errors, struct tree_place place, const char *key, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* One line each: `name:line:column: key: message`. */
void errors_write(struct config_errors *errors, const char *name, FILE *out);

#endif

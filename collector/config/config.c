#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "cleanup.h"
#include "errors.h"
#include "tree.h"
#include "walk.h"

void config_free(struct collector_config *config) { option_object_fini(&option_root, config); }

static void tree_cleanup(struct tree **tree) { tree_close(*tree); }

static enum config_result tree_walk(struct tree *tree, struct config_errors *errors,
                                    struct collector_config *ret_config) {
    CLEANUP(config_free) struct collector_config config = {0};
    CLEANUP(walk_fini) struct walk walk = {.tree = tree, .errors = errors, .config = &config};
    walk_config(&walk);
    if (walk.no_memory)
        return CONFIG_NO_MEMORY;
    checks_run(&walk);
    if (errors->count > 0)
        return CONFIG_INVALID;
    *ret_config = config;
    config = (struct collector_config){0};
    return CONFIG_OK;
}

static enum config_result tree_read(const char *yaml, size_t yaml_bytes, struct config_errors *errors,
                                    struct collector_config *ret_config) {
    CLEANUP(tree_cleanup) struct tree *tree = NULL;
    struct tree_place place = {0};
    char buffer[CONFIG_ERROR_BYTES];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    switch (tree_open(yaml, yaml_bytes, &tree, &place, &why)) {
    case TREE_OK:
        return tree_walk(tree, errors, ret_config);
    case TREE_SYNTAX:
        errors_add(errors, place, "syntax", "%s", buffer);
        return CONFIG_INVALID;
    case TREE_NO_MEMORY:
        break;
    }
    return CONFIG_NO_MEMORY;
}

enum config_result config_parse(const char *name, const char *yaml, size_t yaml_bytes, FILE *errors,
                                struct collector_config *ret_config) {
    CLEANUP_FREE struct config_errors *list = calloc(1, sizeof *list);
    if (!list)
        return CONFIG_NO_MEMORY;
    enum config_result result = tree_read(yaml, yaml_bytes, list, ret_config);
    errors_write(list, name, errors);
    if (result == CONFIG_NO_MEMORY)
        fprintf(errors, "%s: out of memory\n", name);
    return result;
}

enum config_result config_load(const char *path, FILE *errors, struct collector_config *ret_config) {
    CLEANUP_FILE FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(errors, "%s: %s\n", path, strerror(errno));
        return CONFIG_UNREADABLE;
    }
    CLEANUP_FREE char *yaml = malloc(CONFIG_FILE_BYTES_MAX + 1);
    if (!yaml)
        return CONFIG_NO_MEMORY;
    size_t bytes = fread(yaml, 1, CONFIG_FILE_BYTES_MAX + 1, file);
    if (ferror(file)) {
        fprintf(errors, "%s: %s\n", path, strerror(errno));
        return CONFIG_UNREADABLE;
    }
    if (bytes > CONFIG_FILE_BYTES_MAX) {
        fprintf(errors, "%s: larger than %d bytes\n", path, CONFIG_FILE_BYTES_MAX);
        return CONFIG_UNREADABLE;
    }
    return config_parse(path, yaml, bytes, errors, ret_config);
}

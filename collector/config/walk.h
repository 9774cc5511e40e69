/* The walk over a YAML tree by the options table: every value into its field, every fault into the list of
 * errors, and a note of where each setting stood, for the checks that look at several. One thread. */
#ifndef COLLECTOR_CONFIG_WALK_H
#define COLLECTOR_CONFIG_WALK_H

#include "config.h"
#include "errors.h"
#include "option.h"
#include "tree.h"

/* Where a setting of an object stood in the file. */
struct walk_note {
    const struct option_spec *option;
    const void *object;
    struct tree_place place;
    bool good; /* its value was taken */
};

struct walk {
    struct tree *tree;
    struct config_errors *errors;
    struct collector_config *config; /* filled in; its owner is the caller */
    struct walk_note *notes;
    size_t notes_count, notes_capacity;
    bool no_memory;
};

/* Fills walk->config, zeroed before, from the tree: defaults first, then what the file says, then what
 * is inherited. */
void walk_config(struct walk *walk);

/* The part of it that fills one object, zeroed before, from the tree's root by any table; nothing is
 * inherited. */
void walk_object(struct walk *walk, const struct option_table *table, void *object);

void walk_fini(struct walk *walk);

/* The note of a setting of this object, which is part of walk->config; NULL when the file does not have
 * it. Lent until walk_fini. */
const struct walk_note *walk_find(const struct walk *walk, const struct option_table *table,
                                  const void *object, const char *path);

#endif

/* What no single setting can know: the checks that look at several. One thread. */
#ifndef COLLECTOR_CONFIG_CHECKS_H
#define COLLECTOR_CONFIG_CHECKS_H

#include "walk.h"

/* Adds an error for every invalid combination, at the line of a setting that takes part in it.
 * Settings that are faulty in themselves are left out: they have their error. */
void checks_run(struct walk *walk);

/* For checks of one type of sink. Adds an error on `path` of the object, unless its own value was faulty.
 * Where the file does not have it, the error stands at the `other` setting, without which there would be
 * none. */
void check_wrong(struct walk *walk, const struct option_table *table, const void *object, const char *label,
                 const char *path, const char *other, const char *message);

#endif

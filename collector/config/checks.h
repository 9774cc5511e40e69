/* What no single setting can know: the checks that look at several. One thread. */
#ifndef COLLECTOR_CONFIG_CHECKS_H
#define COLLECTOR_CONFIG_CHECKS_H

#include "walk.h"

/* Adds an error for every invalid combination, at the line of a setting that takes part in it.
 * Settings that are faulty in themselves are left out: they have their error. */
void checks_run(struct walk *walk);

#endif

/* kafka_checks: what no single setting of a Kafka sink can know. One thread. */
#ifndef COLLECTOR_CONFIG_KAFKA_CHECKS_H
#define COLLECTOR_CONFIG_KAFKA_CHECKS_H

#include "walk.h"

/* Adds an error for every invalid combination of the sink at `index`; `label` stands before its settings. */
void kafka_check(struct walk *walk, const struct option_table *table, size_t index, const char *label);

#endif

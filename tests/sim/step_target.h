/* step_target: a target whose commit is one step, as a transaction of Kafka's is: the events and the
 * checkpoint, or neither. Takes events as they leave, late ones too. What is committed stands in a mem_store,
 * so that the oracle reads it like any other: an epoch's events in one object, its late ones in another. */
#ifndef SIM_STEP_TARGET_H
#define SIM_STEP_TARGET_H

#include "mem_store.h"
#include "target.h"

/* Borrows the store until it is closed. */
sink_target step_target_open(mem_store *s);

#endif

/* collector: the stages, put together. The only place where they meet. */
#ifndef COLLECTOR_COLLECTOR_H
#define COLLECTOR_COLLECTOR_H

#include "collector/config/config.h"

typedef struct collector collector;

/* Opens and starts every stage, from the sinks towards the door, so that nothing is accepted that has nowhere
 * to go. Borrows the configuration until collector_stop returns. NULL: what failed has been logged. */
collector *collector_start(const struct collector_config *config);

/* From the door towards the sinks: answers what is under way, commits it, writes what the watermarks have
 * passed; at most timeouts.drain. Frees everything. */
void collector_stop(collector *c);

#endif

/* collector: the stages, put together. The only place where they meet. */
#ifndef COLLECTOR_COLLECTOR_H
#define COLLECTOR_COLLECTOR_H

#include "collector/config/config.h"

typedef struct collector collector;

/* Opens and starts every stage, from the sinks towards the door, so that nothing is accepted that has nowhere
 * to go. Borrows the configuration until collector_stop returns. NULL: what failed has been logged. */
collector *collector_start(const struct collector_config *config);

typedef enum collector_end {
    COLLECTOR_STOPPED,
    COLLECTOR_FENCED, /* another collector of the same id has taken over a sink: the process is to end as one
                         that must not be started again by itself. It has raised SIGTERM when it noticed. */
} collector_end;

/* From the door towards the sinks: answers what is under way, commits it, writes what the watermarks have
 * passed; at most timeouts.drain. Frees everything. */
collector_end collector_stop(collector *c);

#endif

/* direct: the plane that writes batches of its own to the brokers. See README.md. One thread. */
#ifndef SINKS_KAFKA_DIRECT_H
#define SINKS_KAFKA_DIRECT_H

#include "kafka/plane.h"

/* Why the configuration needs librdkafka's own path, or which of its settings; NULL: it does not. */
const char *direct_unsuitable(const kafka_link *link);

/* After init_transactions, with core->id known. Borrows `core`. Blocks for the cluster. SINK_OK and *ret_why:
 * it cannot be used with this cluster, and why, lent as link->message is. */
sink_err direct_open(producer_core *core, plane *ret_plane, const char **ret_why);

#endif

/* pipeline: Produce requests on their way, a connection for each leader. A few of them are under way at a
 * time on each; a broker answers them in their order, and stores them so. Inside this folder only. One
 * thread. */
#ifndef SINKS_KAFKA_PIPELINE_H
#define SINKS_KAFKA_PIPELINE_H

#include "cluster.h"
#include "flight.h"

typedef struct pipeline pipeline;

/* Borrows both. NULL: out of memory. */
pipeline *pipeline_new(producer_core *core, cluster *c, int16_t version_least);
/* Accepts NULL. Forgets what is under way. */
void pipeline_free(pipeline *p);

/* A request to that leader, begun; waits until few enough are under way. To be sent, and nothing else until
 * then. */
sink_err pipeline_flight(pipeline *p, int32_t leader, flight **ret_flight);
sink_err pipeline_send(pipeline *p, flight *f);

/* Moves what can be moved without waiting. */
sink_err pipeline_poll(pipeline *p);
/* Until every answer is there. */
sink_err pipeline_drain(pipeline *p, uint32_t most_ms);
/* The same after an error, and whatever the answers say. false: a broker may get something, or has got it,
 * and there is no answer. Nothing is sent afterwards. */
bool pipeline_settle(pipeline *p, uint32_t most_ms);

/* Until requests hold at most so many bytes, or none is under way. */
sink_err pipeline_room(pipeline *p, size_t most);

/* The memory that requests hold, and giving back what those hold that are not under way. */
size_t pipeline_bytes(const pipeline *p);
void pipeline_trim(pipeline *p);

#endif

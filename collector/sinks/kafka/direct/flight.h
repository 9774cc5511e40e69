/* flight: a Produce request, version 3 to 7, from its first batch to its answer. Pure but for what an answer
 * says to the link. Inside this folder only. */
#ifndef SINKS_KAFKA_FLIGHT_H
#define SINKS_KAFKA_FLIGHT_H

#include "channel.h"
#include "partition.h"

#define FLIGHT_VERSION_LEAST 3
#define FLIGHT_VERSION_MOST 7
#define FLIGHT_VERSION_ZSTD 7 /* the first that knows it */

/* A batch in it. */
typedef struct flight_part {
    partition *partition;
    size_t first_row, rows; /* of flight.rows */
    bool answered;
} flight_part;

typedef struct flight {
    struct flight *next;
    frame out;
    size_t sent; /* bytes of it */
    int32_t correlation;
    size_t topics_at, partitions_at; /* in `out`: how many there are */
    int32_t n_topics, n_partitions;  /* partitions: of the last topic */
    flight_part *parts;              /* malloc */
    size_t n, size;
    oversize_report *rows; /* malloc */
    size_t n_rows, rows_size;
} flight;

/* Zeroed is one. */
void flight_fini(flight *f);
size_t flight_bytes(const flight *f);

void flight_begin(flight *f, const producer_core *core, channel *c, int16_t version);
/* The partition's batch, which is empty afterwards. Those of one topic are neighbours. */
sink_err flight_add(flight *f, const producer_core *core, partition *p, pack *how);
sink_err flight_end(flight *f);

/* What came back: every batch was taken, or an error is said. */
sink_err flight_answer(flight *f, producer_core *core, int16_t version, answer *a);
/* Whether that spoke of every batch, well or ill. */
bool flight_answered(const flight *f);

#endif

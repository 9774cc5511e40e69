/* oversize: what a sink learns when a broker finds a batch of messages too large. The broker says so of all
 * messages of the batch, and the limit is not known: it is the topic's, and on what the batch is compressed
 * to. A message that was alone in its batch is the one; where there is none, batches become smaller, and the
 * epoch is tried again. Pure; one thread. */
#ifndef SINKS_KAFKA_OVERSIZE_H
#define SINKS_KAFKA_OVERSIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OVERSIZE_BATCH_LEAST 16384u /* few topics have a lower limit: batches stop here on their way down */
#define OVERSIZE_ROWS_MAX 65536u

typedef struct oversize_report {
    uint64_t row;
    size_t bytes;
} oversize_report;

typedef struct oversize {
    size_t batch_bytes; /* what a batch may hold; set before the first report */
    uint64_t *rows;     /* malloc: ascending, those that no broker takes */
    size_t n;
    size_t refused; /* batches of several messages, in this transaction */
    size_t largest; /* of their messages, bytes */
    bool found;     /* a row, in this transaction */
} oversize;

/* Which row of the journal it is: of the entry at `position` the item `index`, and of that row `which`. */
#define OVERSIZE_INDEX_BITS 20u
static inline uint64_t oversize_row(uint64_t position, uint32_t index, unsigned which) {
    return position << (OVERSIZE_INDEX_BITS + 1u) | (uint64_t)index << 1 | which;
}

/* A broker found the batch of this message too large, in which it was alone or not. What there is no memory
 * for will be reported again. */
void oversize_take(oversize *o, uint64_t row, size_t bytes, bool alone);
/* The transaction is over: makes of its reports what the next one does differently. */
void oversize_learn(oversize *o);
/* Whether the row is to be set aside. */
bool oversize_is(const oversize *o, uint64_t row);
/* The epoch is committed: its rows do not come again. */
void oversize_forget(oversize *o);
void oversize_fini(oversize *o);

#endif

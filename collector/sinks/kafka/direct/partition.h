/* partition: topics and partitions as the direct plane has them. They live as long as the producer, for their
 * sequence numbers do. Inside this folder only. */
#ifndef SINKS_KAFKA_PARTITION_H
#define SINKS_KAFKA_PARTITION_H

#include "kafka/oversize.h"
#include "kafka/plane.h"
#include "record_batch.h"

typedef struct partition {
    struct direct_topic *topic;
    int32_t index, leader;
    int32_t sequence;      /* of the next record */
    uint64_t added;        /* the transaction that it was last added to */
    bool dirty;            /* it is in direct.dirty: its batch has records */
    record_batch batch;    /* not yet written */
    oversize_report *rows; /* of its records; malloc */
    size_t rows_size;
} partition;

typedef struct direct_topic {
    plane_topic base;
    struct direct_topic *next; /* of its bucket */
    partition **partitions;    /* malloc, each too; n_made of them, of which the first n are there now */
    int32_t n, n_made;
    uint64_t asked_us; /* when its leaders were asked for; 0: never */
    uint64_t looked;   /* the transaction in which somebody last looked how long ago that is */
} direct_topic;

/* The memory that it holds. */
static inline size_t partition_bytes(const partition *p) {
    return p->batch.size + p->rows_size * sizeof *p->rows;
}

#endif

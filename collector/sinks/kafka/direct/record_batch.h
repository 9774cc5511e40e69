/* record_batch: messages in Kafka's format 2 (magic 2), one batch for one partition: records one behind the
 * other while it fills, then a head, whose CRC-32C covers what is packed. Pure; one thread.
 *
 *     head, 61 bytes:  base offset 8 · length 4 · leader epoch 4 · magic 1 · CRC 4 · attributes 2 ·
 *                      last offset 4 · first time 8 · greatest time 8 · producer 8 · epoch 2 · sequence 4 ·
 *                      records 4
 *     record, packed:  length · attributes 1 · time − first time · offset · key · value · headers
 *
 * Numbers of records are varints, zigzag. */
#ifndef SINKS_KAFKA_RECORD_BATCH_H
#define SINKS_KAFKA_RECORD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kafka/plane.h"
#include "pack.h"

#define RECORD_BATCH_HEAD_BYTES 61u
#define RECORD_BATCH_RECORDS_MAX 1000000 /* far below what a batch's numbers can say */

typedef struct record_batch {
    uint8_t *data; /* malloc: the records */
    size_t n, size;
    int32_t records;
    int64_t first_ms, max_ms;
} record_batch;

void record_batch_fini(record_batch *b);
/* Empty, with the memory it has. */
void record_batch_clear(record_batch *b);

/* The most bytes that the message takes in any batch. */
size_t record_bytes_max(const message *m);

/* Behind the records that are there. b has room for record_bytes_max. */
void record_batch_add(record_batch *b, const message *m);

/* Who writes. */
typedef struct record_writer {
    int64_t producer;
    int16_t epoch;
    int32_t sequence; /* of the batch's first record */
} record_writer;

/* What record_batch_write takes at most. */
size_t record_batch_bytes_max(const record_batch *b, const pack *how);
/* The whole batch, head first, of a transaction; how many bytes. 0: out of memory. */
size_t record_batch_write(const record_batch *b, const record_writer *by, pack *how, uint8_t *out,
                          size_t out_size);

#endif

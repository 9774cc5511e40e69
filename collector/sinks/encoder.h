/* encoder: how a format makes an object of a stream of events. It writes into a store, in chunks that depend
 * on nothing but the events and the options: the same events always become the same bytes.
 *
 *     epoch_writer ──events──▶ encoder ──bytes──▶ store (aside)
 *
 * Formats: rows one behind the other in `output`'s codecs (rows_encoder.c: JSON Lines, delimited Record), and
 * Parquet (parquet/). One thread; does not log. Constant memory, whatever the object's size. */
#ifndef SINKS_ENCODER_H
#define SINKS_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "column_type.h"
#include "order.h"
#include "output.h"
#include "store.h"

/* A property that Parquet writes as a column of its own besides the map. */
typedef struct encoder_column {
    const char *property; /* borrowed; the column's name is the same */
    column_type type;
} encoder_column;

typedef struct encoder_options {
    output_codec codec; /* of the object, or of Parquet's pages */
    const encoder_column *columns;
    size_t n_columns;
} encoder_options;

bool encoder_columns_equal(const encoder_column *a, size_t n_a, const encoder_column *b, size_t n_b);

typedef struct encoder_ops {
    const char *format; /* in manifests and settings: "jsonl", "record", "parquet" */
    int version;        /* part of every intent */
    /* NULL: out of memory. Options and store are borrowed until destroy. */
    void *(*create)(const encoder_options *opt, sink_store store);
    void (*destroy)(void *self);
    /* What an object's name ends in: ".jsonl.zst". Lives as long as the encoder. */
    const char *(*suffix)(const void *self);
    /* Objects one at a time: aside_begin with this slot and final name (lent for the call). One that was not
     * finished is forgotten with the next begin. */
    sink_err (*begin)(void *self, uint32_t slot, const char *name);
    /* All of one partition and lateness, in time order over all calls of an object. What hangs on a body may
     * be another encoder's: an intent can have had other settings. *ret_rows: how many rows they became. */
    sink_err (*put)(void *self, const order_event *events, size_t n, bool late, uint64_t *ret_rows);
    /* The object is whole and durable in its slot. */
    sink_err (*finish)(void *self, uint64_t *ret_bytes, uint32_t *ret_crc32c);
    /* About how large the open object is, as stored; decides when an epoch is cut. */
    uint64_t (*bytes)(const void *self);
} encoder_ops;

extern const encoder_ops encoder_jsonl, encoder_record, encoder_parquet;

/* The one of that format; NULL: this build lacks it. */
const encoder_ops *encoder_find(const char *format);

#endif

/* row: what leaves the order stage as what it becomes in every output: an event, or what the system itself
 * says of a range of numbers. Every format renders rows and nothing else, so all of them have the same ones,
 * in the same order. No I/O; does not log. */
#ifndef SINKS_ROW_H
#define SINKS_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order.h"
#include "wire.h"

typedef enum row_kind {
    ROW_EVENT,
    ROW_GAP,     /* `_wadi.gap`: numbers before an entry that were settled elsewhere */
    ROW_DROPPED, /* `_wadi.dropped`: numbers that the device dropped, and why */
} row_kind;

typedef struct row {
    row_kind kind;
    bool late, resent;
    uint32_t time_quality; /* of schemas' TimeQuality */
    int64_t us;
    uint64_t seq;         /* of ranges: the first number */
    uint64_t last;        /* ranges only */
    const char *reason;   /* ranges only: a stable name */
    const body *body;     /* batch, entry, definitions and contexts; lent */
    uint32_t event_bytes; /* ROW_EVENT only: of the encoded Event */
    wire_event_view view; /* ROW_EVENT only */
} row;

#define ROWS_MAX 2u /* that one order_event becomes */
#define ROW_TIME_QUALITY_EXPLICIT 4u

/* rows_of where the event is, or comes with, a range of numbers. */
unsigned rows_of_range(const order_event *event, bool late, row ret_rows[ROWS_MAX]);

/* False if the bytes are no event: ingress checked them, so the memory or the disk has changed them. */
static inline bool row_of_event(const order_event *event, bool late, row *ret_row) {
    const body *b = event->body;
    if (!wire_event_rescan(event->bytes, event->len, &ret_row->view))
        return false;
    ret_row->kind = ROW_EVENT;
    ret_row->late = late;
    ret_row->us = event->us;
    ret_row->seq = b->first_seq + event->index;
    ret_row->resent = ret_row->seq <= b->resent_through;
    ret_row->time_quality = ret_row->view.has_time ? ROW_TIME_QUALITY_EXPLICIT : b->time_quality;
    ret_row->body = b;
    ret_row->event_bytes = event->len;
    return true;
}

/* How many rows the event is; 0: its bytes are damaged. Inline, since nearly all are one event, and there are
 * millions a second. */
static inline unsigned rows_of(const order_event *event, bool late, row ret_rows[ROWS_MAX]) {
    const body *b = event->body;
    if ((b->gap && event->index == 0) || event->flags & WIRE_ITEM_DROPPED)
        return rows_of_range(event, late, ret_rows);
    return row_of_event(event, late, &ret_rows[0]) ? 1 : 0;
}

/* "_wadi.gap", "_wadi.dropped", or the event's name, not terminated; lives as long as the body. */
wire_span row_name(const row *r);

/* What tells a row of a file from the next. */
typedef enum row_framing {
    ROW_FRAMING_LINE,   /* a line end behind each */
    ROW_FRAMING_LENGTH, /* its length before each, as a varint: what protobuf's libraries call delimited */
} row_framing;

/* A way to render one row as bytes of its own: a line, a message. What is the same for all events of a batch
 * may be rendered once and hang on body->cache. One thread. */
typedef struct row_format {
    const char *name;    /* in manifests and settings: "jsonl", "record" */
    const char *suffix;  /* of a file of rows: ".jsonl", ".pb" */
    row_framing framing; /* of a file of rows */
    int version; /* part of every intent: rows of another version would not replay to the same bytes */
    void *(*create)(void); /* NULL: out of memory */
    void (*destroy)(void *self);
    /* Renders what the body's events share, unless it is there already. false: out of memory. */
    bool (*prepare)(void *self, body *b);
    /* The most bytes that the row can take. The body is prepared. */
    size_t (*bytes_max)(const void *self, const row *r);
    /* Writes the row, without a delimiter. Returns the bytes; 0: the event's bytes are damaged. */
    size_t (*put)(void *self, char *out, const row *r);
} row_format;

/* Go up with every change of a row's bytes. */
#define JSONL_VERSION 1
#define RECORD_VERSION 1

extern const row_format row_format_jsonl;  /* one JSON object, no line end */
extern const row_format row_format_record; /* one wadi.v1.Record, no length before it */

#endif

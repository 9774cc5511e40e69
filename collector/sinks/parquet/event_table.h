/* event_table: the columns of a file of events, and how a row fills them. The names are those of the JSON
 * line (schemas/README.md). One thread. */
#ifndef PARQUET_EVENT_TABLE_H
#define PARQUET_EVENT_TABLE_H

#include "encoder.h"
#include "file.h"
#include "row.h"
#include "shared.h"

typedef enum event_column {
    EVENT_NAME,
    EVENT_TIME,
    EVENT_TIME_QUALITY,
    EVENT_RECEIVED_AT,
    EVENT_INSTALLATION,
    EVENT_STREAM,
    EVENT_SEQ,
    EVENT_RUN,
    EVENT_TENANT,
    EVENT_LATE,
    EVENT_RESENT,
    EVENT_USER,
    EVENT_SESSION,
    EVENT_CONTEXT_KEY,
    EVENT_CONTEXT_VALUE,
    EVENT_PROPERTY_KEY,
    EVENT_PROPERTY_VALUE,
    EVENT_COLUMNS, /* behind these: the properties that have a column of their own */
} event_column;

typedef struct event_property {
    wire_prop_view prop;
    wire_span key;
    uint32_t *key_ref; /* NULL: the key stands in the event itself */
    uint32_t typed;
} event_property;

#define EVENT_TIME_QUALITIES 5u

typedef struct event_table {
    const encoder_options *opt;
    uint32_t owner; /* of what hangs on bodies */
    parquet_file file;
    column_spec *specs;
    uint32_t n_columns;
    uint64_t generation; /* of quality_refs */
    uint32_t quality_refs[EVENT_TIME_QUALITIES];
    uint32_t n_properties;
    event_property properties[WIRE_PROPS_MAX + 1]; /* of the row, every key once; and the next */
    const wire_prop_view **typed;                  /* of the row, by column; NULL: it lacks the property */
    bytes keys;                                    /* repaired, of the row */
    bytes scratch;
} event_table;

/* NULL: out of memory. Options and store are borrowed. */
event_table *event_table_new(const encoder_options *opt, sink_store store);
void event_table_free(event_table *e);

sink_err event_table_begin(event_table *e, uint32_t slot, const char *object);
sink_err event_table_put(event_table *e, const row *r, shared *s);

#endif

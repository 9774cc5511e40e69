/* jsonl: events as JSON lines, by the field list of schemas/README.md. What is the same for all events of a
 * batch is rendered once and hangs on the body. No I/O; one thread. */
#ifndef SINKS_JSONL_H
#define SINKS_JSONL_H

#include <stdbool.h>
#include <stddef.h>

#include "order.h"

/* Part of every intent: lines of another version would not replay to the same bytes. */
#define JSONL_VERSION 1

typedef struct jsonl jsonl;

/* NULL: out of memory. */
jsonl *jsonl_new(void);
void jsonl_free(jsonl *j);

/* Renders what the body's events share, unless it is there already. false: out of memory. */
bool jsonl_prepare(jsonl *j, body *b);

/* The most bytes that jsonl_put can write for the event. The body is prepared. */
size_t jsonl_bytes_max(const order_event *event);

/* Writes the event's line, or lines: numbers settled elsewhere before an entry are a line of their own.
 * Returns the bytes; *ret_lines counts lines. 0: the event's bytes are damaged. */
size_t jsonl_put(jsonl *j, char *out, const order_event *event, bool late, unsigned *ret_lines);

#endif

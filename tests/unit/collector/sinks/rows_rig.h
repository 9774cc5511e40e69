/* Bodies for tests of what renders rows. */
#ifndef TEST_ROWS_RIG_H
#define TEST_ROWS_RIG_H

#include "row.h"

/* A batch of these events, behind the tombstones of its head where they claim its numbers. `entry` gives what
 * the journal adds; its counts and sizes are set here. Fails the test when the codec refuses it. */
body *body_of(const wire_batch_head *head, const wire_event *events, size_t n_events, journal_entry entry);

/* The same of an encoded Batch. NULL: it is none. */
body *body_of_bytes(const uint8_t *bytes, size_t n, journal_entry entry);

/* A row in memory of exactly bytes_max; the bytes are malloc'ed. */
typedef struct rendered {
    size_t n;
    char *bytes;
} rendered;
rendered row_render(const row_format *format, void *self, const row *r);

#endif

/* held: events that wait to be written with others, in the order in which they came, each with a reference on
 * its body. No I/O; one thread. */
#ifndef SINKS_HELD_H
#define SINKS_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order.h"

#define HELD_HOURS_TABLE 4096u

typedef struct held {
    order_event *events, *scratch;
    size_t n, cap;
    uint64_t bytes; /* memory that they keep, about: at most, with what encoders hang on bodies */
    size_t n_hours; /* in which they lie, about */
    int64_t *hours; /* each once: a table by hash */
} held;

/* Zeroed is empty. */
void held_fini(held *h);
void held_forget(held *h);

/* false: out of memory. */
bool held_add(held *h, const order_event *events, size_t n);

/* By time; of equal time the first to come stays the first. */
void held_sort(held *h);

#endif

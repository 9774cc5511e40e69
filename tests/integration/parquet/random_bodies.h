/* random_bodies: batches as devices might send them, as the order stage hands them on: all types and lengths
 * of properties, texts of every kind (some no UTF-8), contexts, tombstones, gaps, own times. From a seed. */
#ifndef TEST_RANDOM_BODIES_H
#define TEST_RANDOM_BODIES_H

#include "order.h"

typedef enum body_shape {
    SHAPE_MIXED, /* all of the above */
    SHAPE_PLAIN, /* six properties, as most events are */
    SHAPE_HUGE,  /* texts of up to 30 KB */
} body_shape;

typedef struct random_bodies random_bodies;

/* Ends the process when memory runs out, here and below: it is a test's. */
random_bodies *random_bodies_new(uint64_t seed, body_shape shape);
void random_bodies_free(random_bodies *r);

/* The events of some batches in time order, later than all before. Lent until the next call. */
size_t random_bodies_next(random_bodies *r, const order_event **ret_events);

#endif

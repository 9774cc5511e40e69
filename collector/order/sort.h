/* sort: orders events by time, stably, in linear time. Pure. */
#ifndef ORDER_SORT_H
#define ORDER_SORT_H

#include <stdbool.h>
#include <stddef.h>

#include "order.h"

/* Room for n events, and for as many to sort them by; *cap is what there is now. false: out of memory, and
 * what was there stays. */
bool order_events_reserve(order_event **events, order_event **scratch, size_t *cap, size_t n);

/* By time; events of equal times keep their order. `scratch` has room for n. */
void order_sort(order_event *events, order_event *scratch, size_t n);

/* Events of one body, by their place in it. */
void order_sort_by_index(order_event *events, size_t n);

#endif

/* prefetch: brings what encoders will read next into the processor's cache. Pure. */
#ifndef SINKS_PREFETCH_H
#define SINKS_PREFETCH_H

#include "order.h"

#define PREFETCH 6u /* events ahead */

/* Events in time order lie all over the memory: fetches what is needed soon. At most it fetches what lies
 * behind it: a prefetch never faults. */
static inline void event_prefetch(const order_event *events, size_t i, size_t n) {
    if (i + 2 * PREFETCH < n) {
        const order_event *e = &events[i + 2 * PREFETCH];
        __builtin_prefetch(e->body);
        for (size_t at = 0; at < e->len; at += 64)
            __builtin_prefetch(e->bytes + at);
    }
    if (i + PREFETCH < n)
        for (size_t at = 0; at < 192; at += 64)
            __builtin_prefetch((const char *)events[i + PREFETCH].body->cache + at);
}

#endif

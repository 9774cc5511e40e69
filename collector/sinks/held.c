#include "held.h"

#include <stdlib.h>

#include "partition.h"
#include "sort.h"

#define HOURS_COUNTED (HELD_HOURS_TABLE / 2)
/* What an encoder hangs on a body it makes of definitions and contexts. At worst, with control characters
 * that JSON escapes, or with attributes of a few bytes, it is seven times what these take in the body. */
#define HUNG_FACTOR 8u

void held_forget(held *h) {
    for (size_t i = 0; i < h->n; i++)
        body_unref(h->events[i].body);
    h->n = h->n_hours = 0;
    h->bytes = 0;
    for (size_t i = 0; h->hours && i < HELD_HOURS_TABLE; i++)
        h->hours[i] = INT64_MIN;
}

void held_fini(held *h) {
    held_forget(h);
    free(h->events);
    free(h->scratch);
    free(h->hours);
    *h = (held){0};
}

static void hour_count(held *h, int64_t hour) {
    size_t i = (size_t)((uint64_t)hour * UINT64_C(0x9E3779B97F4A7C15) >> 52);
    while (h->hours[i] != hour && h->hours[i] != INT64_MIN)
        i = (i + 1) % HELD_HOURS_TABLE;
    if (h->hours[i] != hour && h->n_hours < HOURS_COUNTED) {
        h->hours[i] = hour;
        h->n_hours++;
    }
}

static bool held_reserve(held *h, size_t more) {
    if (!h->hours) {
        h->hours = malloc(HELD_HOURS_TABLE * sizeof *h->hours);
        if (!h->hours)
            return false;
        held_forget(h);
    }
    return order_events_reserve(&h->events, &h->scratch, &h->cap, h->n + more);
}

static uint64_t body_memory(const body *b) { return b->memory_bytes + HUNG_FACTOR * b->shared_bytes; }

bool held_add(held *h, const order_event *events, size_t n) {
    if (!held_reserve(h, n))
        return false;
    const body *last = h->n > 0 ? h->events[h->n - 1].body : NULL;
    for (size_t i = 0; i < n; i++) {
        h->events[h->n] = events[i];
        body_ref(h->events[h->n++].body);
        hour_count(h, partition_of(events[i].us));
        h->bytes += sizeof *events + (events[i].body != last ? body_memory(events[i].body) : 0);
        last = events[i].body;
    }
    return true;
}

void held_sort(held *h) { order_sort(h->events, h->scratch, h->n); }

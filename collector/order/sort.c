#include "sort.h"

#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 11u
#define BUCKETS (1u << DIGIT_BITS)
#define CAP_LEAST 1024u
#define SMALL 48u /* below that insertion is quicker than counting */

bool order_events_reserve(order_event **events, order_event **scratch, size_t *cap, size_t n) {
    if (n <= *cap)
        return true;
    size_t more = *cap ? *cap : CAP_LEAST;
    while (more < n)
        more *= 2;
    order_event *grown = realloc(*events, more * sizeof *grown);
    if (!grown)
        return false;
    *events = grown;
    grown = realloc(*scratch, more * sizeof *grown);
    if (!grown)
        return false;
    *scratch = grown;
    *cap = more;
    return true;
}

static void insertion_sort(order_event *events, size_t n) {
    for (size_t i = 1; i < n; i++) {
        order_event e = events[i];
        size_t j = i;
        for (; j > 0 && events[j - 1].us > e.us; j--)
            events[j] = events[j - 1];
        events[j] = e;
    }
}

/* One stable counting pass over a digit of (us - least). */
static void radix_pass(const order_event *from, order_event *to, size_t n, int64_t least, unsigned shift) {
    size_t at[BUCKETS] = {0};
    for (size_t i = 0; i < n; i++)
        at[(((uint64_t)from[i].us - (uint64_t)least) >> shift) & (BUCKETS - 1)]++;
    size_t sum = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        size_t count = at[b];
        at[b] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        to[at[(((uint64_t)from[i].us - (uint64_t)least) >> shift) & (BUCKETS - 1)]++] = from[i];
}

void order_sort(order_event *events, order_event *scratch, size_t n) {
    if (n < SMALL) {
        insertion_sort(events, n);
        return;
    }
    int64_t least = events[0].us, greatest = events[0].us;
    for (size_t i = 1; i < n; i++) {
        least = events[i].us < least ? events[i].us : least;
        greatest = events[i].us > greatest ? events[i].us : greatest;
    }
    uint64_t range = (uint64_t)greatest - (uint64_t)least;
    order_event *from = events, *to = scratch;
    for (unsigned shift = 0; shift < 64 && range >> shift > 0; shift += DIGIT_BITS) {
        radix_pass(from, to, n, least, shift);
        order_event *swap = from;
        from = to;
        to = swap;
    }
    if (from != events)
        memcpy(events, from, n * sizeof *events);
}

static int index_compare(const void *a, const void *b) {
    uint32_t x = ((const order_event *)a)->index, y = ((const order_event *)b)->index;
    return x < y ? -1 : x > y;
}

void order_sort_by_index(order_event *events, size_t n) { qsort(events, n, sizeof *events, index_compare); }

/* order: journal entries in, events in event-time order out. One instance a sink.
 *
 * The order key is (event time, journal position, index in the batch); the watermark is a key that never
 * falls. An event at or below the watermark when its entry is read is late and leaves at once; the others
 * leave in key order when the watermark passes them. What leaves depends on nothing but the entries, the
 * window and pending_bytes_max.
 *
 * It is a merge with one cursor a batch: bodies stay in the journal until the watermark reaches their first
 * event. Pure but for reading the journal through `entry_source`; one thread.
 *
 * May use: base, journal/entry.h. Does not log.
 */
#ifndef ORDER_ORDER_H
#define ORDER_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "body.h"
#include "entry.h"

typedef struct order_key {
    int64_t us;
    uint64_t position;
    uint32_t index;
} order_key;

/* Above every key of that time: the watermark after (us, infinity, infinity). */
#define ORDER_KEY_END(t) ((order_key){(t), UINT64_MAX, UINT32_MAX})
#define ORDER_KEY_LEAST ((order_key){INT64_MIN, UINT64_MAX, UINT32_MAX})

static inline bool order_key_covers(order_key mark, order_key key) {
    if (key.us != mark.us)
        return key.us < mark.us;
    if (key.position != mark.position)
        return key.position < mark.position;
    return key.index <= mark.index;
}

typedef struct order_options {
    int64_t window_us;
    uint64_t pending_bytes_max; /* beyond it the least keys leave until at most seven eighths are left, and
                                   the watermark rises to each */
    uint64_t open_bytes_max;    /* memory for bodies that are open, besides three times the events that wait;
                                   decides nothing of what leaves */
} order_options;

/* Where an order stage stands between two entries. With the journal it is all that recovery needs. */
typedef struct order_mark {
    uint64_t position; /* last entry read */
    uint64_t low;      /* lowest position that still has a pending event; position + 1 when none has */
    order_key watermark;
} order_mark;

/* One event (or one range of tombstones) that leaves. The body is lent until the call returns; body_ref keeps
 * it. */
typedef struct order_event {
    int64_t us;
    body *body;
    const uint8_t *bytes; /* the Event as on the wire: known here, it can be fetched ahead */
    uint32_t index;       /* of the item in the body; what follows is the item's */
    uint16_t len;
    uint8_t flags, reason;
} order_event;

static inline order_event order_event_of(body *b, uint32_t index) {
    const body_item *item = body_item_of(b, index);
    return (order_event){item->us, b, body_event_of(b, index), index, item->len, item->flags, item->reason};
}

typedef enum order_err {
    ORDER_OK = 0,
    ORDER_ERR_MEMORY,
    ORDER_ERR_MISSING, /* the journal lacks an entry that must be there */
    ORDER_ERR_BODY,    /* a body that ingress accepted does not read back */
} order_err;

/* Takes what leaves, in the order in which it leaves: late events in entry order, others by key. */
typedef struct order_output {
    order_err (*take)(void *context, const order_event *events, size_t n, bool late);
    void *context;
} order_output;

typedef struct order order;

/* Begins behind `from`. NULL: out of memory. */
order *order_new(const order_options *opt, const order_mark *from, const entry_source *source,
                 order_output output);
void order_free(order *o);

/* Reads entries from.low … from.position again and keeps what the watermark had not passed. Call once after
 * order_new. With `until` below from.position only the entries up to `until` count (a journal restored from
 * an older copy), and the stage goes on behind it. */
order_err order_rebuild(order *o, uint64_t until);

/* Call between order_rebuild and the first feed. Without a window nothing waits: what a wider one had left
 * pending leaves now. */
order_err order_settle(order *o);

/* The entry behind the mark's position: late events leave, the watermark rises. What it covers leaves with
 * the next order_release, so that a run of entries costs one merge. */
order_err order_feed(order *o, const journal_entry *entry);

/* Lets everything at or below the watermark leave. */
order_err order_release(order *o);

/* Where the stage stands. Only exact after order_release. */
order_mark order_where(const order *o);

uint64_t order_pending_bytes(const order *o);
uint64_t order_pending_events(const order *o);

#endif

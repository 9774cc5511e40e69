/* body: one batch read back from the journal, taken apart, with the time of each of its events.
 * Shared by reference within one thread; a sink's encoder may hang what it derives from it on `cache`. */
#ifndef ORDER_BODY_H
#define ORDER_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entry.h"
#include "unpack.h"
#include "wire.h"

typedef struct body {
    /* What every event is looked up by stands first: one cache line. */
    uint32_t refs;
    uint32_t n_items;
    uint8_t *raw;     /* the decompressed Batch */
    wire_item *items; /* at_us is the event time that the journal fixed */
    uint32_t *sorted; /* item indices by (time, index); NULL: already in that order */
    void *cache;
    void (*cache_free)(void *cache);
    journal_entry entry;
    uint32_t n_definitions;
    wire_definition *definitions; /* ascending ids */
    uint32_t n_contexts;
    wire_span *contexts;
    uint32_t *context_ids;
} body;

/* Scratch to take bodies apart in; one a thread. NULL: out of memory. */
typedef struct body_reader body_reader;
body_reader *body_reader_new(void);
void body_reader_free(body_reader *r);

typedef enum body_err { BODY_OK = 0, BODY_ERR_MEMORY, BODY_ERR_DATA } body_err;

/* Decompresses and takes apart; the caller owns one reference of *ret_body. */
body_err body_open(body_reader *r, const journal_entry *entry, wire_span stored, body **ret_body);

body *body_ref(body *b);
void body_unref(body *b);

static inline int64_t body_time(const body *b, uint32_t item) { return b->items[item].at_us; }

/* What an item adds to order.max_pending. */
#define BODY_ITEM_BYTES 16u
static inline uint64_t body_item_bytes(const wire_item *item) { return item->len + BODY_ITEM_BYTES; }

/* One past the run of tombstones with one reason that begins at `index`; index + 1 for an event. A run is
 * one thing in the output. */
uint32_t body_item_end(const body *b, uint32_t index);

#endif

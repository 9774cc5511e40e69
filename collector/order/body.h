/* body: one batch read back from the journal, taken apart, with the time of each of its events. Events that
 * leave in time order leave a body from its front: their memory is given back piece by piece.
 * Shared by reference within one thread; a sink's encoder may hang what it derives from it on `cache`. */
#ifndef ORDER_BODY_H
#define ORDER_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entry.h"
#include "unpack.h"
#include "wire.h"

typedef struct body_item {
    int64_t us;   /* the event time that the journal fixed */
    uint32_t off; /* the Event's bytes, in its chunk */
    uint16_t len;
    uint8_t flags, reason; /* WIRE_ITEM_… */
} body_item;

/* A run of items, and their events one behind the other: what is looked at together lies together. */
#define BODY_CHUNK_ITEMS 32u
typedef struct body_chunk {
    body_item items[BODY_CHUNK_ITEMS];
    uint8_t events[];
} body_chunk;

typedef struct body {
    /* What every event is looked up by stands first: one cache line. */
    uint32_t refs;
    uint32_t n_items;
    body_chunk **chunks; /* NULL: given back */
    uint32_t *sorted;    /* item indices by (time, index); NULL: already in that order */
    void *cache;
    uint64_t first_seq, resent_through; /* the entry's, in reach */
    uint8_t time_quality;
    bool gap;             /* the entry has numbers before it that were settled elsewhere */
    uint32_t cache_owner; /* whose `cache` is; 0: nobody's that has a number */
    void (*cache_free)(void *cache);
    journal_entry entry;
    uint32_t n_definitions;
    wire_definition *definitions; /* ascending ids */
    uint32_t n_contexts;
    wire_span *contexts;
    uint32_t *context_ids;
    uint32_t n_trimmed;    /* chunks that were given back, all at the front */
    uint64_t shared_bytes; /* memory of definitions and contexts */
    uint64_t memory_bytes; /* of all of it when it was opened, without what hangs on `cache` */
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

/* A number for an encoder that hangs something on bodies. Another encoder, of other settings, may meet the
 * same bodies: it knows by the number that what hangs there is not its own. Any thread. */
uint32_t body_owner_new(void);

/* Gives back what hangs on it, and takes the owner's number for what comes there. */
void body_cache_claim(body *b, uint32_t owner);

/* Gives back what only items before `index` need, unless somebody else holds the body. */
void body_trim(body *b, uint32_t index);

static inline const body_chunk *body_chunk_of(const body *b, uint32_t index) {
    return b->chunks[index / BODY_CHUNK_ITEMS];
}

static inline const body_item *body_item_of(const body *b, uint32_t index) {
    return &body_chunk_of(b, index)->items[index % BODY_CHUNK_ITEMS];
}

/* The item's event as on the wire, item->len bytes. */
static inline const uint8_t *body_event_of(const body *b, uint32_t index) {
    return body_chunk_of(b, index)->events + body_item_of(b, index)->off;
}

static inline int64_t body_time(const body *b, uint32_t index) { return body_item_of(b, index)->us; }

/* The place of the definition with that id; n_definitions: there is none. */
uint32_t body_definition_find(const body *b, uint32_t id);

/* What an item adds to order.max_pending. */
#define BODY_ITEM_BYTES 16u
static inline uint64_t body_item_bytes(const body_item *item) { return item->len + BODY_ITEM_BYTES; }

/* One past the run of tombstones with one reason that begins at `index`; index + 1 for an event. A run is
 * one thing in the output. */
uint32_t body_item_end(const body *b, uint32_t index);

#endif

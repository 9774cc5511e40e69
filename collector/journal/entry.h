/* entry: one record of the journal, and the times that it fixes.
 *
 * Everything behind the journal is a pure function of these records, so everything that decides an
 * event's time or place is in them. Pure; any thread.
 */
#ifndef JOURNAL_ENTRY_H
#define JOURNAL_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

#define ENTRY_TENANT_MAX 64u /* with its terminator */

typedef enum entry_kind {
    ENTRY_BATCH = 1,
    ENTRY_TICK = 2,  /* only moves the watermark */
    ENTRY_START = 3, /* a start of the collector: start_id names its incarnation */
} entry_kind;

typedef enum entry_encoding { ENTRY_PLAIN = 0, ENTRY_GZIP = 1, ENTRY_ZSTD = 2 } entry_encoding;

#define ENTRY_HAS_EXPLICIT 1u /* some events carry explicit times: the batch is not in time order */

/* In the journal it is stored as is, little-endian, followed by `body_bytes` of the batch as received. */
typedef struct journal_entry {
    uint64_t position;    /* 1, 2, 3 … without holes */
    int64_t received_us;  /* the collector's clock, never falling from entry to entry */
    uint8_t kind;         /* entry_kind */
    uint8_t encoding;     /* entry_encoding of the body */
    uint8_t time_quality; /* of events without an explicit time: TIME_QUALITY_… of record.proto */
    uint8_t flags;
    uint32_t crc;           /* CRC-32C of the whole record with this field 0 */
    uint8_t start_id[16];   /* ENTRY_START */
    uint64_t prev_position; /* the stream's entry before this one, or the start before this start; 0: none */

    /* ENTRY_BATCH only, from here on */
    uint8_t installation[16];
    uint8_t stream[16];
    uint64_t mile_position; /* an entry of the stream further back, a shortcut; 0: none */
    uint64_t first_seq;     /* first number that this entry adds */
    uint32_t n_items;       /* numbers added: events and tombstones */
    uint32_t skip;          /* numbers at the head of the body that were known before */
    uint32_t n_events;      /* events added */
    uint32_t events_bytes;  /* encoded size of the events added */
    uint64_t chain_before;  /* before first_seq */
    uint64_t chain_after;
    uint64_t gap_first; /* numbers gap_first … first_seq-1 were settled elsewhere; 0: none */
    uint64_t resent_through;
    uint64_t run_ordinal;
    int64_t basis_us;       /* event time = at_us + basis_us, within the bounds below */
    int64_t floor_us;       /* the stream's last event time before this entry */
    int64_t ceil_us;        /* no event of this entry is later */
    int64_t last_us;        /* the stream's last event time after this entry: its next floor */
    int64_t min_us, max_us; /* least and greatest event time in this entry, explicit ones too */
    uint64_t error_us;      /* uncertainty of basis_us; 0: not known */
    uint32_t raw_bytes;     /* of the body when decompressed */
    uint32_t body_bytes;
    char tenant[ENTRY_TENANT_MAX];
} journal_entry;

/* The event time of the next item of an entry, in the order of numbers. *floor_us begins as the entry's
 * floor_us. The order within a stream is never changed: a time is lifted to its predecessor's. Explicit
 * times are the application's: they never move the floor, and only those in the future are held to the
 * moment of reception, since no watermark would ever pass them. */
static inline int64_t entry_item_us(const journal_entry *entry, const wire_item *item, int64_t *floor_us) {
    if (item->flags & WIRE_ITEM_EXPLICIT)
        return item->at_us < entry->received_us ? item->at_us : entry->received_us;
    if (item->flags & WIRE_ITEM_DROPPED)
        return *floor_us;
    int64_t us;
    if (__builtin_add_overflow(item->at_us, entry->basis_us, &us) || us > entry->ceil_us)
        us = entry->ceil_us;
    if (us > *floor_us)
        *floor_us = us;
    return *floor_us;
}

/* Reads entries by position; what order and the sinks see of the journal. The body and the entry are lent
 * until the next call. `get` is false when the journal does not hold the position (not yet, or no more). */
typedef struct entry_source {
    bool (*get)(void *context, uint64_t position, const journal_entry **ret_entry, wire_span *ret_body);
    void (*range)(void *context, uint64_t *ret_first, uint64_t *ret_last); /* last < first: empty */
    uint64_t (*last_start)(void *context); /* position of the newest ENTRY_START; 0: none */
    void (*release)(void *context);        /* lets go of the snapshot that lent pointers stand in */
    void *context;
} entry_source;

#endif

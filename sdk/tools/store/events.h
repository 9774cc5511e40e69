/* events: what a lane owes, in the order of its numbers as far as its file keeps it, then what is in its
 * ring. Every event that is shown carries the right checksum. */
#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include "sdk/tools/store/lane.h"

struct book;

/* A number owed, or an event of the ring, which has none yet. Lent until the visitor returns. */
typedef struct event_entry {
    uint64_t seq;                    /* 0: in the ring */
    uint64_t through;                /* of a tombstone: the last number of the range; else seq */
    const wdi_stream_record *stream; /* NULL: not known */
    uint64_t run;
    const wdi_run_record *run_record; /* NULL: lost */
    wadi_priority priority;
    uint8_t reason; /* wadi_drop; 0: an event */
    bool stray;     /* nothing led to it in the damaged file */
    bool resent;
    const uint8_t *event;
    size_t n;
    wire_event_view view;
    const struct book *book; /* what it refers to */
} event_entry;

/* False: enough. */
typedef bool (*event_visit)(void *context, const event_entry *entry);

/* What was met on the way. */
typedef struct events_sum {
    uint64_t events, tombstones, in_ring;
    uint64_t bad_events;  /* of the wrong checksum */
    uint64_t bad_records; /* of the wrong checksum, chunks among them */
    uint64_t missing;     /* numbers owed that no record has */
    uint64_t ring_lost_bytes;
} events_sum;

typedef enum event_fault { FAULT_RECORD, FAULT_EVENT, FAULT_MISSING, FAULT_RING } event_fault;
/* Of every fault: the number concerned (bytes of the ring), and the page, 0 if nowhere. */
typedef void (*fault_visit)(void *context, event_fault fault, uint64_t number, uint64_t through,
                            uint64_t page);

typedef struct events_want {
    event_visit visit; /* may be NULL */
    fault_visit fault; /* may be NULL */
    void *context;
    bool strays; /* also what nothing leads to: of a damaged file */
} events_want;

/* WADI_ERR_NO_MEMORY, WADI_ERR_IO. */
WADI_NODISCARD wadi_err events_walk(const lane *l, const events_want *want, events_sum *ret_sum);

/* For visitors: what an entry refers to. Empty spans where it is lost. */
wire_span event_text(const event_entry *entry, uint32_t id);
bool event_context(const event_entry *entry, wire_context_view *ret_view);
/* Event time, as far as the device knows it: NULL quality if it does not. */
const char *event_time(const event_entry *entry, int64_t *ret_us);

#endif

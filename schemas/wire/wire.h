/* wire: the codec of the messages in schemas/wadi/v1.
 *
 * Hot paths (an Event on the device, a Batch in the collector) are written by hand; everything small
 * goes through nanopb, which is also the reference that the tests hold the hand-written code against.
 * Pure functions: no allocation, no I/O, no clock; callable from any thread.
 *
 * Canonical form, required by the scanners: known fields in ascending order, lists of numbers packed
 * and once, as every protobuf library writes them; unknown fields after the known ones pass through.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schemas/wire/wire_limits.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wire_err {
    WIRE_OK = 0,
    WIRE_ERR_TRUNCATED, /* a length points behind the end */
    WIRE_ERR_MALFORMED, /* not protobuf, or not the canonical form */
    WIRE_ERR_TYPE,      /* a known field of the wrong wire type */
    WIRE_ERR_LIMIT,     /* more than a limit above allows */
    WIRE_ERR_VALUE, /* a value that cannot be: an id of the wrong size, first_seq 0, low > first_seq … */
    WIRE_ERR_UNDEFINED, /* an event refers to a definition or context that the batch lacks */
    WIRE_ERR_VERSION,   /* a wire version that this build does not know */
    WIRE_ERR_SPACE,     /* the output buffer is too small */
} wire_err;

/* A sentence for people, never NULL. */
const char *wire_strerror(wire_err err);

/* Borrowed bytes. */
typedef struct wire_span {
    const uint8_t *data;
    size_t n;
} wire_span;

/* ---- chain -------------------------------------------------------------------------------------- */

/* CRC of an event: CRC-32C over the run's nonce (4 bytes, little-endian) and then the Event's bytes, so
 * that equal bytes of two runs are not taken for one event. Seed once a run. */
uint32_t wire_crc_seed(uint32_t nonce);
uint32_t wire_crc_event(uint32_t seed, const void *event, size_t n);

/* The chain after a number: a 64-bit mix of the chain before it and the CRC of its event. */
static inline uint64_t wire_chain(uint64_t chain, uint32_t crc) {
    uint64_t x = chain ^ ((uint64_t)crc + 1);
    x *= UINT64_C(0x9E3779B97F4A7C15);
    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 32;
    return x;
}

/* ---- event -------------------------------------------------------------------------------------- */

typedef enum wire_type {
    WIRE_STRING = 0,
    WIRE_INT = 1,
    WIRE_DOUBLE = 2,
    WIRE_FALSE = 3,
    WIRE_TRUE = 4,
    WIRE_BYTES = 5,
} wire_type;

/* One property to encode. Borrows. */
typedef struct wire_prop {
    uint32_t key_id; /* 0: `key` goes inline */
    uint8_t type;    /* wire_type */
    uint8_t key_len; /* of `key`, at least 1; used when key_id is 0 */
    const char *key;
    union {
        int64_t i;
        double d;
        struct {
            const void *data;
            size_t n;
        } s; /* WIRE_STRING, WIRE_BYTES */
    } v;
} wire_prop;

typedef struct wire_event {
    uint32_t name_id; /* 0: `name` goes inline */
    uint8_t name_len;
    const char *name;
    uint64_t at_us;
    uint32_t context, priority;
    bool has_time;
    int64_t time_us;
    const wire_prop *props;
    size_t n_props;
} wire_event;

/* Exact size of the encoded event, without tag and length; 0 when it breaks a limit: too large, too many
 * properties, no name or key, an unknown type, a time out of bounds. */
size_t wire_event_size(const wire_event *ev);

/* Writes exactly wire_event_size(ev) bytes and returns that. The caller provides the space. */
size_t wire_event_encode(uint8_t *out, const wire_event *ev);

/* Length of the frame that stands before an event of n bytes in a batch (tag and length), and the frame. */
size_t wire_frame_size(size_t n);
size_t wire_frame_put(uint8_t *out, size_t n);

/* An encoded event, taken apart. Borrows from the scanned bytes. */
typedef struct wire_event_view {
    uint32_t name, context, priority, n_props;
    uint64_t at_us;
    int64_t time_us; /* valid if has_time */
    bool has_time;
    wire_span keys, ints, doubles;     /* packed contents */
    wire_span strings, blobs, inlined; /* from the first tag of the list to the end of its last value */
} wire_event_view;

/* Takes one event apart and checks its shape: order, limits, one value for every key. */
wire_err wire_event_scan(const uint8_t *data, size_t n, wire_event_view *ret_view);

/* The same for bytes that wire_event_scan accepted: checks nothing but bounds, and leaves n_props 0. False:
 * they are other bytes. */
bool wire_event_rescan(const uint8_t *data, size_t n, wire_event_view *ret_view);

/* One property read back. `key_id` 0: `key` holds the inline text. */
typedef struct wire_prop_view {
    uint32_t key_id;
    wire_type type;
    int64_t i;
    double d;
    wire_span key, s;
} wire_prop_view;

typedef struct wire_props {
    const uint8_t *keys, *keys_end, *ints, *doubles, *strings, *blobs, *inlined;
} wire_props;

/* The inline name (empty span when the name has an id) and the properties, in order. Only on a view that
 * wire_event_scan accepted. */
wire_span wire_props_begin(wire_props *it, const wire_event_view *view);
bool wire_props_next(wire_props *it, wire_prop_view *ret_prop);

/* ---- batch, on the device ------------------------------------------------------------------------ */

typedef struct wire_run {
    uint64_t ordinal;
    uint32_t nonce;
    uint8_t boot_id[WIRE_ID_BYTES];
    uint64_t boot_us;
    int64_t wall_us;
    wire_span sdk; /* at most 63 bytes */
} wire_run;

typedef struct wire_clock {
    uint8_t boot_id[WIRE_ID_BYTES];
    uint64_t boot_us;
    int64_t wall_us;
    bool has_offset;
    int64_t offset_us;
    uint64_t offset_error_us;
    bool has_not_after;
    int64_t not_after_us;
} wire_clock;

typedef struct wire_definition {
    uint32_t id;
    wire_span text;
} wire_definition;

typedef struct wire_attribute {
    wire_span key, value;
} wire_attribute;

typedef struct wire_context {
    uint32_t id;
    wire_span user, session;
    const wire_attribute *attributes;
    size_t n_attributes;
} wire_context;

typedef struct wire_dropped {
    uint64_t first_seq;
    uint32_t reason;
    const uint32_t *crcs;
    size_t n;
} wire_dropped;

typedef struct wire_batch_head {
    uint8_t installation[WIRE_ID_BYTES];
    uint8_t stream[WIRE_ID_BYTES];
    uint64_t first_seq, chain, low, resent_through, pending, refused;
    wire_run run;
    wire_clock clock;
    const wire_definition *definitions;
    size_t n_definitions;
    const wire_span *contexts; /* encoded Context messages, as wire_context_encode made them */
    size_t n_contexts;
    const wire_dropped *dropped;
    size_t n_dropped;
} wire_batch_head;

/* Everything of a Batch before its events; framed events (wire_frame_put + bytes) follow it directly. */
wire_err wire_batch_head_encode(const wire_batch_head *head, uint8_t *out, size_t cap, size_t *ret_n);
wire_err wire_context_encode(const wire_context *context, uint8_t *out, size_t cap, size_t *ret_n);

/* ---- batch, in the collector ---------------------------------------------------------------------- */

#define WIRE_ITEM_EXPLICIT 1u /* at_us is an explicit Unix time */
#define WIRE_ITEM_DROPPED 2u  /* a tombstone: `reason` (never 0) says why; no bytes */

/* One number of a batch, in the order of numbers. */
typedef struct wire_item {
    int64_t at_us; /* since Run.boot_us, or Unix time with WIRE_ITEM_EXPLICIT; 0 for a tombstone */
    uint32_t crc;
    uint32_t off, len; /* the Event's bytes in the body */
    uint8_t flags, reason;
} wire_item;

/* Definitions by id. About 104 KiB, of which a batch touches what it defines: one per thread, zeroed once and
 * then reused. `direct` is never cleared: an index counts only if the entry it leads to has the id. */
typedef struct wire_dict {
    uint32_t n;
    uint16_t direct[WIRE_DEFINITIONS_MAX];         /* index of the ids below WIRE_DEFINITIONS_MAX */
    wire_definition entries[WIRE_DEFINITIONS_MAX]; /* n of them, ascending ids */
} wire_dict;

/* The text of a definition; an empty span with data == NULL when there is none. */
wire_span wire_dict_get(const wire_dict *dict, uint32_t id);

typedef struct wire_batch {
    uint8_t installation[WIRE_ID_BYTES];
    uint8_t stream[WIRE_ID_BYTES];
    uint64_t first_seq, last_seq, chain, chain_after, low, resent_through, pending, refused;
    wire_run run;
    wire_clock clock;
    uint32_t n_items; /* numbers: events and tombstones */
    uint32_t n_events;
    uint64_t events_bytes; /* sum of wire_item.len */
    uint32_t n_contexts;
    wire_span contexts[WIRE_CONTEXTS_MAX]; /* Context messages */
    uint32_t context_ids[WIRE_CONTEXTS_MAX];
    uint64_t bad_seq; /* on error: the number at fault, 0 for the batch as a whole */
} wire_batch;

/* Checks a whole Batch and takes it apart, events too: every event's shape, that its definitions and
 * contexts are there, its CRC, the chain at the end. Spans borrow from `body`. `items` has room for
 * items_max numbers. On error *ret_batch is undefined but for bad_seq. */
wire_err wire_batch_scan(const uint8_t *body, size_t n, wire_item *items, size_t items_max, wire_dict *dict,
                         wire_batch *ret_batch);

/* The same without checking events or computing CRCs, for bytes that wire_batch_scan accepted before
 * (what the journal holds): items, times and dictionary only; chain_after and the crc of events stay 0.
 * Memory-safe on any bytes. */
wire_err wire_batch_rescan(const uint8_t *body, size_t n, wire_item *items, size_t items_max, wire_dict *dict,
                           wire_batch *ret_batch);

/* Walks a Context message. */
typedef struct wire_context_view {
    uint32_t id;
    wire_span user, session;
    uint32_t n_attributes;
    wire_attribute attributes[WIRE_ATTRIBUTES_MAX];
} wire_context_view;
wire_err wire_context_scan(wire_span message, wire_context_view *ret_view);

/* ---- ack ------------------------------------------------------------------------------------------ */

typedef enum wire_status {
    WIRE_STATUS_NONE = 0,
    WIRE_STATUS_OK = 1,
    WIRE_STATUS_REWIND = 2,
    WIRE_STATUS_FORK = 3,
    WIRE_STATUS_UNVERIFIED = 4,
    WIRE_STATUS_RETRY = 5,
    WIRE_STATUS_REFUSED = 6,
    WIRE_STATUS_TOO_LARGE = 7,
    WIRE_STATUS_UNAUTHORIZED = 8,
} wire_status;

typedef struct wire_ack {
    wire_status status;
    uint64_t agreed_through, next_seq, chain;
    char collector[64];
    int64_t received_us, sent_us;
    uint32_t retry_after_ms;
    char message[192];
    uint64_t refused_seq;
    uint32_t settings_version;
} wire_ack;

wire_err wire_ack_encode(const wire_ack *ack, uint8_t *out, size_t cap, size_t *ret_n);
wire_err wire_ack_decode(const uint8_t *data, size_t n, wire_ack *ret_ack);

/* Names of the enumerations as the JSON lines and metrics spell them: "disk_quota", "exact" … */
const char *wire_drop_reason_name(uint32_t reason);
const char *wire_time_quality_name(uint32_t quality);

#ifdef __cplusplus
}
#endif
#endif

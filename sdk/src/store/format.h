/* format: how the lane's file is laid out. One unnamed LMDB database; keys are a letter and big-endian
 * numbers:
 *
 *     M               meta: numbers, positions, counters
 *     S ordinal       a stream: a range of numbers and its id
 *     R run           a run
 *     B boot id       two clock samples of a boot
 *     C run id        an encoded Context        D run id    the text of a definition
 *     K first_seq     a chunk: consecutive numbers of one run
 *     N note          settings of other parts
 *
 * All but chunks are a record followed by a CRC-32C over key and record. Numbers are native: LMDB files are,
 * too. A chunk is a header, a table of one entry a number, and the framed events (as in a batch) of those
 * that are not tombstones. The header's CRC covers header, table and first number; each event has its own in
 * the table. */
#ifndef WDI_STORE_FORMAT_H
#define WDI_STORE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schemas/wire/wire.h"
#include "sdk/include/wadi/wadi.h"
#include "sdk/src/base/lmdb.h"
#include "sdk/src/store/store.h"

#define WDI_STORE_FORMAT 1u
#define WDI_RECORD_BYTES_MAX (WDI_NOTE_BYTES_MAX + 8192u) /* of what is not a chunk */
#define WDI_PRIORITIES 4u

typedef enum wdi_key_kind {
    WDI_KEY_META = 'M',
    WDI_KEY_STREAM = 'S',
    WDI_KEY_RUN = 'R',
    WDI_KEY_BOOT = 'B',
    WDI_KEY_CONTEXT = 'C',
    WDI_KEY_DEFINITION = 'D',
    WDI_KEY_CHUNK = 'K',
    WDI_KEY_NOTE = 'N',
} wdi_key_kind;

typedef struct wdi_key {
    uint8_t bytes[20];
    uint8_t n;
} wdi_key;

wdi_key wdi_key_plain(wdi_key_kind kind);
wdi_key wdi_key_number(wdi_key_kind kind, uint64_t number);
wdi_key wdi_key_pair(wdi_key_kind kind, uint64_t run, uint32_t id);
wdi_key wdi_key_boot(const uint8_t boot_id[WIRE_ID_BYTES]);
static inline base_lmdb_val wdi_key_val(const wdi_key *key) { return (base_lmdb_val){key->bytes, key->n}; }
/* The kind of a key met by a cursor, and the number behind it. */
bool wdi_key_is(base_lmdb_val key, wdi_key_kind kind);
uint64_t wdi_key_number_of(base_lmdb_val key);

/* CRC of a record under its key. */
uint32_t wdi_record_crc(const wdi_key *key, const void *record, size_t n);

typedef struct wdi_meta {
    uint32_t format;
    uint32_t next_stream; /* ordinal of the next stream */
    uint64_t next_seq;    /* the next number to give, and the chain before it */
    uint64_t chain;
    uint64_t ring_pos;
    uint64_t
        resent_ring_pos; /* events of the ring up to here are possible duplicates, once they get numbers */
    uint64_t run;        /* the last one begun; 0: none */
    uint64_t oldest_run; /* runs below are forgotten */
    uint64_t acked;
    uint64_t dropped[WADI_DROP_COUNT];
    uint64_t forks;
    uint64_t resent;
    uint64_t quarantined;
} wdi_meta;

typedef struct wdi_stream_record {
    uint32_t ordinal;
    uint32_t reserved;
    uint8_t id[WIRE_ID_BYTES];
    uint64_t low;      /* lowest number owed; `end` if none */
    uint64_t end;      /* behind the last number; 0: open, goes on with what the ring brings */
    uint64_t sent_max; /* highest number that a collector may know; low - 1 or more */
    uint64_t resent_through;
    uint64_t moved_us; /* since when another collector than `collector` answers; 0: not so */
    char collector[WDI_COLLECTOR_BYTES_MAX]; /* "": none has answered yet */
} wdi_stream_record;

typedef struct wdi_run_record {
    uint64_t ordinal;
    uint32_t nonce;
    uint32_t sdk_bytes;
    uint8_t boot_id[WIRE_ID_BYTES];
    uint64_t boot_us;
    int64_t wall_us;
    char sdk[64];
} wdi_run_record;

typedef struct wdi_clock_sample {
    int64_t offset_us; /* collector clock minus boot clock */
    uint64_t error_us; /* 0: there is none */
    uint64_t at_us;    /* boot clock when it was taken */
} wdi_clock_sample;

typedef struct wdi_boot_record {
    wdi_clock_sample last, before; /* see clock.c */
} wdi_boot_record;

/* ---- chunks ------------------------------------------------------------------------------------- */

#define WDI_CHUNK_PAYLOAD_MAX (WIRE_EVENT_BYTES_MAX + 8u)
#define WDI_CHUNK_NUMBERS_MAX 2048u /* tombstones of several chunks are merged up to this */
#define WDI_CHUNK_BYTES_MAX \
    (sizeof(wdi_chunk_head) + WDI_CHUNK_NUMBERS_MAX * sizeof(wdi_chunk_entry) + WDI_CHUNK_PAYLOAD_MAX)

typedef struct wdi_chunk_head {
    uint32_t crc;
    uint32_t count;
    uint64_t run;
    uint64_t chain;      /* before the first number */
    uint64_t ring_begin; /* entries' ring_end counts from here */
    uint32_t payload_bytes;
    uint32_t priorities; /* 1 << priority of every event that is not a tombstone */
} wdi_chunk_head;

typedef struct wdi_chunk_entry {
    uint32_t crc;
    uint16_t n;       /* bytes of the Event, without its frame; 0 for a tombstone */
    uint8_t reason;   /* wadi_drop; 0: an event */
    uint8_t priority; /* wadi_priority */
    uint32_t ring_end;
} wdi_chunk_entry;

/* A chunk, read. Borrows. */
typedef struct wdi_chunk {
    uint64_t first;
    wdi_chunk_head head;
    const uint8_t *table;
    const uint8_t *payload;
} wdi_chunk;

/* False: damaged. */
bool wdi_chunk_read(uint64_t first, base_lmdb_val val, wdi_chunk *ret_chunk);
static inline uint64_t wdi_chunk_last(const wdi_chunk *c) { return c->first + c->head.count - 1; }
wdi_chunk_entry wdi_chunk_get(const wdi_chunk *c, uint32_t index);
/* The chain before the number, which is in the chunk or directly behind it. */
uint64_t wdi_chunk_chain(const wdi_chunk *c, uint64_t number);

static inline size_t wdi_chunk_bytes(const wdi_chunk_head *head) {
    return sizeof *head + head->count * sizeof(wdi_chunk_entry) + head->payload_bytes;
}
/* Fills in head.crc once header and table stand at `out`. */
void wdi_chunk_seal(uint64_t first, uint8_t *out);

#endif

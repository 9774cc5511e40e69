/* How the ring lies in its file; shared by the files of this directory, and by tests that damage rings. */
#ifndef WDI_RING_LAYOUT_H
#define WDI_RING_LAYOUT_H

#include "sdk/src/ring/ring.h"

#define WDI_RING_MAGIC UINT64_C(0x31676e6972696477) /* "wdiring1" */
#define WDI_RING_LIMIT (UINT64_C(1) << 62)          /* no position is beyond: bit 63 is the mark's */
#define WDI_RING_ALIGN 8u

/* What is fixed for a run, under a CRC. */
typedef struct wdi_ring_identity {
    uint64_t magic;
    uint64_t bytes; /* of data */
    uint64_t start; /* the run's first position */
    uint64_t ordinal;
    uint32_t nonce;
    uint8_t boot_id[16];
    uint32_t crc; /* CRC-32C of what stands before */
} wdi_ring_identity;

/* Written in turns, so that a whole one stands there whenever the process dies. */
typedef struct wdi_ring_note {
    uint64_t turn;
    uint8_t data[WDI_RING_NOTE_BYTES];
    uint32_t n;
    uint32_t crc; /* CRC-32C of what stands before */
} wdi_ring_note;

/* The first page. Head and tail stay true when the process is killed, since the kernel holds the page. */
typedef struct wdi_ring_header {
    wdi_ring_identity identity;
    _Alignas(64) _Atomic uint64_t tail; /* next position to claim */
    _Alignas(64) _Atomic uint64_t head; /* everything before is free again */
    _Alignas(64) wdi_ring_note notes[2];
} wdi_ring_header;

/* A record's header in the data. */
typedef struct wdi_slot {
    _Atomic uint64_t pos;
    uint32_t check;
    uint32_t word;
} wdi_slot;

/* `word` */
#define WDI_WORD_N_MASK 0xFFFFFFu
#define WDI_WORD_KIND_SHIFT 24
#define WDI_WORD_PRIORITY_SHIFT 28

/* What stands in `pos` from the claim to the commit: whose slot it is, and how long, so that others can find
 * the next one and tell whether the owner still lives. */
#define WDI_MARK (UINT64_C(1) << 63)
#define WDI_MARK_TID_SHIFT 32

static inline uint32_t wdi_slot_bytes(uint32_t n) {
    return (WDI_RING_RECORD_HEADER + n + (WDI_RING_ALIGN - 1)) & ~(uint32_t)(WDI_RING_ALIGN - 1);
}

static inline wdi_slot *wdi_slot_at(const wdi_ring *ring, uint64_t pos) {
    return (wdi_slot *)(void *)(ring->data + (pos & ring->mask));
}

static inline uint8_t *wdi_slot_payload(wdi_slot *slot) { return (uint8_t *)(slot + 1); }

/* The payload's CRC alone would not notice a changed kind or priority. */
static inline uint32_t wdi_slot_check(uint32_t crc, uint32_t word) { return crc ^ word * 0x9E3779B1u; }

/* Reads the record at `pos` if one is there, committed, whole and ending by `end`. */
bool wdi_slot_read(const wdi_ring *ring, uint64_t pos, uint64_t end, uint32_t crc_seed,
                   wdi_record *ret_record);

/* What is in a slot that wdi_slot_read refused. */
typedef enum wdi_slot_kind {
    WDI_SLOT_UNMARKED,  /* zero: claimed at most */
    WDI_SLOT_CLAIMED,   /* a plausible mark */
    WDI_SLOT_COMMITTED, /* its own position: a record, which may be damaged */
    WDI_SLOT_STRANGE,   /* anything else */
} wdi_slot_kind;
wdi_slot_kind wdi_slot_look(const wdi_ring *ring, uint64_t pos, uint64_t end);

/* The thread of a CLAIMED slot. */
uint32_t wdi_slot_owner(const wdi_ring *ring, uint64_t pos);

/* Where to go on behind a slot that cannot be read: `end` if nothing is there. */
uint64_t wdi_slot_skip(const wdi_ring *ring, uint64_t pos, uint64_t end, uint32_t crc_seed);

/* The CRC that `identity` should have. */
uint32_t wdi_ring_identity_crc(const wdi_ring_identity *identity);

#endif

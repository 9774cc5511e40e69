/* The ring: where a recorded event is from the moment that wadi_track returns until the store has it.
 *
 * A file `ring` in the lane's directory, mapped shared, so that the kernel has every record as soon as it is
 * written: it survives the end of the process by any means. A header page, then a power of two of data,
 * mapped twice in a row so that no record wraps. Preallocated, never sparse: a full disk must not become a
 * SIGBUS in somebody else's program.
 *
 * Positions are 64-bit byte positions that only grow, also across runs; multiples of 8; 0 is none. A record
 * is a 16-byte header and its payload, padded to 8:
 *     uint64 pos     its own position; stored last, which is the commit. Before: 0, or the mark of its
 * claimer uint32 check   CRC of the payload (wire_crc_event, seeded by the run's nonce), mixed with `word`
 *     uint32 word    length of the payload | kind << 24 | priority << 28
 * Free space is all zeros: the consumer clears what it has consumed before it publishes the new `head`.
 *
 * Producers: any thread, and signal handlers; claim and commit take no lock, no memory, and make no system
 * call (but gettid, once a thread). One consumer: read, seek, release, and the functions that open and close.
 * What a file holds is never trusted: a damaged ring yields less, never a crash.
 */
#ifndef WDI_RING_H
#define WDI_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sdk/include/wadi/wadi.h"

#define WDI_RING_BYTES_MIN (64u << 10)
#define WDI_RING_BYTES_MAX (64u << 20)
#define WDI_RING_PAYLOAD_MAX 32768u /* also at most a quarter of the ring */
#define WDI_RING_RECORD_HEADER 16u

/* Identifies an open of the lane, as the store keeps it and the ring's header repeats it. */
typedef struct wdi_run_id {
    uint64_t ordinal;
    uint32_t nonce; /* seeds the CRC of the run's records */
    uint8_t boot_id[16];
} wdi_run_id;

typedef enum wdi_record_kind {
    WDI_RECORD_EVENT = 1,      /* an encoded Event */
    WDI_RECORD_DEFINITION = 2, /* uint32 id (little-endian), then the text, 1 to 255 bytes */
    WDI_RECORD_CONTEXT = 3,    /* an encoded Context, its id inside */
} wdi_record_kind;

/* A record as the consumer sees it. `data` points into the ring: lent until released. */
typedef struct wdi_record {
    uint64_t pos;
    uint64_t end; /* the position after it: its ticket, and what to store and release with it */
    wdi_record_kind kind;
    wadi_priority priority;
    uint32_t crc; /* wire_crc_event of the payload: for an event, the CRC of the chain */
    uint32_t n;
    const uint8_t *data;
} wdi_record;

struct wdi_ring_header;

typedef struct wdi_ring {
    /* Read by producers, constant while a run lasts. */
    struct wdi_ring_header *header;
    uint8_t *data; /* size bytes, and the same again */
    uint64_t mask; /* size - 1 */
    uint32_t payload_max;
    uint32_t crc_seed;
    uint32_t pid;
    int fd;
    /* The consumer's own. */
    _Alignas(64) uint64_t cursor; /* next position to read */
    uint64_t probed_us;           /* when the owner of a blocking slot was last looked for */
    uint64_t skipped;             /* slots whose owner died before the commit */
    uint64_t damaged_bytes;       /* passed over because they could not be read */
    uint64_t warm_bytes;          /* how much is kept ready for writing */
    uint64_t made_bytes;          /* it was made anew when it was opened, of this size; 0: it was there */
    bool cut;                     /* its file was too short then: zeros stand where records may have been */
} wdi_ring;

/* ---- opening: open, recover, next … next, start --------------------------------------------------- */

/* Opens or makes the file in the directory `dir_fd` (borrowed) and maps it, with the size that it has, or had
 * before it was cut; a new one gets `bytes`, rounded up to a power of two. Blocks for the disk.
 * WADI_ERR_DISK_FULL, _PERMISSION, _IO, _SYSTEM. *ring needs no initialisation; on failure wdi_ring_close is
 * harmless. */
WADI_NODISCARD wadi_err wdi_ring_open(wdi_ring *ring, int dir_fd, uint32_t bytes);

/* A copy of the ring in the file `fd` (borrowed), in memory of its own, to be read by recover and next:
 * whatever becomes of the file. WADI_ERR_CORRUPT: it has no ring's size. Else as open. */
WADI_NODISCARD wadi_err wdi_ring_open_copy(wdi_ring *ring, int fd);

/* Unmaps and closes; the file stays. Accepts a zeroed ring. No producer may be inside. */
void wdi_ring_close(wdi_ring *ring);

/* In the child of a fork, from its handler: closes the descriptor, and leaves the mapping to wdi_ring_close.
 * Async-signal-safe. */
void wdi_ring_disown(wdi_ring *ring);

/* What an earlier run left behind. */
typedef struct wdi_recovery {
    wdi_ring *ring;
    uint64_t pos; /* next position to look at */
    uint64_t end; /* records begin before */
    uint32_t crc_seed;
    bool whole;          /* page cache intact: go on behind slots that were never committed */
    uint64_t skipped;    /* such slots */
    uint64_t lost_bytes; /* recorded, and unreadable now. Complete when next has returned false */
    uint64_t next_start; /* where the next run begins. Complete when next has returned false */
} wdi_recovery;

/* Begins to read what `stored` (the run that the store names last; NULL: none) recorded from the stored
 * position on. `boot_id` is the present boot: if it is the run's, only the process had ended and every
 * record up to the tail is there; if not, or if the store is older than the ring (a restored copy), the
 * unbroken prefix alone counts, and what is behind is lost and counted. A ring that was made anew counts as
 * lost whole, since nothing tells what was in the one before. */
void wdi_ring_recover(wdi_ring *ring, const wdi_run_id *stored, uint64_t position, const uint8_t boot_id[16],
                      wdi_recovery *ret_recovery);

/* A note in the ring's head, of up to WDI_RING_NOTE_BYTES: what the store would like to know of itself when
 * its own file is gone. set: the consumer's, a copy into mapped memory, as durable as a record; nothing where
 * the file system would not take it (wdi_ring_ready). get: of the
 * file in the directory, before it is opened; false: there is no whole one of n bytes. */
#define WDI_RING_NOTE_BYTES 96u
void wdi_ring_note_set(wdi_ring *ring, const void *data, uint32_t n);
bool wdi_ring_note_get(int dir_fd, void *ret_data, uint32_t n);

/* The next record, or false at the end. */
bool wdi_recovery_next(wdi_recovery *recovery, wdi_record *ret_record);

/* Begins a run at `position` (the recovery's next_start, which the store has committed together with the run
 * before this call): resizes the file to `bytes` if it has another size, clears it, and writes the run's
 * identity, synced. Everything recovered must be in the store: it is gone from here. */
WADI_NODISCARD wadi_err wdi_ring_start(wdi_ring *ring, const wdi_run_id *run, uint64_t position,
                                       uint32_t bytes);

/* ---- producers ------------------------------------------------------------------------------------- */

/* Whether the file system would take what is recorded next. One that is dead lets nobody write to a page that
 * it has to be asked about, and the kernel says so to a plain write with a SIGBUS, and to this without one.
 * True also where that cannot be known: before Linux 5.14. Any thread, and signal handlers; makes system
 * calls. */
bool wdi_ring_ready(const wdi_ring *ring);

/* Claims space for a payload of n bytes, 1 … payload_max, and returns where to write it; NULL: no room.
 * A claim must be followed by wdi_ring_commit: everything behind it waits. Nothing slow in between. */
uint8_t *wdi_ring_claim(wdi_ring *ring, uint32_t n, uint64_t *ret_pos);

/* Commits the payload of n bytes at `pos`. Returns the position after the record, its ticket. */
uint64_t wdi_ring_commit(wdi_ring *ring, uint64_t pos, wdi_record_kind kind, wadi_priority priority,
                         uint32_t n);

/* Claims, copies, commits. WADI_ERR_FULL; WADI_ERR_TOO_LARGE. ret_ticket may be NULL. */
WADI_NODISCARD wadi_err wdi_ring_put(wdi_ring *ring, wdi_record_kind kind, wadi_priority priority,
                                     const void *data, uint32_t n, wadi_ticket *ret_ticket);

/* ---- the consumer ---------------------------------------------------------------------------------- */

typedef enum wdi_ring_state {
    WDI_RING_RECORD,  /* here is one; the cursor is behind it */
    WDI_RING_EMPTY,   /* all that was claimed has been read */
    WDI_RING_BLOCKED, /* the next slot is claimed and not committed: come back in a few milliseconds */
} wdi_ring_state;

/* The next record in order. A slot whose owner thread is gone is skipped and counted; the owner is looked for
 * at most every WDI_RING_PROBE_US, and only when blocked. A slot whose owner lives and never comes back (it
 * left a signal handler by longjmp), or died in the two instructions before it could sign its slot, blocks
 * until the ring is opened again. */
wdi_ring_state wdi_ring_read(wdi_ring *ring, wdi_record *ret_record);
#define WDI_RING_PROBE_US 5000u

/* The position up to which everything has been read: what to store, and later to release. It may be behind
 * the last record's `end`, where something was skipped. */
uint64_t wdi_ring_cursor(const wdi_ring *ring);

/* Reads again from `position`, one that wdi_ring_cursor gave and that is not released: after a store
 * transaction that failed. */
void wdi_ring_seek(wdi_ring *ring, uint64_t position);

/* The store has committed everything before `position`: clears that and gives it back to the producers. */
void wdi_ring_release(wdi_ring *ring, uint64_t position);

/* Makes the memory behind the tail ready for writing, so that no producer meets the page fault of a first
 * write, which may wait for the file system's journal: a page has it anew whenever the kernel has written it
 * to the disk. As much as `bytes`, what was recorded since the last call, and what earlier ones foretell; so
 * an idle program's flash sees no more writes for it. Only advice: with a kernel before Linux 5.14 nothing
 * happens. */
void wdi_ring_warm(wdi_ring *ring, uint64_t bytes);

/* Nothing claimed that was not read; sequentially consistent, as wdi_bell needs it. */
bool wdi_ring_empty(const wdi_ring *ring);

/* The position behind the last claim: everything recorded before now is below. Any thread. */
uint64_t wdi_ring_tail(const wdi_ring *ring);

/* Bytes claimed and not released. Any thread. */
uint64_t wdi_ring_used(const wdi_ring *ring);

#endif

/* store: what a lane keeps on disk, in one LMDB file, until a collector has agreed to every number.
 *
 * The numbers of a lane are one ascending sequence for good: forks and moves give a range of them another
 * stream id, and never renumber. So events live in chunks keyed by their first number, and a stream is a
 * range [low, end) of numbers with an id; the last one is open and takes what the ring brings. The ranges are
 * disjoint, and older ones are sent first.
 *
 * Every change is one synced transaction; a call that fails has changed nothing. Nothing is ever sent that is
 * not committed. May use: base/lmdb, base/lmdb_check, base/crc32c, wire. May not use: ring, upload, threads,
 * clocks (time is an argument).
 *
 * Threads: none of its own; all calls on a store come from one thread at a time (the background thread, and
 * wadi_open before it starts). All memory is taken in wdi_store_open. */
#ifndef WDI_STORE_STORE_H
#define WDI_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "schemas/wire/wire.h"
#include "sdk/include/wadi/wadi.h"
#include "sdk/src/core/diag.h"

#define WDI_STREAMS_MAX 32u         /* ranges at once; more moves than that reuse the last one */
#define WDI_COLLECTOR_BYTES_MAX 64u /* an id with its terminator, as in wire_ack */
#define WDI_DICT_ID_MAX 65535u      /* definitions and contexts of one run are numbered 1 … this */
#define WDI_BATCH_NUMBERS_MAX 4096u /* of one batch; well below WIRE_BATCH_NUMBERS_MAX */
#define WDI_BATCH_DEFINITIONS_MAX 1024u
#define WDI_BATCH_CONTEXTS_MAX 64u
#define WDI_BATCH_DROPPED_MAX 128u
#define WDI_MOVE_WAIT_US_DEFAULT (UINT64_C(24) * 3600 * 1000000)
#define WDI_DROPPED_LOG_MAX 1024u /* most recent tickets that ended as dropped */

typedef struct wdi_store wdi_store;

/* What a store says of itself to whoever keeps it elsewhere: if its file is lost, numbers are not. All are
 * lower bounds at any later time. */
typedef struct wdi_store_numbers {
    uint64_t next_seq, low; /* the next number to give, and the lowest one owed */
    uint64_t ring_pos;
    uint64_t run, run_boot_us; /* the last run begun */
    int64_t run_wall_us;
    uint32_t nonce, reserved;
    uint8_t boot_id[WIRE_ID_BYTES];
} wdi_store_numbers;

typedef struct wdi_store_options {
    const char *path;           /* the LMDB file; its directory exists. Borrowed for the store's life */
    const char *quarantine_dir; /* where a damaged file is set aside: as many bytes as disk_bytes_max, the
                                   oldest go first */
    uint8_t installation[WIRE_ID_BYTES];
    uint64_t disk_bytes_max;  /* the map, and what is preallocated */
    uint64_t move_wait_us;    /* 0: WDI_MOVE_WAIT_US_DEFAULT */
    uint64_t max_age_us;      /* 0: events never become too old */
    bool keep_all;            /* the limits are not its owner's: nothing is dropped for them, nor reserved */
    const wdi_diag *diag;     /* borrowed for the store's life; may be NULL */
    pthread_mutex_t *working; /* as in base_lmdb_options */
    const wdi_store_numbers *numbers; /* as it last said, for a damaged file; NULL: not known */
} wdi_store_options;

/* Opens or makes the file. A damaged one is moved to quarantine_dir, and what can be read of it goes into a
 * new one: numbers that are owed and missing become tombstones (store_lost), and those behind the first of
 * them a new stream. With nothing to go on with, the store begins anew. */
WADI_NODISCARD wadi_err wdi_store_open(const wdi_store_options *opt, wdi_store **ret_store);
void wdi_store_close(wdi_store *s);
/* Batches made from now on carry this id. */
void wdi_store_installation_set(wdi_store *s, const uint8_t installation[WIRE_ID_BYTES]);
/* The open file, as fstat has it. False: there is none. */
bool wdi_store_file(const wdi_store *s, struct stat *ret_stat);
/* In the child of a fork, from its handler: closes the descriptors. Async-signal-safe. Only wdi_store_forget
 * may follow. Accepts NULL. */
void wdi_store_disown(wdi_store *s);
/* Then, later: frees our memory, touches neither the file nor its mapping. */
void wdi_store_forget(wdi_store *s);

/* ---- runs and the way in: the drainer ----------------------------------------------------------- */

/* The run that ring records behind wdi_store_ring_pos belong to: the last one begun. ordinal 0: none yet.
 * `sdk` of the result lends until the store is closed. */
void wdi_store_run(const wdi_store *s, wire_run *ret_run);

/* Ring position through which everything is in the store. */
uint64_t wdi_store_ring_pos(const wdi_store *s);

/* Begins run `ordinal = last + 1` with the nonce, boot and clocks given (the ordinal given is ignored), at
 * ring_pos. Only when no older record is left in the ring. WADI_ERR_DISK_FULL: what is left is for settling.
 */
WADI_NODISCARD wadi_err wdi_store_run_begin(wdi_store *s, const wire_run *run, uint64_t ring_pos);

/* One transaction of the drainer: begin, puts in ring order, commit or abort. Numbers are given by
 * put_event. `ring_end` is the position behind the event's record: its ticket. After an error: abort.
 * WADI_ERR_DISK_FULL: the map is full even of tombstones, or the file system is; nothing is lost, try later.
 */
WADI_NODISCARD wadi_err wdi_store_begin(wdi_store *s);
WADI_NODISCARD wadi_err wdi_store_begin_recovery(wdi_store *s); /* may use of the reserve */
/* After WADI_ERR_DISK_FULL from a store that is not full: commits next to nothing, so that pages freed by the
 * transaction before can be used again. */
WADI_NODISCARD wadi_err wdi_store_touch(wdi_store *s);
bool wdi_store_is_full(const wdi_store *s); /* begin refuses, until something is settled or dropped */
WADI_NODISCARD wadi_err wdi_store_put_event(wdi_store *s, const uint8_t *event, size_t n, uint32_t crc,
                                            wadi_priority priority, uint64_t ring_end);
WADI_NODISCARD wadi_err wdi_store_put_definition(wdi_store *s, uint32_t id, const void *text, size_t n);
WADI_NODISCARD wadi_err wdi_store_put_context(wdi_store *s, uint32_t id, const void *encoded, size_t n);
WADI_NODISCARD wadi_err wdi_store_commit(wdi_store *s, uint64_t ring_pos);
void wdi_store_abort(wdi_store *s);

/* Bytes of records that one such transaction should hold at most. */
size_t wdi_store_txn_bytes_max(const wdi_store *s);

/* Over 75 % of the map: turns the oldest events of the lowest priority into tombstones, one small transaction
 * a call; *ret_more: call again. Also merges neighbouring tombstones. Numbers that a collector may have
 * (sent, and not answered yet) are left alone, here and below: it has the say on them, and both would count
 * them, differently. */
WADI_NODISCARD wadi_err wdi_store_quota_step(wdi_store *s, bool *ret_more);

/* Events recorded longer than max_age_us before `boot_us`, now by the boot clock, become tombstones (age), in
 * one small transaction a call; *ret_more: call again. What counts is what wdi_moment_elapsed proves. */
WADI_NODISCARD wadi_err wdi_store_age_step(wdi_store *s, uint64_t boot_us, bool *ret_more);

/* ---- the way out: the uploader ------------------------------------------------------------------ */

/* One batch, ready for wire_batch_head_encode: the head is complete but for clock.boot_us, clock.wall_us and
 * clock.boot_id (of the attempt) and `refused`. clock.has_offset and has_not_after are set for the run's
 * boot. Everything that it points to lends until the next call with this store. */
typedef struct wdi_store_batch {
    wire_batch_head head;
    uint64_t last_seq;
    size_t events_bytes; /* framed events in the caller's buffer; they follow the encoded head */
} wdi_store_batch;

typedef struct wdi_store_want {
    const char *collector; /* id of the one at the other end, "" or NULL while not known: streams that belong
                              to another one are held back until move_wait is over */
    uint64_t now_us;       /* base_boot_us(): for move_wait */
    uint32_t numbers_max;  /* 0: WDI_BATCH_NUMBERS_MAX; 1 and halves of earlier ones after 413 or REFUSED */
    uint8_t *out;          /* room for the framed events; at least WIRE_EVENT_BYTES_MAX + 8 */
    size_t cap;
} wdi_store_want;

/* The next batch to send, at the cursor of the oldest stream that may be sent and has numbers at its cursor.
 * *ret_any false: nothing to send now (all is in flight, waits for its collector, or is settled); *ret_batch
 * is then unchanged. Damaged events met on the way become tombstones (reason corrupt) first. */
WADI_NODISCARD wadi_err wdi_store_peek(wdi_store *s, const wdi_store_want *want, wdi_store_batch *ret_batch,
                                       bool *ret_any);

/* Before the batch's first byte goes out: notes durably that numbers through last_seq of the stream may be
 * known to a collector (a transaction only when that grows), and moves the cursor behind last_seq. */
WADI_NODISCARD wadi_err wdi_store_sending(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES],
                                          uint64_t last_seq);

/* The id of the collector that this connection reaches, from any Ack. Sets the home of `stream` (may be NULL)
 * if it has none. Streams of another home are cut: what was never sent goes to a new random stream, now. */
WADI_NODISCARD wadi_err wdi_store_home(wdi_store *s, const char *collector,
                                       const uint8_t stream[WIRE_ID_BYTES], uint64_t now_us);

/* Whether that id matters before anything is sent: a stream with a home has numbers that it may know already,
 * and sent to another collector they would count twice. Ask first (any request that is answered with an
 * Ack), then wdi_store_home. */
bool wdi_store_wants_home(const wdi_store *s);

/* Answers. An id that the store no longer has is ignored: the answer is older than a fork.
 * settle (OK): forgets every number <= through, never beyond what was sent.
 * fork (FORK): settles through agreed_through; all after it moves to the derived stream; cursor at low.
 * unverified (UNVERIFIED): older than low: only the cursor goes back to low; own chain equal: settles through
 *   next_seq - 1; else forks at low and marks as resent what is in the store, and what is in the ring up to
 * the tail last told. */
WADI_NODISCARD wadi_err wdi_store_settle(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES], uint64_t through);
WADI_NODISCARD wadi_err wdi_store_fork(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES],
                                       uint64_t agreed_through);
void wdi_store_ring_tail_set(wdi_store *s, uint64_t ring_tail); /* before answers are taken: for unverified */
WADI_NODISCARD wadi_err wdi_store_unverified(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES],
                                             uint64_t next_seq, uint64_t chain);

/* REWIND, or an exchange that failed: the next peek of the stream starts at `to` (clamped to low … end;
 * 0: at low). stream NULL: all streams, at low. Writes nothing. */
void wdi_store_rewind(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES], uint64_t to);

/* Turns numbers first … last that the stream still owes into tombstones. */
WADI_NODISCARD wadi_err wdi_store_drop(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES], uint64_t first,
                                       uint64_t last, wadi_drop reason);

/* The wall clock of the run's start, as the wall clock has it now: of a step by more than a second it takes
 * note, for the latest belief of a run is what a later boot's can be compared with. A transaction only then.
 */
WADI_NODISCARD wadi_err wdi_store_run_wall(wdi_store *s, int64_t wall_us);

/* A measurement of `collector clock - boot clock` in the current run's boot, good to +-error_us (at least 1),
 * taken at boot clock at_us. Kept if better than the one in store, as good as that one can still be, or if
 * the two cannot both be true. *ret_kept may be NULL. */
WADI_NODISCARD wadi_err wdi_store_clock_sample(wdi_store *s, int64_t offset_us, uint64_t error_us,
                                               uint64_t at_us, bool *ret_kept);

/* Whether one is due before anything is sent: there is none of this boot, or only an old one. Any answer that
 * carries times will do. now_us: base_boot_us(). */
bool wdi_store_wants_clock(const wdi_store *s, uint64_t now_us);

/* Collector clock minus boot clock in the current run's boot; false: not known. */
bool wdi_store_clock(const wdi_store *s, uint64_t boot_us, int64_t *ret_offset_us);

/* Small settings of other parts that must outlive a restart (Retry-After, TLS session …), at most 2 KB each.
 * get: *ret_n 0 when there is none or it does not fit. n 0 deletes. */
typedef enum wdi_store_note {
    WDI_NOTE_RETRY_AFTER = 1,
    WDI_NOTE_TLS_SESSION = 2,
    WDI_NOTE_BOOTS = 16, /* the store's own: see wdi_moment */
    WDI_NOTE_UPLOAD_BUDGET = 17,
} wdi_store_note;
#define WDI_NOTE_BYTES_MAX 2048u
WADI_NODISCARD wadi_err wdi_store_note_put(wdi_store *s, wdi_store_note note, const void *data, size_t n);
WADI_NODISCARD wadi_err wdi_store_note_get(wdi_store *s, wdi_store_note note, void *out, size_t cap,
                                           size_t *ret_n);

/* A moment, by clocks that nobody sets and that survive a restart. on_us is the time for which the store is
 * known to have been there: the boot clock while runs go on, from a boot's first run to the last event that
 * the store has of it, and nothing for what lies between boots, whatever the wall clock says. So between two
 * moments at least as much time has passed as on_us, or the collector's time, says. */
typedef struct wdi_moment {
    uint64_t on_us;
    int64_t collector_us;
    uint64_t collector_error_us; /* 0: the collector's time is not known */
} wdi_moment;
/* Of the present boot. */
wdi_moment wdi_store_moment(const wdi_store *s, uint64_t boot_us);
/* What is proven to have passed at least. */
uint64_t wdi_moment_elapsed(const wdi_moment *since, const wdi_moment *now);

/* ---- what it holds --------------------------------------------------------------------------------------
 */

void wdi_store_numbers_get(const wdi_store *s, wdi_store_numbers *ret_numbers);

/* Numbers owed: in the store and not settled. */
uint64_t wdi_store_pending(const wdi_store *s);

/* The ticket of the oldest number owed: every lower ticket of this run is settled. 0: it is an earlier run's.
 * UINT64_MAX: none is owed. */
WADI_NODISCARD wadi_err wdi_store_owed_ticket(wdi_store *s, uint64_t *ret_ticket);

/* Tickets that were settled as dropped, oldest first: the log's entries [n - WDI_DROPPED_LOG_MAX, n) are at
 * log[i % WDI_DROPPED_LOG_MAX]. */
typedef struct wdi_dropped_log {
    uint64_t n;
    uint64_t tickets[WDI_DROPPED_LOG_MAX];
} wdi_dropped_log;
const wdi_dropped_log *wdi_store_dropped_log(const wdi_store *s);

/* Fills the store's fields: assigned, pending, acked, dropped, forks, resent, disk_bytes, quarantined,
 * offset_us, offset_error_us. Leaves the others. */
void wdi_store_stats(const wdi_store *s, wadi_stats *ret_stats);

#endif

/* What the files of the store share. Every change runs between wdi_txn_begin and wdi_txn_end, which saves
 * what changed in `state` along with it, or puts back what was. */
#ifndef WDI_STORE_INSIDE_H
#define WDI_STORE_INSIDE_H

#include "sdk/src/base/lmdb.h"
#include "sdk/src/store/format.h"
#include "sdk/src/store/store.h"

typedef struct wdi_stream {
    wdi_stream_record record;
    uint64_t cursor; /* next number to send; not kept on disk */
} wdi_stream;

/* Boots of which the store has runs, oldest first; for more than this many the oldest go. */
#define WDI_BOOTS_MAX 64u
typedef struct wdi_boots {
    uint64_t n;
    struct wdi_boot_seen {
        uint64_t first_run; /* its ordinal, and the boot clock and the moment's on_us when it began */
        uint64_t boot_us;
        uint64_t on_us;
    } seen[WDI_BOOTS_MAX];
} wdi_boots;

/* What transactions change, but for chunks, definitions and contexts. */
typedef struct wdi_state {
    wdi_meta meta;
    uint32_t n_streams;
    wdi_stream streams[WDI_STREAMS_MAX]; /* ascending ranges; the last one is open */
    uint64_t live[WDI_PRIORITIES];       /* events owed, tombstones aside, by priority */
    uint64_t events_from;                /* lower numbers are tombstones, or gone: not looked through again */
    uint64_t reclaimed_run; /* runs below have no definitions and contexts any more, or all are needed */
    wdi_boots boots;
} wdi_state;

/* The chunk that the drainer fills. */
typedef struct wdi_builder {
    uint64_t first;
    wdi_chunk_head head;
    uint32_t table_max;
    uint32_t payload_max;
    wdi_chunk_entry *table;
    uint8_t *payload;
} wdi_builder;

/* The batch that the uploader looks at. */
typedef struct wdi_picker {
    uint32_t crcs[WDI_BATCH_NUMBERS_MAX]; /* of dropped numbers */
    wire_dropped dropped[WDI_BATCH_DROPPED_MAX];
    wire_definition definitions[WDI_BATCH_DEFINITIONS_MAX];
    wire_span contexts[WDI_BATCH_CONTEXTS_MAX];
    uint32_t context_ids[WDI_BATCH_CONTEXTS_MAX];
    uint64_t used_ids[(WDI_DICT_ID_MAX + 1) / 64]; /* a bit for each definition that the events use */
    wdi_run_record run;
} wdi_picker;

#define WDI_QUOTA_PERCENT_STOP 70u /* of the map; less while the drainer finds no pages in a row */

struct wdi_store {
    base_lmdb *env;
    base_lmdb_options lmdb; /* of env */
    struct stat file;       /* likewise */
    uint64_t map_bytes;
    wadi_err commit_failed; /* what became of the last commit */
    bool no_space;          /* it failed for want of room in the file system, not in the map */
    base_lmdb_txn *txn;     /* the writing one, while it lasts */
    base_lmdb_txn *reader;  /* what the last batch handed out borrows from */
    base_lmdb_cursor *walk; /* over chunks, in `txn` or `reader` */
    wdi_state state;        /* with the changes of the transaction under way */
    wdi_state kept;         /* as committed */
    wdi_run_record run;     /* the one of meta.run */
    wdi_boot_record clock;  /* of its boot; last.error_us 0: none yet */
    uint64_t used_bytes;    /* pages in use at the last commit */
    uint32_t quota_percent; /* acting stops below */
    uint32_t commits_well;  /* while quota_percent is lowered */
    bool quota_acting;
    bool keep_all;
    bool scattered;                      /* no pages in a row are free: tombstones are not joined */
    uint64_t quota_from[WDI_PRIORITIES]; /* older events of the priority are gone, or were sent */
    wadi_err failed;                     /* damage met: nothing is read or written any more */
    wdi_builder builder;
    wdi_picker picker;
    uint8_t *scratch; /* WDI_CHUNK_BYTES_MAX, twice: a chunk to change, and its neighbour */
    wdi_dropped_log dropped_log;
    uint64_t ring_tail;    /* as last told */
    uint32_t context_last; /* of the current run, since it was begun or recovered; 0: none */
    bool pages_waited; /* the drainer failed for want of pages, which the last transaction may have freed */
    uint64_t owed_ticket;
    uint8_t installation[WIRE_ID_BYTES];
    uint64_t move_wait_us;
    uint64_t max_age_us;
    const wdi_diag *diag;
};

/* ---- opening (store.c) -------------------------------------------------------------------------- */

/* After LMDB has given the file up: what that holds decides, be it with the last transaction or without.
 * Streams' cursors are at their low end again. Until it succeeds there is no env. */
WADI_NODISCARD wadi_err wdi_store_reopen(wdi_store *s);

/* ---- transactions (txn.c) ----------------------------------------------------------------------- */

WADI_NODISCARD wadi_err wdi_lmdb_err(base_lmdb_err err);
WADI_NODISCARD wadi_err wdi_txn_begin(wdi_store *s);
/* Commits when err is WADI_OK, else takes everything back. Returns what became of it. */
WADI_NODISCARD wadi_err wdi_txn_end(wdi_store *s, wadi_err err);
/* Opens the reader, after ending the one before. */
WADI_NODISCARD wadi_err wdi_reader_begin(wdi_store *s);
void wdi_reader_end(wdi_store *s);

/* Records with their CRC, in the transaction at hand. get: *ret_found false when absent. load: into exactly n
 * bytes, absent or of another size is damage. */
WADI_NODISCARD wadi_err wdi_record_put(wdi_store *s, const wdi_key *key, const void *record, size_t n);
WADI_NODISCARD wadi_err wdi_record_get(wdi_store *s, const wdi_key *key, wire_span *ret_record,
                                       bool *ret_found);
WADI_NODISCARD wadi_err wdi_record_load(wdi_store *s, const wdi_key *key, void *ret_record, size_t n);
WADI_NODISCARD wadi_err wdi_record_del(wdi_store *s, const wdi_key *key);

/* ---- chunks (chunk.c) --------------------------------------------------------------------------- */

/* The first chunk that holds a number >= `number`; *ret_found false: none. Then the ones behind it. */
WADI_NODISCARD wadi_err wdi_chunk_seek(wdi_store *s, uint64_t number, wdi_chunk *ret_chunk, bool *ret_found);
WADI_NODISCARD wadi_err wdi_chunk_next(wdi_store *s, wdi_chunk *ret_chunk, bool *ret_found);
void wdi_chunk_walk_end(wdi_store *s);
WADI_NODISCARD wadi_err wdi_chunk_del(wdi_store *s, uint64_t first);

/* Turns the events of the chunk that `which` accepts into tombstones, writes it, and merges it with the chunk
 * before it when both are all tombstones. Ends the walk. *ret_n counts them, may be 0. */
typedef bool (*wdi_entry_test)(const void *context, uint64_t number, const wdi_chunk_entry *e);
WADI_NODISCARD wadi_err wdi_chunk_bury(wdi_store *s, const wdi_chunk *chunk, wdi_entry_test which,
                                       const void *context, wadi_drop reason, uint32_t *ret_n);

/* The same for all chunks with numbers first … last. */
WADI_NODISCARD wadi_err wdi_drop_matching(wdi_store *s, uint64_t first, uint64_t last, wdi_entry_test which,
                                          const void *context, wadi_drop reason);
/* Numbers first … last that some stream owes are tombstones afterwards. */
WADI_NODISCARD wadi_err wdi_drop_range(wdi_store *s, uint64_t first, uint64_t last, wadi_drop reason);

/* ---- room (fill.c) ------------------------------------------------------------------------------ */

/* Who may still write, when the reserve is touched: the last half of it is for settling. */
typedef enum wdi_room { WDI_ROOM_DRAIN = 4, WDI_ROOM_RUN = 2 } wdi_room;
bool wdi_room_left(const wdi_store *s, wdi_room room);

/* ---- reclaiming (reclaim.c) --------------------------------------------------------------------- */

/* Deletes a run's records of the kind with ids below `end`, at most *budget of them, which it lowers. Inside
 * a transaction. */
WADI_NODISCARD wadi_err wdi_pairs_forget(wdi_store *s, wdi_key_kind kind, uint64_t run, uint32_t end,
                                         uint32_t *budget);
/* Deletes definitions and contexts older than what the oldest event needs, some at a time; *ret_any: there
 * may be more. Inside a transaction. */
WADI_NODISCARD wadi_err wdi_pairs_reclaim(wdi_store *s, bool *ret_any);

/* ---- streams (stream.c) ----------------------------------------------------------------------------------
 */

uint64_t wdi_stream_end(const wdi_state *state, const wdi_stream *stream);
wdi_stream *wdi_stream_find(wdi_state *state, const uint8_t id[WIRE_ID_BYTES]);
bool wdi_range_owed(const wdi_state *state, uint64_t first, uint64_t last);
bool wdi_number_owed(const wdi_state *state, uint64_t number);
/* Owed, and a collector may have it. */
bool wdi_number_sent(const wdi_state *state, uint64_t number);
/* A stream of random id for [low, end), at `index`. WADI_ERR_SYSTEM: no room, or no randomness. */
WADI_NODISCARD wadi_err wdi_stream_insert(wdi_state *state, uint32_t index, uint64_t low, uint64_t end);
void wdi_stream_remove(wdi_state *state, wdi_stream *stream);
/* The chain before a number of the stream that is owed, or the one behind the last of them. */
WADI_NODISCARD wadi_err wdi_chain_before(wdi_store *s, const wdi_stream *stream, uint64_t number,
                                         uint64_t *ret_chain);
/* Settles through a number, clamped to what was sent. A stream with nothing owed that is not the open one is
 * removed: another one stands at *stream then. */
WADI_NODISCARD wadi_err wdi_stream_settle(wdi_store *s, wdi_stream *stream, uint64_t through);

/* ---- moving (move.c) ---------------------------------------------------------------------------- */

bool wdi_stream_foreign(const wdi_stream *stream, const char *collector);
/* Of the streams whose home is another collector: numbers never sent go to a new stream; those that waited
 * too long for theirs change over. Inside a transaction. */
WADI_NODISCARD wadi_err wdi_streams_move(wdi_store *s, const char *collector, uint64_t now_us);
/* Whether wdi_streams_move would change anything. */
bool wdi_streams_moving(const wdi_store *s, const char *collector, uint64_t now_us);

/* ---- runs and times (run.c) --------------------------------------------------------------------- */

WADI_NODISCARD wadi_err wdi_run_load(wdi_store *s, uint64_t ordinal, wdi_run_record *ret_run);
/* Borrows record's text. */
void wdi_run_fill(const wdi_run_record *record, wire_run *ret_run);
/* Forgets runs that no chunk belongs to, some at a time. Inside a transaction. */
WADI_NODISCARD wadi_err wdi_runs_forget(wdi_store *s);
/* Fills offset and bound of the run into the batch's clock, for events of first_at_us … last_at_us since the
 * run's start. In the reader. */
WADI_NODISCARD wadi_err wdi_clock_fill(wdi_store *s, const wdi_run_record *run, uint64_t first_at_us,
                                       uint64_t last_at_us, wire_clock *clock);
/* The samples of the current run's boot; zeros when there are none. */
WADI_NODISCARD wadi_err wdi_clock_load(wdi_store *s, wdi_boot_record *ret_boot);

/* ---- age (age.c) -------------------------------------------------------------------------------- */

/* A run begins, after s->run: of another boot? Inside a transaction. */
WADI_NODISCARD wadi_err wdi_boots_note(wdi_store *s, const wdi_run_record *run);
/* In the reader. A note that is not there, or of another size, is no damage: what is older has no age. */
WADI_NODISCARD wadi_err wdi_boots_load(wdi_store *s);

/* ---- clocks (clock.c) --------------------------------------------------------------------------- */

#define WDI_DRIFT_PPM 100u /* between the device's boot clock and the collector's */

/* True: the sample changed what is known. */
bool wdi_clock_take(wdi_boot_record *boot, const wdi_clock_sample *sample);
/* Nothing is known, or it is so old that drift makes it vague. */
bool wdi_clock_stale(const wdi_boot_record *boot, uint64_t now_us);
/* The offset at a moment of the boot. *ret_error_us 0: nothing is known. */
void wdi_clock_at(const wdi_boot_record *boot, uint64_t boot_us, int64_t *ret_offset_us,
                  uint64_t *ret_error_us);

/* ---- quarantine (quarantine.c) ------------------------------------------------------------------ */

/* Files that are there. */
uint64_t wdi_quarantine_count(const char *dir);
/* For the copy of what can be read of the store's damaged file: what else is there goes, and of the damaged
 * file what was reserved for it and never used. */
void wdi_quarantine_make_room(const wdi_store_options *opt);
/* Moves the store's file there, for the reason given. Another file (may be NULL) takes its place. */
WADI_NODISCARD wadi_err wdi_quarantine_take(const wdi_store_options *opt, const char *why,
                                            const char *successor);

/* ---- salvage (salvage.c) ------------------------------------------------------------------------ */

typedef enum wdi_salvage_extent {
    WDI_SALVAGE_ALL,
    WDI_SALVAGE_NUMBERS, /* takes little room: all that is owed becomes tombstones (store_lost) */
} wdi_salvage_extent;
/* Fills the store, whose file is new, with what can be read of the damaged file. WADI_ERR_CORRUPT: that is
 * not enough to go on with. */
WADI_NODISCARD wadi_err wdi_salvage(wdi_store *s, int fd, const wdi_store_numbers *numbers,
                                    wdi_salvage_extent extent);

/* ---- opening (check.c) -----------------------------------------------------------------------------------
 */

/* Chunks in their order, held against the state and against each other; counts `live`. */
typedef struct wdi_chunk_audit {
    uint64_t owed; /* numbers owed that a chunk holds */
    uint64_t next; /* behind the last chunk, and the chain there; 0: none yet */
    uint64_t chain;
    uint64_t run;
} wdi_chunk_audit;
bool wdi_chunk_audit_take(wdi_state *state, const wdi_chunk *chunk, wdi_chunk_audit *audit);
bool wdi_chunk_audit_end(const wdi_state *state, const wdi_chunk_audit *audit);

/* Reads meta, streams and the current run into `kept`, and holds every chunk against them; counts `live`.
 * WADI_ERR_CORRUPT: they do not fit. *ret_fresh: the file is new. In the reader. */
WADI_NODISCARD wadi_err wdi_store_load(wdi_store *s, bool *ret_fresh);

#endif

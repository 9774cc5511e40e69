/* found: what the page reader makes of a lane's file: records by their own checksums, and the state that they
 * add up to. For a damaged file, and for one that somebody else holds. Nothing is mapped, nothing is written.
 * Threads: any; a file at a time. */
#ifndef WDI_STORE_FOUND_H
#define WDI_STORE_FOUND_H

#include "sdk/src/base/lmdb_check/lmdb_check.h"
#include "sdk/src/store/inside.h"

/* Looked through for runs whose record is missing. */
#define WDI_FOUND_RUNS_MAX 65536u

typedef struct wdi_found {
    bool sure;     /* a meta page of LMDB leads to the state. Else it may be an old one, or put together */
    bool doubtful; /* the newest transaction may be missing */
    bool rebuilt;  /* streams are put together: their ids are new */
    uint64_t page; /* where the meta record stands, unless sure */
} wdi_found;

/* Shows every entry of the file. WADI_ERR_CORRUPT: it is of another machine, or not one of LMDB's. */
WADI_NODISCARD wadi_err wdi_found_pass(int fd, lmdb_check_visit visit, void *context, bool *ret_doubtful);

/* Whether the record's checksum is right, and its size is n (0: any); then copied, unless n is 0. */
bool wdi_found_record(const lmdb_check_entry *e, void *ret_record, size_t n);
/* The entry as a chunk, if it is one and its table is whole. Borrows from the entry. */
bool wdi_found_chunk(const lmdb_check_entry *e, wdi_chunk *ret_chunk);
static inline base_lmdb_val wdi_found_key(const lmdb_check_entry *e) {
    return (base_lmdb_val){e->key, e->key_n};
}
static inline bool wdi_found_is(const lmdb_check_entry *e, wdi_key_kind kind) {
    return wdi_key_is(wdi_found_key(e), kind);
}

/* Meta and streams, if any of them, or of the chunks, is left. Numbers that a transaction gave whose state is
 * lost are part of it, and those that `numbers` (may be NULL) knows of. WADI_ERR_CORRUPT: nothing is left to
 * go on with. */
WADI_NODISCARD wadi_err wdi_found_state(int fd, const wdi_store_numbers *numbers, wdi_state *ret_state,
                                        wdi_found *ret_found);

#endif

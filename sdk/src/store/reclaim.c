/* Definitions and contexts that no event refers to any more. */
#include "sdk/src/store/inside.h"

#include <string.h>

#define RUNS_AT_ONCE 64u
#define RECORDS_AT_ONCE 256u /* a transaction stays small */
/* Kept below the lowest context in use: a thread takes the id before it claims its slot, and others may have
 * changed the context in between. */
#define CONTEXTS_SPARE 16u

/* What the oldest event needs. All that only tombstones belong to needs nothing. */
typedef struct need {
    uint64_t run;
    uint32_t context; /* the lowest; 0: not known */
} need;

static uint32_t chunk_context_min(const wdi_chunk *chunk) {
    const uint8_t *payload = chunk->payload;
    uint32_t min = 0;
    for (uint32_t i = 0; i < chunk->head.count; i++) {
        wdi_chunk_entry e = wdi_chunk_get(chunk, i);
        wire_event_view view;
        if (e.reason != 0)
            continue;
        size_t frame = wire_frame_size(e.n);
        if (wire_event_scan(payload + frame, e.n, &view) == WIRE_OK && view.context != 0 &&
            (min == 0 || view.context < min))
            min = view.context;
        payload += frame + e.n;
    }
    return min;
}

static wadi_err need_find(wdi_store *s, need *ret_need) {
    wdi_chunk chunk;
    bool found = false;
    wadi_err err = wdi_chunk_seek(s, s->state.events_from, &chunk, &found);
    while (err == WADI_OK && found && chunk.head.priorities == 0)
        err = wdi_chunk_next(s, &chunk, &found);
    if (err == WADI_OK && found)
        *ret_need = (need){chunk.head.run, chunk_context_min(&chunk)};
    else
        *ret_need = (need){s->state.meta.run, s->context_last};
    if (err == WADI_OK)
        s->state.events_from = found ? chunk.first : s->state.meta.next_seq;
    wdi_chunk_walk_end(s);
    return err;
}

wadi_err wdi_pairs_forget(wdi_store *s, wdi_key_kind kind, uint64_t run, uint32_t end, uint32_t *budget) {
    base_lmdb_cursor *cursor = NULL;
    base_lmdb_val val;
    bool found = false;
    wdi_key from = wdi_key_pair(kind, run, 0);
    wdi_key until = wdi_key_pair(kind, run, end);
    base_lmdb_val key = wdi_key_val(&from);
    base_lmdb_err err = base_lmdb_cursor_open(s->txn, 0, &cursor);
    if (err == BASE_LMDB_OK)
        err = base_lmdb_cursor_move(cursor, BASE_LMDB_AT_LEAST, &key, &val, &found);
    while (err == BASE_LMDB_OK && found && *budget > 0 && key.n == until.n &&
           memcmp(key.data, until.bytes, key.n) < 0) {
        --*budget;
        err = base_lmdb_cursor_del(cursor);
        if (err == BASE_LMDB_OK)
            err = base_lmdb_cursor_move(cursor, BASE_LMDB_NEXT, &key, &val, &found);
    }
    base_lmdb_cursor_close(cursor);
    return wdi_lmdb_err(err);
}

wadi_err wdi_pairs_reclaim(wdi_store *s, bool *ret_any) {
    wdi_state *state = &s->state;
    uint32_t budget = RECORDS_AT_ONCE;
    need oldest;
    wadi_err err = need_find(s, &oldest);
    if (err != WADI_OK)
        return err;
    if (state->reclaimed_run < state->meta.oldest_run)
        state->reclaimed_run = state->meta.oldest_run;
    for (uint32_t i = 0; i < RUNS_AT_ONCE && state->reclaimed_run < oldest.run; i++) {
        err = wdi_pairs_forget(s, WDI_KEY_DEFINITION, state->reclaimed_run, UINT32_MAX, &budget);
        if (err == WADI_OK)
            err = wdi_pairs_forget(s, WDI_KEY_CONTEXT, state->reclaimed_run, UINT32_MAX, &budget);
        if (err != WADI_OK || budget == 0)
            break;
        state->reclaimed_run++;
    }
    if (err == WADI_OK && state->reclaimed_run == oldest.run && oldest.context > CONTEXTS_SPARE)
        err = wdi_pairs_forget(s, WDI_KEY_CONTEXT, oldest.run, oldest.context - CONTEXTS_SPARE, &budget);
    *ret_any = budget < RECORDS_AT_ONCE || state->reclaimed_run < oldest.run;
    return err;
}

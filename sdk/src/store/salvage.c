/* A store anew from what can be read of a damaged one.
 *
 * With the state (meta and streams) at hand, every number keeps its place. From the first number that is owed
 * and missing on, no chain can be continued: all numbers from there on leave their streams for new ones,
 * marked as possible duplicates where a collector may know them, and what is missing becomes tombstones.
 * So no number is ever used under its old stream id for anything else.
 *
 * A state that nothing leads to any more may be an old one, and one that is put together may be wrong. Then
 * all numbers go to new streams, and all are marked. */
#include <string.h>

#include "sdk/src/base/random.h"
#include "sdk/src/store/found.h"

#define TXN_BYTES_MAX (512u * 1024u)
#define LOST_CHUNK_MAX 512u
#define RING_DOUBT_BYTES (1u << 20)

typedef struct salvage {
    wdi_store *s; /* the new one */
    wdi_salvage_extent extent;
    wadi_err err;
    size_t txn_bytes;
    wdi_found found;
    const wdi_store_numbers *numbers; /* may be NULL */
    uint64_t lost;                    /* numbers */
    wdi_chunk_head last;              /* of the chunk before, while chains are made */
    uint64_t next;
    uint64_t chain;
} salvage;

/* ---- the records -------------------------------------------------------------------------------- */

/* Commits now and then: what is under way must fit into memory. */
static wadi_err txn_step(salvage *v, size_t bytes) {
    v->txn_bytes += bytes;
    if (v->txn_bytes < TXN_BYTES_MAX)
        return WADI_OK;
    v->txn_bytes = 0;
    wadi_err err = wdi_txn_end(v->s, WADI_OK);
    return err == WADI_OK ? wdi_txn_begin(v->s) : err;
}

static wadi_err entry_put(salvage *v, const lmdb_check_entry *e) {
    base_lmdb_val there;
    bool found = false;
    base_lmdb_err err = base_lmdb_get(v->s->txn, 0, wdi_found_key(e), &there, &found);
    if (err == BASE_LMDB_OK && !found)
        err = base_lmdb_put(v->s->txn, 0, wdi_found_key(e), (base_lmdb_val){e->value, e->value_n});
    return err == BASE_LMDB_OK ? txn_step(v, e->key_n + e->value_n) : wdi_lmdb_err(err);
}

static bool run_kept(const wdi_meta *meta, uint64_t run) {
    return run >= meta->oldest_run && run <= meta->run && run != 0;
}

/* Chunks with a number that is owed; of strays, those that overlap with nothing that is there already. */
static wadi_err chunk_put(salvage *v, const lmdb_check_entry *e) {
    wdi_chunk chunk, there;
    bool found = false;
    const wdi_state *state = &v->s->state;
    if (!wdi_found_chunk(e, &chunk) || wdi_chunk_last(&chunk) >= state->meta.next_seq ||
        !run_kept(&state->meta, chunk.head.run) ||
        !wdi_range_owed(state, chunk.first, wdi_chunk_last(&chunk)))
        return WADI_OK;
    wadi_err err = wdi_chunk_seek(v->s, chunk.first, &there, &found);
    wdi_chunk_walk_end(v->s);
    if (err != WADI_OK || (found && there.first <= wdi_chunk_last(&chunk)))
        return err;
    return entry_put(v, e);
}

static wadi_err record_take(salvage *v, const lmdb_check_entry *e) {
    uint64_t number = wdi_key_number_of(wdi_found_key(e));
    const wdi_meta *meta = &v->s->state.meta;
    const bool all = v->extent == WDI_SALVAGE_ALL;
    switch (e->key_n > 0 ? (wdi_key_kind)e->key[0] : WDI_KEY_META) {
    case WDI_KEY_CHUNK:
        return all ? chunk_put(v, e) : WADI_OK;
    case WDI_KEY_CONTEXT:
    case WDI_KEY_DEFINITION:
        return all && run_kept(meta, number) && wdi_found_record(e, NULL, 0) ? entry_put(v, e) : WADI_OK;
    case WDI_KEY_RUN:
        return run_kept(meta, number) && wdi_found_record(e, NULL, 0) ? entry_put(v, e) : WADI_OK;
    case WDI_KEY_BOOT:
        return wdi_found_record(e, NULL, 0) ? entry_put(v, e) : WADI_OK;
    case WDI_KEY_NOTE: /* an old one may say what is no longer so */
        return e->reached && wdi_found_record(e, NULL, 0) ? entry_put(v, e) : WADI_OK;
    case WDI_KEY_META:
    case WDI_KEY_STREAM:
        break;
    }
    return WADI_OK;
}

static void record_visit(void *context, const lmdb_check_entry *e) {
    salvage *v = context;
    if (v->err == WADI_OK)
        v->err = record_take(v, e);
}

/* The last run may be known from elsewhere. */
static wadi_err run_make(const salvage *v, wdi_run_record *run) {
    const wdi_store_numbers *numbers = v->numbers;
    if (numbers == NULL || numbers->run != run->ordinal)
        return base_random(run->boot_id, sizeof run->boot_id) ? WADI_OK : WADI_ERR_SYSTEM;
    run->nonce = numbers->nonce;
    run->boot_us = numbers->run_boot_us;
    run->wall_us = numbers->run_wall_us;
    memcpy(run->boot_id, numbers->boot_id, sizeof run->boot_id);
    return WADI_OK;
}

/* A run whose record is lost: its events cannot be told from damaged ones, for want of its nonce. */
static wadi_err runs_fill(salvage *v) {
    const wdi_meta *meta = &v->s->state.meta;
    for (uint64_t i = meta->oldest_run; meta->run != 0 && i <= meta->run; i++) {
        wdi_key key = wdi_key_number(WDI_KEY_RUN, i);
        wdi_run_record run = {.ordinal = i};
        wire_span record;
        bool found = false;
        wadi_err err = wdi_record_get(v->s, &key, &record, &found);
        if (err == WADI_OK && !found)
            err = run_make(v, &run);
        if (err == WADI_OK && !found)
            err = wdi_record_put(v->s, &key, &run, sizeof run);
        if (err != WADI_OK)
            return err;
    }
    return WADI_OK;
}

/* ---- streams ------------------------------------------------------------------------------------ */

/* The stream becomes another one, with the same numbers. What a collector may know of them is marked. */
static wadi_err stream_renew(salvage *v, wdi_stream *stream) {
    wdi_stream_record *r = &stream->record;
    uint64_t known = v->found.sure ? r->sent_max : wdi_stream_end(&v->s->state, stream) - 1;
    if (known >= r->low)
        v->s->state.meta.resent += known - r->low + 1;
    if (known >= r->low && known > r->resent_through)
        r->resent_through = known;
    r->sent_max = r->low - 1;
    r->moved_us = 0;
    memset(r->collector, 0, sizeof r->collector);
    return base_random(r->id, sizeof r->id) ? WADI_OK : WADI_ERR_SYSTEM;
}

/* All numbers from `number` on, which the stream holds, leave their streams. */
static wadi_err streams_break(salvage *v, uint32_t index, uint64_t number) {
    wdi_state *state = &v->s->state;
    wdi_stream *stream = &state->streams[index];
    wadi_err err = WADI_OK;
    if (number > stream->record.low && state->n_streams < WDI_STREAMS_MAX) {
        wdi_stream_record before = stream->record;
        err = wdi_stream_insert(state, index + 1, number, before.end);
        if (err != WADI_OK)
            return err;
        wdi_stream_record *after = &state->streams[index + 1].record;
        after->resent_through = before.resent_through;
        after->sent_max = before.sent_max >= number ? before.sent_max : number - 1;
        stream->record.end = number;
        if (before.sent_max >= number)
            stream->record.sent_max = number - 1;
        index++;
    }
    for (; err == WADI_OK && index < state->n_streams; index++)
        err = stream_renew(v, &state->streams[index]);
    return err;
}

/* ---- numbers and chains ------------------------------------------------------------------------- */

static wadi_err value_put(salvage *v, uint64_t first, uint8_t *value) {
    wdi_chunk_head head;
    wdi_key key = wdi_key_number(WDI_KEY_CHUNK, first);
    wdi_chunk_walk_end(v->s);
    wdi_chunk_seal(first, value);
    memcpy(&head, value, sizeof head);
    const base_lmdb_val val = {value, wdi_chunk_bytes(&head)};
    base_lmdb_err err = base_lmdb_put(v->s->txn, 0, wdi_key_val(&key), val);
    return err == BASE_LMDB_OK ? txn_step(v, val.n) : wdi_lmdb_err(err);
}

/* Tombstones from v->next up to `end`. The events' checksums are lost with them: these are zeros. */
static wadi_err lost_put(salvage *v, uint64_t end) {
    wadi_err err = WADI_OK;
    while (err == WADI_OK && v->next < end) {
        uint8_t *value = v->s->scratch;
        uint64_t n = end - v->next < LOST_CHUNK_MAX ? end - v->next : LOST_CHUNK_MAX;
        const wdi_chunk_head head = {.count = (uint32_t)n, .run = v->last.run, .chain = v->chain};
        const wdi_chunk_entry e = {.reason = WADI_DROP_STORE_LOST};
        memcpy(value, &head, sizeof head);
        for (uint64_t i = 0; i < n; i++) {
            memcpy(value + sizeof head + i * sizeof e, &e, sizeof e);
            v->chain = wire_chain(v->chain, 0);
        }
        err = value_put(v, v->next, value);
        v->last = head;
        v->next += n;
        v->lost += n;
    }
    return err;
}

/* Takes the chunk into the chain as it runs now. */
static wadi_err chunk_chain(salvage *v, const wdi_chunk *chunk) {
    uint64_t end = wdi_chunk_last(chunk) + 1;
    bool joined = chunk->first == v->next && v->last.count > 0;
    bool changed = joined && chunk->head.chain != v->chain;
    wdi_chunk c = *chunk;
    wadi_err err = WADI_OK;
    if (changed) {
        c.head.chain = v->chain;
        memcpy(v->s->scratch, &c.head, sizeof c.head);
        memcpy(v->s->scratch + sizeof c.head, chunk->table, wdi_chunk_bytes(&c.head) - sizeof c.head);
    }
    v->chain = wdi_chunk_chain(&c, end);
    v->last = c.head;
    v->next = end;
    if (changed)
        err = value_put(v, chunk->first, v->s->scratch);
    return err;
}

/* Deletes chunks whose run does not follow, until one does. *ret_found false: none is left. */
static wadi_err chunk_after(salvage *v, wdi_chunk *ret_chunk, bool *ret_found) {
    for (;;) {
        wdi_chunk_walk_end(v->s);
        wadi_err err = wdi_chunk_seek(v->s, v->next, ret_chunk, ret_found);
        if (err != WADI_OK || !*ret_found || ret_chunk->head.run >= v->last.run)
            return err;
        err = wdi_chunk_del(v->s, ret_chunk->first);
        if (err != WADI_OK)
            return err;
    }
}

/* The first numbers within [from, to) that one stream owes: [*ret_first, *ret_end); false: none. */
static bool owed_range(const wdi_state *state, uint64_t from, uint64_t to, uint64_t *ret_first,
                       uint64_t *ret_end) {
    for (uint32_t i = 0; i < state->n_streams; i++) {
        uint64_t first = state->streams[i].record.low, end = wdi_stream_end(state, &state->streams[i]);
        first = first > from ? first : from;
        end = end < to ? end : to;
        if (first < end) {
            *ret_first = first;
            *ret_end = end;
            return true;
        }
    }
    return false;
}

/* From where on chains do not hold, or numbers that are owed are missing; next_seq + 1: everything holds. The
 * chunks before it have been walked over. */
static wadi_err break_find(salvage *v, uint64_t *ret_number) {
    const wdi_state *state = &v->s->state;
    wdi_chunk chunk = {.first = 0};
    bool found = true;
    uint64_t number = 0, end = 0;
    for (;;) {
        wadi_err err = chunk_after(v, &chunk, &found);
        if (err != WADI_OK)
            return err;
        if (owed_range(state, v->next, found ? chunk.first : state->meta.next_seq, &number, &end))
            break;
        number = found ? chunk.first : state->meta.next_seq;
        if (number == v->next && v->last.count > 0 &&
            v->chain != (found ? chunk.head.chain : state->meta.chain))
            break;
        number = state->meta.next_seq + 1;
        if (!found)
            break;
        err = chunk_chain(v, &chunk);
        if (err != WADI_OK)
            return err;
    }
    *ret_number = number;
    return WADI_OK;
}

/* Goes on from a break: one chain through all that is there, tombstones for what is owed and is not. */
static wadi_err chain_make(salvage *v) {
    wdi_meta *meta = &v->s->state.meta;
    bool found = true;
    while (found) {
        wdi_chunk chunk = {.first = 0};
        uint64_t first = 0, end = 0;
        wadi_err err = chunk_after(v, &chunk, &found);
        if (err == WADI_OK && v->last.run == 0)
            v->last.run = found ? chunk.head.run : meta->run;
        uint64_t to = found ? chunk.first : meta->next_seq;
        while (err == WADI_OK && owed_range(&v->s->state, v->next, to, &first, &end)) {
            v->next = first;
            err = lost_put(v, end);
        }
        if (err == WADI_OK && found) /* looked up once more: what was written may have moved it */
            err = chunk_after(v, &chunk, &found);
        if (err == WADI_OK && found)
            err = chunk_chain(v, &chunk);
        if (err != WADI_OK)
            return err;
    }
    if (v->next == meta->next_seq)
        meta->chain = v->chain;
    return WADI_OK;
}

static wadi_err numbers_mend(salvage *v) {
    wdi_state *state = &v->s->state;
    uint64_t number = 0;
    uint32_t index = 0;
    v->next = 1;
    wadi_err err = break_find(v, &number);
    bool broken = err == WADI_OK && number <= state->meta.next_seq;
    if (err == WADI_OK && !v->found.sure)
        err = streams_break(v, 0, state->streams[0].record.low);
    while (broken && index + 1 < state->n_streams && wdi_stream_end(state, &state->streams[index]) <= number)
        index++;
    if (err == WADI_OK && broken && v->found.sure)
        err = streams_break(v, index, number);
    return err == WADI_OK && broken ? chain_make(v) : err;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

/* The last transaction may be missing. It gave no number that was sent, but it may have been the note that
 * some are being sent: so all that there are count as sent. */
static void sent_assume(wdi_state *state) {
    for (uint32_t i = 0; i < state->n_streams; i++)
        state->streams[i].record.sent_max = wdi_stream_end(state, &state->streams[i]) - 1;
}

static wadi_err records_move(salvage *v, int fd) {
    wadi_err err = wdi_txn_begin(v->s);
    if (err == WADI_OK)
        err = wdi_found_pass(fd, record_visit, v, &v->found.doubtful);
    if (err == WADI_ERR_CORRUPT && v->found.rebuilt)
        err = WADI_OK; /* it is not even LMDB's: all that is owed is lost */
    if (err == WADI_OK)
        err = v->err;
    if (err == WADI_OK)
        err = runs_fill(v);
    if (err == WADI_OK)
        err = numbers_mend(v);
    return wdi_txn_end(v->s, err);
}

wadi_err wdi_salvage(wdi_store *s, int fd, const wdi_store_numbers *numbers, wdi_salvage_extent extent) {
    salvage v = {.s = s, .numbers = numbers, .extent = extent};
    wadi_err err = wdi_found_state(fd, numbers, &s->state, &v.found);
    if (err != WADI_OK)
        return err;
    s->state.meta.quarantined++;
    if (v.found.doubtful)
        sent_assume(&s->state);
    if (!v.found.sure) /* the ring may hold events that had numbers already */
        s->state.meta.resent_ring_pos = s->state.meta.ring_pos + RING_DOUBT_BYTES;
    err = records_move(&v, fd);
    if (err == WADI_OK)
        wdi_diagf(s->diag, WADI_DIAG_ERROR, "store: salvaged: %llu events are lost%s",
                  (unsigned long long)v.lost, v.found.sure ? "" : "; what is left may have been sent before");
    return err;
}

/* The state is looked for in three ways, the first that serves counts:
 *  - reached from LMDB's newest meta page: as it was at its transaction;
 *  - meta and streams on one page that nothing leads to any more: as they were some transactions ago. No
 *    number, low or ring position ever goes back, so what later chunks say is added;
 *  - put together from what single records say.
 * In the last two, what is delivered already may count as owed: whoever goes on with them marks it. */
#include "sdk/src/store/found.h"

#include <string.h>

#include "sdk/src/base/random.h"

/* ---- one entry ---------------------------------------------------------------------------------- */

bool wdi_found_record(const lmdb_check_entry *e, void *ret_record, size_t n) {
    wdi_key key = {.n = 0};
    uint32_t crc;
    if (e->key_n > sizeof key.bytes || e->value_n < sizeof crc || (n != 0 && e->value_n != n + sizeof crc))
        return false;
    memcpy(key.bytes, e->key, e->key_n);
    key.n = (uint8_t)e->key_n;
    memcpy(&crc, e->value + e->value_n - sizeof crc, sizeof crc);
    if (crc != wdi_record_crc(&key, e->value, e->value_n - sizeof crc))
        return false;
    if (n != 0)
        memcpy(ret_record, e->value, n);
    return true;
}

bool wdi_found_chunk(const lmdb_check_entry *e, wdi_chunk *ret_chunk) {
    return wdi_found_is(e, WDI_KEY_CHUNK) && e->key_n == 9 &&
           wdi_chunk_read(wdi_key_number_of(wdi_found_key(e)), (base_lmdb_val){e->value, e->value_n},
                          ret_chunk);
}

wadi_err wdi_found_pass(int fd, lmdb_check_visit visit, void *context, bool *ret_doubtful) {
    lmdb_check_sweep sweep = {.doubtful = true};
    switch (lmdb_check_salvage(fd, NULL, NULL, WDI_CHUNK_BYTES_MAX, visit, context, &sweep)) {
    case LMDB_CHECK_FAILED:
        return WADI_ERR_IO;
    case LMDB_CHECK_FOREIGN:
    case LMDB_CHECK_UNKNOWN:
    case LMDB_CHECK_DAMAGED:
        return WADI_ERR_CORRUPT;
    case LMDB_CHECK_GOOD:
    case LMDB_CHECK_EMPTY:
        break;
    }
    *ret_doubtful = sweep.doubtful;
    return WADI_OK;
}

/* ---- meta and streams --------------------------------------------------------------------------- */

typedef struct state_search {
    wdi_state *state;
    wdi_found found;
} state_search;

static bool meta_newer(const wdi_meta *a, const wdi_meta *b) {
    if (a->next_seq != b->next_seq)
        return a->next_seq > b->next_seq;
    return a->run != b->run ? a->run > b->run : a->ring_pos > b->ring_pos;
}

static void meta_visit(void *context, const lmdb_check_entry *e) {
    state_search *v = context;
    wdi_meta meta;
    if (!wdi_found_is(e, WDI_KEY_META) || e->key_n != 1 || v->found.sure ||
        !wdi_found_record(e, &meta, sizeof meta) || meta.format != WDI_STORE_FORMAT || meta.next_seq == 0)
        return;
    if (!e->reached && v->state->meta.format != 0 && !meta_newer(&meta, &v->state->meta))
        return;
    v->state->meta = meta;
    v->found.sure = e->reached;
    v->found.page = e->page;
}

/* The streams that belong to the state: reached as it was, or on the page on which it was found. */
static void stream_visit(void *context, const lmdb_check_entry *e) {
    state_search *v = context;
    wdi_state *state = v->state;
    wdi_stream stream = {.cursor = 0};
    if (!wdi_found_is(e, WDI_KEY_STREAM) || e->reached != v->found.sure ||
        (!v->found.sure && e->page != v->found.page) ||
        !wdi_found_record(e, &stream.record, sizeof stream.record) || state->n_streams == WDI_STREAMS_MAX)
        return;
    uint32_t at = state->n_streams++;
    for (; at > 0 && state->streams[at - 1].record.low > stream.record.low; at--)
        state->streams[at] = state->streams[at - 1];
    state->streams[at] = stream;
}

static bool state_fits(const wdi_state *state) {
    uint64_t from = 1;
    if (state->meta.format == 0)
        return false;
    for (uint32_t i = 0; i < state->n_streams; i++) {
        const wdi_stream_record *r = &state->streams[i].record;
        uint64_t end = wdi_stream_end(state, &state->streams[i]);
        if (r->low < from || r->low > end || end > state->meta.next_seq || r->sent_max + 1 < r->low ||
            r->sent_max >= end || (r->end == 0) != (i + 1 == state->n_streams) ||
            memchr(r->collector, 0, sizeof r->collector) == NULL)
            return false;
        from = end;
    }
    return state->n_streams > 0;
}

static bool runs_fit(const wdi_meta *meta) {
    return meta->oldest_run <= meta->run + 1 && meta->run - meta->oldest_run + 1 <= WDI_FOUND_RUNS_MAX;
}

/* ---- what single records say -------------------------------------------------------------------- */

typedef struct stream_low {
    uint32_t ordinal;
    uint64_t low;
} stream_low;

typedef struct bounds {
    uint64_t next_seq; /* behind every number seen; 0: none */
    uint64_t chain;    /* there, if a chunk ends there */
    uint64_t ring_pos;
    uint64_t run_least, run_most;
    uint64_t first, first_reached; /* least numbers of chunks; 0: none */
    uint64_t low_told;             /* by the numbers that were kept elsewhere */
    uint32_t n_lows, ordinal_most;
    stream_low lows[2 * WDI_STREAMS_MAX]; /* the greatest seen of each stream */
} bounds;

static void least_take(uint64_t *least, uint64_t value) {
    if (*least == 0 || value < *least)
        *least = value;
}

static void most_take(uint64_t *most, uint64_t value) {
    if (value > *most)
        *most = value;
}

static void chunk_bounds(bounds *b, const wdi_chunk *chunk, bool reached) {
    uint64_t end = wdi_chunk_last(chunk) + 1;
    if (end > b->next_seq) {
        b->next_seq = end;
        b->chain = wdi_chunk_chain(chunk, end);
    }
    most_take(&b->ring_pos, chunk->head.ring_begin + wdi_chunk_get(chunk, chunk->head.count - 1).ring_end);
    least_take(&b->run_least, chunk->head.run);
    most_take(&b->run_most, chunk->head.run);
    least_take(&b->first, chunk->first);
    if (reached)
        least_take(&b->first_reached, chunk->first);
}

static void stream_bounds(bounds *b, const wdi_stream_record *r) {
    uint32_t i = 0;
    uint64_t known = r->end != 0 ? r->end : r->sent_max + 1;
    if (r->low == 0 || known < r->low)
        return;
    if (known > b->next_seq) {
        b->next_seq = known;
        b->chain = 0;
    }
    if (r->ordinal > b->ordinal_most)
        b->ordinal_most = r->ordinal;
    while (i < b->n_lows && b->lows[i].ordinal != r->ordinal)
        i++;
    if (i == sizeof b->lows / sizeof b->lows[0])
        return;
    if (i == b->n_lows)
        b->lows[b->n_lows++] = (stream_low){r->ordinal, r->low};
    most_take(&b->lows[i].low, r->low);
}

static void bounds_visit(void *context, const lmdb_check_entry *e) {
    bounds *b = context;
    wdi_chunk chunk;
    wdi_stream_record stream;
    wdi_run_record run;
    if (wdi_found_chunk(e, &chunk))
        chunk_bounds(b, &chunk, e->reached);
    else if (wdi_found_is(e, WDI_KEY_STREAM) && wdi_found_record(e, &stream, sizeof stream))
        stream_bounds(b, &stream);
    else if (wdi_found_is(e, WDI_KEY_RUN) && wdi_found_record(e, &run, sizeof run))
        most_take(&b->run_most, run.ordinal);
}

static void numbers_bounds(bounds *b, const wdi_store_numbers *numbers) {
    if (numbers->next_seq == 0 || numbers->low == 0 || numbers->low > numbers->next_seq)
        return;
    if (numbers->next_seq > b->next_seq) {
        b->next_seq = numbers->next_seq;
        b->chain = 0;
    }
    most_take(&b->ring_pos, numbers->ring_pos);
    most_take(&b->run_most, numbers->run);
    b->low_told = numbers->low;
}

/* What a stream owes begins at its low, or later. A stream that is settled by now may say too little: then
 * some is owed twice, and marked. */
static uint64_t low_of(const bounds *b) {
    uint64_t low = 0;
    for (uint32_t i = 0; i < b->n_lows; i++)
        least_take(&low, b->lows[i].low);
    most_take(&low, b->low_told);
    if (low != 0)
        return low;
    return b->first_reached != 0 ? b->first_reached : b->first;
}

/* ---- a state of it ------------------------------------------------------------------------------ */

/* Numbers that were given behind the state's: their transaction was the last one, or its state is lost. The
 * ring gave them, and need not give them again. */
static void state_extend(wdi_state *state, const bounds *b) {
    wdi_meta *meta = &state->meta;
    if (b->next_seq > meta->next_seq) {
        meta->next_seq = b->next_seq;
        meta->chain = b->chain;
        most_take(&meta->ring_pos, b->ring_pos);
    }
    most_take(&meta->run, b->run_most);
}

/* One stream for all that may be owed. How the numbers below it ended is not known; delivered, mostly. */
static wadi_err state_rebuild(state_search *v, const bounds *b) {
    wdi_state *state = v->state;
    wdi_meta *meta = &state->meta;
    uint64_t low = low_of(b), dropped = 0;
    if (meta->format == 0) {
        *meta = (wdi_meta){.format = WDI_STORE_FORMAT, .oldest_run = b->run_least};
        v->found.sure = false;
    }
    if (!v->found.sure || v->found.doubtful)
        state_extend(state, b);
    if (low == 0 || low > meta->next_seq)
        low = meta->next_seq;
    if (low == 0)
        return WADI_ERR_CORRUPT; /* neither a number nor a stream */
    if (meta->oldest_run == 0)
        meta->oldest_run = meta->run != 0 ? meta->run : 1;
    for (unsigned i = 0; i < WADI_DROP_COUNT; i++)
        dropped += meta->dropped[i];
    if (dropped > low - 1)
        memset(meta->dropped, 0, sizeof meta->dropped);
    meta->acked = low - 1 - (dropped > low - 1 ? 0 : dropped);
    if (meta->next_stream <= b->ordinal_most)
        meta->next_stream = b->ordinal_most + 1;
    state->n_streams = 0;
    v->found.sure = false;
    v->found.rebuilt = true;
    return wdi_stream_insert(state, 0, low, 0);
}

wadi_err wdi_found_state(int fd, const wdi_store_numbers *numbers, wdi_state *ret_state,
                         wdi_found *ret_found) {
    state_search v = {.state = ret_state};
    bounds b = {.next_seq = 0};
    memset(ret_state, 0, sizeof *ret_state);
    wadi_err err = wdi_found_pass(fd, meta_visit, &v, &v.found.doubtful);
    if (err == WADI_OK)
        err = wdi_found_pass(fd, stream_visit, &v, &v.found.doubtful);
    bool fits = err == WADI_OK && state_fits(ret_state);
    if (numbers != NULL && numbers->next_seq > ret_state->meta.next_seq)
        v.found.sure = false; /* an old page stands in a newer one's place */
    if (err == WADI_OK && (!fits || !v.found.sure || v.found.doubtful))
        err = wdi_found_pass(fd, bounds_visit, &b, &v.found.doubtful);
    if (numbers != NULL && (err == WADI_OK || err == WADI_ERR_CORRUPT)) {
        numbers_bounds(&b, numbers);
        err = WADI_OK; /* of a file that nothing can be read of, the numbers are left */
    }
    if (err == WADI_OK && fits && (!v.found.sure || v.found.doubtful))
        state_extend(ret_state, &b);
    if (err == WADI_OK && !fits)
        err = state_rebuild(&v, &b);
    if (err == WADI_OK && !runs_fit(&ret_state->meta))
        err = WADI_ERR_CORRUPT;
    *ret_found = v.found;
    return err;
}

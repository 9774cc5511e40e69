/* What the collector's answers do to the streams. */
#include "sdk/src/store/inside.h"

#include <string.h>

#include "sdk/src/base/sha256.h"

static void le64_put(uint8_t *out, uint64_t v) {
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

/* Derived, so that a store that is rolled back, or a twin with the same events, comes to the same id. */
static wadi_err id_derive(uint8_t id[WIRE_ID_BYTES], uint64_t number, uint64_t chain) {
    uint8_t in[WIRE_ID_BYTES + 16], digest[32];
    memcpy(in, id, WIRE_ID_BYTES);
    le64_put(in + WIRE_ID_BYTES, number);
    le64_put(in + WIRE_ID_BYTES + 8, chain);
    if (!base_sha256(in, sizeof in, digest))
        return WADI_ERR_SYSTEM;
    memcpy(id, digest, WIRE_ID_BYTES);
    return WADI_OK;
}

/* The range keeps its numbers and gets another id. Where it has no number agreed + 1 yet, the run's nonce
 * stands in for the chain after that. */
static wadi_err stream_fork(wdi_store *s, wdi_stream *stream, uint64_t agreed) {
    wdi_stream_record *r = &stream->record;
    uint64_t chain = s->run.nonce;
    uint32_t ordinal = r->ordinal;
    wadi_err err = WADI_OK;
    if (agreed > r->sent_max)
        agreed = r->sent_max;
    if (agreed < r->low - 1)
        agreed = r->low - 1;
    if (agreed + 1 < wdi_stream_end(&s->state, stream))
        err = wdi_chain_before(s, stream, agreed + 2, &chain);
    if (err == WADI_OK)
        err = wdi_stream_settle(s, stream, agreed);
    if (err != WADI_OK || r->ordinal != ordinal)
        return err; /* or nothing is left of it */
    r->sent_max = agreed;
    memset(s->quota_from, 0, sizeof s->quota_from); /* what was sent may be dropped again */
    r->moved_us = 0;
    memset(r->collector, 0, sizeof r->collector);
    stream->cursor = r->low;
    s->state.meta.forks++;
    return id_derive(r->id, agreed + 1, chain);
}

static wadi_err stream_unverified(wdi_store *s, wdi_stream *stream, uint64_t next_seq, uint64_t chain) {
    wdi_stream_record *r = &stream->record;
    uint64_t end = wdi_stream_end(&s->state, stream);
    uint64_t own = 0;
    stream->cursor = r->low;
    if (next_seq < r->low || r->low == end)
        return WADI_OK;
    if (next_seq <= end) {
        wadi_err err = wdi_chain_before(s, stream, next_seq, &own);
        if (err != WADI_OK)
            return err;
        if (own == chain)
            return wdi_stream_settle(s, stream, next_seq - 1);
    }
    r->resent_through = end - 1;
    s->state.meta.resent += end - r->low;
    if (r->end == 0) /* a twin may have recorded with us what still waits in the ring */
        s->state.meta.resent_ring_pos = s->ring_tail;
    return stream_fork(s, stream, r->low - 1);
}

/* ---- the uploader's calls ----------------------------------------------------------------------- */

/* Begins, and finds the stream; *ret_stream NULL when it is gone: the answer is older than a fork. */
static wadi_err answer_begin(wdi_store *s, const uint8_t id[WIRE_ID_BYTES], wdi_stream **ret_stream) {
    wadi_err err = wdi_txn_begin(s);
    *ret_stream = err == WADI_OK ? wdi_stream_find(&s->state, id) : NULL;
    return err;
}

static wadi_err answer_end(wdi_store *s, wadi_err err) {
    bool any = false;
    if (err == WADI_OK)
        err = wdi_runs_forget(s);
    if (err == WADI_OK)
        err = wdi_pairs_reclaim(s, &any);
    return wdi_txn_end(s, err);
}

wadi_err wdi_store_settle(wdi_store *s, const uint8_t id[WIRE_ID_BYTES], uint64_t through) {
    wdi_stream *stream = NULL;
    wadi_err err = answer_begin(s, id, &stream);
    if (stream != NULL)
        err = wdi_stream_settle(s, stream, through);
    return answer_end(s, err);
}

wadi_err wdi_store_fork(wdi_store *s, const uint8_t id[WIRE_ID_BYTES], uint64_t agreed_through) {
    wdi_stream *stream = NULL;
    wadi_err err = answer_begin(s, id, &stream);
    if (stream != NULL)
        err = stream_fork(s, stream, agreed_through);
    return answer_end(s, err);
}

wadi_err wdi_store_unverified(wdi_store *s, const uint8_t id[WIRE_ID_BYTES], uint64_t next_seq,
                              uint64_t chain) {
    wdi_stream *stream = NULL;
    wadi_err err = answer_begin(s, id, &stream);
    if (stream != NULL)
        err = stream_unverified(s, stream, next_seq, chain);
    return answer_end(s, err);
}

wadi_err wdi_store_drop(wdi_store *s, const uint8_t id[WIRE_ID_BYTES], uint64_t first, uint64_t last,
                        wadi_drop reason) {
    wdi_stream *stream = NULL;
    wadi_err err = answer_begin(s, id, &stream);
    if (stream != NULL) {
        uint64_t end = wdi_stream_end(&s->state, stream);
        first = first < stream->record.low ? stream->record.low : first;
        last = last >= end ? end - 1 : last;
        err = wdi_drop_range(s, first, last, reason);
    }
    return answer_end(s, err);
}

/* ---- the cursor --------------------------------------------------------------------------------- */

/* Outside of transactions `state` and `kept` are the same; cursors are not worth one. */
static void cursor_set(wdi_store *s, wdi_stream *stream, uint64_t to) {
    stream->cursor = to;
    s->kept.streams[stream - s->state.streams].cursor = to;
}

void wdi_store_rewind(wdi_store *s, const uint8_t id[WIRE_ID_BYTES], uint64_t to) {
    for (uint32_t i = 0; i < s->state.n_streams; i++) {
        wdi_stream *stream = &s->state.streams[i];
        uint64_t low = stream->record.low, end = wdi_stream_end(&s->state, stream);
        if (id == NULL)
            cursor_set(s, stream, low);
        else if (memcmp(id, stream->record.id, WIRE_ID_BYTES) == 0)
            cursor_set(s, stream, to < low ? low : to > end ? end : to);
    }
}

wadi_err wdi_store_sending(wdi_store *s, const uint8_t id[WIRE_ID_BYTES], uint64_t last_seq) {
    wdi_stream *stream = wdi_stream_find(&s->state, id);
    if (stream == NULL || last_seq >= wdi_stream_end(&s->state, stream))
        return WADI_ERR_INVALID;
    if (last_seq > stream->record.sent_max) {
        wadi_err err = wdi_txn_begin(s);
        if (err == WADI_OK)
            stream->record.sent_max = last_seq;
        err = wdi_txn_end(s, err);
        if (err != WADI_OK)
            return err;
    }
    cursor_set(s, stream, last_seq + 1);
    return WADI_OK;
}

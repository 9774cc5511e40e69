#include "sdk/src/store/inside.h"

#include <string.h>

#include "sdk/src/base/random.h"

uint64_t wdi_stream_end(const wdi_state *state, const wdi_stream *stream) {
    return stream->record.end != 0 ? stream->record.end : state->meta.next_seq;
}

wdi_stream *wdi_stream_find(wdi_state *state, const uint8_t id[WIRE_ID_BYTES]) {
    for (uint32_t i = 0; i < state->n_streams; i++)
        if (memcmp(state->streams[i].record.id, id, WIRE_ID_BYTES) == 0)
            return &state->streams[i];
    return NULL;
}

bool wdi_range_owed(const wdi_state *state, uint64_t first, uint64_t last) {
    for (uint32_t i = 0; i < state->n_streams; i++) {
        const wdi_stream *stream = &state->streams[i];
        uint64_t low = stream->record.low, end = wdi_stream_end(state, stream);
        if (low < end && low <= last && first < end)
            return true;
    }
    return false;
}

bool wdi_number_owed(const wdi_state *state, uint64_t number) {
    return wdi_range_owed(state, number, number);
}

bool wdi_number_sent(const wdi_state *state, uint64_t number) {
    for (uint32_t i = 0; i < state->n_streams; i++) {
        const wdi_stream *stream = &state->streams[i];
        if (number >= stream->record.low && number < wdi_stream_end(state, stream))
            return number <= stream->record.sent_max;
    }
    return false;
}

wadi_err wdi_stream_insert(wdi_state *state, uint32_t index, uint64_t low, uint64_t end) {
    if (state->n_streams == WDI_STREAMS_MAX)
        return WADI_ERR_SYSTEM;
    wdi_stream stream = {.cursor = low};
    stream.record.ordinal = state->meta.next_stream;
    stream.record.low = low;
    stream.record.end = end;
    stream.record.sent_max = low - 1;
    if (!base_random(stream.record.id, sizeof stream.record.id))
        return WADI_ERR_SYSTEM;
    state->meta.next_stream++;
    wdi_stream *at = &state->streams[index];
    memmove(at + 1, at, (state->n_streams - index) * sizeof *at);
    *at = stream;
    state->n_streams++;
    return WADI_OK;
}

void wdi_stream_remove(wdi_state *state, wdi_stream *stream) {
    uint32_t index = (uint32_t)(stream - state->streams);
    memmove(stream, stream + 1, (state->n_streams - index - 1) * sizeof *stream);
    state->n_streams--;
}

wadi_err wdi_chain_before(wdi_store *s, const wdi_stream *stream, uint64_t number, uint64_t *ret_chain) {
    wdi_chunk chunk;
    bool found = false;
    uint64_t holder = number < wdi_stream_end(&s->state, stream) ? number : number - 1;
    wadi_err err = wdi_chunk_seek(s, holder, &chunk, &found);
    if (err != WADI_OK)
        return err;
    if (!found || chunk.first > holder)
        return WADI_ERR_CORRUPT; /* a number that is owed has no chunk */
    *ret_chain = wdi_chunk_chain(&chunk, number);
    return WADI_OK;
}

/* ---- settling ----------------------------------------------------------------------------------- */

static void numbers_count(wdi_store *s, const wdi_chunk *chunk, uint64_t first, uint64_t last) {
    wdi_dropped_log *log = &s->dropped_log;
    for (uint64_t q = first; q <= last; q++) {
        wdi_chunk_entry e = wdi_chunk_get(chunk, (uint32_t)(q - chunk->first));
        if (e.reason == 0) {
            s->state.meta.acked++;
            s->state.live[e.priority]--;
            continue;
        }
        s->state.meta.dropped[e.reason]++;
        if (chunk->head.run == s->run.ordinal)
            log->tickets[log->n++ % WDI_DROPPED_LOG_MAX] = chunk->head.ring_begin + e.ring_end;
    }
}

/* Forgets numbers [low, through] of the stream, whose `low` has been moved behind them. */
static wadi_err chunks_forget(wdi_store *s, uint64_t low, uint64_t through) {
    while (low <= through) {
        wdi_chunk chunk;
        bool found = false;
        wadi_err err = wdi_chunk_seek(s, low, &chunk, &found);
        if (err != WADI_OK)
            return err;
        if (!found || chunk.first > low)
            return WADI_ERR_CORRUPT;
        uint64_t last = wdi_chunk_last(&chunk);
        numbers_count(s, &chunk, low, last < through ? last : through);
        if (!wdi_range_owed(&s->state, chunk.first, last)) {
            err = wdi_chunk_del(s, chunk.first);
            if (err != WADI_OK)
                return err;
        }
        low = last + 1;
    }
    return WADI_OK;
}

wadi_err wdi_stream_settle(wdi_store *s, wdi_stream *stream, uint64_t through) {
    wdi_stream_record *r = &stream->record;
    uint64_t low = r->low;
    if (through > r->sent_max)
        through = r->sent_max;
    if (through >= wdi_stream_end(&s->state, stream))
        through = wdi_stream_end(&s->state, stream) - 1;
    if (through >= low) {
        r->low = through + 1;
        wadi_err err = chunks_forget(s, low, through);
        if (err != WADI_OK)
            return err;
    }
    if (stream->cursor < r->low)
        stream->cursor = r->low;
    if (r->end != 0 && r->low == r->end)
        wdi_stream_remove(&s->state, stream);
    return WADI_OK;
}

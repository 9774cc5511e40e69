/* Moving to another collector: a stream belongs to the one that answered it first, so that no two have parts
 * of it that both count as new. */
#include "sdk/src/store/inside.h"

#include <string.h>

static void home_set(wdi_stream_record *r, const char *collector) {
    memset(r->collector, 0, sizeof r->collector);
    memcpy(r->collector, collector, strnlen(collector, sizeof r->collector - 1));
}

bool wdi_stream_foreign(const wdi_stream *stream, const char *collector) {
    return stream->record.collector[0] != '\0' &&
           strncmp(stream->record.collector, collector, WDI_COLLECTOR_BYTES_MAX - 1) != 0;
}

static bool stream_waited(const wdi_store *s, const wdi_stream *stream, uint64_t now_us) {
    return stream->record.moved_us != 0 && now_us >= stream->record.moved_us &&
           now_us - stream->record.moved_us >= s->move_wait_us;
}

bool wdi_streams_moving(const wdi_store *s, const char *collector, uint64_t now_us) {
    for (uint32_t i = 0; i < s->state.n_streams; i++) {
        const wdi_stream *stream = &s->state.streams[i];
        if (!wdi_stream_foreign(stream, collector)) {
            if (stream->record.moved_us != 0)
                return true;
            continue;
        }
        /* A clock that is behind moved_us is another boot's: the wait begins again. */
        if (stream->record.moved_us == 0 || now_us < stream->record.moved_us ||
            stream_waited(s, stream, now_us))
            return true;
    }
    return false;
}

/* What was never sent leaves the stream for a new one, which takes over its end. With no room for another
 * stream it waits along with the rest. */
static wadi_err stream_cut(wdi_store *s, uint32_t index) {
    wdi_stream_record *r = &s->state.streams[index].record;
    uint64_t cut = r->sent_max < r->low ? r->low : r->sent_max + 1;
    uint64_t end = r->end;
    if (cut == end || s->state.n_streams == WDI_STREAMS_MAX)
        return WADI_OK;
    wadi_err err = wdi_stream_insert(&s->state, index + 1, cut, end);
    if (err != WADI_OK)
        return err;
    r->end = cut;
    if (r->low == cut)
        wdi_stream_remove(&s->state, &s->state.streams[index]);
    return WADI_OK;
}

/* Waited long enough: the collector that answers now gets the numbers, marked as possible duplicates. */
static void stream_adopt(wdi_store *s, wdi_stream *stream, const char *collector) {
    wdi_stream_record *r = &stream->record;
    if (r->sent_max >= r->low) {
        r->resent_through = r->sent_max;
        s->state.meta.resent += r->sent_max - r->low + 1;
    }
    r->moved_us = 0;
    home_set(r, collector);
    stream->cursor = r->low;
}

wadi_err wdi_streams_move(wdi_store *s, const char *collector, uint64_t now_us) {
    /* Downwards: a cut inserts behind, or replaces what stands here. */
    for (uint32_t i = s->state.n_streams; i-- > 0;) {
        wdi_stream *stream = &s->state.streams[i];
        if (!wdi_stream_foreign(stream, collector)) {
            stream->record.moved_us = 0;
            continue;
        }
        if (stream_waited(s, stream, now_us)) {
            stream_adopt(s, stream, collector);
            continue;
        }
        if (stream->record.moved_us == 0 || now_us < stream->record.moved_us)
            stream->record.moved_us = now_us != 0 ? now_us : 1;
        wadi_err err = stream_cut(s, i);
        if (err != WADI_OK)
            return err;
    }
    return WADI_OK;
}

bool wdi_store_wants_home(const wdi_store *s) {
    for (uint32_t i = 0; i < s->state.n_streams; i++) {
        const wdi_stream_record *r = &s->state.streams[i].record;
        if (r->collector[0] != '\0' && r->low <= r->sent_max)
            return true;
    }
    return false;
}

wadi_err wdi_store_home(wdi_store *s, const char *collector, const uint8_t id[WIRE_ID_BYTES],
                        uint64_t now_us) {
    wdi_stream *stream = id != NULL ? wdi_stream_find(&s->state, id) : NULL;
    bool homeless = stream != NULL && stream->record.collector[0] == '\0';
    if (collector[0] == '\0' || (!homeless && !wdi_streams_moving(s, collector, now_us)))
        return WADI_OK;
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK && homeless)
        home_set(&stream->record, collector);
    if (err == WADI_OK)
        err = wdi_streams_move(s, collector, now_us);
    return wdi_txn_end(s, err);
}

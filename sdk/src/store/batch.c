/* The way out: the next batch, from chunks to what wire_batch_head_encode takes. */
#include "sdk/src/store/inside.h"

#include <string.h>

#define NEW_IDS_MAX (WIRE_PROPS_MAX + 1u) /* of one event: its keys and its name */
#define DAMAGED_MAX 1024u                 /* damaged events passed over in one peek */

/* A batch being picked. */
typedef struct pick {
    wdi_store *s;
    const wdi_store_want *want;
    wdi_store_batch batch;
    uint64_t run;
    uint32_t crc_seed;
    size_t numbers_max;
    size_t n_definitions; /* ids marked in used_ids */
    size_t n_crcs;
    uint64_t first_at_us, last_at_us; /* of the events' own times; none yet while events_bytes is 0 */
    bool full;                        /* nothing more fits */
    uint64_t damaged;                 /* the number at which it stopped for that; 0: none */
} pick;

/* ---- definitions and contexts ------------------------------------------------------------------- */

static wadi_err pair_get(wdi_store *s, wdi_key_kind kind, uint64_t run, uint32_t id, wire_span *ret_text,
                         bool *ret_found) {
    wdi_key key = wdi_key_pair(kind, run, id);
    return wdi_record_get(s, &key, ret_text, ret_found);
}

/* Marks the id as used; *ret_known false when the run has no such definition. */
static wadi_err id_use(pick *p, uint32_t id, bool *ret_known) {
    wire_span text;
    uint64_t bit = UINT64_C(1) << (id % 64);
    uint64_t *word = &p->s->picker.used_ids[id / 64 % ((WDI_DICT_ID_MAX + 1) / 64)];
    *ret_known = true;
    if (id == 0 || (id <= WDI_DICT_ID_MAX && (*word & bit) != 0))
        return WADI_OK;
    wadi_err err = pair_get(p->s, WDI_KEY_DEFINITION, p->run, id, &text, ret_known);
    if (err == WADI_OK && *ret_known) {
        *word |= bit;
        p->n_definitions++;
    }
    return err;
}

static wadi_err context_use(pick *p, uint32_t id, bool *ret_known) {
    wdi_picker *picker = &p->s->picker;
    size_t n = p->batch.head.n_contexts;
    *ret_known = true;
    for (size_t i = 0; i < n; i++)
        if (picker->context_ids[i] == id)
            return WADI_OK;
    if (id == 0)
        return WADI_OK;
    wadi_err err = pair_get(p->s, WDI_KEY_CONTEXT, p->run, id, &picker->contexts[n], ret_known);
    if (err == WADI_OK && *ret_known) {
        picker->context_ids[n] = id;
        p->batch.head.n_contexts++;
    }
    return err;
}

/* Everything that the event refers to; *ret_known false when it makes no sense, or something is missing. */
static wadi_err event_refer(pick *p, const uint8_t *event, size_t n, uint64_t *ret_at_us, bool *ret_known) {
    wire_event_view view;
    wire_props it;
    wire_prop_view prop;
    *ret_known = wire_event_scan(event, n, &view) == WIRE_OK;
    if (!*ret_known)
        return WADI_OK;
    *ret_at_us = view.at_us;
    wadi_err err = context_use(p, view.context, ret_known);
    if (err == WADI_OK && *ret_known)
        err = id_use(p, view.name, ret_known);
    (void)wire_props_begin(&it, &view);
    while (err == WADI_OK && *ret_known && wire_props_next(&it, &prop))
        err = id_use(p, prop.key_id, ret_known);
    return err;
}

/* In ascending order of ids, which also is the order that the collector's table wants. */
static wadi_err definitions_list(pick *p) {
    wdi_picker *picker = &p->s->picker;
    size_t n = 0;
    for (uint32_t w = 0; w < sizeof picker->used_ids / sizeof picker->used_ids[0] && n < p->n_definitions;
         w++) {
        for (uint64_t bits = picker->used_ids[w]; bits != 0; bits &= bits - 1) {
            wire_definition *d = &picker->definitions[n];
            bool known = false;
            d->id = w * 64 + (uint32_t)__builtin_ctzll(bits);
            wadi_err err = pair_get(p->s, WDI_KEY_DEFINITION, p->run, d->id, &d->text, &known);
            if (err != WADI_OK)
                return err;
            n++;
        }
    }
    p->batch.head.definitions = picker->definitions;
    p->batch.head.n_definitions = n;
    p->batch.head.contexts = picker->contexts;
    return WADI_OK;
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static void pick_dropped(pick *p, uint64_t number, const wdi_chunk_entry *e) {
    wdi_picker *picker = &p->s->picker;
    wire_batch_head *head = &p->batch.head;
    wire_dropped *last = &picker->dropped[head->n_dropped > 0 ? head->n_dropped - 1 : 0];
    if (head->n_dropped == 0 || last->reason != e->reason || last->first_seq + last->n != number) {
        if (head->n_dropped == WDI_BATCH_DROPPED_MAX) {
            p->full = true;
            return;
        }
        last = &picker->dropped[head->n_dropped++];
        *last = (wire_dropped){number, e->reason, &picker->crcs[p->n_crcs], 0};
    }
    picker->crcs[p->n_crcs++] = e->crc;
    last->n++;
    p->batch.last_seq = number;
}

static wadi_err pick_event(pick *p, uint64_t number, const wdi_chunk_entry *e, const uint8_t *framed) {
    wdi_store_batch *batch = &p->batch;
    size_t frame = wire_frame_size(e->n);
    uint64_t at_us = 0;
    bool known = false;
    if (batch->events_bytes + frame + e->n > p->want->cap ||
        p->n_definitions + NEW_IDS_MAX > WDI_BATCH_DEFINITIONS_MAX ||
        batch->head.n_contexts == WDI_BATCH_CONTEXTS_MAX) {
        p->full = true;
        return WADI_OK;
    }
    if (wire_crc_event(p->crc_seed, framed + frame, e->n) == e->crc) {
        wadi_err err = event_refer(p, framed + frame, e->n, &at_us, &known);
        if (err != WADI_OK)
            return err;
    }
    if (!known) {
        p->damaged = number;
        return WADI_OK;
    }
    if (batch->events_bytes == 0)
        p->first_at_us = at_us;
    p->last_at_us = at_us;
    uint8_t *out = p->want->out + batch->events_bytes;
    (void)wire_frame_put(out, e->n); /* no checksum covers the one that is stored */
    memcpy(out + frame, framed + frame, e->n);
    batch->events_bytes += frame + e->n;
    batch->last_seq = number;
    return WADI_OK;
}

static wadi_err pick_chunk(pick *p, const wdi_chunk *chunk, uint64_t end) {
    const uint8_t *payload = chunk->payload;
    for (uint32_t i = 0; i < chunk->head.count && !p->full && p->damaged == 0; i++) {
        wdi_chunk_entry e = wdi_chunk_get(chunk, i);
        uint64_t number = chunk->first + i;
        const uint8_t *framed = payload;
        payload += e.reason != 0 ? 0 : wire_frame_size(e.n) + e.n;
        if (number < p->batch.head.first_seq)
            continue;
        if (number >= end || number - p->batch.head.first_seq == p->numbers_max) {
            p->full = true;
        } else if (e.reason != 0) {
            pick_dropped(p, number, &e);
        } else {
            wadi_err err = pick_event(p, number, &e, framed);
            if (err != WADI_OK)
                return err;
        }
    }
    return WADI_OK;
}

/* All numbers from first_seq on that are of the run and before `end`, as many as fit. */
static wadi_err pick_numbers(pick *p, uint64_t end) {
    wdi_chunk chunk;
    bool found = false;
    wdi_store *s = p->s;
    uint64_t first = p->batch.head.first_seq;
    wadi_err err = wdi_chunk_seek(s, first, &chunk, &found);
    if (err != WADI_OK)
        return err;
    if (!found || chunk.first > first)
        return WADI_ERR_CORRUPT;
    p->run = chunk.head.run;
    p->batch.head.chain = wdi_chunk_chain(&chunk, first);
    err = wdi_run_load(s, p->run, &s->picker.run);
    p->crc_seed = wire_crc_seed(s->picker.run.nonce);
    while (err == WADI_OK && found && chunk.head.run == p->run && !p->full && p->damaged == 0) {
        err = pick_chunk(p, &chunk, end);
        if (err == WADI_OK)
            err = wdi_chunk_next(s, &chunk, &found);
    }
    return err;
}

/* ---- the batch ---------------------------------------------------------------------------------- */

static wadi_err batch_finish(pick *p, const wdi_stream *stream) {
    wdi_store *s = p->s;
    wire_batch_head *head = &p->batch.head;
    memcpy(head->installation, s->installation, sizeof head->installation);
    memcpy(head->stream, stream->record.id, sizeof head->stream);
    head->low = stream->record.low;
    head->resent_through =
        stream->record.resent_through >= head->first_seq ? stream->record.resent_through : 0;
    head->pending = wdi_store_pending(s) - (p->batch.last_seq + 1 - head->low);
    head->dropped = s->picker.dropped;
    wdi_run_fill(&s->picker.run, &head->run);
    wadi_err err = wdi_clock_fill(s, &s->picker.run, p->first_at_us, p->last_at_us, &head->clock);
    return err == WADI_OK ? definitions_list(p) : err;
}

/* From the stream's cursor. last_seq 0: the first number is damaged. */
static wadi_err batch_pick(wdi_store *s, const wdi_store_want *want, const wdi_stream *stream, pick *p) {
    memset(p, 0, sizeof *p);
    memset(s->picker.used_ids, 0, sizeof s->picker.used_ids);
    p->s = s;
    p->want = want;
    p->numbers_max = want->numbers_max != 0 && want->numbers_max < WDI_BATCH_NUMBERS_MAX
                         ? want->numbers_max
                         : WDI_BATCH_NUMBERS_MAX;
    p->batch.head.first_seq = stream->cursor;
    wadi_err err = wdi_reader_begin(s);
    if (err == WADI_OK)
        err = pick_numbers(p, wdi_stream_end(&s->state, stream));
    if (err == WADI_OK && p->batch.last_seq != 0)
        err = batch_finish(p, stream);
    wdi_chunk_walk_end(s);
    return err;
}

static wadi_err damage_bury(wdi_store *s, uint64_t number) {
    wdi_diagf(s->diag, WADI_DIAG_ERROR, "store: event %llu is damaged: dropped", (unsigned long long)number);
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK)
        err = wdi_drop_range(s, number, number, WADI_DROP_CORRUPT);
    return wdi_txn_end(s, err);
}

static const wdi_stream *stream_next(const wdi_store *s, const char *collector) {
    for (uint32_t i = 0; i < s->state.n_streams; i++) {
        const wdi_stream *stream = &s->state.streams[i];
        if (stream->cursor < wdi_stream_end(&s->state, stream) &&
            (collector[0] == '\0' || !wdi_stream_foreign(stream, collector)))
            return stream;
    }
    return NULL;
}

wadi_err wdi_store_peek(wdi_store *s, const wdi_store_want *want, wdi_store_batch *ret_batch, bool *ret_any) {
    const char *collector = want->collector != NULL ? want->collector : "";
    wadi_err err = wdi_store_home(s, collector, NULL, want->now_us);
    if (err != WADI_OK)
        return err;
    const wdi_stream *stream = stream_next(s, collector);
    *ret_any = false;
    if (stream == NULL)
        return WADI_OK;
    for (uint32_t i = 0; i < DAMAGED_MAX; i++) {
        pick p;
        err = batch_pick(s, want, stream, &p);
        if (err != WADI_OK)
            return err;
        if (p.batch.last_seq != 0) {
            *ret_batch = p.batch;
            *ret_any = true;
            return WADI_OK;
        }
        if (p.damaged == 0)
            return WADI_ERR_TOO_LARGE; /* not even one number fits into want.cap */
        err = damage_bury(s, p.damaged);
        if (err != WADI_OK)
            return err;
    }
    return WADI_OK;
}

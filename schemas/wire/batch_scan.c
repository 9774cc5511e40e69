/* A Batch taken apart in the collector. Its head goes field by field (once a batch); its events go through
 * one loop that is compiled twice: with all checks for what comes from the network, without for the journal.
 */
#include "schemas/wire/batch_head.h"
#include "schemas/wire/event_parse.h"

/* The context that the event refers to; most events have the same as the one before. */
wire_hot bool context_known(const wire_batch *batch, uint32_t id, uint32_t *last) {
    if (id == *last || id == 0)
        return true;
    for (uint32_t i = 0; i < batch->n_contexts; i++) {
        if (batch->context_ids[i] == id) {
            *last = id;
            return true;
        }
    }
    return false;
}

/* Fills the item and its CRC; everything about the event is checked. */
wire_hot wire_err event_check(const batch_scan *s, wire_span event, uint32_t seed, uint32_t *last_context,
                              wire_item *item) {
    wire_event_view view;
    const wire_err err = event_parse(event, s->dict, &view);
    if (wire_unlikely(err))
        return err;
    if (wire_unlikely(!context_known(s->batch, view.context, last_context)))
        return WIRE_ERR_UNDEFINED;
    item->at_us = view.has_time ? view.time_us : (int64_t)view.at_us;
    item->flags = view.has_time ? WIRE_ITEM_EXPLICIT : 0;
    item->crc = wire_crc_event(seed, event.data, event.n);
    return WIRE_OK;
}

/* Only the time of an event that was checked before: skips all else. */
wire_hot wire_err event_time(wire_span event, wire_item *item) {
    wire_reader r = {event.data, event.data + event.n};
    uint64_t value, at_us;
    wire_span skipped;
    wire_err err = scalar_parse(&r, TAG_NAME, UINT64_MAX, &value);
    if (wire_unlikely(err))
        return err;
    if (wire_unlikely(err = scalar_parse(&r, TAG_AT_US, UINT64_MAX, &at_us)))
        return err;
    if (wire_unlikely(err = scalar_parse(&r, TAG_CONTEXT, UINT64_MAX, &value)))
        return err;
    while (r.p != r.end && *r.p <= TAG_INLINED) {
        r.p++;
        if (wire_unlikely(err = reader_span(&r, &skipped)))
            return err;
    }
    const bool explicit_time = reader_at(&r, TAG_TIME_US);
    if (wire_unlikely(err = scalar_parse(&r, TAG_TIME_US, UINT64_MAX, &value)))
        return err;
    item->at_us = explicit_time ? reader_zigzag(value) : (int64_t)at_us;
    item->flags = explicit_time ? WIRE_ITEM_EXPLICIT : 0;
    item->crc = 0;
    return WIRE_OK;
}

/* The events, on the numbers that the tombstones leave. */
wire_hot wire_err events_scan(batch_scan *s, const bool check) {
    wire_batch *const batch = s->batch;
    const uint32_t seed = check ? wire_crc_seed(batch->run.nonce) : 0;
    uint64_t chain = batch->chain, bytes = 0;
    uint32_t last_context = 0, i = 0, n_events = 0;
    wire_reader r = s->r;
    for (;;) {
        for (; i < s->dropped_end && s->items[i].flags == WIRE_ITEM_DROPPED; i++)
            chain = wire_chain(chain, s->items[i].crc);
        if (!reader_at(&r, TAG_BATCH_EVENT))
            break;
        r.p++;
        wire_span event;
        wire_err err = reader_span(&r, &event);
        if (wire_unlikely(err))
            return err;
        if (wire_unlikely(i == s->items_max))
            return WIRE_ERR_LIMIT;
        wire_item *const item = &s->items[i];
        if (wire_unlikely(event.n > WIRE_EVENT_BYTES_MAX))
            err = WIRE_ERR_LIMIT;
        else
            err = check ? event_check(s, event, seed, &last_context, item) : event_time(event, item);
        if (wire_unlikely(err)) {
            batch->bad_seq = batch->first_seq + i;
            return err;
        }
        item->off = (uint32_t)(event.data - s->body);
        item->len = (uint32_t)event.n;
        item->reason = 0;
        chain = wire_chain(chain, item->crc);
        bytes += event.n;
        n_events++;
        i++;
    }
    s->r = r;
    /* Numbers before the last tombstone that no event filled. */
    if (i < s->dropped_end || i == 0)
        return WIRE_ERR_VALUE;
    batch->n_items = i;
    batch->n_events = n_events;
    batch->events_bytes = bytes;
    batch->last_seq = batch->first_seq + i - 1;
    batch->chain_after = check ? chain : 0;
    return WIRE_OK;
}

static wire_err batch_begin(batch_scan *s, const uint8_t *body, size_t n, size_t items_max) {
    s->batch->bad_seq = 0;
    if ((uint64_t)n > UINT32_MAX)
        return WIRE_ERR_LIMIT;
    s->body = body;
    s->r = (wire_reader){body, body + n};
    s->items_max = items_max < WIRE_BATCH_NUMBERS_MAX ? (uint32_t)items_max : WIRE_BATCH_NUMBERS_MAX;
    return batch_head_scan(s);
}

wire_err wire_batch_scan(const uint8_t *body, size_t n, wire_item *items, size_t items_max, wire_dict *dict,
                         wire_batch *ret_batch) {
    batch_scan s = {.items = items, .dict = dict, .batch = ret_batch, .check = true};
    wire_err err = batch_begin(&s, body, n, items_max);
    if (!err)
        err = events_scan(&s, true);
    return err ? err : batch_rest_check(&s);
}

wire_err wire_batch_rescan(const uint8_t *body, size_t n, wire_item *items, size_t items_max, wire_dict *dict,
                           wire_batch *ret_batch) {
    batch_scan s = {.items = items, .dict = dict, .batch = ret_batch, .check = false};
    const wire_err err = batch_begin(&s, body, n, items_max);
    return err ? err : events_scan(&s, false);
}

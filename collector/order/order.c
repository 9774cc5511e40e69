#include "order.h"

#include <stdlib.h>
#include <string.h>

#include "sort.h"

/* One batch with events above the watermark. */
typedef struct pending {
    uint64_t position;
    int64_t next_us; /* time of the next event to leave */
    uint64_t bytes;  /* of what is left, by body_item_bytes */
    uint32_t left;   /* items that are left */
    uint32_t next;   /* cursor in time order; 0 while the body is not open */
    body *body;      /* NULL: still in the journal only */
} pending;

struct order {
    order_options opt;
    entry_source source;
    order_output output;
    body_reader *reader;
    uint64_t position;
    uint64_t rebuild_low; /* where order_rebuild begins */
    order_key watermark;
    pending *pendings; /* ascending positions */
    size_t n_pendings, pendings_cap;
    uint64_t pending_bytes, pending_events;
    order_event *events, *scratch; /* what leaves next, and room to sort it */
    size_t n_events, events_cap;
};

order *order_new(const order_options *opt, const order_mark *from, const entry_source *source,
                 order_output output) {
    order *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->opt = *opt;
    o->source = *source;
    o->output = output;
    o->position = from->position;
    o->rebuild_low = from->low;
    o->watermark = from->watermark;
    o->reader = body_reader_new();
    if (!o->reader) {
        free(o);
        return NULL;
    }
    return o;
}

void order_free(order *o) {
    if (!o)
        return;
    for (size_t i = 0; i < o->n_pendings; i++)
        body_unref(o->pendings[i].body);
    free(o->pendings);
    free(o->events);
    free(o->scratch);
    body_reader_free(o->reader);
    free(o);
}

uint64_t order_pending_bytes(const order *o) { return o->pending_bytes; }
uint64_t order_pending_events(const order *o) { return o->pending_events; }

order_mark order_where(const order *o) {
    uint64_t low = o->n_pendings > 0 ? o->pendings[0].position : o->position + 1;
    return (order_mark){o->position, low, o->watermark};
}

/* ---- cursors ------------------------------------------------------------------------------------ */

static uint32_t cursor_item(const body *b, uint32_t cursor) { return b->sorted ? b->sorted[cursor] : cursor; }

static order_key cursor_key(const body *b, uint32_t cursor) {
    uint32_t item = cursor_item(b, cursor);
    return (order_key){b->times[item], b->entry.position, item};
}

static order_err body_error(body_err err) {
    return err == BODY_ERR_MEMORY ? ORDER_ERR_MEMORY : ORDER_ERR_BODY;
}

static order_err pending_open(order *o, pending *p) {
    if (p->body)
        return ORDER_OK;
    const journal_entry *entry;
    wire_span stored;
    if (!o->source.get(o->source.context, p->position, &entry, &stored))
        return ORDER_ERR_MISSING;
    body_err err = body_open(o->reader, entry, stored, &p->body);
    return err == BODY_OK ? ORDER_OK : body_error(err);
}

static order_err events_reserve(order *o, size_t more) {
    if (o->n_events + more <= o->events_cap)
        return ORDER_OK;
    size_t cap = o->events_cap ? o->events_cap : 1024;
    while (cap < o->n_events + more)
        cap *= 2;
    order_event *events = realloc(o->events, cap * sizeof *events);
    if (!events)
        return ORDER_ERR_MEMORY;
    o->events = events;
    order_event *scratch = realloc(o->scratch, cap * sizeof *scratch);
    if (!scratch)
        return ORDER_ERR_MEMORY;
    o->scratch = scratch;
    o->events_cap = cap;
    return ORDER_OK;
}

/* Moves the cursor over everything at or below `mark` into o->events. A run of tombstones goes as one. */
static order_err pending_take(order *o, pending *p, order_key mark) {
    order_err err = events_reserve(o, p->left);
    if (err != ORDER_OK)
        return err;
    const body *b = p->body;
    while (p->left > 0 && order_key_covers(mark, cursor_key(b, p->next))) {
        uint32_t item = cursor_item(b, p->next), end = body_item_end(b, item);
        o->events[o->n_events++] = (order_event){b->times[item], p->body, item};
        for (; item < end; item++) {
            p->bytes -= body_item_bytes(&b->items[item]);
            p->left--;
            p->next++;
        }
    }
    if (p->left > 0)
        p->next_us = b->times[cursor_item(b, p->next)];
    return ORDER_OK;
}

static order_err pending_add(order *o, const pending *p) {
    if (o->n_pendings == o->pendings_cap) {
        size_t cap = o->pendings_cap ? o->pendings_cap * 2 : 256;
        pending *grown = realloc(o->pendings, cap * sizeof *grown);
        if (!grown)
            return ORDER_ERR_MEMORY;
        o->pendings = grown;
        o->pendings_cap = cap;
    }
    o->pendings[o->n_pendings++] = *p;
    o->pending_bytes += p->bytes;
    o->pending_events += p->left;
    return ORDER_OK;
}

/* ---- leaving ------------------------------------------------------------------------------------ */

/* Hands o->events over and forgets the batches that have nothing left. */
static order_err events_leave(order *o, bool late) {
    order_err err = ORDER_OK;
    if (o->n_events > 0)
        err = o->output.take(o->output.context, o->events, o->n_events, late);
    o->n_events = 0;
    return err;
}

static void pendings_compact(order *o) {
    size_t kept = 0;
    for (size_t i = 0; i < o->n_pendings; i++) {
        if (o->pendings[i].left == 0)
            body_unref(o->pendings[i].body);
        else
            o->pendings[kept++] = o->pendings[i];
    }
    o->n_pendings = kept;
}

/* Gathers, in key order, everything pending at or below `mark`. */
static order_err events_gather(order *o, order_key mark) {
    for (size_t i = 0; i < o->n_pendings; i++) {
        pending *p = &o->pendings[i];
        if (p->next_us > mark.us)
            continue;
        uint64_t bytes = p->bytes;
        uint32_t left = p->left;
        order_err err = pending_open(o, p);
        if (err == ORDER_OK)
            err = pending_take(o, p, mark);
        o->pending_bytes -= bytes - p->bytes;
        o->pending_events -= left - p->left;
        if (err != ORDER_OK)
            return err;
    }
    order_sort(o->events, o->scratch, o->n_events);
    return ORDER_OK;
}

order_err order_release(order *o) {
    order_err err = events_gather(o, o->watermark);
    if (err == ORDER_OK)
        err = events_leave(o, false);
    pendings_compact(o);
    return err;
}

static void watermark_raise(order *o, order_key key) {
    if (!order_key_covers(o->watermark, key))
        o->watermark = key;
}

/* Where the watermark must rise to so that what is left fits: the key of the last event that has to go. */
static order_err watermark_force(order *o) {
    uint64_t target = o->opt.pending_bytes_max - o->opt.pending_bytes_max / 8;
    uint64_t bytes = o->pending_bytes;
    for (size_t i = 0; i < o->n_pendings; i++) {
        pending *p = &o->pendings[i], probe;
        order_err err = pending_open(o, p);
        probe = *p; /* only looked at: the cursor stays */
        if (err == ORDER_OK)
            err = pending_take(o, &probe, ORDER_KEY_END(INT64_MAX));
        if (err != ORDER_OK)
            return err;
    }
    order_sort(o->events, o->scratch, o->n_events);
    for (size_t i = 0; i < o->n_events && bytes > target; i++) {
        const order_event *e = &o->events[i];
        for (uint32_t item = e->index, end = body_item_end(e->body, e->index); item < end; item++)
            bytes -= body_item_bytes(&e->body->items[item]);
        watermark_raise(o, (order_key){e->us, e->body->entry.position, e->index});
    }
    o->n_events = 0;
    return order_release(o);
}

/* ---- entries in --------------------------------------------------------------------------------- */

static pending pending_of(const journal_entry *entry) {
    return (pending){.position = entry->position,
                     .next_us = entry->min_us,
                     .bytes = entry->events_bytes + 16ull * entry->n_items,
                     .left = entry->n_items};
}

/* What of the entry is at or below the watermark goes to o->events in entry order; the rest is pending. */
static order_err entry_split(order *o, const journal_entry *entry) {
    if (entry->kind != ENTRY_BATCH || entry->n_items == 0)
        return ORDER_OK;
    pending p = pending_of(entry);
    if (entry->min_us <= o->watermark.us || o->opt.window_us == 0) {
        order_err err = pending_open(o, &p);
        if (err == ORDER_OK)
            err = pending_take(o, &p, o->opt.window_us == 0 ? ORDER_KEY_END(INT64_MAX) : o->watermark);
        if (err != ORDER_OK) {
            body_unref(p.body);
            return err;
        }
        if (p.body->sorted)
            order_sort_by_index(o->events, o->n_events);
    }
    return pending_add(o, &p);
}

/* An entry of which everything left at once. */
static void pendings_pop_exhausted(order *o) {
    if (o->n_pendings > 0 && o->pendings[o->n_pendings - 1].left == 0)
        body_unref(o->pendings[--o->n_pendings].body);
}

order_err order_feed(order *o, const journal_entry *entry) {
    if (entry->position != o->position + 1)
        return ORDER_ERR_MISSING;
    uint64_t position = entry->position;
    int64_t received_us = entry->received_us;
    order_err err = entry_split(o, entry); /* `entry` is not to be read after this */
    bool late = o->opt.window_us != 0;
    if (err == ORDER_OK)
        err = events_leave(o, late);
    if (err != ORDER_OK)
        return err;
    o->position = position;
    pendings_pop_exhausted(o);
    if (o->opt.window_us != 0)
        watermark_raise(o, ORDER_KEY_END(received_us - o->opt.window_us));
    if (o->pending_bytes <= o->opt.pending_bytes_max)
        return ORDER_OK;
    err = order_release(o);
    if (err == ORDER_OK && o->pending_bytes > o->opt.pending_bytes_max)
        err = watermark_force(o);
    return err;
}

order_err order_rebuild(order *o, uint64_t until) {
    uint64_t last = o->position < until ? o->position : until;
    for (uint64_t position = o->rebuild_low; position <= last; position++) {
        const journal_entry *entry;
        wire_span stored;
        if (!o->source.get(o->source.context, position, &entry, &stored))
            return ORDER_ERR_MISSING;
        order_err err = entry_split(o, entry);
        o->n_events = 0; /* they left before */
        if (err != ORDER_OK)
            return err;
        pendings_pop_exhausted(o);
    }
    o->position = last;
    return ORDER_OK;
}

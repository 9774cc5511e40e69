#include "order.h"

#include <stdlib.h>
#include <string.h>

#include "sort.h"

#define MERGE_OPENED_BYTES (4u << 20) /* bodies that one merge opens, about */

/* One batch with events above the watermark. */
typedef struct pending {
    uint64_t position;
    int64_t next_us; /* time of the next event to leave */
    uint64_t bytes;  /* of what is left, by body_item_bytes, and of the batch's own part */
    uint64_t own;    /* of `bytes`: the batch's own part */
    uint32_t raw;    /* memory that the open body takes; a guess until it was open. Decides only how much is
                        merged at a time, never what leaves */
    uint32_t left;   /* items that are left */
    uint32_t next;   /* cursor in time order */
    body *body;      /* NULL: in the journal only */
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
    return (order_key){body_time(b, item), b->entry.position, item};
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
    if (err != BODY_OK)
        return body_error(err);
    p->raw = p->body->memory_bytes < UINT32_MAX ? (uint32_t)p->body->memory_bytes : UINT32_MAX;
    return ORDER_OK;
}

/* Moves the cursor over everything at or below `mark` into o->events. A run of tombstones goes as one. */
static order_err pending_take(order *o, pending *p, order_key mark) {
    if (!order_events_reserve(&o->events, &o->scratch, &o->events_cap, o->n_events + p->left))
        return ORDER_ERR_MEMORY;
    const body *b = p->body;
    while (p->left > 0 && order_key_covers(mark, cursor_key(b, p->next))) {
        uint32_t item = cursor_item(b, p->next), end = body_item_end(b, item);
        o->events[o->n_events++] = order_event_of(p->body, item);
        for (; item < end; item++) {
            p->bytes -= body_item_bytes(body_item_of(b, item));
            p->left--;
            p->next++;
        }
    }
    if (p->left > 0)
        p->next_us = body_time(b, cursor_item(b, p->next));
    else
        p->bytes = p->own = 0;
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

/* Hands o->events over. */
static order_err events_leave(order *o, bool late) {
    order_err err = ORDER_OK;
    if (o->n_events > 0) {
        o->source.release(o->source.context); /* taking may block for a disk: not with a snapshot in hand */
        err = o->output.take(o->output.context, o->events, o->n_events, late);
    }
    o->n_events = 0;
    return err;
}

static void pendings_compact(order *o) {
    size_t kept = 0;
    for (size_t i = 0; i < o->n_pendings; i++) {
        pending *p = &o->pendings[i];
        if (p->left == 0) {
            body_unref(p->body);
            continue;
        }
        if (p->body && !p->body->sorted)
            body_trim(p->body, p->next);
        o->pendings[kept++] = *p;
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

/* Memory for open bodies: in proportion to the events that wait in them, since opening them over and over
 * would cost more than all else; what is beyond proportion is somebody's padding, and has to fit
 * open_bytes_max. */
static uint64_t open_limit(const order *o) {
    uint64_t events = 0;
    for (size_t i = 0; i < o->n_pendings; i++)
        events += o->pendings[i].bytes - o->pendings[i].own;
    return o->opt.open_bytes_max + 3 * events;
}

/* Bodies that wait for later events go back to the journal, the last first, when they take too much memory.
 */
static void bodies_close(order *o) {
    uint64_t open = 0, limit = open_limit(o);
    for (size_t i = 0; i < o->n_pendings; i++) {
        pending *p = &o->pendings[i];
        open += p->body ? p->raw : 0;
        if (open > limit && p->body) {
            open -= p->raw;
            body_unref(p->body);
            p->body = NULL;
        }
    }
}

static int64_t first_us(const order *o) {
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < o->n_pendings; i++)
        least = o->pendings[i].next_us < least ? o->pendings[i].next_us : least;
    return least;
}

/* Whether a merge up to `us` keeps to `limit` and opens no more at once than the caches can hold: after a
 * stall, when the watermark has far to go, it would otherwise open everything on its way and drag it through
 * memory. */
static bool merge_fits(const order *o, int64_t us, uint64_t limit) {
    uint64_t raw = 0, opened = 0;
    for (size_t i = 0; i < o->n_pendings; i++) {
        const pending *p = &o->pendings[i];
        if (p->next_us > us)
            continue;
        raw += p->raw;
        opened += p->body ? 0 : p->raw;
    }
    return raw <= limit && opened <= MERGE_OPENED_BYTES;
}

/* Where all batches of one microsecond do not fit: before the first that does not. They stand by position. */
static order_key mark_between(const order *o, int64_t us, uint64_t limit) {
    uint64_t raw = 0;
    size_t taken = 0;
    for (size_t i = 0; i < o->n_pendings; i++) {
        const pending *p = &o->pendings[i];
        if (p->next_us != us)
            continue;
        raw += p->raw;
        if (raw > limit && taken > 0)
            return (order_key){us, p->position - 1, UINT32_MAX};
        taken++;
    }
    return ORDER_KEY_END(us);
}

/* How far one merge may go so that the bodies it opens fit the memory: mostly to the watermark. */
static order_key merge_mark(const order *o) {
    int64_t us = o->watermark.us;
    uint64_t limit = open_limit(o);
    if (merge_fits(o, us, limit))
        return o->watermark;
    int64_t least = first_us(o);
    while (us > least && !merge_fits(o, us, limit))
        us = least + (us - least) / 2;
    order_key mark = us > least ? ORDER_KEY_END(us) : mark_between(o, us, limit);
    return order_key_covers(mark, o->watermark) ? o->watermark : mark;
}

order_err order_release(order *o) {
    order_key mark;
    order_err err;
    do {
        mark = merge_mark(o);
        err = events_gather(o, mark);
        if (err == ORDER_OK)
            err = events_leave(o, false);
        pendings_compact(o);
        bodies_close(o);
    } while (err == ORDER_OK && !order_key_covers(mark, o->watermark));
    return err;
}

static void watermark_raise(order *o, order_key key) {
    if (!order_key_covers(o->watermark, key))
        o->watermark = key;
}

/* The least events leave, and the watermark rises to them, until what is left fits: step by step through the
 * time in which the batches that wait begin. */
static order_err watermark_force(order *o) {
    uint64_t target = o->opt.pending_bytes_max - o->opt.pending_bytes_max / 8;
    order_err err = ORDER_OK;
    while (err == ORDER_OK && o->pending_bytes > target) {
        int64_t least = first_us(o), greatest = least;
        for (size_t i = 0; i < o->n_pendings; i++)
            greatest = o->pendings[i].next_us > greatest ? o->pendings[i].next_us : greatest;
        watermark_raise(o, ORDER_KEY_END(least + (greatest - least) / 8));
        err = order_release(o);
    }
    return err;
}

/* ---- entries in --------------------------------------------------------------------------------- */

/* What is in a batch besides its events is counted whole as long as any of them waits: nobody hides memory
 * there. */
static pending pending_of(const journal_entry *entry) {
    uint64_t own = entry->raw_bytes > entry->events_bytes ? entry->raw_bytes - entry->events_bytes : 0;
    return (pending){.position = entry->position,
                     .next_us = entry->min_us,
                     .bytes = own + entry->events_bytes + BODY_ITEM_BYTES * entry->n_items,
                     .own = own,
                     .raw = entry->raw_bytes,
                     .left = entry->n_items};
}

/* What of the entry is at or below `mark` goes to o->events in entry order; the rest is pending. */
static order_err entry_split(order *o, const journal_entry *entry, order_key mark) {
    if (entry->kind != ENTRY_BATCH || entry->n_items == 0)
        return ORDER_OK;
    pending p = pending_of(entry);
    if (entry->min_us <= mark.us) {
        order_err err = pending_open(o, &p);
        if (err == ORDER_OK)
            err = pending_take(o, &p, mark);
        if (err != ORDER_OK) {
            body_unref(p.body);
            return err;
        }
        if (p.body->sorted)
            order_sort_by_index(o->events, o->n_events);
    }
    order_err err = pending_add(o, &p);
    if (err != ORDER_OK)
        body_unref(p.body);
    return err;
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
    bool windowed = o->opt.window_us != 0; /* without one everything leaves at once, and nothing is late */
    order_err err = entry_split(o, entry, windowed ? o->watermark : ORDER_KEY_END(INT64_MAX));
    if (err == ORDER_OK) /* `entry` is not to be read any more */
        err = events_leave(o, windowed);
    if (err != ORDER_OK)
        return err;
    o->position = position;
    pendings_pop_exhausted(o);
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
        order_err err = entry_split(o, entry, o->watermark);
        o->n_events = 0; /* they left before */
        if (err != ORDER_OK)
            return err;
        pendings_pop_exhausted(o);
        bodies_close(o);
    }
    o->position = last;
    return ORDER_OK;
}

order_err order_settle(order *o) {
    const journal_entry *entry;
    wire_span stored;
    if (o->opt.window_us != 0 || o->n_pendings == 0)
        return ORDER_OK;
    if (!o->source.get(o->source.context, o->position, &entry, &stored))
        return ORDER_ERR_MISSING;
    watermark_raise(o, ORDER_KEY_END(entry->received_us));
    return order_release(o);
}

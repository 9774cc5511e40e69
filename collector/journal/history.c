#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "unpack.h"

/* A body taken apart costs as much as looking at that many headers, and one more for so many of its bytes;
 * gzip is several times slower than the others. */
#define STEPS_OF_A_BODY 16u
#define BYTES_A_STEP 2048u
#define BYTES_A_STEP_GZIP 512u

struct history {
    history_get *get;
    void *context;
    const dedup_state *state;
    uint32_t steps_left;
    journal_entry entry;   /* where the walk stands; position 0: at the end of the stream */
    uint64_t upper;        /* numbers from here on lie behind us: only a new walk finds them */
    uint64_t mile_refused; /* a milestone that was looked at and lies too far back */

    uint64_t chains_position; /* of the entry whose body was asked for last; 0: none */
    bool chains_known;        /* it was read, and its chains are in `chains` */
    bool body_opened;         /* one at least, for this batch */
    uint64_t *chains;         /* after each of its numbers */
    unpacker *unpacker;       /* made on first use, like the room for one body: mostly nobody asks */
    wire_item *items;
    wire_dict *dict;
    uint8_t *raw;
    size_t raw_cap;
};

history *history_new(history_get *get, void *context) {
    history *h = calloc(1, sizeof *h);
    if (h != NULL) {
        h->get = get;
        h->context = context;
    }
    return h;
}

void history_free(history *h) {
    if (h == NULL)
        return;
    unpacker_free(h->unpacker);
    free(h->chains);
    free(h->items);
    free(h->dict);
    free(h->raw);
    free(h);
}

/* ---- one entry ---------------------------------------------------------------------------------- */

static bool room_make(history *h, size_t raw_bytes) {
    if (h->unpacker == NULL)
        h->unpacker = unpacker_new();
    if (h->chains == NULL)
        h->chains = malloc(WIRE_BATCH_NUMBERS_MAX * sizeof *h->chains);
    if (h->items == NULL)
        h->items = malloc(WIRE_BATCH_NUMBERS_MAX * sizeof *h->items);
    if (h->dict == NULL)
        h->dict = calloc(1, sizeof *h->dict); /* zeroed once, as wire_dict asks */
    if (h->raw_cap < raw_bytes) {
        free(h->raw);
        h->raw = malloc(raw_bytes);
        h->raw_cap = h->raw != NULL ? raw_bytes : 0;
    }
    return h->unpacker && h->chains && h->items && h->dict && h->raw_cap >= raw_bytes;
}

/* The chains inside the entry where the walk stands, from the CRCs of its events. */
static bool chains_compute(history *h, wire_span body) {
    const journal_entry *e = &h->entry;
    size_t n = 0;
    wire_batch batch;
    if (!room_make(h, e->raw_bytes) ||
        unpack(h->unpacker, e->encoding, body.data, body.n, h->raw, h->raw_cap, &n) != UNPACK_OK ||
        wire_batch_scan(h->raw, n, h->items, WIRE_BATCH_NUMBERS_MAX, h->dict, &batch) != WIRE_OK ||
        batch.n_items != e->skip + e->n_items)
        return false;
    uint64_t chain = e->chain_before;
    for (uint32_t i = 0; i < e->n_items; i++)
        h->chains[i] = chain = wire_chain(chain, h->items[e->skip + i].crc);
    return chain == e->chain_after;
}

static uint32_t body_steps(const journal_entry *e) {
    return STEPS_OF_A_BODY + e->raw_bytes / (e->encoding == ENTRY_GZIP ? BYTES_A_STEP_GZIP : BYTES_A_STEP);
}

/* Paid for before it is tried, since what fails has cost as much. */
static bool body_open(history *h) {
    journal_entry again;
    wire_span body;
    uint32_t steps = body_steps(&h->entry);
    if (h->body_opened && steps > h->steps_left)
        return false;
    h->body_opened = true;
    h->steps_left -= steps < h->steps_left ? steps : h->steps_left;
    return h->get(h->context, h->entry.position, &again, &body) && chains_compute(h, body);
}

static bool chain_inside(history *h, uint64_t seq, uint64_t *ret_chain) {
    if (h->chains_position != h->entry.position) {
        h->chains_position = h->entry.position;
        h->chains_known = body_open(h);
    }
    if (h->chains_known)
        *ret_chain = h->chains[seq - h->entry.first_seq];
    return h->chains_known;
}

/* ---- the walk ----------------------------------------------------------------------------------- */

static bool step_to(history *h, uint64_t position, journal_entry *ret_entry) {
    wire_span body;
    if (position == 0 || h->steps_left == 0)
        return false;
    h->steps_left--;
    return h->get(h->context, position, ret_entry, &body) && ret_entry->kind == ENTRY_BATCH &&
           memcmp(ret_entry->stream, h->entry.stream, sizeof ret_entry->stream) == 0;
}

static bool walk_begin(history *h) {
    wire_span body;
    h->upper = UINT64_MAX;
    h->mile_refused = 0;
    if (h->steps_left == 0 || !h->get(h->context, h->state->last_position, &h->entry, &body)) {
        h->entry.position = 0;
        return false;
    }
    h->steps_left--;
    return true;
}

/* One step back towards `seq`: over the milestone where that is not too far, else to the entry before. */
static bool walk_back(history *h, uint64_t seq) {
    journal_entry next;
    uint64_t mile = h->entry.mile_position;
    if (mile != h->mile_refused && mile != h->entry.prev_position) {
        if (step_to(h, mile, &next) && next.first_seq > seq + 1) {
            h->upper = next.first_seq + next.n_items;
            h->entry = next;
            return true;
        }
        h->mile_refused = mile;
    }
    if (!step_to(h, h->entry.prev_position, &next))
        return false;
    h->upper = h->entry.first_seq - 1;
    h->entry = next;
    return true;
}

/* To the newest entry that begins at seq + 1 or before. */
static bool walk_to(history *h, uint64_t seq) {
    if ((h->entry.position == 0 || seq >= h->upper) && !walk_begin(h))
        return false;
    while (seq + 1 < h->entry.first_seq)
        if (!walk_back(h, seq))
            return false;
    return true;
}

static uint64_t start_below(void *context, uint64_t seq) {
    history *h = context;
    return walk_to(h, seq - 1) ? h->entry.first_seq - 1 : seq - 1;
}

/* Knows the chain at first_seq-1 … first_seq+n_items-1 of every entry that the journal holds. */
static bool chain_at(void *context, uint64_t seq, uint64_t *ret_chain) {
    history *h = context;
    if (!walk_to(h, seq))
        return false;

    const journal_entry *e = &h->entry;
    uint64_t last = e->first_seq + e->n_items - 1;
    if (seq > last) /* a gap: settled elsewhere, never seen here */
        return false;
    if (seq == last || seq + 1 == e->first_seq) {
        *ret_chain = seq == last ? e->chain_after : e->chain_before;
        return true;
    }
    return chain_inside(h, seq, ret_chain);
}

dedup_history history_of(history *h, const dedup_state *state) {
    h->state = state;
    h->steps_left = HISTORY_STEPS_MAX;
    h->entry.position = 0;
    h->chains_position = 0;
    h->body_opened = false;
    return (dedup_history){.chain_at = chain_at, .start_below = start_below, .context = h};
}

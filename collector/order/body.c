#include "body.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define RAW_KEPT_BYTES (1u << 20)

_Static_assert(WIRE_EVENT_BYTES_MAX <= UINT16_MAX, "body_item.len");

struct body_reader {
    unpacker *unpacker;
    uint8_t *raw; /* the decompressed Batch */
    size_t raw_cap;
    wire_dict dict;
    wire_batch batch;
    wire_item items[WIRE_BATCH_NUMBERS_MAX];
};

body_reader *body_reader_new(void) {
    body_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->unpacker = unpacker_new();
    if (!r->unpacker) {
        free(r);
        return NULL;
    }
    return r;
}

void body_reader_free(body_reader *r) {
    if (!r)
        return;
    unpacker_free(r->unpacker);
    free(r->raw);
    free(r);
}

body *body_ref(body *b) {
    b->refs++;
    return b;
}

uint32_t body_owner_new(void) {
    static _Atomic uint32_t last;
    return atomic_fetch_add(&last, 1) + 1;
}

void body_cache_claim(body *b, uint32_t owner) {
    if (b->cache_free)
        b->cache_free(b->cache);
    b->cache = NULL;
    b->cache_free = NULL;
    b->cache_owner = owner;
}

static uint32_t chunks_of(uint32_t n_items) { return (n_items + BODY_CHUNK_ITEMS - 1) / BODY_CHUNK_ITEMS; }

void body_unref(body *b) {
    if (!b || --b->refs > 0)
        return;
    if (b->cache_free)
        b->cache_free(b->cache);
    for (uint32_t i = 0; i < chunks_of(b->n_items); i++)
        free(b->chunks[i]);
    free(b->sorted);
    free(b);
}

/* ---- a body out of what the reader holds -------------------------------------------------------------- */

/* Texts of definitions and contexts, which outlive the decompressed batch. */
static size_t texts_bytes(const body_reader *r) {
    size_t n = 0;
    for (uint32_t i = 0; i < r->dict.n; i++)
        n += r->dict.entries[i].text.n;
    for (uint32_t i = 0; i < r->batch.n_contexts; i++)
        n += r->batch.contexts[i].n;
    return n;
}

/* One allocation behind the struct for all tables; the widest alignment first. */
static body *body_alloc(const body_reader *r, const journal_entry *entry, uint8_t **ret_texts) {
    uint32_t n_chunks = chunks_of(entry->n_items);
    size_t shared = r->dict.n * sizeof(wire_definition) +
                    r->batch.n_contexts * (sizeof(wire_span) + sizeof(uint32_t)) + texts_bytes(r);
    size_t size = sizeof(body) + n_chunks * sizeof(body_chunk *) + shared;
    body *b = malloc(size);
    if (!b)
        return NULL;
    memset(b, 0, sizeof *b + n_chunks * sizeof(body_chunk *));
    b->refs = 1;
    b->shared_bytes = shared;
    b->memory_bytes = size;
    b->entry = *entry;
    b->first_seq = entry->first_seq;
    b->resent_through = entry->resent_through;
    b->time_quality = entry->time_quality;
    b->gap = entry->gap_first != 0;
    b->n_items = entry->n_items;
    b->n_definitions = r->dict.n;
    b->n_contexts = r->batch.n_contexts;
    uint8_t *at = (uint8_t *)(b + 1);
    b->chunks = (body_chunk **)(void *)at;
    at += n_chunks * sizeof(body_chunk *);
    b->definitions = (wire_definition *)(void *)at;
    at += b->n_definitions * sizeof(wire_definition);
    b->contexts = (wire_span *)(void *)at;
    at += b->n_contexts * sizeof(wire_span);
    b->context_ids = (uint32_t *)(void *)at;
    *ret_texts = at + b->n_contexts * sizeof(uint32_t);
    return b;
}

static wire_span text_keep(uint8_t **at, wire_span text) {
    wire_span kept = {*at, text.n};
    if (text.n > 0)
        memcpy(*at, text.data, text.n);
    *at += text.n;
    return kept;
}

static void texts_fill(body *b, const body_reader *r, uint8_t *texts) {
    for (uint32_t i = 0; i < b->n_definitions; i++)
        b->definitions[i] =
            (wire_definition){r->dict.entries[i].id, text_keep(&texts, r->dict.entries[i].text)};
    for (uint32_t i = 0; i < b->n_contexts; i++) {
        b->contexts[i] = text_keep(&texts, r->batch.contexts[i]);
        b->context_ids[i] = r->batch.context_ids[i];
    }
}

static body_chunk *chunk_new(const body_reader *r, const wire_item *items, uint32_t n,
                             const journal_entry *entry, int64_t *floor_us) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < n; i++)
        bytes += items[i].len;
    body_chunk *c = malloc(sizeof *c + bytes);
    if (!c)
        return NULL;
    uint32_t off = 0;
    for (uint32_t i = 0; i < n; i++) {
        const wire_item *item = &items[i];
        c->items[i] = (body_item){.us = entry_item_us(entry, item, floor_us),
                                  .off = off,
                                  .len = (uint16_t)item->len,
                                  .flags = item->flags,
                                  .reason = item->reason};
        if (item->len > 0)
            memcpy(c->events + off, r->raw + item->off, item->len);
        off += item->len;
    }
    return c;
}

static bool chunks_fill(body *b, const body_reader *r) {
    int64_t floor_us = b->entry.floor_us;
    for (uint32_t i = 0; i < b->n_items; i += BODY_CHUNK_ITEMS) {
        uint32_t n = b->n_items - i < BODY_CHUNK_ITEMS ? b->n_items - i : BODY_CHUNK_ITEMS;
        body_chunk *c = chunk_new(r, r->items + b->entry.skip + i, n, &b->entry, &floor_us);
        if (!c)
            return false;
        b->chunks[i / BODY_CHUNK_ITEMS] = c;
        b->memory_bytes += sizeof *c + c->items[n - 1].off + c->items[n - 1].len;
    }
    return true;
}

void body_trim(body *b, uint32_t index) {
    if (b->refs > 1)
        return;
    for (; b->n_trimmed < index / BODY_CHUNK_ITEMS; b->n_trimmed++) {
        free(b->chunks[b->n_trimmed]);
        b->chunks[b->n_trimmed] = NULL;
    }
}

/* ---- in time order ------------------------------------------------------------------------------------ */

typedef struct keyed {
    int64_t us;
    uint32_t index;
} keyed;

static int keyed_compare(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    if (x->us != y->us)
        return x->us < y->us ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* Explicit times come in any order: the cursor then walks an index. */
static body_err body_sort(body *b) {
    uint32_t i = 1;
    while (i < b->n_items && body_time(b, i - 1) <= body_time(b, i))
        i++;
    if (i >= b->n_items)
        return BODY_OK;
    keyed *keys = malloc(b->n_items * sizeof *keys);
    b->sorted = malloc(b->n_items * sizeof *b->sorted);
    if (!keys || !b->sorted) {
        free(keys);
        return BODY_ERR_MEMORY;
    }
    b->memory_bytes += b->n_items * sizeof *b->sorted;
    for (i = 0; i < b->n_items; i++)
        keys[i] = (keyed){body_time(b, i), i};
    qsort(keys, b->n_items, sizeof *keys, keyed_compare);
    for (i = 0; i < b->n_items; i++)
        b->sorted[i] = keys[i].index;
    free(keys);
    return BODY_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static bool raw_reserve(body_reader *r, size_t n) {
    if (n <= r->raw_cap)
        return true;
    free(r->raw);
    r->raw = malloc(n);
    r->raw_cap = r->raw ? n : 0;
    return r->raw != NULL;
}

/* A batch of an unusual size leaves no memory behind. */
static void raw_forget(body_reader *r) {
    if (r->raw_cap <= RAW_KEPT_BYTES)
        return;
    free(r->raw);
    r->raw = NULL;
    r->raw_cap = 0;
}

static body_err body_make(const body_reader *r, const journal_entry *entry, body **ret_body) {
    uint8_t *texts;
    body *b = body_alloc(r, entry, &texts);
    if (!b)
        return BODY_ERR_MEMORY;
    texts_fill(b, r, texts);
    if (!chunks_fill(b, r) || body_sort(b) != BODY_OK) {
        body_unref(b);
        return BODY_ERR_MEMORY;
    }
    *ret_body = b;
    return BODY_OK;
}

body_err body_open(body_reader *r, const journal_entry *entry, wire_span stored, body **ret_body) {
    size_t n = 0;
    if (!raw_reserve(r, entry->raw_bytes ? entry->raw_bytes : 1))
        return BODY_ERR_MEMORY;
    if (unpack(r->unpacker, entry->encoding, stored.data, stored.n, r->raw, entry->raw_bytes, &n) !=
            UNPACK_OK ||
        wire_batch_rescan(r->raw, n, r->items, WIRE_BATCH_NUMBERS_MAX, &r->dict, &r->batch) != WIRE_OK ||
        r->batch.n_items != (uint64_t)entry->skip + entry->n_items)
        return BODY_ERR_DATA;
    body_err err = body_make(r, entry, ret_body);
    raw_forget(r);
    return err;
}

static bool same_drop(const body_item *a, const body_item *b) {
    return (b->flags & WIRE_ITEM_DROPPED) && b->reason == a->reason;
}

uint32_t body_item_end(const body *b, uint32_t index) {
    const body_item *first = body_item_of(b, index);
    uint32_t end = index + 1;
    if (!(first->flags & WIRE_ITEM_DROPPED))
        return end;
    while (end < b->n_items && same_drop(first, body_item_of(b, end)))
        end++;
    return end;
}

uint32_t body_definition_find(const body *b, uint32_t id) {
    uint32_t low = 0, high = b->n_definitions;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (b->definitions[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->n_definitions && b->definitions[low].id == id ? low : b->n_definitions;
}

#include "body.h"

#include <stdlib.h>
#include <string.h>

struct body_reader {
    unpacker *unpacker;
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
    free(r);
}

body *body_ref(body *b) {
    b->refs++;
    return b;
}

void body_unref(body *b) {
    if (!b || --b->refs > 0)
        return;
    if (b->cache_free)
        b->cache_free(b->cache);
    free(b->raw);
    free(b->sorted);
    free(b);
}

/* One allocation behind the struct for all tables; the widest alignment first. */
static body *body_alloc(const journal_entry *entry, const wire_batch *batch, uint32_t n_definitions) {
    size_t n = entry->n_items;
    size_t size = sizeof(body) + n * sizeof(wire_item) + n_definitions * sizeof(wire_definition) +
                  batch->n_contexts * (sizeof(wire_span) + sizeof(uint32_t));
    body *b = malloc(size);
    if (!b)
        return NULL;
    memset(b, 0, sizeof *b);
    b->refs = 1;
    b->entry = *entry;
    b->n_items = entry->n_items;
    b->n_definitions = n_definitions;
    b->n_contexts = batch->n_contexts;
    uint8_t *at = (uint8_t *)(b + 1);
    b->items = (wire_item *)(void *)at;
    at += n * sizeof(wire_item);
    b->definitions = (wire_definition *)(void *)at;
    at += n_definitions * sizeof(wire_definition);
    b->contexts = (wire_span *)(void *)at;
    at += batch->n_contexts * sizeof(wire_span);
    b->context_ids = (uint32_t *)(void *)at;
    return b;
}

static void body_fill(body *b, const body_reader *r, const journal_entry *entry) {
    memcpy(b->items, r->items + entry->skip, b->n_items * sizeof *b->items);
    memcpy(b->definitions, r->dict.entries, b->n_definitions * sizeof *b->definitions);
    memcpy(b->contexts, r->batch.contexts, b->n_contexts * sizeof *b->contexts);
    memcpy(b->context_ids, r->batch.context_ids, b->n_contexts * sizeof *b->context_ids);
    int64_t floor_us = entry->floor_us;
    for (uint32_t i = 0; i < b->n_items; i++)
        b->items[i].at_us = entry_item_us(entry, &b->items[i], &floor_us);
}

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
    for (i = 0; i < b->n_items; i++)
        keys[i] = (keyed){body_time(b, i), i};
    qsort(keys, b->n_items, sizeof *keys, keyed_compare);
    for (i = 0; i < b->n_items; i++)
        b->sorted[i] = keys[i].index;
    free(keys);
    return BODY_OK;
}

body_err body_open(body_reader *r, const journal_entry *entry, wire_span stored, body **ret_body) {
    uint8_t *raw = malloc(entry->raw_bytes ? entry->raw_bytes : 1);
    if (!raw)
        return BODY_ERR_MEMORY;
    size_t n = 0;
    if (unpack(r->unpacker, entry->encoding, stored.data, stored.n, raw, entry->raw_bytes, &n) != UNPACK_OK ||
        wire_batch_rescan(raw, n, r->items, WIRE_BATCH_NUMBERS_MAX, &r->dict, &r->batch) != WIRE_OK ||
        r->batch.n_items != (uint64_t)entry->skip + entry->n_items) {
        free(raw);
        return BODY_ERR_DATA;
    }
    body *b = body_alloc(entry, &r->batch, r->dict.n);
    if (!b) {
        free(raw);
        return BODY_ERR_MEMORY;
    }
    b->raw = raw;
    body_fill(b, r, entry);
    if (body_sort(b) != BODY_OK) {
        body_unref(b);
        return BODY_ERR_MEMORY;
    }
    *ret_body = b;
    return BODY_OK;
}

uint32_t body_item_end(const body *b, uint32_t index) {
    const wire_item *first = &b->items[index];
    uint32_t end = index + 1;
    if (!(first->flags & WIRE_ITEM_DROPPED))
        return end;
    while (end < b->n_items && (b->items[end].flags & WIRE_ITEM_DROPPED) &&
           b->items[end].reason == first->reason)
        end++;
    return end;
}

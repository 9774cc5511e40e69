#include "vocabulary.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE 256u /* vocabularies kept for the next batch; a newer one takes the place */
#define CACHED_BYTES_MAX \
    (32u << 10) /* a larger one lives as long as its batch: the table stays below 8 MiB */
#define SLOT_IDS_MAX 1024u
#define HASH_FACTOR UINT64_C(0x9E3779B97F4A7C15)

struct vocabularies {
    const vocabulary_format *format;
    vocabulary *table[TABLE_SIZE];
    uint8_t *key; /* of the body that is looked up */
    size_t key_n, key_cap;
};

vocabularies *vocabularies_new(const vocabulary_format *format) {
    vocabularies *all = calloc(1, sizeof *all);
    if (all)
        all->format = format;
    return all;
}

void vocabularies_free(vocabularies *all) {
    if (!all)
        return;
    for (size_t i = 0; i < TABLE_SIZE; i++)
        vocabulary_unref(all->table[i]);
    free(all->key);
    free(all);
}

void vocabulary_unref(vocabulary *v) {
    if (!v || --v->refs > 0)
        return;
    free(v->slots);
    free(v->blob);
    free(v->ids);
    free(v->texts);
    free(v->context_ids);
    free(v->contexts);
    free(v->key);
    free(v);
}

/* ---- the key: everything that decides the rendering -----------------------------------------------------
 */

static bool key_put(vocabularies *all, uint32_t id, wire_span bytes) {
    size_t need = all->key_n + 2 * sizeof(uint32_t) + bytes.n;
    if (need > all->key_cap) {
        uint8_t *grown = realloc(all->key, 2 * need);
        if (!grown)
            return false;
        all->key = grown;
        all->key_cap = 2 * need;
    }
    uint32_t head[2] = {id, (uint32_t)bytes.n};
    memcpy(all->key + all->key_n, head, sizeof head);
    memcpy(all->key + all->key_n + sizeof head, bytes.data, bytes.n);
    all->key_n = need;
    return true;
}

static bool key_make(vocabularies *all, const body *b) {
    all->key_n = 0;
    bool ok = key_put(all, b->n_definitions, (wire_span){(const uint8_t *)"", 0});
    for (uint32_t i = 0; ok && i < b->n_definitions; i++)
        ok = key_put(all, b->definitions[i].id, b->definitions[i].text);
    for (uint32_t i = 0; ok && i < b->n_contexts; i++)
        ok = key_put(all, b->context_ids[i], b->contexts[i]);
    return ok;
}

static uint64_t key_hash(const uint8_t *key, size_t n) {
    uint64_t hash = n;
    for (; n >= 8; n -= 8, key += 8) {
        uint64_t word;
        memcpy(&word, key, 8);
        hash = (hash ^ word) * HASH_FACTOR;
        hash ^= hash >> 29;
    }
    for (; n > 0; n--, key++)
        hash = (hash ^ *key) * HASH_FACTOR;
    return hash ^ hash >> 32;
}

/* ---- rendering ------------------------------------------------------------------------------------------
 */

typedef struct rendering {
    const vocabulary_format *format;
    vocabulary *v;
    size_t n, cap;
} rendering;

static char *blob_reserve(rendering *r, size_t more) {
    more += VOCABULARY_STRIDE;
    if (r->n + more > r->cap) {
        size_t cap = 2 * (r->n + more);
        char *grown = realloc(r->v->blob, cap);
        if (!grown)
            return NULL;
        r->v->blob = grown;
        r->cap = cap;
    }
    return r->v->blob + r->n;
}

static vocabulary_piece piece_from(const rendering *r, size_t from) {
    return (vocabulary_piece){(uint32_t)from, (uint32_t)(r->n - from)};
}

static void slot_fill(vocabulary *v, uint32_t id, vocabulary_piece text) {
    if (id >= v->ids_max || text.n > VOCABULARY_SHORT_MAX)
        return;
    memcpy(v->slots[id].text, v->blob + text.off, text.n);
    v->slots[id].n = (uint8_t)text.n;
}

static bool render_texts(rendering *r, const body *b) {
    for (uint32_t i = 0; i < b->n_definitions; i++) {
        wire_span text = b->definitions[i].text;
        size_t from = r->n;
        char *at = blob_reserve(r, r->format->text_max(text.n));
        if (!at)
            return false;
        r->n += r->format->text_put(at, text);
        r->v->ids[i] = b->definitions[i].id;
        r->v->texts[i] = piece_from(r, from);
        slot_fill(r->v, r->v->ids[i], r->v->texts[i]);
    }
    return true;
}

static bool render_context(rendering *r, const wire_context_view *view, vocabulary_piece *ret_piece) {
    size_t from = r->n;
    char *at = blob_reserve(r, r->format->context_max(view));
    if (!at)
        return false;
    r->n += r->format->context_put(at, view);
    *ret_piece = piece_from(r, from);
    if (ret_piece->n > r->v->context_n_max)
        r->v->context_n_max = ret_piece->n;
    return true;
}

static bool render_contexts(rendering *r, const body *b) {
    wire_context_view view;
    for (uint32_t i = 0; i < b->n_contexts; i++) {
        r->v->context_ids[i] = b->context_ids[i];
        if (wire_context_scan(b->contexts[i], &view) != WIRE_OK ||
            !render_context(r, &view, &r->v->contexts[i]))
            return false;
    }
    memset(&view, 0, sizeof view);
    return render_context(r, &view, &r->v->contexts[b->n_contexts]);
}

static bool tables_make(vocabulary *v, const body *b, const vocabularies *all) {
    uint32_t last_id = b->n_definitions > 0 ? b->definitions[b->n_definitions - 1].id : 0;
    v->ids_max = last_id < SLOT_IDS_MAX ? last_id + 1 : SLOT_IDS_MAX;
    v->n_texts = b->n_definitions;
    v->n_contexts = b->n_contexts;
    v->slots = calloc(v->ids_max, sizeof *v->slots);
    v->ids = calloc(v->n_texts + 1u, sizeof *v->ids);
    v->texts = calloc(v->n_texts + 1u, sizeof *v->texts);
    v->context_ids = calloc(v->n_contexts + 1u, sizeof *v->context_ids);
    v->contexts = calloc(v->n_contexts + 1u, sizeof *v->contexts);
    v->key = malloc(all->key_n + 1);
    if (!v->slots || !v->ids || !v->texts || !v->context_ids || !v->contexts || !v->key)
        return false;
    memcpy(v->key, all->key, all->key_n);
    v->key_n = all->key_n;
    return true;
}

/* Gives back what was reserved for escapes that did not come. */
static void blob_shrink(rendering *r) {
    char *smaller = realloc(r->v->blob, r->n + VOCABULARY_STRIDE);
    if (smaller)
        r->v->blob = smaller;
    r->v->blob_n = r->n;
}

static vocabulary *vocabulary_render(const vocabularies *all, const body *b, uint64_t hash) {
    vocabulary *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->refs = 1;
    v->hash = hash;
    rendering r = {.format = all->format, .v = v};
    if (!tables_make(v, b, all) || !render_texts(&r, b) || !render_contexts(&r, b)) {
        vocabulary_unref(v);
        return NULL;
    }
    blob_shrink(&r);
    return v;
}

vocabulary *vocabulary_of(vocabularies *all, const body *b) {
    if (!key_make(all, b))
        return NULL;
    uint64_t hash = key_hash(all->key, all->key_n);
    vocabulary **place = &all->table[hash % TABLE_SIZE];
    vocabulary *v = *place;
    if (!v || v->hash != hash || v->key_n != all->key_n || memcmp(v->key, all->key, v->key_n) != 0) {
        v = vocabulary_render(all, b, hash);
        if (!v)
            return NULL;
        if (v->key_n + v->blob_n > CACHED_BYTES_MAX)
            return v;
        vocabulary_unref(*place);
        *place = v;
    }
    v->refs++;
    return v;
}

vocabulary_piece vocabulary_long(const vocabulary *v, uint32_t id) {
    uint32_t low = 0, high = v->n_texts;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (v->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < v->n_texts && v->ids[low] == id ? v->texts[low] : (vocabulary_piece){0, 0};
}

vocabulary_piece vocabulary_context(const vocabulary *v, uint32_t id) {
    uint32_t i = 0;
    while (i < v->n_contexts && v->context_ids[i] != id)
        i++;
    return v->contexts[i];
}

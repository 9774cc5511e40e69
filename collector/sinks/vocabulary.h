/* vocabulary: the names, keys and contexts of a batch as a format writes them, rendered once for all batches
 * that have the same ones: devices with one version of an application mostly do. What many events share then
 * stays in the processor's cache. One thread. */
#ifndef SINKS_VOCABULARY_H
#define SINKS_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "body.h"

/* Pieces are copied in strides: behind each that many bytes are readable. */
#define VOCABULARY_STRIDE 16u
#define VOCABULARY_SHORT_MAX 31u /* most names are, and stand in the slot itself */

/* How a format writes them. Each `put` returns the bytes, at most those that its `max` says. */
typedef struct vocabulary_format {
    size_t (*text_max)(size_t n); /* of a name or key of n bytes */
    size_t (*text_put)(char *out, wire_span text);
    /* What stands between `late` and the properties: user, session, context. */
    size_t (*context_max)(const wire_context_view *view);
    size_t (*context_put)(char *out, const wire_context_view *view);
} vocabulary_format;

typedef struct vocabulary_slot {
    char text[VOCABULARY_SHORT_MAX];
    uint8_t n; /* 0: longer, or no such id: see vocabulary_long */
} vocabulary_slot;

typedef struct vocabulary_piece {
    uint32_t off, n; /* in `blob` */
} vocabulary_piece;

typedef struct vocabulary {
    uint32_t refs;
    uint32_t ids_max; /* slots[0 … ids_max - 1], by id */
    vocabulary_slot *slots;
    char *blob;
    size_t blob_n;
    uint32_t n_texts;
    uint32_t *ids;           /* ascending */
    vocabulary_piece *texts; /* of the same indices */
    uint32_t n_contexts;
    uint32_t *context_ids;
    vocabulary_piece *contexts; /* at the end that of events without one */
    uint32_t context_n_max;     /* longest of them */
    uint64_t hash;
    uint8_t *key; /* what it was rendered from */
    size_t key_n;
} vocabulary;

typedef struct vocabularies vocabularies;

/* NULL: out of memory. The format is borrowed. */
vocabularies *vocabularies_new(const vocabulary_format *format);
void vocabularies_free(vocabularies *all);

/* The body's vocabulary, with a reference of the caller's. NULL: out of memory, or a damaged context. */
vocabulary *vocabulary_of(vocabularies *all, const body *b);
void vocabulary_unref(vocabulary *v);

/* A name that is not in a slot; n 0 where there is no such id. */
vocabulary_piece vocabulary_long(const vocabulary *v, uint32_t id);
vocabulary_piece vocabulary_context(const vocabulary *v, uint32_t id);

/* NULL: a long one, or no such id. */
static inline const vocabulary_slot *vocabulary_short(const vocabulary *v, uint32_t id) {
    return id < v->ids_max && v->slots[id].n > 0 ? &v->slots[id] : NULL;
}

/* The text of a name or key; a stride is readable behind it. */
static inline const char *vocabulary_text(const vocabulary *v, uint32_t id, size_t *ret_n) {
    const vocabulary_slot *slot = vocabulary_short(v, id);
    if (slot) {
        *ret_n = slot->n;
        return slot->text;
    }
    vocabulary_piece text = vocabulary_long(v, id);
    *ret_n = text.n;
    return v->blob + text.off;
}

/* Copies a piece in strides, at least one, and so writes up to one more than it has: most are shorter than a
 * call of memcpy is long. */
static inline char *vocabulary_copy(char *at, const char *from, size_t n) {
    memcpy(at, from, VOCABULARY_STRIDE);
    for (size_t i = VOCABULARY_STRIDE; i < n; i += VOCABULARY_STRIDE)
        memcpy(at + i, from + i, VOCABULARY_STRIDE);
    return at + n;
}

static inline char *vocabulary_put_context(char *at, const vocabulary *v, uint32_t id) {
    vocabulary_piece piece = vocabulary_context(v, id);
    return vocabulary_copy(at, v->blob + piece.off, piece.n);
}

#endif

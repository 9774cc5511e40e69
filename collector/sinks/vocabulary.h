/* vocabulary: the names, keys and contexts of a batch as JSON, rendered once for all batches that have the
 * same ones: devices with one version of an application mostly do. What many events share then stays in the
 * processor's cache. One thread. */
#ifndef SINKS_VOCABULARY_H
#define SINKS_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "body.h"

/* Pieces are copied in strides: behind each that many bytes are readable. */
#define VOCABULARY_STRIDE 16u
#define VOCABULARY_SHORT_MAX 31u /* most names are, and stand in the slot itself */

typedef struct vocabulary_slot {
    char text[VOCABULARY_SHORT_MAX]; /* quoted and escaped */
    uint8_t n;                       /* 0: longer, or no such id: see vocabulary_long */
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
    vocabulary_piece *contexts; /* ,"user":…,"properties":{ and, at the end, that of events without one */
    uint32_t context_n_max;     /* longest of them */
    uint64_t hash;
    uint8_t *key; /* what it was rendered from */
    size_t key_n;
} vocabulary;

typedef struct vocabularies vocabularies;

/* NULL: out of memory. */
vocabularies *vocabularies_new(void);
void vocabularies_free(vocabularies *all);

/* The body's vocabulary, with a reference of the caller's. NULL: out of memory, or a damaged context. */
vocabulary *vocabulary_of(vocabularies *all, const body *b);
void vocabulary_unref(vocabulary *v);

/* A name that is not in a slot; n 0 where there is no such id. */
vocabulary_piece vocabulary_long(const vocabulary *v, uint32_t id);
vocabulary_piece vocabulary_context(const vocabulary *v, uint32_t id);

#endif

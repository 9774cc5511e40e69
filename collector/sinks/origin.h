/* origin: what the rows of one batch share in a format that renders by a vocabulary. It hangs on the body.
 * One thread. */
#ifndef SINKS_ORIGIN_H
#define SINKS_ORIGIN_H

#include "vocabulary.h"

#define ORIGIN_PIECES 4u

typedef struct origin {
    vocabulary *vocabulary;
    uint32_t n[ORIGIN_PIECES]; /* bytes of each piece */
    char text[];               /* the pieces one behind the other, and a stride */
} origin;

/* Hangs the pieces, which stand one behind the other in `text`, and the body's vocabulary on the body. false:
 * out of memory, or a damaged context. */
bool origin_attach(body *b, vocabularies *all, const char *text, const uint32_t n[ORIGIN_PIECES]);

static inline const origin *origin_of(const body *b) { return b->cache; }

/* The most bytes of all pieces and a context, a stride behind each. */
static inline size_t origin_bytes_max(const origin *o) {
    size_t bytes = o->vocabulary->context_n_max + VOCABULARY_STRIDE;
    for (size_t i = 0; i < ORIGIN_PIECES; i++)
        bytes += o->n[i] + VOCABULARY_STRIDE;
    return bytes;
}

#endif

#include "origin.h"

#include <stdlib.h>

static void origin_free(void *cache) {
    origin *o = cache;
    if (!o)
        return;
    vocabulary_unref(o->vocabulary);
    free(o);
}

bool origin_attach(body *b, vocabularies *all, const char *text, const uint32_t n[ORIGIN_PIECES]) {
    size_t bytes = 0;
    for (size_t i = 0; i < ORIGIN_PIECES; i++)
        bytes += n[i];
    origin *o = malloc(sizeof *o + bytes + VOCABULARY_STRIDE);
    if (!o)
        return false;
    memcpy(o->n, n, sizeof o->n);
    memcpy(o->text, text, bytes);
    memset(o->text + bytes, 0, VOCABULARY_STRIDE);
    o->vocabulary = vocabulary_of(all, b);
    if (!o->vocabulary) {
        free(o);
        return false;
    }
    b->cache = o;
    b->cache_free = origin_free;
    return true;
}

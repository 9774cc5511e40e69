/* book: records of a lane by their keys, in memory: runs, boots, contexts, definitions. */
#ifndef STORE_BOOK_H
#define STORE_BOOK_H

#include "sdk/src/store/format.h"

typedef struct book_entry {
    wdi_key key;
    size_t at, n; /* in `bytes` */
    size_t order; /* of its coming: of two under one key the first counts */
} book_entry;

typedef struct book {
    book_entry *entries;
    size_t n, cap;
    uint8_t *bytes;
    size_t n_bytes, cap_bytes;
    bool failed; /* out of memory: something is missing */
} book;

/* Zeros: an empty one. */
void book_fini(book *b);
/* Copies. */
void book_add(book *b, const wdi_key *key, const void *data, size_t n);
void book_sort(book *b); /* before the first look-up */
/* Lends until the next book_add. False: not there. */
bool book_get(const book *b, const wdi_key *key, wire_span *ret_data);

#endif

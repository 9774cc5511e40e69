/* One page of a tree, in memory: whether it holds together in itself, and its entries. Pure. */
#ifndef BASE_LMDB_CHECK_PAGE_H
#define BASE_LMDB_CHECK_PAGE_H

#include "sdk/src/base/lmdb_check/format.h"
#include "sdk/src/base/lmdb_check/lmdb_check.h"

typedef struct page_view {
    const uint8_t *bytes;
    uint32_t page_bytes, word_bytes;
    bool leaf;
    uint32_t count; /* entries */
} page_view;

typedef struct page_node {
    uint16_t flags; /* of an entry of a leaf */
    const uint8_t *key;
    uint16_t key_n;
    const uint8_t *value; /* of a leaf, unless NODE_LARGE */
    uint32_t value_n;
    uint64_t page; /* of a branch: the child; NODE_LARGE: the first page of the value */
} page_node;

/* Checks all that can be said without other pages: number, kind, bounds, each entry's place, size and kind.
 */
lmdb_check_reason page_view_open(const uint8_t *bytes, uint32_t page_bytes, uint32_t word_bytes,
                                 uint64_t number, page_view *ret_view);
/* Of a view that was opened. */
page_node page_node_get(const page_view *view, uint32_t index);

typedef struct db_record {
    uint32_t page_bytes; /* in the free list's */
    uint16_t flags;
    uint16_t depth;
    uint64_t branches, leaves, overflows, entries, root;
} db_record;

/* DB_BYTES(word_bytes) at `at`. */
db_record db_record_get(const uint8_t *at, uint32_t word_bytes);

/* Pages that a value of n bytes takes. */
static inline uint64_t overflow_pages(uint32_t page_bytes, uint32_t word_bytes, uint64_t n) {
    return (PAGE_HEAD_BYTES(word_bytes) - 1 + n) / page_bytes + 1;
}

#endif

/* Down and along one tree after another; no page twice. */
#ifndef BASE_LMDB_CHECK_WALK_H
#define BASE_LMDB_CHECK_WALK_H

#include "sdk/src/base/lmdb_check/file.h"

typedef enum tree_kind { TREE_FREE, TREE_MAIN, TREE_NAMED } tree_kind;

/* Of every entry of a leaf, in order; the pages of a large value have been looked at. */
typedef lmdb_check_reason (*walk_visit)(void *context, const page_node *node);

typedef struct walk_level {
    uint8_t *bytes; /* taken when the depth is first reached */
    page_view view;
    uint32_t next;
} walk_level;

typedef struct walk {
    const lmdb_file *file;
    bool tolerant;    /* faults are counted in `bad` and passed over */
    uint8_t *taken;   /* a bit a page */
    uint64_t n_taken; /* the meta pages included */
    uint64_t bad;
    uint32_t unreadable; /* of these, what the disk did not give */
    uint64_t page;       /* last looked at: where a fault is */
    walk_level levels[DEPTH_MAX];
    /* of the tree at hand */
    const db_record *db;
    tree_kind kind;
    uint32_t depth;
    db_record seen;
    uint8_t last[KEY_BYTES_MAX];
    uint16_t last_n;
    bool last_is_bound; /* a branch's key, which the next entry may equal */
} walk;

lmdb_check_reason lmdb_walk_init(walk *w, const lmdb_file *file, bool tolerant);
void lmdb_walk_fini(walk *w); /* accepts a half-built one */

/* Whether a walk may go on after the fault: a tolerant one does, even where a page cannot be read, unless so
 * many cannot that it is the disk that failed. */
bool lmdb_walk_passes(walk *w, lmdb_check_reason reason);

/* Takes the page for whoever asks; PAGE_TWICE or PAGE_RANGE if that cannot be. */
lmdb_check_reason lmdb_walk_take(walk *w, uint64_t page);
bool lmdb_walk_taken(const walk *w, uint64_t page);

lmdb_check_reason lmdb_walk_tree(walk *w, const db_record *db, tree_kind kind, walk_visit visit,
                                 void *context);

/* Whether the pages behind the node's value fit it. *ret_run: how many. */
lmdb_check_reason walk_run_check(const walk *w, const page_node *node, uint64_t *ret_run);

#endif

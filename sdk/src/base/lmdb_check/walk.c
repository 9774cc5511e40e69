#include "sdk/src/base/lmdb_check/walk.h"

#include <stdlib.h>

#define UNREADABLE_MAX 64u /* pages: some blocks of a disk, and not the disk */

lmdb_check_reason lmdb_walk_init(walk *w, const lmdb_file *file, bool tolerant) {
    *w = (walk){.file = file, .tolerant = tolerant};
    w->taken = calloc(file->last_page / 8 + 1, 1);
    if (w->taken == NULL)
        return LMDB_CHECK_MEMORY_FAULT;
    w->taken[0] = 3;
    w->n_taken = 2;
    return LMDB_CHECK_NONE_FAULT;
}

void lmdb_walk_fini(walk *w) {
    free(w->taken);
    for (uint32_t i = 0; i < DEPTH_MAX; i++)
        free(w->levels[i].bytes);
}

bool lmdb_walk_taken(const walk *w, uint64_t page) { return (w->taken[page / 8] & 1u << page % 8) != 0; }

lmdb_check_reason lmdb_walk_take(walk *w, uint64_t page) {
    w->page = page;
    if (page < 2 || page > w->file->last_page)
        return LMDB_CHECK_PAGE_RANGE_FAULT;
    if (lmdb_walk_taken(w, page))
        return LMDB_CHECK_PAGE_TWICE_FAULT;
    w->taken[page / 8] |= (uint8_t)(1u << page % 8);
    w->n_taken++;
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_reason page_take(walk *w, uint64_t page) {
    if (page <= w->file->last_page && page >= lmdb_file_pages(w->file))
        return LMDB_CHECK_CUT_FAULT;
    return lmdb_walk_take(w, page);
}

static void page_release(walk *w, uint64_t page) {
    w->taken[page / 8] &= (uint8_t) ~(1u << page % 8);
    w->n_taken--;
}

/* ---- large values ------------------------------------------------------------------------------- */

lmdb_check_reason walk_run_check(const walk *w, const page_node *node, uint64_t *ret_run) {
    uint8_t head[PAGE_HEAD_BYTES_MAX];
    const lmdb_file *file = w->file;
    const uint32_t word = file->word_bytes;
    uint64_t pages = lmdb_file_pages(file);
    if (node->page < 2 || node->page > file->last_page)
        return LMDB_CHECK_PAGE_RANGE_FAULT;
    if (node->page >= pages)
        return LMDB_CHECK_CUT_FAULT;
    lmdb_check_reason reason =
        lmdb_file_read(file, node->page * file->page_bytes, head, PAGE_HEAD_BYTES(word));
    if (reason != LMDB_CHECK_NONE_FAULT)
        return reason;
    uint64_t run = int_at(head + PAGE_RUN_AT(word));
    if (word_at(head, word) != node->page)
        return LMDB_CHECK_PAGE_NUMBER_FAULT;
    if (half_at(head + PAGE_FLAGS_AT(word)) != PAGE_OVERFLOW)
        return LMDB_CHECK_PAGE_KIND_FAULT;
    if (run < overflow_pages(file->page_bytes, word, node->value_n) || run > file->last_page - node->page + 1)
        return LMDB_CHECK_OVERFLOW_RUN_FAULT;
    *ret_run = run;
    return node->page + run <= pages ? LMDB_CHECK_NONE_FAULT : LMDB_CHECK_CUT_FAULT;
}

/* All of the pages, or none. */
static lmdb_check_reason run_take(walk *w, const page_node *node) {
    uint64_t run = 0, n = 0;
    w->page = node->page;
    lmdb_check_reason reason = walk_run_check(w, node, &run);
    while (reason == LMDB_CHECK_NONE_FAULT && n < run) {
        reason = page_take(w, node->page + n);
        n += reason == LMDB_CHECK_NONE_FAULT;
    }
    if (reason == LMDB_CHECK_NONE_FAULT)
        w->seen.overflows += run;
    else
        while (n-- > 0)
            page_release(w, node->page + n);
    return reason;
}

/* ---- keys --------------------------------------------------------------------------------------- */

static int keys_compare(const walk *w, const page_node *node) {
    if ((w->db->flags & DB_INTEGER_KEYS) != 0) {
        const uint32_t word = w->file->word_bytes;
        uint64_t a = word_at(w->last, word), b = word_at(node->key, word);
        return (a > b) - (a < b);
    }
    size_t n = w->last_n < node->key_n ? w->last_n : node->key_n;
    int order = memcmp(w->last, node->key, n);
    return order != 0 ? order : (w->last_n > node->key_n) - (w->last_n < node->key_n);
}

/* All keys, those of branches too, ascend in the order in which the walk meets them. */
static lmdb_check_reason key_check(walk *w, const page_view *view, const page_node *node) {
    if ((w->db->flags & DB_INTEGER_KEYS) != 0 && node->key_n != w->file->word_bytes)
        return LMDB_CHECK_KEY_SIZE_FAULT;
    if (w->last_n > 0) {
        int order = keys_compare(w, node);
        if (order > 0 || (order == 0 && !(view->leaf && w->last_is_bound)))
            return LMDB_CHECK_KEY_ORDER_FAULT;
    }
    memcpy(w->last, node->key, node->key_n);
    w->last_n = node->key_n;
    w->last_is_bound = !view->leaf;
    return LMDB_CHECK_NONE_FAULT;
}

/* ---- the tree ----------------------------------------------------------------------------------- */

/* The free list's tree alone may keep a branch with a single child (LMDB's ITS#8336). */
static lmdb_check_reason shape_check(const walk *w, const page_view *view) {
    if (view->leaf != (w->depth + 1 == w->db->depth))
        return LMDB_CHECK_DEPTH_FAULT;
    if (!view->leaf && view->count < 2 && w->kind != TREE_FREE)
        return LMDB_CHECK_PAGE_BOUNDS_FAULT;
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_reason level_push(walk *w, uint64_t page) {
    const lmdb_file *file = w->file;
    if (w->depth == DEPTH_MAX)
        return LMDB_CHECK_DEPTH_FAULT;
    walk_level *level = &w->levels[w->depth];
    if (level->bytes == NULL)
        level->bytes = malloc(file->page_bytes);
    if (level->bytes == NULL)
        return LMDB_CHECK_MEMORY_FAULT;
    lmdb_check_reason reason = page_take(w, page);
    if (reason != LMDB_CHECK_NONE_FAULT)
        return reason;
    reason = lmdb_file_read(file, page * file->page_bytes, level->bytes, file->page_bytes);
    if (reason == LMDB_CHECK_NONE_FAULT)
        reason = page_view_open(level->bytes, file->page_bytes, file->word_bytes, page, &level->view);
    if (reason == LMDB_CHECK_NONE_FAULT && !w->tolerant)
        reason = shape_check(w, &level->view);
    if (reason != LMDB_CHECK_NONE_FAULT) {
        page_release(w, page);
        return reason;
    }
    *(level->view.leaf ? &w->seen.leaves : &w->seen.branches) += 1;
    level->next = 0;
    w->depth++;
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_reason leaf_visit(walk *w, const page_node *node, walk_visit visit, void *context) {
    w->seen.entries++;
    if (node->flags == NODE_DB && w->kind != TREE_MAIN)
        return LMDB_CHECK_NODE_KIND_FAULT;
    lmdb_check_reason reason = node->flags == NODE_LARGE ? run_take(w, node) : LMDB_CHECK_NONE_FAULT;
    return reason == LMDB_CHECK_NONE_FAULT ? visit(context, node) : reason;
}

static lmdb_check_reason tree_step(walk *w, walk_visit visit, void *context) {
    walk_level *level = &w->levels[w->depth - 1];
    if (level->next == level->view.count) {
        w->depth--;
        return LMDB_CHECK_NONE_FAULT;
    }
    w->page = word_at(level->bytes, w->file->word_bytes);
    uint32_t index = level->next++;
    page_node node = page_node_get(&level->view, index);
    lmdb_check_reason reason = LMDB_CHECK_NONE_FAULT;
    if (!w->tolerant && (level->view.leaf || index > 0))
        reason = key_check(w, &level->view, &node);
    if (reason != LMDB_CHECK_NONE_FAULT)
        return reason;
    return level->view.leaf ? leaf_visit(w, &node, visit, context) : level_push(w, node.page);
}

static lmdb_check_reason record_check(const db_record *db, tree_kind kind) {
    uint16_t flags = kind == TREE_FREE ? db->flags & (uint16_t)~DB_FREE_FLAGS_OF_ENV : db->flags;
    if ((flags & (uint16_t)~DB_FLAGS_KNOWN) != 0 || (kind == TREE_FREE && flags != DB_INTEGER_KEYS))
        return LMDB_CHECK_DB_KIND_FAULT;
    if ((db->root == DB_NO_ROOT) != (db->depth == 0) || db->depth > DEPTH_MAX)
        return LMDB_CHECK_DB_RECORD_FAULT;
    return LMDB_CHECK_NONE_FAULT;
}

bool lmdb_walk_passes(walk *w, lmdb_check_reason reason) {
    if (!w->tolerant)
        return false;
    if (reason == LMDB_CHECK_READ_FAULT)
        return ++w->unreadable <= UNREADABLE_MAX;
    return lmdb_check_result_of(reason) != LMDB_CHECK_FAILED;
}

lmdb_check_reason lmdb_walk_tree(walk *w, const db_record *db, tree_kind kind, walk_visit visit,
                                 void *context) {
    w->db = db;
    w->kind = kind;
    w->depth = 0;
    w->last_n = 0;
    w->last_is_bound = false;
    w->seen = (db_record){.branches = 0};
    lmdb_check_reason reason = record_check(db, kind);
    if (reason == LMDB_CHECK_NONE_FAULT && db->root != DB_NO_ROOT)
        reason = level_push(w, db->root);
    while (reason == LMDB_CHECK_NONE_FAULT && w->depth > 0) {
        reason = tree_step(w, visit, context);
        if (lmdb_walk_passes(w, reason)) {
            w->bad += reason != LMDB_CHECK_NONE_FAULT;
            reason = LMDB_CHECK_NONE_FAULT;
        }
    }
    if (lmdb_walk_passes(w, reason)) {
        w->bad += reason != LMDB_CHECK_NONE_FAULT; /* at the root already */
        return LMDB_CHECK_NONE_FAULT;
    }
    if (reason == LMDB_CHECK_NONE_FAULT &&
        (w->seen.branches != db->branches || w->seen.leaves != db->leaves ||
         w->seen.overflows != db->overflows || w->seen.entries != db->entries))
        return LMDB_CHECK_COUNTS_FAULT;
    return reason;
}

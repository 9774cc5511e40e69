/* What can still be read of a damaged file: along the trees as far as they lead, then page by page. */
#include "sdk/src/base/lmdb_check/walk.h"

#include <stdlib.h>

typedef struct salvage {
    walk walk;
    uint8_t *page;
    uint8_t *value;
    size_t value_cap, value_max;
    lmdb_check_visit visit;
    void *context;
    const char *name; /* of the database that is looked for, in the unnamed one */
    bool found;
    db_record db;
    lmdb_check_sweep sweep;
} salvage;

/* Large values are rare, and most are far smaller than the largest that may be. */
static bool value_room(salvage *s, size_t n) {
    if (n <= s->value_cap)
        return true;
    free(s->value);
    s->value_cap = 0;
    s->value = malloc(n);
    if (s->value == NULL)
        return false;
    s->value_cap = n;
    return true;
}

/* The node's value has been looked at, or does not lie in pages of its own. */
static lmdb_check_reason node_show(salvage *s, const page_node *node, uint64_t page, bool reached) {
    const lmdb_file *file = s->walk.file;
    const uint8_t *value = node->value;
    if (node->flags == NODE_LARGE) {
        if (node->value_n > s->value_max) {
            s->sweep.entries_bad++;
            return LMDB_CHECK_NONE_FAULT;
        }
        if (!value_room(s, node->value_n))
            return LMDB_CHECK_MEMORY_FAULT;
        lmdb_check_reason reason = lmdb_file_read(
            file, node->page * file->page_bytes + PAGE_HEAD_BYTES(file->word_bytes), s->value, node->value_n);
        if (reason != LMDB_CHECK_NONE_FAULT)
            return reason;
        value = s->value;
    }
    const lmdb_check_entry entry = {.key = node->key,
                                    .key_n = node->key_n,
                                    .value = value,
                                    .value_n = node->value_n,
                                    .page = page,
                                    .value_page = node->flags == NODE_LARGE ? node->page : 0,
                                    .reached = reached};
    s->sweep.entries++;
    s->sweep.entries_reached += reached;
    s->visit(s->context, &entry);
    return LMDB_CHECK_NONE_FAULT;
}

/* ---- along the trees ---------------------------------------------------------------------------- */

static lmdb_check_reason reached_visit(void *context, const page_node *node) {
    salvage *s = context;
    const walk *w = &s->walk;
    if (node->flags == NODE_DB)
        return LMDB_CHECK_NONE_FAULT;
    return node_show(s, node, word_at(w->levels[w->depth - 1].bytes, w->file->word_bytes), true);
}

static lmdb_check_reason name_visit(void *context, const page_node *node) {
    salvage *s = context;
    if (node->flags == NODE_DB && node->key_n == strlen(s->name) &&
        memcmp(node->key, s->name, node->key_n) == 0) {
        s->db = db_record_get(node->value, s->walk.file->word_bytes);
        s->found = true;
    }
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_reason trees_show(salvage *s) {
    const db_record *main_db = &s->walk.file->main_db;
    if (s->name == NULL)
        return lmdb_walk_tree(&s->walk, main_db, TREE_MAIN, reached_visit, s);
    lmdb_check_reason reason = lmdb_walk_tree(&s->walk, main_db, TREE_MAIN, name_visit, s);
    if (reason != LMDB_CHECK_NONE_FAULT || !s->found)
        return reason;
    return lmdb_walk_tree(&s->walk, &s->db, TREE_NAMED, reached_visit, s);
}

/* ---- page by page ------------------------------------------------------------------------------- */

/* A value that shares a page with one that was reached is an old one, overwritten since. */
static bool run_is_free(const walk *w, uint64_t page, uint64_t run) {
    for (uint64_t i = 0; i < run; i++)
        if (lmdb_walk_taken(w, page + i))
            return false;
    return true;
}

static lmdb_check_reason stray_show(salvage *s, const page_node *node, uint64_t page) {
    uint64_t run = 0;
    lmdb_check_reason reason = LMDB_CHECK_NONE_FAULT;
    if (node->flags == NODE_DB)
        return reason;
    if (node->flags == NODE_LARGE) {
        reason = walk_run_check(&s->walk, node, &run);
        if (!lmdb_walk_passes(&s->walk, reason))
            return reason;
        if (reason != LMDB_CHECK_NONE_FAULT || !run_is_free(&s->walk, node->page, run)) {
            s->sweep.entries_bad++;
            return LMDB_CHECK_NONE_FAULT;
        }
    }
    return node_show(s, node, page, false);
}

static lmdb_check_reason page_show(salvage *s, uint64_t page) {
    const lmdb_file *file = s->walk.file;
    page_view view;
    lmdb_check_reason reason = lmdb_file_read(file, page * file->page_bytes, s->page, file->page_bytes);
    if (reason != LMDB_CHECK_NONE_FAULT)
        return reason;
    if (page_view_open(s->page, file->page_bytes, file->word_bytes, page, &view) != LMDB_CHECK_NONE_FAULT ||
        !view.leaf)
        return LMDB_CHECK_NONE_FAULT;
    for (uint32_t i = 0; i < view.count; i++) {
        const page_node node = page_node_get(&view, i);
        reason = stray_show(s, &node, page);
        if (!lmdb_walk_passes(&s->walk, reason))
            return reason;
    }
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_reason strays_show(salvage *s) {
    for (uint64_t page = 2; page <= s->walk.file->last_page; page++) {
        if (lmdb_walk_taken(&s->walk, page))
            continue;
        lmdb_check_reason reason = page_show(s, page);
        if (!lmdb_walk_passes(&s->walk, reason))
            return reason;
    }
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_result sweep_make(int fd, const lmdb_check_limits *limits, salvage *s, bool strays) {
    lmdb_file file;
    lmdb_check_reason reason = lmdb_file_open_damaged(fd, limits, &file);
    if (reason != LMDB_CHECK_NONE_FAULT)
        goto done;
    s->page = malloc(file.page_bytes);
    if (s->page == NULL)
        reason = LMDB_CHECK_MEMORY_FAULT;
    if (reason == LMDB_CHECK_NONE_FAULT)
        reason = lmdb_walk_init(&s->walk, &file, true);
    if (reason == LMDB_CHECK_NONE_FAULT)
        reason = trees_show(s);
    if (reason == LMDB_CHECK_NONE_FAULT && strays)
        reason = strays_show(s);
    s->sweep.pages_bad = s->walk.bad;
    s->sweep.doubtful = file.doubtful;
done:
    lmdb_walk_fini(&s->walk);
    free(s->page);
    free(s->value);
    lmdb_check_result result = lmdb_check_result_of(reason);
    return result == LMDB_CHECK_DAMAGED || result == LMDB_CHECK_EMPTY ? LMDB_CHECK_GOOD : result;
}

lmdb_check_result lmdb_check_salvage(int fd, const lmdb_check_limits *limits, const char *name,
                                     size_t value_max, lmdb_check_visit visit, void *context,
                                     lmdb_check_sweep *ret_sweep) {
    salvage s = {.value_max = value_max, .visit = visit, .context = context, .name = name};
    lmdb_check_result result = sweep_make(fd, limits, &s, true);
    *ret_sweep = s.sweep;
    return result;
}

lmdb_check_result lmdb_check_read(int fd, const lmdb_check_limits *limits, const char *name, size_t value_max,
                                  lmdb_check_visit visit, void *context, lmdb_check_sweep *ret_sweep) {
    salvage s = {.value_max = value_max, .visit = visit, .context = context, .name = name};
    lmdb_check_result result = sweep_make(fd, limits, &s, false);
    *ret_sweep = s.sweep;
    return result;
}

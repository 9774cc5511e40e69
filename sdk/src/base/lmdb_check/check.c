#include "sdk/src/base/lmdb_check/walk.h"

static const struct {
    lmdb_check_result result;
    const char *text;
} reasons[] = {
#define REASON_ROW(name, result, text) {LMDB_CHECK_##result, text},
    LMDB_CHECK_REASONS(REASON_ROW)
#undef REASON_ROW
};

const char *lmdb_check_text(lmdb_check_reason reason) {
    return (size_t)reason < sizeof reasons / sizeof reasons[0] ? reasons[reason].text : "unknown";
}

lmdb_check_result lmdb_check_result_of(lmdb_check_reason reason) {
    return (size_t)reason < sizeof reasons / sizeof reasons[0] ? reasons[reason].result : LMDB_CHECK_FAILED;
}

typedef struct check {
    walk walk;
    uint64_t pages_free;
    uint64_t free_behind_end; /* pages of the free list that the file is too short for: never written */
    uint64_t entries;
    uint32_t n_dbs;
    db_record dbs[LMDB_CHECK_DBS_MAX];
} check;

/* ---- the free list ------------------------------------------------------------------------------ */

/* Descending page numbers, which nothing else uses. */
static lmdb_check_reason free_pages_take(check *c, const uint8_t *words, size_t n, uint64_t *before) {
    for (size_t i = 0; i < n; i++) {
        uint64_t page = word_at(words + i * WORD_BYTES, WORD_BYTES);
        lmdb_check_reason reason = lmdb_walk_take(&c->walk, page);
        if (reason != LMDB_CHECK_NONE_FAULT)
            return reason;
        if (page >= *before)
            return LMDB_CHECK_FREE_LIST_FAULT;
        *before = page;
        c->pages_free++;
        c->free_behind_end += page >= lmdb_file_pages(c->walk.file);
    }
    return LMDB_CHECK_NONE_FAULT;
}

/* A value's bytes, wherever they lie. */
static lmdb_check_reason value_read(const lmdb_file *file, const page_node *node, uint64_t at, void *out,
                                    size_t n) {
    if (node->flags == NODE_LARGE)
        return lmdb_file_read(file, node->page * file->page_bytes + PAGE_HEAD_BYTES(file->word_bytes) + at,
                              out, n);
    memcpy(out, node->value + at, n);
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_reason free_visit(void *context, const page_node *node) {
    check *c = context;
    uint8_t words[512 * WORD_BYTES];
    uint64_t room = node->value_n / WORD_BYTES, before = UINT64_MAX;
    uint64_t txn = word_at(node->key, WORD_BYTES);
    if (txn == 0 || txn > c->walk.file->txn || room == 0 || node->value_n % WORD_BYTES != 0)
        return LMDB_CHECK_FREE_LIST_FAULT;
    lmdb_check_reason reason = value_read(c->walk.file, node, 0, words, WORD_BYTES);
    uint64_t count = word_at(words, WORD_BYTES);
    if (reason == LMDB_CHECK_NONE_FAULT && count >= room)
        return LMDB_CHECK_FREE_LIST_FAULT;
    for (uint64_t at = 1; reason == LMDB_CHECK_NONE_FAULT && at <= count;) {
        uint64_t n = count - at + 1 < 512 ? count - at + 1 : 512;
        reason = value_read(c->walk.file, node, at * WORD_BYTES, words, (size_t)n * WORD_BYTES);
        if (reason == LMDB_CHECK_NONE_FAULT)
            reason = free_pages_take(c, words, (size_t)n, &before);
        at += n;
    }
    return reason;
}

/* ---- the databases ------------------------------------------------------------------------------ */

static lmdb_check_reason main_visit(void *context, const page_node *node) {
    check *c = context;
    c->entries++;
    if (node->flags != NODE_DB)
        return LMDB_CHECK_NONE_FAULT;
    if (c->n_dbs == LMDB_CHECK_DBS_MAX)
        return LMDB_CHECK_TOO_MANY_DBS_FAULT;
    c->dbs[c->n_dbs++] = db_record_get(node->value, WORD_BYTES);
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_reason named_visit(void *context, const page_node *node) {
    check *c = context;
    (void)node;
    c->entries++;
    return LMDB_CHECK_NONE_FAULT;
}

static lmdb_check_reason all_check(check *c, const lmdb_file *file) {
    lmdb_check_reason reason = lmdb_walk_init(&c->walk, file, false);
    if (reason == LMDB_CHECK_NONE_FAULT)
        reason = lmdb_walk_tree(&c->walk, &file->main_db, TREE_MAIN, main_visit, c);
    for (uint32_t i = 0; reason == LMDB_CHECK_NONE_FAULT && i < c->n_dbs; i++)
        reason = lmdb_walk_tree(&c->walk, &c->dbs[i], TREE_NAMED, named_visit, c);
    if (reason == LMDB_CHECK_NONE_FAULT)
        reason = lmdb_walk_tree(&c->walk, &file->free_db, TREE_FREE, free_visit, c);
    if (reason != LMDB_CHECK_NONE_FAULT)
        return reason;
    uint64_t pages = lmdb_file_pages(file);
    uint64_t behind_end = file->last_page >= pages ? file->last_page - pages + 1 : 0;
    return behind_end == c->free_behind_end ? LMDB_CHECK_NONE_FAULT : LMDB_CHECK_CUT_FAULT;
}

lmdb_check_result lmdb_check(int fd, const lmdb_check_limits *limits, lmdb_check_report *ret_report) {
    lmdb_file file;
    check c = {.n_dbs = 0};
    lmdb_check_report report = {.page = 0};
    report.reason = lmdb_file_open(fd, limits, &file, &report.page);
    if (report.reason == LMDB_CHECK_NONE_FAULT) {
        report.reason = all_check(&c, &file);
        report.page = report.reason != LMDB_CHECK_NONE_FAULT ? c.walk.page : 0;
        report.page_bytes = file.page_bytes;
        report.txn = file.txn;
        report.last_page = file.last_page;
        report.pages_used = c.walk.n_taken - c.pages_free;
        report.pages_free = c.pages_free;
        report.entries = c.entries;
    }
    lmdb_walk_fini(&c.walk);
    *ret_report = report;
    return lmdb_check_result_of(report.reason);
}

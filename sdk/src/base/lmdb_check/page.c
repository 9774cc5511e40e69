#include "sdk/src/base/lmdb_check/page.h"

db_record db_record_get(const uint8_t *at, uint32_t word_bytes) {
    const uint8_t *words = at + DB_WORDS_AT;
    const uint64_t none = word_bytes == 4 ? UINT32_MAX : UINT64_MAX;
    uint64_t root = word_at(words + 4 * word_bytes, word_bytes);
    return (db_record){.page_bytes = int_at(at),
                       .flags = half_at(at + DB_FLAGS_AT),
                       .depth = half_at(at + DB_DEPTH_AT),
                       .branches = word_at(words, word_bytes),
                       .leaves = word_at(words + word_bytes, word_bytes),
                       .overflows = word_at(words + 2 * word_bytes, word_bytes),
                       .entries = word_at(words + 3 * word_bytes, word_bytes),
                       .root = root == none ? DB_NO_ROOT : root};
}

static uint32_t node_length(const uint8_t *node) {
    uint32_t first = half_at(node), second = half_at(node + 2);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? first | second << 16 : second | first << 16;
}

static uint64_t node_child(const uint8_t *node, uint32_t word_bytes) {
    uint64_t child = node_length(node);
    return word_bytes > 4 ? child | (uint64_t)half_at(node + NODE_FLAGS_AT) << 32 : child;
}

/* Bytes that the entry takes, padding included; its head is within the page. */
static uint64_t node_bytes(const uint8_t *node, const page_view *view) {
    uint64_t bytes = NODE_HEAD_BYTES + (uint64_t)half_at(node + NODE_KEY_SIZE_AT);
    if (view->leaf)
        bytes += (half_at(node + NODE_FLAGS_AT) & NODE_LARGE) != 0 ? view->word_bytes : node_length(node);
    return bytes + (bytes & 1);
}

page_node page_node_get(const page_view *view, uint32_t index) {
    const uint8_t *node =
        view->bytes + half_at(view->bytes + PAGE_HEAD_BYTES(view->word_bytes) + 2 * (size_t)index);
    page_node n = {.key = node + NODE_HEAD_BYTES, .key_n = half_at(node + NODE_KEY_SIZE_AT)};
    if (!view->leaf) {
        n.page = node_child(node, view->word_bytes);
        return n;
    }
    n.flags = half_at(node + NODE_FLAGS_AT);
    n.value = n.key + n.key_n;
    n.value_n = node_length(node);
    if ((n.flags & NODE_LARGE) != 0)
        n.page = word_at(n.value, view->word_bytes);
    return n;
}

/* LMDB moves a value out to pages of its own when two such entries would not fit on a page. */
static uint32_t inline_bytes_max(const page_view *view) {
    return (uint32_t)(((view->page_bytes - PAGE_HEAD_BYTES(view->word_bytes)) / 2 & ~1u) - sizeof(uint16_t));
}

static lmdb_check_reason node_check(const page_view *view, uint32_t index) {
    page_node n = page_node_get(view, index);
    bool unkeyed = !view->leaf && index == 0;
    if (n.key_n > KEY_BYTES_MAX || (n.key_n == 0 && !unkeyed))
        return LMDB_CHECK_KEY_SIZE_FAULT;
    if (!view->leaf)
        return LMDB_CHECK_NONE_FAULT;
    if (n.flags != 0 && n.flags != NODE_LARGE && n.flags != NODE_DB)
        return LMDB_CHECK_NODE_KIND_FAULT;
    if (n.flags == NODE_DB && n.value_n != DB_BYTES(view->word_bytes))
        return LMDB_CHECK_NODE_KIND_FAULT;
    if (n.flags != NODE_LARGE && NODE_HEAD_BYTES + n.key_n + n.value_n > inline_bytes_max(view))
        return LMDB_CHECK_NODE_BOUNDS_FAULT;
    return LMDB_CHECK_NONE_FAULT;
}

/* The entries lie end to end from `upper` to the page's end, and each has one offset. A bit stands for two
 * bytes of the page. */
static bool nodes_tile(const page_view *view, uint32_t upper) {
    uint8_t starts[PAGE_BYTES_MAX / 2 / 8] = {0};
    for (uint32_t i = 0; i < view->count; i++) {
        uint32_t at = half_at(view->bytes + PAGE_HEAD_BYTES(view->word_bytes) + 2 * (size_t)i);
        uint8_t bit = (uint8_t)(1u << at / 2 % 8);
        if (at < upper || at % 2 != 0 || at + NODE_HEAD_BYTES > view->page_bytes ||
            (starts[at / 16] & bit) != 0)
            return false;
        starts[at / 16] |= bit;
    }
    uint64_t at = upper;
    for (uint32_t i = 0; i < view->count; i++) {
        if (at >= view->page_bytes || (starts[at / 16] & 1u << at / 2 % 8) == 0)
            return false;
        at += node_bytes(view->bytes + at, view);
    }
    return at == view->page_bytes;
}

lmdb_check_reason page_view_open(const uint8_t *bytes, uint32_t page_bytes, uint32_t word_bytes,
                                 uint64_t number, page_view *ret_view) {
    const uint32_t w = word_bytes, head = PAGE_HEAD_BYTES(w);
    uint16_t flags = half_at(bytes + PAGE_FLAGS_AT(w));
    uint32_t lower = half_at(bytes + PAGE_LOWER_AT(w)), upper = half_at(bytes + PAGE_UPPER_AT(w));
    if (word_at(bytes, w) != number)
        return LMDB_CHECK_PAGE_NUMBER_FAULT;
    if (flags != PAGE_LEAF && flags != PAGE_BRANCH)
        return LMDB_CHECK_PAGE_KIND_FAULT;
    if (lower < head + 2 || lower % 2 != 0 || lower > upper || upper > page_bytes || upper % 2 != 0)
        return LMDB_CHECK_PAGE_BOUNDS_FAULT;
    page_view view = {bytes, page_bytes, w, flags == PAGE_LEAF, (lower - head) / 2};
    if (!nodes_tile(&view, upper))
        return LMDB_CHECK_NODE_BOUNDS_FAULT;
    for (uint32_t i = 0; i < view.count; i++) {
        lmdb_check_reason reason = node_check(&view, i);
        if (reason != LMDB_CHECK_NONE_FAULT)
            return reason;
    }
    *ret_view = view;
    return LMDB_CHECK_NONE_FAULT;
}

#include "sdk/src/base/lmdb_check/file.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

lmdb_check_reason lmdb_file_read(const lmdb_file *file, uint64_t at, void *out, size_t n) {
    uint8_t *to = out;
    while (n > 0) {
        ssize_t got = pread(file->fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return LMDB_CHECK_READ_FAULT;
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return LMDB_CHECK_NONE_FAULT;
}

/* ---- one meta page ------------------------------------------------------------------------------ */

typedef struct meta {
    uint32_t page_bytes;
    uint64_t map_bytes, txn, last_page;
    db_record free_db, main_db;
} meta;

/* The magic at the place and in the order that another kind of machine writes it. */
static lmdb_check_reason magic_check(const uint8_t *page, uint32_t word) {
    uint32_t here = int_at(page + META_MAGIC_AT(word)), there = int_at(page + META_MAGIC_AT(12 - word));
    if (here == META_MAGIC)
        return int_at(page + META_VERSION_AT(word)) == META_VERSION ? LMDB_CHECK_NONE_FAULT
                                                                    : LMDB_CHECK_VERSION_FAULT;
    if (there == META_MAGIC || there == __builtin_bswap32(META_MAGIC))
        return LMDB_CHECK_WORD_SIZE_FAULT;
    return here == __builtin_bswap32(META_MAGIC) ? LMDB_CHECK_BYTE_ORDER_FAULT : LMDB_CHECK_MAGIC_FAULT;
}

/* The transaction of a page is odd on page 1 and even on page 0; a new file has 0 on both. */
static lmdb_check_reason meta_read(const lmdb_file *file, uint64_t at, uint64_t number, meta *ret_meta) {
    const uint32_t word = file->word_bytes;
    uint8_t page[META_BYTES_MAX] = {0};
    lmdb_check_reason reason = lmdb_file_read(file, at, page, META_BYTES(word));
    if (reason == LMDB_CHECK_NONE_FAULT)
        reason = magic_check(page, word);
    if (reason != LMDB_CHECK_NONE_FAULT)
        return reason;
    const meta m = {.page_bytes = db_record_get(page + META_FREE_DB_AT(word), word).page_bytes,
                    .map_bytes = word_at(page + META_MAP_AT(word), word),
                    .txn = word_at(page + META_TXN_AT(word), word),
                    .last_page = word_at(page + META_LAST_AT(word), word),
                    .free_db = db_record_get(page + META_FREE_DB_AT(word), word),
                    .main_db = db_record_get(page + META_MAIN_DB_AT(word), word)};
    if (word_at(page, word) != number || half_at(page + PAGE_FLAGS_AT(word)) != PAGE_META ||
        m.page_bytes < PAGE_BYTES_MIN || m.page_bytes > PAGE_BYTES_MAX ||
        (m.page_bytes & (m.page_bytes - 1)) != 0 || (number == 1 && at != m.page_bytes) ||
        (m.txn != 0 && m.txn % 2 != number) || m.last_page == 0 || m.last_page >= m.map_bytes / m.page_bytes)
        return LMDB_CHECK_META_FAULT;
    *ret_meta = m;
    return LMDB_CHECK_NONE_FAULT;
}

static bool metas_follow(const meta *even, const meta *odd) {
    bool fresh = even->txn == 0 && odd->txn == 0;
    return odd->page_bytes == even->page_bytes &&
           (fresh || odd->txn == even->txn + 1 || even->txn == odd->txn + 1);
}

static void meta_take(lmdb_file *file, const meta *m) {
    file->page_bytes = m->page_bytes;
    file->txn = m->txn;
    file->last_page = m->last_page;
    file->free_db = m->free_db;
    file->main_db = m->main_db;
}

/* ---- both --------------------------------------------------------------------------------------- */

static lmdb_check_reason bytes_get(int fd, lmdb_file *file) {
    struct stat st;
    *file = (lmdb_file){.fd = fd, .word_bytes = WORD_BYTES};
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return LMDB_CHECK_READ_FAULT;
    file->bytes = (uint64_t)st.st_size;
    if (file->bytes == 0)
        return LMDB_CHECK_EMPTY_FAULT;
    return file->bytes < META_BYTES(WORD_BYTES) ? LMDB_CHECK_CUT_FAULT : LMDB_CHECK_NONE_FAULT;
}

static uint64_t pages_max(const lmdb_check_limits *limits) {
    return limits != NULL && limits->pages_max != 0 ? limits->pages_max : LMDB_CHECK_PAGES_MAX;
}

/* Pages behind the file's end can only be free ones, which the file must have room to list. */
static lmdb_check_reason extent_check(const lmdb_file *file, const lmdb_check_limits *limits) {
    uint64_t pages = lmdb_file_pages(file);
    if (pages < 2 || file->last_page > pages + file->bytes / WORD_BYTES)
        return LMDB_CHECK_CUT_FAULT;
    return file->last_page < pages_max(limits) ? LMDB_CHECK_NONE_FAULT : LMDB_CHECK_TOO_MANY_PAGES_FAULT;
}

lmdb_check_reason lmdb_file_open(int fd, const lmdb_check_limits *limits, lmdb_file *ret_file,
                                 uint64_t *ret_page) {
    meta even, odd;
    *ret_page = 0;
    lmdb_check_reason reason = bytes_get(fd, ret_file);
    if (reason == LMDB_CHECK_NONE_FAULT)
        reason = meta_read(ret_file, 0, 0, &even);
    if (reason != LMDB_CHECK_NONE_FAULT)
        return reason;
    meta_take(ret_file, &even);
    if (ret_file->bytes < 2 * (uint64_t)even.page_bytes)
        return LMDB_CHECK_CUT_FAULT;
    *ret_page = 1;
    reason = meta_read(ret_file, even.page_bytes, 1, &odd);
    if (reason != LMDB_CHECK_NONE_FAULT)
        return lmdb_check_result_of(reason) == LMDB_CHECK_FOREIGN ? LMDB_CHECK_META_FAULT : reason;
    bool fresh = even.txn == 0 && odd.txn == 0;
    if (odd.page_bytes != even.page_bytes || (!fresh && odd.txn != even.txn + 1 && even.txn != odd.txn + 1))
        return LMDB_CHECK_META_ORDER_FAULT;
    meta_take(ret_file, odd.txn > even.txn ? &odd : &even);
    *ret_page = odd.txn > even.txn ? 1 : 0;
    return extent_check(ret_file, limits);
}

/* The newest of the file's meta pages, by its word size; page_bytes 0: there is none that holds together. */
static meta meta_newest(const lmdb_file *file, bool *ret_follows) {
    meta best = {.page_bytes = 0}, m;
    bool follows = false;
    if (meta_read(file, 0, 0, &m) == LMDB_CHECK_NONE_FAULT)
        best = m;
    for (uint32_t at = PAGE_BYTES_MIN;
         at <= PAGE_BYTES_MAX && at + META_BYTES(file->word_bytes) <= file->bytes; at *= 2) {
        if (meta_read(file, at, 1, &m) != LMDB_CHECK_NONE_FAULT)
            continue;
        follows = best.page_bytes != 0 && metas_follow(&best, &m);
        if (best.page_bytes == 0 || m.txn > best.txn)
            best = m;
    }
    *ret_follows = follows;
    return best;
}

lmdb_check_reason lmdb_file_open_damaged(int fd, const lmdb_check_limits *limits, lmdb_file *ret_file) {
    bool follows = false;
    lmdb_file file;
    meta unused;
    lmdb_check_reason reason = bytes_get(fd, &file);
    if (reason != LMDB_CHECK_NONE_FAULT)
        return reason;
    meta best = meta_newest(&file, &follows);
    if (best.page_bytes == 0) {
        file.word_bytes = 12 - WORD_BYTES;
        best = meta_newest(&file, &follows);
    }
    if (best.page_bytes == 0) {
        file.word_bytes = WORD_BYTES;
        if (meta_read(&file, 0, 0, &unused) == LMDB_CHECK_BYTE_ORDER_FAULT)
            return LMDB_CHECK_BYTE_ORDER_FAULT;
        long page_bytes = sysconf(_SC_PAGESIZE);
        best.page_bytes = page_bytes > 0 && page_bytes <= (long)PAGE_BYTES_MAX ? (uint32_t)page_bytes : 4096;
        best.free_db.root = best.main_db.root = DB_NO_ROOT;
    }
    meta_take(&file, &best);
    if (lmdb_file_pages(&file) < 2)
        return LMDB_CHECK_CUT_FAULT;
    if (lmdb_file_pages(&file) > pages_max(limits))
        return LMDB_CHECK_TOO_MANY_PAGES_FAULT;
    file.last_page = lmdb_file_pages(&file) - 1;
    file.doubtful = !follows;
    *ret_file = file;
    return LMDB_CHECK_NONE_FAULT;
}

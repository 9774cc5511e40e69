/* The file as a whole: its bytes, and what its meta pages say. */
#ifndef BASE_LMDB_CHECK_FILE_H
#define BASE_LMDB_CHECK_FILE_H

#include "sdk/src/base/lmdb_check/page.h"

typedef struct lmdb_file {
    int fd;
    uint64_t bytes;
    uint32_t page_bytes, word_bytes;
    uint64_t txn;
    uint64_t last_page;
    db_record free_db, main_db;
    bool doubtful; /* of a damaged file: there may have been a newer meta page */
} lmdb_file;

/* Exactly n bytes; READ when they cannot be had. */
lmdb_check_reason lmdb_file_read(const lmdb_file *file, uint64_t at, void *out, size_t n);

static inline uint64_t lmdb_file_pages(const lmdb_file *file) { return file->bytes / file->page_bytes; }

/* Both meta pages as LMDB wants them. *ret_page: where the fault is. */
lmdb_check_reason lmdb_file_open(int fd, const lmdb_check_limits *limits, lmdb_file *ret_file,
                                 uint64_t *ret_page);

/* For a damaged file: the newest meta page that holds together, of this machine's word size, else of the
 * other one. Without any, no database and an assumed size of pages. last_page is the file's own. */
lmdb_check_reason lmdb_file_open_damaged(int fd, const lmdb_check_limits *limits, lmdb_file *ret_file);

#endif

/* lmdb_check: walks an LMDB 0.9 data file with pread alone, before LMDB maps it.
 *
 * LMDB trusts its file: a page number beyond the end is a SIGBUS, a wrong offset a SIGSEGV, a wrong count an
 * abort. A file that is called good here has none of these: everything that LMDB can come by from the newest
 * meta page was looked at. That the records are right is another question, which their own checksums answer.
 *
 * Costs a read of every branch, leaf and first overflow page, a bit of memory a page, and a page's buffer a
 * level of the tree. Nothing is written. The caller holds the lock on the file.
 *
 * Known: what our stores use, keys of bytes and keys of native 64-bit numbers, values in overflow pages,
 * databases with names. Duplicates under a key (MDB_DUPSORT) are refused as unknown. */
#ifndef BASE_LMDB_CHECK_H
#define BASE_LMDB_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LMDB_CHECK_DBS_MAX 32u
#define LMDB_CHECK_PAGES_MAX (UINT64_C(1) << 28)

typedef enum lmdb_check_result {
    LMDB_CHECK_GOOD = 0,
    LMDB_CHECK_EMPTY,   /* no bytes at all: LMDB makes a new file of it */
    LMDB_CHECK_DAMAGED, /* LMDB must not see it */
    LMDB_CHECK_FOREIGN, /* another kind of machine's or version's, or not LMDB's */
    LMDB_CHECK_UNKNOWN, /* uses what this checker does not know, or more of it than the limits say */
    LMDB_CHECK_FAILED,  /* the question could not be answered: reading or memory */
} lmdb_check_result;

/* reason, result, text */
#define LMDB_CHECK_REASONS(X)                                                                            \
    X(NONE, GOOD, "no fault")                                                                            \
    X(EMPTY, EMPTY, "the file is empty")                                                                 \
    X(READ, FAILED, "the file cannot be read")                                                           \
    X(MEMORY, FAILED, "out of memory")                                                                   \
    X(WORD_SIZE, FOREIGN, "made by a machine of another word size")                                      \
    X(BYTE_ORDER, FOREIGN, "made by a machine of another byte order")                                    \
    X(VERSION, FOREIGN, "of another version of the format")                                              \
    X(MAGIC, FOREIGN, "not a file of LMDB")                                                              \
    X(META, DAMAGED, "a meta page is broken")                                                            \
    X(META_ORDER, DAMAGED, "the two meta pages do not follow each other")                                \
    X(CUT, DAMAGED, "the file ends before its last page")                                                \
    X(TOO_MANY_PAGES, UNKNOWN, "more pages than the limit")                                              \
    X(DB_KIND, UNKNOWN, "a database of a kind that is not known here")                                   \
    X(DB_RECORD, DAMAGED, "a database's own record does not hold together")                              \
    X(TOO_MANY_DBS, UNKNOWN, "more databases than the limit")                                            \
    X(PAGE_RANGE, DAMAGED, "a page number beyond the last page")                                         \
    X(PAGE_TWICE, DAMAGED, "a page is used twice")                                                       \
    X(PAGE_NUMBER, DAMAGED, "a page at the wrong place")                                                 \
    X(PAGE_KIND, DAMAGED, "a page of the wrong kind")                                                    \
    X(PAGE_BOUNDS, DAMAGED, "a page's bounds are wrong")                                                 \
    X(NODE_BOUNDS, DAMAGED, "an entry lies outside of its page or in another entry")                     \
    X(NODE_KIND, DAMAGED, "an entry of a kind that does not belong here")                                \
    X(KEY_SIZE, DAMAGED, "a key of a size that cannot be")                                               \
    X(KEY_ORDER, DAMAGED, "keys out of order")                                                           \
    X(DEPTH, DAMAGED, "a tree of another depth than its database's record says")                         \
    X(OVERFLOW_RUN, DAMAGED, "the pages of a large value do not fit it")                                 \
    X(COUNTS, DAMAGED, "a tree holds other numbers of pages or entries than its database's record says") \
    X(FREE_LIST, DAMAGED, "the list of free pages is wrong")

typedef enum lmdb_check_reason {
#define LMDB_CHECK_REASON_ENUM(name, result, text) LMDB_CHECK_##name##_FAULT,
    LMDB_CHECK_REASONS(LMDB_CHECK_REASON_ENUM)
#undef LMDB_CHECK_REASON_ENUM
} lmdb_check_reason;

const char *lmdb_check_text(lmdb_check_reason reason);
lmdb_check_result lmdb_check_result_of(lmdb_check_reason reason);

/* Zeros: the defaults. */
typedef struct lmdb_check_limits {
    uint64_t pages_max; /* LMDB_CHECK_PAGES_MAX */
} lmdb_check_limits;

typedef struct lmdb_check_report {
    lmdb_check_reason reason;
    uint64_t page; /* where the fault is; 0 also when it is nowhere in particular */
    uint32_t page_bytes;
    uint64_t txn; /* the newest meta page's */
    uint64_t last_page;
    uint64_t pages_used; /* by trees and values, the two meta pages included */
    uint64_t pages_free;
    uint64_t entries; /* of all databases but the free list's */
} lmdb_check_report;

/* *ret_report is written in any case. */
lmdb_check_result lmdb_check(int fd, const lmdb_check_limits *limits, lmdb_check_report *ret_report);

/* Copies what the file holds, as of one transaction, to the empty file to_fd; its owner may go on writing.
 * *ret_settled false: it was changed all the time, and the copy is no state of it. A damaged file is copied
 * as it is. GOOD, or FAILED: reading or writing. */
lmdb_check_result lmdb_check_copy(int fd, int to_fd, const lmdb_check_limits *limits, bool *ret_settled);

/* ---- what can still be read of a damaged file --------------------------------------------------- */

typedef struct lmdb_check_entry {
    const uint8_t *key; /* lent until the visitor returns */
    size_t key_n;
    const uint8_t *value;
    size_t value_n;
    uint64_t page;       /* that the entry is on */
    uint64_t value_page; /* the first one of a large value; 0: it is on `page`, too */
    bool reached; /* by way of the newest meta page that holds together; else found lying about: an entry that
                     lost its way, or one that was replaced or deleted some time ago */
} lmdb_check_entry;

typedef void (*lmdb_check_visit)(void *context, const lmdb_check_entry *entry);

typedef struct lmdb_check_sweep {
    uint64_t pages_bad;       /* met where a page of a tree should be, and passed over */
    uint64_t entries_bad;     /* whose large value could not be followed, or is larger than the limit */
    uint64_t entries;         /* visited */
    uint64_t entries_reached; /* of these */
    bool doubtful; /* with one meta page left, what was reached may be as it was a transaction before */
} lmdb_check_sweep;

/* Shows every entry of the database (name NULL: the unnamed one) on pages that hold together in themselves:
 * first those that can be reached, in order, then those on leaf pages that nothing leads to, whatever
 * database they belonged to. The caller judges each by its own checksum. A value beyond value_max is passed
 * over, and so is a page that cannot be read, unless there are many of them. FAILED: reading or memory;
 * FOREIGN: of another machine; else GOOD. */
lmdb_check_result lmdb_check_salvage(int fd, const lmdb_check_limits *limits, const char *name,
                                     size_t value_max, lmdb_check_visit visit, void *context,
                                     lmdb_check_sweep *ret_sweep);
/* The same without what nothing leads to: of a file that is good. */
lmdb_check_result lmdb_check_read(int fd, const lmdb_check_limits *limits, const char *name, size_t value_max,
                                  lmdb_check_visit visit, void *context, lmdb_check_sweep *ret_sweep);

#endif

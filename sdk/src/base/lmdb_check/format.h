/* How LMDB 0.9 lays out its data file (from the format that its mdb.c documents and writes: OpenLDAP's
 * liblmdb, https://git.openldap.org/openldap/openldap, branch mdb.RE/0.9). All numbers are native; a "word"
 * is a size_t of the machine that made the file: w bytes, 4 or 8, below.
 *
 *     page      number (word) · unused (2) · flags (2) · lower (2) · upper (2), then an offset (2) for each
 *               entry, free space from lower to upper, and the entries, packed against the page's end.
 *               First page of a large value: a count of pages (4) in place of lower and upper, then the
 * value. entry     two halves of a length (2 + 2, the low one first on little-endian) · flags (2) · key's
 * length (2) · key · value. Padded to an even length. On a branch page lengths and flags together are the
 * child's page number, and there is no value; the first key is not looked at. Large value: its length is that
 * of the value, and the page (word) stands in its place. pages 0, 1  meta, written in turns: magic (4) ·
 * version (4) · address (word) · map size (word) · record of the free list's database · record of the unnamed
 * database · last page (word) · transaction (word). The newer one counts. record    padding (4; the free
 * list's holds the page size) · flags (2) · depth (2) · branch, leaf and overflow pages, entries, root
 * (words). An empty database has an all-ones root. free list  key: the transaction (word) that freed the
 * pages; value: a count (word) and the page numbers in descending order; room behind them means nothing.
 *
 * A database with a name is an entry of the unnamed one whose value is its record. */
#ifndef BASE_LMDB_CHECK_FORMAT_H
#define BASE_LMDB_CHECK_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WORD_BYTES ((uint32_t)sizeof(size_t)) /* this machine's */
#define WORD_BYTES_MAX 8u

#define PAGE_FLAGS_AT(w) ((w) + 2u)
#define PAGE_LOWER_AT(w) ((w) + 4u)
#define PAGE_UPPER_AT(w) ((w) + 6u)
#define PAGE_RUN_AT(w) ((w) + 4u)
#define PAGE_HEAD_BYTES(w) ((w) + 8u)
#define PAGE_HEAD_BYTES_MAX PAGE_HEAD_BYTES(WORD_BYTES_MAX)
#define PAGE_BYTES_MIN 512u
#define PAGE_BYTES_MAX 32768u

typedef enum page_flag {
    PAGE_BRANCH = 0x01,
    PAGE_LEAF = 0x02,
    PAGE_OVERFLOW = 0x04,
    PAGE_META = 0x08,
} page_flag;

#define NODE_FLAGS_AT 4u
#define NODE_KEY_SIZE_AT 6u
#define NODE_HEAD_BYTES 8u
#define KEY_BYTES_MAX 511u
#define DEPTH_MAX 32u

typedef enum node_flag {
    NODE_LARGE = 0x01, /* the value is in overflow pages */
    NODE_DB = 0x02,    /* the value is a database's record */
} node_flag;

#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1u
#define META_MAGIC_AT(w) PAGE_HEAD_BYTES(w)
#define META_VERSION_AT(w) (META_MAGIC_AT(w) + 4u)
#define META_MAP_AT(w) (META_MAGIC_AT(w) + 8u + (w))
#define META_FREE_DB_AT(w) (META_MAP_AT(w) + (w))
#define META_MAIN_DB_AT(w) (META_FREE_DB_AT(w) + DB_BYTES(w))
#define META_LAST_AT(w) (META_MAIN_DB_AT(w) + DB_BYTES(w))
#define META_TXN_AT(w) (META_LAST_AT(w) + (w))
#define META_BYTES(w) (META_TXN_AT(w) + (w))
#define META_BYTES_MAX META_BYTES(WORD_BYTES_MAX)

#define DB_FLAGS_AT 4u
#define DB_DEPTH_AT 6u
#define DB_WORDS_AT 8u
#define DB_BYTES(w) (DB_WORDS_AT + 5u * (w))
#define DB_INTEGER_KEYS 0x08u
#define DB_FLAGS_KNOWN DB_INTEGER_KEYS
#define DB_FREE_FLAGS_OF_ENV 0xC000u /* how the environment was opened, in the free list's record */
#define DB_NO_ROOT UINT64_MAX        /* as read: in the file all ones of a word */

static inline uint16_t half_at(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t int_at(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t word_at(const uint8_t *at, uint32_t w) {
    uint64_t value;
    if (w == 4)
        return int_at(at);
    memcpy(&value, at, sizeof value);
    return value;
}

#endif

/* column: the values of one column, in pages, until their row group is written. Values that repeat go into a
 * dictionary and leave their numbers in the page; where too few do, or the dictionary grows too large, the
 * values themselves stand there (PLAIN) from this page on.
 *
 *     column_put_… ─▶ pending values ─column_cut─▶ pages, compressed ─file.c─▶ the object
 *
 * Pages are of version 1, which every reader knows. One thread. */
#ifndef PARQUET_COLUMN_H
#define PARQUET_COLUMN_H

#include "bounds.h"
#include "dictionary.h"
#include "hybrid.h"
#include "page.h"

#define PAGE_ROWS_MAX 16384u
#define PAGE_ENTRIES_MAX 65536u                             /* of a map, at the end of a row */
#define PAGE_VALUES_MAX (PAGE_ENTRIES_MAX + WIRE_PROPS_MAX) /* what a page has room for */
#define PAGE_PLAIN_BYTES_MAX (1u << 20)                     /* of all columns together, likewise */
#define COLUMN_PATH_MAX 3u

typedef enum column_role {
    ROLE_REQUIRED,
    ROLE_NULLABLE,
    ROLE_MAP_KEY,
    ROLE_MAP_VALUE,
} column_role;

typedef enum column_index_kind {
    INDEX_NONE, /* no bounds: nobody looks for them there, and they cost a look at every value */
    INDEX_CHUNK,
    INDEX_PAGES,
} column_index_kind;

typedef struct column_spec {
    const char *path[COLUMN_PATH_MAX]; /* from the root; NULL behind the last */
    column_type type;
    column_role role;
    column_index_kind index;
    bool timestamp;  /* of COLUMN_INT64 */
    bool dictionary; /* try one */
} column_spec;

/* Which rows have a value, and how many: for each place its definition level and, of maps, whether it goes on
 * with the row before it. Shared by a map's keys and values. */
typedef struct levels {
    uint32_t *definition;
    uint32_t *repetition; /* NULL: at most one a row */
    uint32_t n, nulls;    /* places in the page, and those without a value */
    bytes encoded;        /* by levels_encode */
} levels;

/* Where a page lies, and what is in it. */
typedef struct page_info {
    uint32_t n_bytes; /* with its header */
    uint32_t first_row;
    bounds bounds;
} page_info;

typedef struct column {
    const column_spec *spec;
    levels *levels;  /* NULL: every row has a value */
    bool open;       /* the dictionary takes values, and the page holds their numbers */
    bool given_up;   /* a dictionary was not worth it in this object */
    uint32_t *codes; /* numbers, or truth values */
    uint32_t n_codes;
    bytes plain;
    uint64_t *page_plain_bytes; /* of all columns */
    dictionary dictionary;
    bytes pages; /* headers and contents, one behind the other */
    page_info *infos;
    uint32_t n_pages, pages_cap, n_coded_pages;
    uint64_t n_places, raw_bytes; /* of the chunk: with nulls; uncompressed, with headers */
    bounds bounds;
    bool failed; /* out of memory */
} column;

/* false: out of memory. `l` is borrowed. */
bool levels_init(levels *l, bool repeated);
void levels_fini(levels *l);
void levels_encode(levels *l);

/* false: out of memory. Everything is borrowed until column_fini. */
bool column_init(column *c, const column_spec *spec, levels *l, uint64_t *page_plain_bytes);
void column_fini(column *c);

/* A new row group; of a new object: as if it were the first. */
void column_begin(column *c, bool new_object);

/* The value's number for column_put_ref, good until the next column_begin. Anything where the dictionary does
 * not take it; column_put_ref then writes the value itself. Texts are UTF-8. */
uint32_t column_ref(column *c, const void *data, size_t n);

/* Closes the dictionary: the numbers of the page become values. */
void column_close(column *c);

/* What was put since the last cut becomes a page of `rows` rows, of which `first_row` is the first. */
void column_cut(column *c, page_press *press, uint32_t first_row, uint32_t rows);

/* The dictionary as a page, if a page of the chunk needs it. */
void column_put_dictionary(column *c, page_press *press, bytes *out);

/* Memory that the row group holds. */
size_t column_bytes(const column *c);

bool column_failed(const column *c);

static inline void levels_put(levels *l, bool present) {
    l->definition[l->n++] = present;
    l->nulls += !present;
}

/* A row's map of n entries. */
static inline void levels_put_map(levels *l, uint32_t n) {
    uint32_t at = l->n, end = at + (n > 0 ? n : 1);
    l->nulls += n == 0;
    for (; at < end; at++) {
        l->definition[at] = n > 0;
        l->repetition[at] = at != l->n;
    }
    l->n = end;
}

/* Most values are shorter than a call of memcpy is long. */
static inline void value_copy(uint8_t *to, const uint8_t *from, size_t n) {
    if (n > 32) {
        memcpy(to, from, n);
    } else if (n >= 16) {
        memcpy(to, from, 16);
        memcpy(to + n - 16, from + n - 16, 16);
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
    }
}

/* A text with its length before it, or a number of eight bytes. */
static inline void column_put_plain(column *c, const void *data, size_t n) {
    bool text = c->spec->type == COLUMN_STRING;
    uint32_t length = (uint32_t)n;
    size_t stored = n + (text ? sizeof length : 0);
    uint8_t *at = bytes_reserve(&c->plain, stored);
    if (!at)
        return;
    if (text) {
        memcpy(at, &length, sizeof length);
        at += sizeof length;
    }
    value_copy(at, data, n);
    c->plain.n += stored;
    *c->page_plain_bytes += stored;
}

/* Puts take values only; a nullable column's or a map's levels are the caller's. */
static inline void column_put_ref(column *c, uint32_t ref, const void *data, size_t n) {
    if (c->open)
        c->codes[c->n_codes++] = ref;
    else
        column_put_plain(c, data, n);
}

static inline void column_put(column *c, const void *data, size_t n) {
    column_put_ref(c, c->open ? column_ref(c, data, n) : 0, data, n);
}

static inline void column_put_int(column *c, int64_t value) { column_put(c, &value, sizeof value); }
static inline void column_put_double(column *c, double value) { column_put(c, &value, sizeof value); }
static inline void column_put_bool(column *c, bool value) { c->codes[c->n_codes++] = value; }

#endif

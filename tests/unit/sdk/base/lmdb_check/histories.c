// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "tests/unit/sdk/base/lmdb_check/histories.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/src/base/crc32c.h"
#include "sdk/src/base/lmdb_check/format.h"

#define MAP_BYTES (8u << 20)
#define VALUE_MAX 60000u

void image_free(image *i) {
    free(i->bytes);
    *i = (image){NULL, 0};
}

image image_copy(const image *from) {
    image i = {malloc(from->n + 1), from->n};
    assert_non_null(i.bytes);
    memcpy(i.bytes, from->bytes, from->n);
    return i;
}

int image_fd(const image *i) {
    int fd = memfd_create("image", MFD_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t at = 0; at < i->n;) {
        ssize_t n = pwrite(fd, i->bytes + at, i->n - at, (off_t)at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    return fd;
}

/* ---- histories ---------------------------------------------------------------------------------- */

uint64_t history_random(history *h, uint64_t below) {
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random % below;
}

static void env_open(history *h) {
    const base_lmdb_options opt = {.path = h->path,
                                   .map_bytes = MAP_BYTES,
                                   .dbs = h->dbs,
                                   .n_dbs = h->n_dbs,
                                   .preallocate = h->preallocate};
    assert_int_equal(base_lmdb_open(&opt, &h->env, NULL), BASE_LMDB_OK);
}

static void file_make(history *h, const image *i) {
    h->fd = image_fd(i);
    snprintf(h->path, sizeof h->path, "/proc/self/fd/%d", h->fd);
}

void history_begin(history *h, uint64_t seed) {
    static const char *const names[] = {"a", "queue", "state", "b-long-name", "z"};
    memset(h, 0, sizeof *h);
    h->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    h->n_dbs = 1 + (unsigned)history_random(h, 5);
    for (unsigned i = 0; i < h->n_dbs; i++)
        h->dbs[i] = (base_lmdb_db){h->n_dbs > 1 ? names[i] : NULL, history_random(h, 3) == 0};
    h->keys = UINT64_C(1) << history_random(h, 13);
    h->value_max = UINT64_C(1) << history_random(h, 16);
    h->preallocate = history_random(h, 8) == 0;
    file_make(h, &(const image){NULL, 0});
    env_open(h);
}

void history_reopen(history *h) {
    base_lmdb_close(h->env);
    env_open(h);
}

void history_end(history *h) {
    base_lmdb_close(h->env);
    close(h->fd);
}

/* Keys of one number are the same in every history; byte keys have many lengths. */
static base_lmdb_val key_make(uint64_t number, bool integer, uint8_t out[HISTORY_KEY_MAX]) {
    if (integer) {
        memcpy(out, &number, sizeof number);
        return (base_lmdb_val){out, sizeof number};
    }
    int n = snprintf((char *)out, HISTORY_KEY_MAX, "%x", (unsigned)(number * 2654435761u));
    size_t length = (size_t)n + number % 40;
    memset(out + n, 'k', length - (size_t)n);
    return (base_lmdb_val){out, length};
}

static uint32_t value_crc(const uint8_t *key, size_t key_n, const uint8_t *value, size_t n) {
    return base_crc32c(base_crc32c(0, key, key_n), value, n);
}

bool history_value_right(const uint8_t *key, size_t key_n, const uint8_t *value, size_t n) {
    uint32_t crc;
    if (n < sizeof crc)
        return false;
    memcpy(&crc, value + n - sizeof crc, sizeof crc);
    return crc == value_crc(key, key_n, value, n - sizeof crc);
}

static size_t value_make(history *h, base_lmdb_val key, uint8_t *out) {
    size_t n = (size_t)history_random(h, history_random(h, 4) == 0 ? h->value_max : h->value_max / 16 + 1);
    memset(out, (int)history_random(h, 256), n);
    uint32_t crc = value_crc(key.data, key.n, out, n);
    memcpy(out + n, &crc, sizeof crc);
    return n + sizeof crc;
}

/* How the keys of a transaction are chosen: at random, or in a row from some place. */
static base_lmdb_err change_make(history *h, base_lmdb_txn *txn, unsigned db, uint64_t number, bool put) {
    static uint8_t value[VALUE_MAX + 64];
    uint8_t key_bytes[HISTORY_KEY_MAX];
    base_lmdb_val key = key_make(number, h->dbs[db].integer_keys, key_bytes);
    if (!put)
        return base_lmdb_del(txn, db, key, NULL);
    size_t n = value_make(h, key, value);
    return base_lmdb_put(txn, db, key, (base_lmdb_val){value, n});
}

void history_step(history *h) {
    base_lmdb_txn *txn = NULL;
    uint64_t changes = UINT64_C(1) << history_random(h, 9);
    uint64_t number = history_random(h, h->keys), puts = history_random(h, 101);
    unsigned db = (unsigned)history_random(h, h->n_dbs);
    bool row = history_random(h, 3) == 0;
    base_lmdb_err err = base_lmdb_begin(h->env, true, &txn);
    assert_int_equal(err, BASE_LMDB_OK);
    for (; changes > 0 && err == BASE_LMDB_OK; changes--) {
        number = row ? number + 1 : history_random(h, h->keys);
        if (!row)
            db = (unsigned)history_random(h, h->n_dbs);
        err = change_make(h, txn, db, number, history_random(h, 100) < puts);
    }
    if (err == BASE_LMDB_OK && history_random(h, 10) > 0) {
        err = base_lmdb_commit(txn);
        assert_true(err == BASE_LMDB_OK || err == BASE_LMDB_FULL);
    } else {
        assert_true(err == BASE_LMDB_OK || err == BASE_LMDB_FULL);
        base_lmdb_abort(txn);
        h->value_max = err == BASE_LMDB_FULL ? 16 : h->value_max; /* or all that follows would fail, too */
    }
}

image history_image(const history *h) {
    struct stat st;
    assert_int_equal(fstat(h->fd, &st), 0);
    image i = {malloc((size_t)st.st_size + 1), (size_t)st.st_size};
    assert_non_null(i.bytes);
    assert_int_equal(pread(h->fd, i.bytes, i.n, 0), st.st_size);
    return i;
}

/* ---- use ---------------------------------------------------------------------------------------- */

static uint64_t bytes_sum(base_lmdb_val val) {
    uint64_t sum = 0;
    for (size_t i = 0; i < val.n; i++)
        sum += ((const uint8_t *)val.data)[i];
    return sum;
}

static bool db_read(base_lmdb_txn *txn, unsigned db, volatile uint64_t *sum) {
    base_lmdb_cursor *cursor = NULL;
    base_lmdb_val key = {NULL, 0}, val;
    bool found = false;
    base_lmdb_err err = base_lmdb_cursor_open(txn, db, &cursor);
    if (err == BASE_LMDB_OK)
        err = base_lmdb_cursor_move(cursor, BASE_LMDB_FIRST, &key, &val, &found);
    while (err == BASE_LMDB_OK && found) {
        *sum += bytes_sum(key) + bytes_sum(val);
        err = base_lmdb_cursor_move(cursor, BASE_LMDB_NEXT, &key, &val, &found);
    }
    base_lmdb_cursor_close(cursor);
    return err == BASE_LMDB_OK;
}

static bool all_read(history *h) {
    base_lmdb_txn *txn = NULL;
    volatile uint64_t sum = 0;
    if (base_lmdb_begin(h->env, false, &txn) != BASE_LMDB_OK)
        return false;
    bool good = true;
    for (unsigned i = 0; good && i < h->n_dbs; i++)
        good = db_read(txn, i, &sum);
    base_lmdb_abort(txn);
    return good;
}

static bool some_change(history *h) {
    for (unsigned i = 0; i < 4; i++) {
        base_lmdb_txn *txn = NULL;
        base_lmdb_err err = base_lmdb_begin(h->env, true, &txn);
        if (err != BASE_LMDB_OK)
            return false;
        for (unsigned n = 0; err == BASE_LMDB_OK && n < 100; n++)
            err =
                change_make(h, txn, (unsigned)history_random(h, h->n_dbs), history_random(h, h->keys), n % 2);
        if (err == BASE_LMDB_OK)
            err = base_lmdb_commit(txn);
        else
            base_lmdb_abort(txn);
        if (err != BASE_LMDB_OK && err != BASE_LMDB_FULL)
            return false;
    }
    return true;
}

bool history_use(const history *h, const image *i) {
    history other = *h;
    file_make(&other, i);
    const base_lmdb_options opt = {
        .path = other.path, .map_bytes = MAP_BYTES, .dbs = other.dbs, .n_dbs = other.n_dbs};
    bool good = base_lmdb_open(&opt, &other.env, NULL) == BASE_LMDB_OK;
    good = good && all_read(&other) && some_change(&other) && all_read(&other);
    return good;
}

/* ---- another machine ---------------------------------------------------------------------------- */

#define WIDE 8u
#define NARROW 4u

static void word_put(uint8_t *at, uint64_t value) {
    uint32_t narrow = (uint32_t)value; /* all ones stay all ones */
    memcpy(at, &narrow, sizeof narrow);
}

static void record_narrow(const uint8_t *from, uint8_t *to) {
    memcpy(to, from, DB_WORDS_AT);
    for (unsigned n = 0; n < 5; n++)
        word_put(to + DB_WORDS_AT + n * NARROW, word_at(from + DB_WORDS_AT + n * WIDE, WIDE));
}

static void meta_narrow(const uint8_t *from, uint8_t *to) {
    memcpy(to + META_MAGIC_AT(NARROW), from + META_MAGIC_AT(WIDE), 8);
    word_put(to + META_MAP_AT(NARROW), word_at(from + META_MAP_AT(WIDE), WIDE));
    record_narrow(from + META_FREE_DB_AT(WIDE), to + META_FREE_DB_AT(NARROW));
    record_narrow(from + META_MAIN_DB_AT(WIDE), to + META_MAIN_DB_AT(NARROW));
    word_put(to + META_LAST_AT(NARROW), word_at(from + META_LAST_AT(WIDE), WIDE));
    word_put(to + META_TXN_AT(NARROW), word_at(from + META_TXN_AT(WIDE), WIDE));
}

static void nodes_narrow(const uint8_t *from, uint8_t *to, bool leaf) {
    uint16_t count = (uint16_t)((half_at(from + PAGE_LOWER_AT(WIDE)) - PAGE_HEAD_BYTES(WIDE)) / 2);
    uint16_t lower = (uint16_t)(PAGE_HEAD_BYTES(NARROW) + 2 * count), upper = HISTORY_PAGE_BYTES;
    for (uint32_t n = 0; n < count; n++) {
        const uint8_t *node = from + half_at(from + PAGE_HEAD_BYTES(WIDE) + 2 * n);
        bool large = leaf && (half_at(node + NODE_FLAGS_AT) & NODE_LARGE) != 0;
        size_t key = NODE_HEAD_BYTES + half_at(node + NODE_KEY_SIZE_AT);
        size_t value = !leaf ? 0 : large ? NARROW : half_at(node) | (size_t)half_at(node + 2) << 16;
        upper = (uint16_t)(upper - ((key + value + 1) & ~(size_t)1));
        memcpy(to + upper, node, key + (large ? 0 : value));
        if (large)
            word_put(to + upper + key, word_at(node + key, WIDE));
        memcpy(to + PAGE_HEAD_BYTES(NARROW) + 2 * n, &upper, sizeof upper);
    }
    memcpy(to + PAGE_LOWER_AT(NARROW), &lower, sizeof lower);
    memcpy(to + PAGE_UPPER_AT(NARROW), &upper, sizeof upper);
}

static void run_narrow(const uint8_t *from, uint8_t *to, size_t pages) {
    memcpy(to + PAGE_RUN_AT(NARROW), from + PAGE_RUN_AT(WIDE), 4);
    memcpy(to + PAGE_HEAD_BYTES(NARROW), from + PAGE_HEAD_BYTES(WIDE),
           pages * HISTORY_PAGE_BYTES - PAGE_HEAD_BYTES(WIDE));
}

void image_narrow(image *i) {
    uint8_t *out = calloc(1, i->n);
    assert_non_null(out);
    for (size_t page = 0, pages; page < i->n / HISTORY_PAGE_BYTES; page += pages) {
        const uint8_t *from = i->bytes + page * HISTORY_PAGE_BYTES;
        uint8_t *to = out + page * HISTORY_PAGE_BYTES;
        uint16_t flags = half_at(from + PAGE_FLAGS_AT(WIDE));
        pages = 1;
        if (word_at(from, WIDE) != page)
            continue; /* never written, or the inside of a value that is gone */
        word_put(to, page);
        memcpy(to + PAGE_FLAGS_AT(NARROW), &flags, sizeof flags);
        if (flags == PAGE_META)
            meta_narrow(from, to);
        if (flags == PAGE_BRANCH || flags == PAGE_LEAF)
            nodes_narrow(from, to, flags == PAGE_LEAF);
        uint32_t run = int_at(from + PAGE_RUN_AT(WIDE));
        if (flags == PAGE_OVERFLOW && run > 0 && run <= i->n / HISTORY_PAGE_BYTES - page) {
            pages = run;
            run_narrow(from, to, pages);
        }
    }
    free(i->bytes);
    i->bytes = out;
}

/* ---- damage ------------------------------------------------------------------------------------- */

static uint8_t *page_pick(history *h, image *i) {
    size_t pages = i->n / HISTORY_PAGE_BYTES;
    return i->bytes + history_random(h, pages) * HISTORY_PAGE_BYTES;
}

static void bits_flip(history *h, image *i) {
    for (uint64_t n = 1 + history_random(h, 8); n > 0; n--)
        i->bytes[history_random(h, i->n)] ^= (uint8_t)(1u << history_random(h, 8));
}

static void head_flip(history *h, image *i) {
    page_pick(h, i)[history_random(h, 200)] ^= (uint8_t)(1u << history_random(h, 8));
}

static void half_set(history *h, image *i) {
    static const uint16_t edges[] = {0, 1, 2, 15, 16, 0x7fff, 0x8000, 4094, 4095, 4096, 4097, 0xfffe, 0xffff};
    uint16_t value = edges[history_random(h, sizeof edges / sizeof edges[0])];
    memcpy(page_pick(h, i) + 2 * history_random(h, 100), &value, sizeof value);
}

static void word_set(history *h, image *i) {
    uint64_t value =
        history_random(h, 3) == 0 ? UINT64_MAX : history_random(h, 2 * i->n / HISTORY_PAGE_BYTES);
    memcpy(page_pick(h, i) + 8 * history_random(h, 512), &value, sizeof value);
}

static void page_zero(history *h, image *i) { memset(page_pick(h, i), 0, HISTORY_PAGE_BYTES); }

static void page_scramble(history *h, image *i) {
    uint8_t *page = page_pick(h, i);
    for (size_t n = 0; n < HISTORY_PAGE_BYTES; n++)
        page[n] = (uint8_t)history_random(h, 256);
}

static void pages_swap(history *h, image *i) {
    uint8_t *a = page_pick(h, i), *b = page_pick(h, i), kept[HISTORY_PAGE_BYTES];
    memcpy(kept, a, sizeof kept);
    memmove(a, b, sizeof kept);
    memcpy(b, kept, sizeof kept);
}

/* A page that holds together, at another's place, under that one's number. */
static void page_replace(history *h, image *i) {
    uint8_t *a = page_pick(h, i), *b = page_pick(h, i);
    memmove(a + 8, b + 8, HISTORY_PAGE_BYTES - 8);
    if (history_random(h, 2) == 0)
        memcpy(a, b, 8);
}

static void file_cut(history *h, image *i) { i->n = history_random(h, i->n); }

static void metas_break(history *h, image *i) {
    for (unsigned n = 0; n < 2; n++)
        i->bytes[n * HISTORY_PAGE_BYTES + history_random(h, 160)] ^= (uint8_t)(1u << history_random(h, 8));
}

static void format_change(history *h, image *i) {
    switch (history_random(h, 3)) {
    case 0: /* as a machine of 32 bits has it */
        memmove(i->bytes + 12, i->bytes + 16, 160);
        break;
    case 1:
        for (unsigned n = 0; n < 2; n++) {
            uint8_t swapped = i->bytes[16 + n];
            i->bytes[16 + n] = i->bytes[19 - n];
            i->bytes[19 - n] = swapped;
        }
        break;
    default:
        i->bytes[20] ^= 2;
    }
}

const char *image_damage(history *h, image *i) {
    static const struct {
        const char *name;
        void (*damage)(history *, image *);
    } kinds[] = {{"bits flipped", bits_flip},
                 {"a header's bit flipped", head_flip},
                 {"two bytes set", half_set},
                 {"eight bytes set", word_set},
                 {"a page zeroed", page_zero},
                 {"a page of random bytes", page_scramble},
                 {"two pages swapped", pages_swap},
                 {"a page replaced", page_replace},
                 {"cut", file_cut},
                 {"both metas broken", metas_break},
                 {"of another format", format_change}};
    uint64_t kind = history_random(h, sizeof kinds / sizeof kinds[0]);
    kinds[kind].damage(h, i);
    return kinds[kind].name;
}

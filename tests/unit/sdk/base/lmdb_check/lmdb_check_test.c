/* lmdb_check_test [UNDAMAGED DAMAGED]: as many files of each kind; 500 and 1,000. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/sdk/base/lmdb_check/histories.h"

static uint64_t seed;
static unsigned long undamaged = 500, damaged = 1000;

static lmdb_check_result check_image(const image *i, lmdb_check_report *ret_report) {
    int fd = image_fd(i);
    lmdb_check_result result = lmdb_check(fd, NULL, ret_report);
    close(fd);
    return result;
}

static void assert_good(const image *i, uint64_t history_seed) {
    lmdb_check_report report;
    lmdb_check_result result = check_image(i, &report);
    if (result != LMDB_CHECK_GOOD)
        fail_msg("seed %llu: page %llu of %llu: %s", (unsigned long long)history_seed,
                 (unsigned long long)report.page, (unsigned long long)report.last_page,
                 lmdb_check_text(report.reason));
}

/* ---- undamaged ---------------------------------------------------------------------------------- */

/* What a crash in the midst of a commit leaves: the meta pages from before it, of the others any. */
static image crash_make(history *h, const image *before, const image *after) {
    image i = image_copy(after);
    if (history_random(h, 3) == 0)
        i.n = before->n +
              history_random(h, (after->n - before->n) / HISTORY_PAGE_BYTES + 1) * HISTORY_PAGE_BYTES;
    for (size_t at = 0; at < before->n; at += HISTORY_PAGE_BYTES)
        if (at < 2 * (size_t)HISTORY_PAGE_BYTES || history_random(h, 2) == 0)
            memcpy(i.bytes + at, before->bytes + at, HISTORY_PAGE_BYTES);
    return i;
}

static void test_what_lmdb_leaves_is_good_at_every_moment(void **state) {
    (void)state;
    unsigned long n = 0;
    for (uint64_t of = seed; n < undamaged; of++) {
        history h;
        history_begin(&h, of);
        image before = history_image(&h);
        for (uint64_t steps = 1 + history_random(&h, 40); steps > 0; steps--, n += 2) {
            history_step(&h);
            if (history_random(&h, 10) == 0)
                history_reopen(&h);
            image after = history_image(&h);
            image crash = crash_make(&h, &before, &after);
            assert_good(&after, of);
            assert_good(&crash, of);
            image_free(&crash);
            image_free(&before);
            before = after;
        }
        image_free(&before);
        history_end(&h);
    }
    printf("%lu undamaged files, all good\n", n);
}

/* ---- damaged ------------------------------------------------------------------------------------ */

/* Whether LMDB comes through it alive; *ret_well: and without an error. */
static bool child_survives(const history *h, const image *i, bool *ret_well) {
    int status = 0;
    (void)fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(history_use(h, i) ? 0 : 3);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *ret_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return *ret_well || (WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static void test_lmdb_survives_every_file_that_is_called_good(void **state) {
    (void)state;
    unsigned long n = 0, good = 0;
    for (uint64_t of = seed; n < damaged; of++) {
        history h;
        history_begin(&h, of);
        for (uint64_t steps = 1 + history_random(&h, 20); steps > 0; steps--)
            history_step(&h);
        image whole = history_image(&h);
        for (unsigned times = 0; times < 25; times++, n++) {
            lmdb_check_report report;
            bool well = false;
            image i = image_copy(&whole);
            const char *how = image_damage(&h, &i);
            if (check_image(&i, &report) == LMDB_CHECK_GOOD) {
                good++;
                if (!child_survives(&h, &i, &well) || !well)
                    fail_msg("seed %llu, time %u: %s was called good, and LMDB %s", (unsigned long long)of,
                             times, how, well ? "failed" : "died or failed");
            }
            image_free(&i);
        }
        image_free(&whole);
        history_end(&h);
    }
    printf("%lu damaged files, %lu of them still good for LMDB\n", n, good);
}

/* ---- salvage ------------------------------------------------------------------------------------ */

#define FOUND_MAX 20000u

typedef struct found_entry {
    uint8_t key[HISTORY_KEY_MAX];
    size_t key_n;
    uint64_t page, value_page, value_pages;
} found_entry;

typedef struct found {
    size_t n;
    found_entry entries[FOUND_MAX];
} found;

static void entry_note(void *context, const lmdb_check_entry *e) {
    found *f = context;
    if (!history_value_right(e->key, e->key_n, e->value, e->value_n) || f->n == FOUND_MAX)
        return;
    found_entry *to = &f->entries[f->n++];
    assert_true(e->key_n <= sizeof to->key);
    memcpy(to->key, e->key, e->key_n);
    to->key_n = e->key_n;
    to->page = e->page;
    to->value_page = e->value_page;
    to->value_pages = e->value_page != 0 ? (e->value_n + 15) / HISTORY_PAGE_BYTES + 1 : 0;
}

static lmdb_check_sweep image_salvage(const image *i, const char *name, found *f) {
    lmdb_check_sweep sweep;
    int fd = image_fd(i);
    f->n = 0;
    assert_int_equal(lmdb_check_salvage(fd, NULL, name, 1u << 20, entry_note, f, &sweep), LMDB_CHECK_GOOD);
    close(fd);
    return sweep;
}

static bool found_has(const found *f, const found_entry *e) {
    for (size_t i = 0; i < f->n; i++)
        if (f->entries[i].key_n == e->key_n && memcmp(f->entries[i].key, e->key, e->key_n) == 0)
            return true;
    return false;
}

static bool entry_hit(const found_entry *e, uint64_t page) {
    return e->page == page || (page >= e->value_page && page < e->value_page + e->value_pages);
}

/* Every page broken in turn, the meta pages and the branches among them. */
static void test_what_the_damage_did_not_touch_comes_out(void **state) {
    (void)state;
    static found whole, rest;
    size_t tried = 0;
    for (uint64_t of = seed; tried < 200; of++) {
        history h;
        history_begin(&h, of);
        for (unsigned steps = 0; steps < 6; steps++)
            history_step(&h);
        image i = history_image(&h);
        lmdb_check_sweep sweep = image_salvage(&i, h.dbs[0].name, &whole);
        assert_int_equal(sweep.pages_bad, 0);
        size_t reached = (size_t)sweep.entries_reached;
        assert_true(whole.n >= reached || whole.n == FOUND_MAX);
        for (uint64_t page = 0; page < i.n / HISTORY_PAGE_BYTES && page < 40; page++, tried++) {
            image broken = image_copy(&i);
            memset(broken.bytes + page * HISTORY_PAGE_BYTES, (int)history_random(&h, 256),
                   HISTORY_PAGE_BYTES);
            image_salvage(&broken, h.dbs[0].name, &rest);
            for (size_t e = 0; e < reached && e < whole.n; e++)
                if (!entry_hit(&whole.entries[e], page) && !found_has(&rest, &whole.entries[e]))
                    fail_msg("seed %llu: page %llu broken, and an entry of page %llu is gone",
                             (unsigned long long)of, (unsigned long long)page,
                             (unsigned long long)whole.entries[e].page);
            image_free(&broken);
        }
        image_free(&i);
        history_end(&h);
    }
}

/* ---- other files -------------------------------------------------------------------------------- */

/* The bytes below are those of such a machine. */
static bool machine_is_other(void) {
    return sizeof(size_t) != 8 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ ||
           sysconf(_SC_PAGESIZE) != HISTORY_PAGE_BYTES;
}

static lmdb_check_reason reason_of(const uint8_t *bytes, size_t n) {
    lmdb_check_report report;
    image copy = {(uint8_t *)malloc(n + 1), n};
    assert_non_null(copy.bytes);
    memcpy(copy.bytes, bytes, n);
    (void)check_image(&copy, &report);
    image_free(&copy);
    return report.reason;
}

static void test_other_machines_and_other_files_are_named(void **state) {
    (void)state;
    uint8_t bytes[8192] = {0};
    if (machine_is_other())
        skip();
    const uint8_t magic[] = {0xDE, 0xC0, 0xEF, 0xBE, 1, 0, 0, 0}, swapped[] = {0xBE, 0xEF, 0xC0, 0xDE};
    assert_int_equal(reason_of(bytes, 0), LMDB_CHECK_EMPTY_FAULT);
    assert_int_equal(reason_of(bytes, 100), LMDB_CHECK_CUT_FAULT);
    assert_int_equal(reason_of(bytes, sizeof bytes), LMDB_CHECK_MAGIC_FAULT);
    memcpy(bytes + 12, magic, sizeof magic);
    assert_int_equal(reason_of(bytes, sizeof bytes), LMDB_CHECK_WORD_SIZE_FAULT);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes + 16, swapped, sizeof swapped);
    assert_int_equal(reason_of(bytes, sizeof bytes), LMDB_CHECK_BYTE_ORDER_FAULT);
    memcpy(bytes + 16, magic, sizeof magic);
    bytes[20] = 2;
    assert_int_equal(reason_of(bytes, sizeof bytes), LMDB_CHECK_VERSION_FAULT);
    assert_int_equal(lmdb_check_result_of(LMDB_CHECK_WORD_SIZE_FAULT), LMDB_CHECK_FOREIGN);
}

/* ---- one fault at a time ------------------------------------------------------------------------ */

static uint64_t word_of(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* The root of the unnamed database, where it is a leaf with two entries at least. */
static uint8_t *leaf_find(image *i) {
    const uint8_t *meta = i->bytes;
    if (word_of(meta + HISTORY_PAGE_BYTES + 144) > word_of(meta + 144))
        meta += HISTORY_PAGE_BYTES;
    uint8_t *page = i->bytes + word_of(meta + 128) * HISTORY_PAGE_BYTES;
    assert_int_equal(page[10], 2);
    assert_true(page[12] >= 20);
    return page;
}

static void half_put(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void test_each_fault_of_a_page_is_named(void **state) {
    (void)state;
    static const struct {
        unsigned at, value; /* two bytes of the leaf; value 0xffff: those that follow */
        lmdb_check_reason reason;
    } faults[] = {
        {0, 1, LMDB_CHECK_PAGE_NUMBER_FAULT},       {10, 4, LMDB_CHECK_PAGE_KIND_FAULT},
        {10, 0x22, LMDB_CHECK_PAGE_KIND_FAULT},     {12, 0, LMDB_CHECK_PAGE_BOUNDS_FAULT},
        {12, 0xfffe, LMDB_CHECK_PAGE_BOUNDS_FAULT}, {14, 4098, LMDB_CHECK_PAGE_BOUNDS_FAULT},
        {14, 4096, LMDB_CHECK_NODE_BOUNDS_FAULT},   {16, 0, LMDB_CHECK_NODE_BOUNDS_FAULT},
        {16, 4094, LMDB_CHECK_NODE_BOUNDS_FAULT},   {16, 0xffff, LMDB_CHECK_NODE_BOUNDS_FAULT},
    };
    history h;
    base_lmdb_txn *txn = NULL;
    if (machine_is_other())
        skip();
    for (uint64_t of = 1; history_begin(&h, of), h.n_dbs > 1 || h.dbs[0].integer_keys; of++)
        history_end(&h);
    assert_int_equal(base_lmdb_begin(h.env, true, &txn), BASE_LMDB_OK);
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal(base_lmdb_put(txn, 0, (base_lmdb_val){&"abcd"[n], 1}, (base_lmdb_val){"value", 5}),
                         BASE_LMDB_OK);
    assert_int_equal(base_lmdb_commit(txn), BASE_LMDB_OK);
    image whole = history_image(&h);
    for (size_t n = 0; n < sizeof faults / sizeof faults[0]; n++) {
        image i = image_copy(&whole);
        uint8_t *at = leaf_find(&i) + faults[n].at;
        half_put(at, faults[n].value == 0xffff ? at[2] + 256u * at[3] : faults[n].value);
        assert_int_equal(reason_of(i.bytes, i.n), faults[n].reason);
        image_free(&i);
    }
    uint8_t *first = leaf_find(&whole) + 16, kept[2];
    memcpy(kept, first, 2);
    memcpy(first, first + 2, 2);
    memcpy(first + 2, kept, 2);
    assert_int_equal(reason_of(whole.bytes, whole.n), LMDB_CHECK_KEY_ORDER_FAULT);
    image_free(&whole);
    history_end(&h);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_lmdb_leaves_is_good_at_every_moment),
        cmocka_unit_test(test_lmdb_survives_every_file_that_is_called_good),
        cmocka_unit_test(test_what_the_damage_did_not_touch_comes_out),
        cmocka_unit_test(test_each_fault_of_a_page_is_named),
        cmocka_unit_test(test_other_machines_and_other_files_are_named),
    };
    const char *text = getenv("WADI_TEST_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    if (argc == 3) {
        undamaged = strtoul(argv[1], NULL, 10);
        damaged = strtoul(argv[2], NULL, 10);
    }
    printf("WADI_TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

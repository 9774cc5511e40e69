/* Files of a few columns of our own, through a store that keeps them in memory. What is in them is read back
 * by others (tests/integration/parquet); here it is where pages and row groups end, and what memory it takes.
 */
#include "collector/sinks/parquet/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const column_spec specs[] = {
    {.path = {"time"}, .type = COLUMN_INT64, .index = INDEX_PAGES, .timestamp = true},
    {.path = {"text"},
     .type = COLUMN_STRING,
     .role = ROLE_NULLABLE,
     .index = INDEX_PAGES,
     .dictionary = true},
    {.path = {"map", "key_value", "key"}, .type = COLUMN_STRING, .role = ROLE_MAP_KEY, .dictionary = true},
    {.path = {"map", "key_value", "value"},
     .type = COLUMN_STRING,
     .role = ROLE_MAP_VALUE,
     .dictionary = true},
};
enum { TIME, TEXT, KEY, VALUE, COLUMNS };

static bytes kept;
static bool full;

static sink_err keep_begin(void *store, uint32_t slot, const char *name) {
    (void)store, (void)slot, (void)name;
    kept.n = 0;
    return SINK_OK;
}

static sink_err keep_write(void *store, const void *data, size_t n) {
    (void)store;
    bytes_put(&kept, data, n);
    return full ? SINK_ERR_NO_SPACE : SINK_OK;
}

static sink_err keep_finish(void *store) {
    (void)store;
    return SINK_OK;
}

static const sink_store_ops keep_ops = {
    .aside_begin = keep_begin, .aside_write = keep_write, .aside_finish = keep_finish};

static int set_up(void **state) {
    parquet_file *f = calloc(1, sizeof *f);
    if (!f || !parquet_file_init(f, (sink_store){&keep_ops, NULL}, OUTPUT_ZSTD, specs, COLUMNS, TIME))
        return 1;
    *state = f;
    full = false;
    return parquet_file_begin(f, 0, "name") != SINK_OK;
}

static int tear_down(void **state) {
    parquet_file_fini(*state);
    free(*state);
    return 0;
}

static sink_err row_put(parquet_file *f, int64_t us, const char *text, size_t text_n, uint32_t n_entries) {
    column_put_int(&f->columns[TIME], us);
    levels_put(f->columns[TEXT].levels, text != NULL);
    if (text)
        column_put(&f->columns[TEXT], text, text_n);
    levels_put_map(f->columns[KEY].levels, n_entries);
    for (uint32_t i = 0; i < n_entries; i++) {
        column_put(&f->columns[KEY], &i, sizeof i);
        column_put(&f->columns[VALUE], "v", 1);
    }
    return parquet_file_row(f);
}

static void finish(parquet_file *f) {
    uint64_t n;
    uint32_t crc;
    assert_int_equal(parquet_file_finish(f, "test", &n, &crc), SINK_OK);
    assert_int_equal(n, kept.n);
    assert_memory_equal(kept.data, "PAR1", 4);
    assert_memory_equal(kept.data + n - 4, "PAR1", 4);
    uint32_t footer;
    memcpy(&footer, kept.data + n - 8, sizeof footer);
    assert_true(footer + 12 <= n);
}

static void test_no_rows_then_a_file_without_row_groups(void **state) {
    parquet_file *f = *state;
    finish(f);
    assert_int_equal(f->n_row_groups, 0);
}

static void test_pages_then_all_columns_end_them_at_the_same_row(void **state) {
    parquet_file *f = *state;
    for (uint32_t i = 0; i < 3 * PAGE_ROWS_MAX + 1; i++)
        assert_int_equal(row_put(f, i, i % 3 ? "text" : NULL, 4, 0), SINK_OK);
    for (uint32_t c = 0; c < COLUMNS; c++) {
        assert_int_equal(f->columns[c].n_pages, 3);
        assert_int_equal(f->columns[c].infos[2].first_row, 2 * PAGE_ROWS_MAX);
    }
    assert_int_equal(f->columns[TEXT].bounds.nulls, PAGE_ROWS_MAX);
    finish(f);
    assert_int_equal(f->n_row_groups, 1);
}

static void test_large_maps_then_a_page_ends_at_the_row_behind_its_limit(void **state) {
    parquet_file *f = *state;
    uint32_t rows = 0;
    for (; f->columns[KEY].n_pages == 0; rows++)
        assert_int_equal(row_put(f, rows, NULL, 0, WIRE_PROPS_MAX), SINK_OK);
    assert_int_equal(rows, PAGE_ENTRIES_MAX / WIRE_PROPS_MAX);
    assert_int_equal(f->columns[VALUE].infos[0].bounds.nulls, 0);
    finish(f);
}

static void test_rows_then_a_row_group_ends_at_its_limit_and_numbers_are_void(void **state) {
    parquet_file *f = *state;
    uint64_t generation = f->generation;
    for (uint32_t i = 0; i < ROW_GROUP_ROWS_MAX; i++) {
        assert_int_equal(f->n_row_groups, 0);
        assert_int_equal(row_put(f, i, "text", 4, 1), SINK_OK);
    }
    assert_int_equal(f->n_row_groups, 1);
    assert_true(f->generation != generation);
    assert_int_equal(f->columns[TEXT].dictionary.n, 0);
    finish(f);
}

static void test_few_values_then_numbers_and_many_then_the_values_themselves(void **state) {
    parquet_file *f = *state;
    char text[16];
    for (uint32_t i = 0; i < PAGE_ROWS_MAX; i++) {
        snprintf(text, sizeof text, "%u", i % 100);
        assert_int_equal(row_put(f, i, text, strlen(text), 0), SINK_OK);
    }
    assert_int_equal(f->columns[TEXT].n_coded_pages, 1);
    for (uint32_t i = 0; f->columns[TEXT].open; i++) { /* in the midst of a page */
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(row_put(f, i, text, strlen(text), 0), SINK_OK);
    }
    assert_int_equal(f->columns[TEXT].n_codes, 0);
    assert_true(f->columns[TEXT].plain.n > 0);
    uint32_t coded = f->columns[TEXT].n_coded_pages;
    while (f->columns[TEXT].n_pages == coded)
        assert_int_equal(row_put(f, 0, "t", 1, 0), SINK_OK);
    assert_int_equal(f->columns[TEXT].n_coded_pages, coded);
    finish(f);
}

static void test_no_value_twice_then_the_dictionary_is_given_up_for_the_object(void **state) {
    parquet_file *f = *state;
    char text[16];
    for (uint32_t i = 0; i < PAGE_ROWS_MAX; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(row_put(f, i, text, strlen(text), 0), SINK_OK);
    }
    assert_int_equal(f->columns[TEXT].n_coded_pages, 0);
    assert_false(f->columns[TEXT].open);
    finish(f);
    assert_int_equal(parquet_file_begin(f, 0, "next"), SINK_OK);
    assert_true(f->columns[TEXT].open);
}

static void test_huge_texts_then_memory_stays_within_its_bound(void **state) {
    parquet_file *f = *state;
    static char text[32768];
    srand(5);
    uint64_t most = 0;
    for (uint32_t i = 0; i < 4000; i++) { /* 128 MB that nothing makes smaller */
        for (size_t k = 0; k < sizeof text; k += 4)
            memcpy(text + k, &(int){rand() & 0x7F7F7F7F}, 4);
        assert_int_equal(row_put(f, i, text, sizeof text, 0), SINK_OK);
        uint64_t held = 0;
        for (uint32_t c = 0; c < COLUMNS; c++)
            held += column_bytes(&f->columns[c]) + f->columns[c].plain.cap;
        most = held > most ? held : most;
        kept.n = 4; /* nor do we keep them */
    }
    assert_true(f->n_row_groups >= 4);
    assert_true(most <= ROW_GROUP_BYTES_MAX + 4 * PAGE_PLAIN_BYTES_MAX);
}

static void test_compressible_texts_then_a_row_group_is_no_larger_than_readers_like(void **state) {
    parquet_file *f = *state;
    static char text[32768];
    uint32_t rows = 0;
    for (; f->n_row_groups == 0; rows++) {
        memcpy(text, &rows, sizeof rows);
        assert_int_equal(row_put(f, rows, text, sizeof text, 0), SINK_OK);
    }
    assert_true((uint64_t)rows * sizeof text <= ROW_GROUP_RAW_BYTES_MAX + 2 * PAGE_PLAIN_BYTES_MAX);
    finish(f);
}

static void test_full_store_then_says_so_and_the_next_file_is_whole(void **state) {
    parquet_file *f = *state;
    full = true;
    uint64_t n;
    uint32_t crc;
    assert_int_equal(row_put(f, 1, "text", 4, 1), SINK_OK);
    assert_int_equal(parquet_file_finish(f, "test", &n, &crc), SINK_ERR_NO_SPACE);
    full = false;
    assert_int_equal(parquet_file_begin(f, 0, "again"), SINK_OK);
    assert_int_equal(row_put(f, 1, "text", 4, 1), SINK_OK);
    finish(f);
    assert_int_equal(f->rows, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_no_rows_then_a_file_without_row_groups),
        TEST(test_pages_then_all_columns_end_them_at_the_same_row),
        TEST(test_large_maps_then_a_page_ends_at_the_row_behind_its_limit),
        TEST(test_rows_then_a_row_group_ends_at_its_limit_and_numbers_are_void),
        TEST(test_few_values_then_numbers_and_many_then_the_values_themselves),
        TEST(test_no_value_twice_then_the_dictionary_is_given_up_for_the_object),
        TEST(test_huge_texts_then_memory_stays_within_its_bound),
        TEST(test_compressible_texts_then_a_row_group_is_no_larger_than_readers_like),
        TEST(test_full_store_then_says_so_and_the_next_file_is_whole),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bytes_free(&kept);
    return failed;
}

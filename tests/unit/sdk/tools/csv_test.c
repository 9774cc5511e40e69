#include "sdk/tools/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static csv_reader reader;

static FILE *text_open(const char *text, size_t n) {
    FILE *in = tmpfile();
    assert_non_null(in);
    assert_int_equal(fwrite(text, 1, n, in), n);
    rewind(in);
    csv_init(&reader, in);
    return in;
}

static void text_close(FILE *in) {
    csv_fini(&reader);
    fclose(in);
}

/* Writes what was read as cells in <> and rows in lines, a bad row as ! and its line number. */
static void reads(const char *text, const char *expected) {
    char got[4096] = "";
    size_t n = 0;
    FILE *in = text_open(text, strlen(text));
    csv_result result;
    while ((result = csv_next(&reader)) != CSV_END) {
        assert_int_not_equal(result, CSV_FAILED);
        if (result == CSV_BAD)
            n += (size_t)snprintf(got + n, sizeof got - n, "!%u", (unsigned)reader.line);
        for (size_t i = 0; result == CSV_ROW && i < reader.n_cells; i++) {
            assert_int_equal(strlen(reader.cells[i].text), reader.cells[i].n);
            n += (size_t)snprintf(got + n, sizeof got - n, "<%s>", reader.cells[i].text);
        }
        n += (size_t)snprintf(got + n, sizeof got - n, "|");
    }
    text_close(in);
    assert_string_equal(got, expected);
}

static void test_next_when_rows_are_plain_then_their_cells(void **state) {
    (void)state;
    reads("", "");
    reads("a,b,c\n", "<a><b><c>|");
    reads("a,b\nc,d", "<a><b>|<c><d>|");
    reads("a,b\r\nc,d\r\n", "<a><b>|<c><d>|");
    reads(",\n", "<><>|");
    reads("a,\n,b\n", "<a><>|<><b>|");
    reads(" a , b \n", "< a >< b >|");
    reads("\n\na\n\r\nb\n", "<a>|<b>|");
    reads("\xEF\xBB\xBF"
          "a,b\n",
          "<a><b>|");
    reads("a\rb,c\n", "<a\rb><c>|");
}

static void test_next_when_cells_are_quoted_then_unquoted(void **state) {
    (void)state;
    reads("\"a\",\"b\"\n", "<a><b>|");
    reads("\"a,b\",c\n", "<a,b><c>|");
    reads("\"a\"\"b\",\"\"\"\"\n", "<a\"b><\">|");
    reads("\"\",\"\"\n", "<><>|");
    reads("\"a\nb\r\nc\",d\ne\n", "<a\nb\r\nc><d>|<e>|");
    reads("\"a\"", "<a>|");
    reads("5\" disk,\"6\"\" disk\"\r\n", "<5\" disk><6\" disk>|");
}

static void test_next_when_a_row_is_bad_then_the_next_one_is_read(void **state) {
    (void)state;
    reads("a\n\"b\"c,d\ne\n", "<a>|!2|<e>|");
    reads("\"a\nb\"x\nc\n", "!1|<c>|");
    reads("a\n\"never closed\nb\n", "<a>|!2|");
}

static void test_next_when_cells_hold_newlines_then_line_numbers_are_of_the_text(void **state) {
    (void)state;
    static const char text[] = "a\n\"b\nb\"\r\n\n\"c\n";
    FILE *in = text_open(text, sizeof text - 1);
    assert_int_equal(csv_next(&reader), CSV_ROW);
    assert_int_equal(reader.line, 1);
    assert_int_equal(csv_next(&reader), CSV_ROW);
    assert_int_equal(reader.line, 2);
    assert_int_equal(csv_next(&reader), CSV_BAD);
    assert_int_equal(reader.line, 5);
    assert_non_null(reader.error);
    assert_int_equal(csv_next(&reader), CSV_END);
    text_close(in);
}

static void test_next_when_a_cell_holds_zero_bytes_then_they_are_kept(void **state) {
    (void)state;
    FILE *in = text_open("a\0b,c\n", 6);
    assert_int_equal(csv_next(&reader), CSV_ROW);
    assert_int_equal(reader.n_cells, 2);
    assert_int_equal(reader.cells[0].n, 3);
    assert_memory_equal(reader.cells[0].text, "a\0b", 4);
    text_close(in);
}

static void test_next_when_it_is_no_text_then_failed(void **state) {
    (void)state;
    FILE *in = text_open("\xEF\xBBx\n", 4);
    assert_int_equal(csv_next(&reader), CSV_FAILED);
    assert_non_null(reader.error);
    text_close(in);
}

static void test_next_when_beyond_a_limit_then_bad_and_on(void **state) {
    (void)state;
    size_t n = CSV_ROW_BYTES_MAX + CSV_CELLS_MAX + 16;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'x', n);
    text[CSV_ROW_BYTES_MAX] = '\n';
    memset(text + CSV_ROW_BYTES_MAX + 1, ',', CSV_CELLS_MAX);
    memcpy(text + n - 5, "\nok\n", 4);
    FILE *in = text_open(text, n - 1);
    assert_int_equal(csv_next(&reader), CSV_BAD);
    assert_int_equal(csv_next(&reader), CSV_BAD);
    assert_int_equal(csv_next(&reader), CSV_ROW);
    assert_string_equal(reader.cells[0].text, "ok");
    text_close(in);
    text[CSV_ROW_BYTES_MAX - 1] = '\n'; /* with its terminator it just fits */
    in = text_open(text, n - 1);
    assert_int_equal(csv_next(&reader), CSV_ROW);
    assert_int_equal(reader.cells[0].n, CSV_ROW_BYTES_MAX - 1);
    text_close(in);
    free(text);
}

/* Whatever cells, quoted by the book: they come back as they were. */
static void test_next_when_random_cells_are_quoted_then_they_come_back(void **state) {
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 2000; round++) {
        char cells[5][8], text[256];
        size_t n = 0;
        for (int i = 0; i < 5; i++) {
            size_t cell_n = (size_t)rand() % sizeof cells[0];
            text[n++] = '"';
            for (size_t j = 0; j < cell_n; j++) {
                cells[i][j] = "ab\",\n\r "[rand() % 7];
                text[n++] = cells[i][j];
                if (cells[i][j] == '"')
                    text[n++] = '"';
            }
            cells[i][cell_n] = '\0';
            text[n++] = '"';
            text[n++] = i < 4 ? ',' : '\n';
        }
        FILE *in = text_open(text, n);
        assert_int_equal(csv_next(&reader), CSV_ROW);
        assert_int_equal(reader.n_cells, 5);
        for (int i = 0; i < 5; i++)
            assert_string_equal(reader.cells[i].text, cells[i]);
        assert_int_equal(csv_next(&reader), CSV_END);
        text_close(in);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_when_rows_are_plain_then_their_cells),
        cmocka_unit_test(test_next_when_cells_are_quoted_then_unquoted),
        cmocka_unit_test(test_next_when_a_row_is_bad_then_the_next_one_is_read),
        cmocka_unit_test(test_next_when_cells_hold_newlines_then_line_numbers_are_of_the_text),
        cmocka_unit_test(test_next_when_a_cell_holds_zero_bytes_then_they_are_kept),
        cmocka_unit_test(test_next_when_it_is_no_text_then_failed),
        cmocka_unit_test(test_next_when_beyond_a_limit_then_bad_and_on),
        cmocka_unit_test(test_next_when_random_cells_are_quoted_then_they_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

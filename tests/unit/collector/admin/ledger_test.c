#include "ledger_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 5 };

/* Five installations, in the order of their ids; the fourth and fifth differ in their tenant only. */
static ledger_row rows[ROWS];
static bool broken;

static int row_compare(const ledger_row *a, const ledger_row *b) {
    int order = memcmp(a->installation, b->installation, sizeof a->installation);
    return order != 0 ? order : strcmp(a->tenant, b->tenant);
}

static enum admin_result total_get(void *context, ledger *ret_total) {
    (void)context;
    *ret_total = (ledger){.numbers = 10, .delivered = 6, .dropped = {2, 0, 2}, .streams = 5};
    return broken ? ADMIN_UNAVAILABLE : ADMIN_OK;
}

static enum admin_result page_get(void *context, const ledger_row *after, size_t rows_max,
                                  ledger_row *ret_rows, size_t *ret_count) {
    (void)context;
    *ret_count = 0;
    for (size_t i = 0; i < ROWS && *ret_count < rows_max; i++)
        if (row_compare(&rows[i], after) > 0)
            ret_rows[(*ret_count)++] = rows[i];
    return broken ? ADMIN_UNAVAILABLE : ADMIN_OK;
}

static const struct admin_ops ops = {total_get, page_get};
static const struct admin_options options = {.collector = "c\"1", .version = "1", .ops = &ops};

static int rows_make(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        rows[i].installation[15] = (uint8_t)(i < 4 ? i + 1 : 4);
        snprintf(rows[i].tenant, sizeof rows[i].tenant, "%s", i < 4 ? "shop" : "so\"p");
        rows[i].sums = (ledger){.numbers = i, .delivered = i};
    }
    broken = false;
    return 0;
}

static char json[16384];

static enum ledger_result get(const char *query) {
    struct text out;
    text_init(&out, json, sizeof json);
    return ledger_json(&options, query, &out);
}

/* Reads the cursor of the next page; false on the last. */
static bool next_get(char ret_query[256], const char *limit) {
    const char *next = strstr(json, "\"next\":");
    char cursor[200];
    assert_non_null(next);
    if (sscanf(next, "\"next\":\"%199[0-9a-f]\"", cursor) != 1)
        return false;
    snprintf(ret_query, 256, "after=%s&limit=%s", cursor, limit);
    return true;
}

static size_t rows_shown(void) {
    size_t count = 0;
    for (const char *at = json; (at = strstr(at, "\"tenant\":")); at++)
        count++;
    return count;
}

static void test_ledger_when_asked_then_total_and_rows(void **state) {
    (void)state;
    assert_int_equal(get(NULL), LEDGER_OK);
    static const char start[] = "{\"collector\":\"c\\\"1\",\"total\":{\"numbers\":10,\"delivered\":6,";
    assert_memory_equal(json, start, sizeof start - 1);
    assert_non_null(strstr(json, "\"dropped\":{\"other\":2,\"disk_quota\":0,\"age\":2,"));
    assert_non_null(strstr(json, "\"balanced\":true},\"installations\":["));
    assert_non_null(
        strstr(json, "{\"tenant\":\"so\\\"p\",\"installation\":\"00000000000000000000000000000004\","));
    assert_int_equal(rows_shown(), ROWS);
    assert_non_null(strstr(json, "],\"next\":null}\n"));
}

static void test_ledger_when_paged_then_every_row_once(void **state) {
    (void)state;
    size_t shown = 0, pages = 1;
    char query[256] = "limit=2";
    assert_int_equal(get(query), LEDGER_OK);
    for (shown += rows_shown(); next_get(query, "2"); shown += rows_shown(), pages++) {
        assert_int_equal(get(query), LEDGER_OK);
        assert_null(strstr(json, "\"total\":"));
    }
    assert_int_equal(shown, ROWS);
    assert_int_equal(pages, 3);
}

static void test_ledger_when_the_query_is_wrong_then_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"limit=0", "limit=1001",      "limit=", "limit=1x",
                                      "after=",  "after=00",        "x=1",    "limit=99999999999999999999",
                                      "limit",   "after=zz&limit=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (get(bad[i]) != LEDGER_BAD_QUERY)
            fail_msg("taken: %s", bad[i]);
    char endless[2048];
    memset(endless, 'a', sizeof endless);
    memcpy(endless, "after=", 6);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(get(endless), LEDGER_BAD_QUERY);
    endless[400] = '\0';
    assert_int_equal(get(endless), LEDGER_BAD_QUERY);
}

static void test_ledger_when_it_cannot_be_read_then_says_so(void **state) {
    (void)state;
    broken = true;
    assert_int_equal(get(NULL), LEDGER_UNAVAILABLE);
    assert_string_equal(json, "{\"error\":\"the ledger cannot be read now\"}\n");
}

static void test_ledger_when_a_number_is_missing_then_unbalanced(void **state) {
    (void)state;
    rows[2].sums.delivered--;
    assert_int_equal(get(NULL), LEDGER_OK);
    assert_non_null(strstr(json, "\"balanced\":false"));
    assert_false(ledger_balances(&rows[2].sums));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_ledger_when_asked_then_total_and_rows, rows_make),
        cmocka_unit_test_setup(test_ledger_when_paged_then_every_row_once, rows_make),
        cmocka_unit_test_setup(test_ledger_when_the_query_is_wrong_then_refused, rows_make),
        cmocka_unit_test_setup(test_ledger_when_it_cannot_be_read_then_says_so, rows_make),
        cmocka_unit_test_setup(test_ledger_when_a_number_is_missing_then_unbalanced, rows_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

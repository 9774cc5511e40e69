#include "kafka/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static records_err take(records *r, const char *key, const char *value) {
    return records_take(r, key, key ? strlen(key) : 0, value, value ? strlen(value) : 0);
}

static void test_records_take_when_several_then_the_newest_of_each_key_counts(void **state) {
    (void)state;
    records r = {.id = "c1-out"};
    assert_int_equal(take(&r, "c1-out/owners", "aa 1"), RECORDS_OK);
    assert_int_equal(take(&r, "c1-out", "{1}"), RECORDS_OK);
    assert_int_equal(take(&r, "c1-out", "{22}"), RECORDS_OK);
    assert_int_equal(take(&r, "c1-out/owners", "bb 7"), RECORDS_OK);
    assert_string_equal(r.commit, "{22}");
    assert_int_equal(r.commit_n, 4);
    assert_string_equal(r.owner, "bb 7");
    records_fini(&r);
}

static void test_records_take_when_removed_then_there_is_none(void **state) {
    (void)state;
    records r = {.id = "c1-out"};
    assert_int_equal(take(&r, "c1-out", "{1}"), RECORDS_OK);
    assert_int_equal(take(&r, "c1-out/owners", "aa 1"), RECORDS_OK);
    assert_int_equal(take(&r, "c1-out", NULL), RECORDS_OK);
    assert_int_equal(take(&r, "c1-out/owners", NULL), RECORDS_OK);
    assert_null(r.commit);
    assert_string_equal(r.owner, "");
    records_fini(&r);
}

static void test_records_take_when_of_another_sink_then_refused(void **state) {
    (void)state;
    static const char *const foreign[] = {
        NULL, "", "c1", "c1-other", "c1-out2", "c1-out/owner", "c1-out/owners2"};
    records r = {.id = "c1-out"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        assert_int_equal(take(&r, foreign[i], "x"), RECORDS_ERR_FOREIGN);
    assert_null(r.commit);
    records_fini(&r);
}

static void test_records_take_when_the_owner_is_too_long_then_refused(void **state) {
    (void)state;
    char owner[RECORDS_OWNER_SIZE];
    memset(owner, 'a', sizeof owner);
    records r = {.id = "c1-out"};
    assert_int_equal(records_take(&r, "c1-out/owners", 13, owner, sizeof owner), RECORDS_ERR_DATA);
    assert_int_equal(records_take(&r, "c1-out/owners", 13, owner, sizeof owner - 1), RECORDS_OK);
    assert_int_equal(strlen(r.owner), sizeof owner - 1);
    records_fini(&r);
}

static void test_records_take_when_an_owner_names_a_history_then_it_is_known(void **state) {
    (void)state;
    static const char *const none[] = {"aa 1", "aa 01234567", "aa 1 ../../xy", "aa 1 0123456",
                                       "aa 1 012345678"};
    records r = {.id = "c1-out"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(take(&r, "c1-out/owners", "aa 1 0123abcd"), RECORDS_OK);
        assert_string_equal(r.history, "0123abcd");
        assert_int_equal(take(&r, "c1-out/owners", none[i]), RECORDS_OK);
        assert_string_equal(r.history, "");
    }
    records_fini(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_take_when_several_then_the_newest_of_each_key_counts),
        cmocka_unit_test(test_records_take_when_removed_then_there_is_none),
        cmocka_unit_test(test_records_take_when_of_another_sink_then_refused),
        cmocka_unit_test(test_records_take_when_the_owner_is_too_long_then_refused),
        cmocka_unit_test(test_records_take_when_an_owner_names_a_history_then_it_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

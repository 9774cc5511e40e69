#include "kafka/oversize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Tries batches of `sizes` at a broker with a limit, as the sink does, until one goes through. */
static unsigned attempts_until_through(oversize *o, const size_t *sizes, size_t n, size_t limit) {
    for (unsigned attempt = 1; attempt < 50; attempt++) {
        size_t begin = 0, batch = 0;
        bool refused = false;
        for (size_t i = 0; i <= n; i++) {
            if (i < n && oversize_is(o, i + 1))
                continue;
            if (i == n || (batch > 0 && batch + sizes[i] > o->batch_bytes)) {
                for (size_t j = begin; batch > limit && j < i; j++)
                    if (!oversize_is(o, j + 1)) {
                        oversize_take(o, j + 1, sizes[j], i - begin == 1);
                        refused = true;
                    }
                begin = i;
                batch = 0;
            }
            batch += i < n ? sizes[i] : 0;
        }
        if (!refused)
            return attempt;
        oversize_learn(o);
    }
    fail_msg("never through");
    return 0;
}

static void test_oversize_when_one_message_is_too_large_then_it_alone_is_set_aside(void **state) {
    (void)state;
    oversize o = {.batch_bytes = 1000000};
    size_t sizes[100];
    for (size_t i = 0; i < 100; i++)
        sizes[i] = i == 42 ? 150000 : 700;
    unsigned attempts = attempts_until_through(&o, sizes, 100, 100000);
    assert_true(attempts <= 5);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(oversize_is(&o, i + 1), i == 42);
    oversize_fini(&o);
}

static void test_oversize_when_only_batches_are_too_large_then_nothing_is_set_aside(void **state) {
    (void)state;
    oversize o = {.batch_bytes = 1000000};
    size_t sizes[3000];
    for (size_t i = 0; i < 3000; i++)
        sizes[i] = 300 + i % 200;
    unsigned attempts = attempts_until_through(&o, sizes, 3000, 60000);
    assert_true(attempts <= 4);
    assert_int_equal(o.n, 0);
    assert_true(o.batch_bytes >= OVERSIZE_BATCH_LEAST);
    oversize_fini(&o);
}

/* Nobody is set aside for what its neighbours are, however low a topic's limit is. */
static void test_oversize_when_the_limit_is_very_low_then_only_what_is_above_is_set_aside(void **state) {
    (void)state;
    oversize o = {.batch_bytes = 1000000};
    size_t sizes[200];
    for (size_t i = 0; i < 200; i++)
        sizes[i] = i % 50 == 7 ? 3000 : 100 + i;
    unsigned attempts = attempts_until_through(&o, sizes, 200, 1000);
    assert_true(attempts <= 8);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(oversize_is(&o, i + 1), i % 50 == 7);
    oversize_fini(&o);
}

static void test_oversize_forget_then_rows_are_free_again(void **state) {
    (void)state;
    oversize o = {.batch_bytes = OVERSIZE_BATCH_LEAST};
    uint64_t rows[] = {oversize_row(9, 3, 1), oversize_row(7, 0, 0), oversize_row(9, 3, 0)};
    for (unsigned i = 0; i < 3; i++) {
        oversize_take(&o, rows[i], OVERSIZE_BATCH_LEAST, true);
        oversize_take(&o, rows[i], OVERSIZE_BATCH_LEAST, true); /* twice */
    }
    oversize_learn(&o);
    assert_int_equal(o.n, 3);
    assert_true(oversize_is(&o, oversize_row(9, 3, 1)));
    assert_false(oversize_is(&o, oversize_row(9, 2, 1)));
    oversize_forget(&o);
    assert_false(oversize_is(&o, rows[0]));
    oversize_fini(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oversize_when_one_message_is_too_large_then_it_alone_is_set_aside),
        cmocka_unit_test(test_oversize_when_only_batches_are_too_large_then_nothing_is_set_aside),
        cmocka_unit_test(test_oversize_when_the_limit_is_very_low_then_only_what_is_above_is_set_aside),
        cmocka_unit_test(test_oversize_forget_then_rows_are_free_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

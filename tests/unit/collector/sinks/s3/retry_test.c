#include "s3/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static s3_verdict of_status(unsigned status, const char *code) {
    return s3_judge(&(http_answer){.status = status}, code);
}

static void test_answers_then_repeated_only_where_that_helps(void **state) {
    (void)state;
    assert_int_equal(of_status(200, ""), S3_DONE);
    assert_int_equal(of_status(204, ""), S3_DONE);
    static const unsigned again[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        assert_int_equal(of_status(again[i], ""), S3_AGAIN);
    assert_int_equal(of_status(400, "RequestTimeout"), S3_AGAIN);
    assert_int_equal(of_status(409, "ConditionalRequestConflict"), S3_AGAIN);
    assert_int_equal(of_status(400, "ExpiredToken"), S3_AGAIN_WITH_KEYS);
    assert_int_equal(of_status(501, ""), S3_UNSUPPORTED);
    static const unsigned refused[] = {301, 400, 403, 404, 409, 412, 413};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(of_status(refused[i], ""), S3_REFUSED);
    assert_int_equal(of_status(403, "RequestTimeTooSkewed"), S3_REFUSED);
}

static void test_failures_then_repeated_unless_it_is_ours(void **state) {
    (void)state;
    for (http_failure f = HTTP_ERR_RESOLVE; f <= HTTP_ERR_OTHER; f++) {
        bool ours = f == HTTP_ERR_TOO_LARGE || f == HTTP_ERR_STOPPED || f == HTTP_ERR_MEMORY;
        assert_int_equal(s3_judge(&(http_answer){.failure = f}, ""), ours ? S3_REFUSED : S3_AGAIN);
    }
}

static void test_indefinite_when_the_server_may_have_done_it(void **state) {
    (void)state;
    assert_true(s3_indefinite(&(http_answer){.failure = HTTP_ERR_CUT}));
    assert_true(s3_indefinite(&(http_answer){.failure = HTTP_ERR_TIMEOUT}));
    assert_true(s3_indefinite(&(http_answer){.status = 500}));
    assert_false(s3_indefinite(&(http_answer){.failure = HTTP_ERR_CONNECT}));
    assert_false(s3_indefinite(&(http_answer){.status = 412}));
}

static void test_delay_then_full_jitter_below_a_growing_bound(void **state) {
    (void)state;
    static const uint64_t most[] = {200000, 400000, 800000, 1600000, 3200000, 5000000, 5000000};
    for (uint32_t attempt = 1; attempt <= 7; attempt++) {
        assert_int_equal(s3_delay_us(attempt, 0, 0), 0);
        assert_in_range(s3_delay_us(attempt, UINT32_MAX, 0), most[attempt - 1] - 2, most[attempt - 1]);
    }
    assert_int_equal(s3_delay_us(1, 0, 3), 3000000);
    assert_in_range(s3_delay_us(1, UINT32_MAX, 3), 3199998, 3200000);
    assert_int_equal(s3_delay_us(1, 0, 86400), 30000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_then_repeated_only_where_that_helps),
        cmocka_unit_test(test_failures_then_repeated_unless_it_is_ours),
        cmocka_unit_test(test_indefinite_when_the_server_may_have_done_it),
        cmocka_unit_test(test_delay_then_full_jitter_below_a_growing_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

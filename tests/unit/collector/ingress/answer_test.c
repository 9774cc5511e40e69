#include "collector/ingress/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static char out[ANSWER_BYTES_MAX + 1];

static void test_text_then_head_and_body_in_one_piece(void **state) {
    (void)state;
    const struct answer answer = {.status = 404, .date = "Thu, 01 Jan 1970 00:00:00 GMT"};
    out[answer_format_text(&answer, "nothing", out)] = '\0';
    assert_string_equal(out, "HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 8\r\n\r\nnothing\n");
}

static void test_head_only_then_the_length_without_the_body(void **state) {
    (void)state;
    const struct answer answer = {
        .status = 405, .close = true, .head_only = true, .headers = "Allow: POST\r\n"};
    out[answer_format_text(&answer, "nothing", out)] = '\0';
    assert_string_equal(out, "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\n"
                             "Content-Length: 8\r\nAllow: POST\r\nConnection: close\r\n\r\n");
}

static wire_ack ack_of(size_t n) {
    const char *body = strstr(out, "\r\n\r\n") + 4;
    wire_ack ack;
    assert_int_equal(wire_ack_decode((const uint8_t *)body, n - (size_t)(body - out), &ack), WIRE_OK);
    return ack;
}

static void test_ack_then_decoded_to_the_same(void **state) {
    (void)state;
    const struct answer answer = {.status = 200, .keep_alive_1_0 = true};
    const wire_ack sent = {
        .status = WIRE_STATUS_OK, .agreed_through = 77, .collector = "here", .received_us = 5};
    size_t n = answer_format_ack(&answer, &sent, out);
    out[n] = '\0';
    wire_ack ack = ack_of(n);
    assert_int_equal(ack.agreed_through, 77);
    assert_string_equal(ack.collector, "here");
    assert_non_null(strstr(out, "\r\nConnection: keep-alive\r\n"));
    assert_non_null(strstr(out, "\r\nContent-Type: application/x-protobuf\r\n"));
    assert_null(strstr(out, "Retry-After"));
}

static void test_longest_ack_then_it_fits(void **state) {
    (void)state;
    const struct answer answer = {.status = 431,
                                  .close = true,
                                  .date = "Thu, 01 Jan 1970 00:00:00 GMT",
                                  .headers = "Accept-Encoding: zstd, gzip, identity\r\n"};
    wire_ack ack = {.status = WIRE_STATUS_UNVERIFIED,
                    .agreed_through = UINT64_MAX,
                    .next_seq = UINT64_MAX,
                    .chain = UINT64_MAX,
                    .received_us = INT64_MAX,
                    .sent_us = INT64_MIN,
                    .retry_after_ms = UINT32_MAX,
                    .refused_seq = UINT64_MAX,
                    .settings_version = UINT32_MAX};
    memset(ack.collector, 'c', sizeof ack.collector - 1);
    memset(ack.message, 'm', sizeof ack.message - 1);
    assert_true(answer_format_ack(&answer, &ack, out) < ANSWER_BYTES_MAX);
}

static void test_retry_after_then_whole_seconds_and_at_least_one(void **state) {
    (void)state;
    static const struct {
        uint32_t ms;
        const char *header;
    } cases[] = {{1, "Retry-After: 1\r\n"}, {1999, "Retry-After: 1\r\n"}, {60000, "Retry-After: 60\r\n"}};
    const struct answer answer = {.status = 503};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const wire_ack ack = {.status = WIRE_STATUS_RETRY, .retry_after_ms = cases[i].ms};
        out[answer_format_ack(&answer, &ack, out)] = '\0';
        assert_non_null(strstr(out, cases[i].header));
    }
}

static void test_faults_then_what_a_device_should_conclude(void **state) {
    (void)state;
    static const struct {
        uint16_t http;
        wire_status status;
    } cases[] = {{400, WIRE_STATUS_REFUSED}, {401, WIRE_STATUS_UNAUTHORIZED}, {403, WIRE_STATUS_UNAUTHORIZED},
                 {404, WIRE_STATUS_REFUSED}, {408, WIRE_STATUS_RETRY},        {413, WIRE_STATUS_TOO_LARGE},
                 {415, WIRE_STATUS_REFUSED}, {429, WIRE_STATUS_RETRY},        {431, WIRE_STATUS_REFUSED},
                 {500, WIRE_STATUS_RETRY},   {503, WIRE_STATUS_RETRY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fault fault;
        fault_set(&fault, cases[i].http, NULL, "number %d", 7);
        fault.refused_seq = 9;
        wire_ack ack = answer_fault_ack(&fault, "here", 1234);
        assert_int_equal(ack.status, cases[i].status);
        assert_int_equal(ack.retry_after_ms, cases[i].status == WIRE_STATUS_RETRY ? 1234 : 0);
        assert_string_equal(ack.message, "number 7");
        assert_string_equal(ack.collector, "here");
        assert_int_equal(ack.refused_seq, 9);
    }
}

static void test_broken_http_then_the_batch_is_not_refused(void **state) {
    (void)state;
    struct fault fault;
    fault_set(&fault, 400, NULL, "no host");
    assert_int_equal(fault_wire_status(&fault), WIRE_STATUS_REFUSED);
    fault.unjudged = true;
    assert_int_equal(fault_wire_status(&fault), WIRE_STATUS_RETRY);
}

static void test_date_then_as_http_wants_it(void **state) {
    (void)state;
    char date[ANSWER_DATE_BYTES];
    answer_date_format(784111777, date);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    answer_date_format(951782400, date);
    assert_string_equal(date, "Tue, 29 Feb 2000 00:00:00 GMT");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_then_head_and_body_in_one_piece),
        cmocka_unit_test(test_head_only_then_the_length_without_the_body),
        cmocka_unit_test(test_ack_then_decoded_to_the_same),
        cmocka_unit_test(test_longest_ack_then_it_fits),
        cmocka_unit_test(test_retry_after_then_whole_seconds_and_at_least_one),
        cmocka_unit_test(test_faults_then_what_a_device_should_conclude),
        cmocka_unit_test(test_broken_http_then_the_batch_is_not_refused),
        cmocka_unit_test(test_date_then_as_http_wants_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

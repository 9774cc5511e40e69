#include "sdk/src/transport/http_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Feeds the text in pieces of `step` bytes, then the end of the stream if `end`. */
static size_t feed(wdi_http_response *r, const char *text, size_t n, size_t step, bool end) {
    size_t taken = 0;
    wdi_http_init(r);
    while (taken < n && r->state != WDI_HTTP_DONE && r->state != WDI_HTTP_ERROR) {
        size_t piece = n - taken < step ? n - taken : step;
        taken += wdi_http_feed(r, (const uint8_t *)text + taken, piece);
    }
    if (end)
        wdi_http_end(r);
    return taken;
}

/* Cut anywhere, it must come to the same. */
static void answers(const char *text, bool end, unsigned status, const char *body, bool keep_alive) {
    size_t n = strlen(text);
    for (size_t step = 1; step <= n; step++) {
        wdi_http_response r;
        assert_int_equal(feed(&r, text, n, step, end), n);
        if (r.state != WDI_HTTP_DONE)
            fail_msg("%s\n→ %s", text, r.error != NULL ? r.error : "not done");
        assert_int_equal(r.status, status);
        assert_int_equal(r.body_n, strlen(body));
        assert_memory_equal(r.body, body, r.body_n);
        assert_int_equal(r.keep_alive, keep_alive);
    }
}

static void test_feed_when_well_formed_then_status_body_and_keep_alive(void **state) {
    (void)state;
    answers("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello", true);
    answers("HTTP/1.1 200\r\ncontent-length:5 \r\n\r\nhello", false, 200, "hello", true);
    answers("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, 503, "", false);
    answers("HTTP/1.1 200 OK\r\nConnection: x , CLOSE\r\nContent-Length: 0\r\n\r\n", false, 200, "", false);
    answers("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false, 200, "x", false);
    answers("HTTP/1.1 204 No Content\r\n\r\n", false, 204, "", true);
    answers("HTTP/1.1 200 OK\r\n\r\nto the end", true, 200, "to the end", false);
    answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nab", false, 409,
            "ab", true);
}

static void test_feed_when_chunked_then_put_together(void **state) {
    (void)state;
    answers(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\n\r\n",
        false, 200, "abc0123456789", true);
    answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x\r\n\r\n", false,
            200, "a", true);
}

static void refuses(const char *text, bool end) {
    size_t n = strlen(text);
    for (size_t step = 1; step <= n; step++) {
        wdi_http_response r;
        (void)feed(&r, text, n, step, end);
        if (r.state != WDI_HTTP_ERROR)
            fail_msg("taken:\n%s", text);
        assert_non_null(r.error);
    }
}

static void test_feed_when_malformed_then_error(void **state) {
    (void)state;
    refuses("SSH-2.0-OpenSSH\r\n", false);
    refuses("HTTP/2 200\r\n", false);
    refuses("HTTP/1.1 20 OK\r\n", false);
    refuses("HTTP/1.1 2000\r\n", false);
    refuses("HTTP/1.1 099 x\r\n", false);
    refuses("HTTP/1.1  200 OK\r\n", false);
    refuses("\r\nHTTP/1.1 200 OK\r\n", false);
    refuses("HTTP/1.1 200 OK\n", false);
    refuses("HTTP/1.1 200 OK\r\nA: b\rc\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nA\r\n", false);
    refuses("HTTP/1.1 200 OK\r\n: b\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nContent-Length : 3\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n", false);
    refuses("HTTP/1.1 101 Upgrade\r\n\r\n", false);
}

static void test_feed_when_the_length_is_ambiguous_then_error(void **state) {
    (void)state;
    refuses("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nContent-Length: +3\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nContent-Length:\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", false);
    refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", false);
}

static void test_end_when_the_answer_is_not_whole_then_error(void **state) {
    (void)state;
    static const char whole[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    static const char sized[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab";
    wdi_http_response r;
    for (size_t n = 1; n < sizeof whole - 1; n++) {
        (void)feed(&r, whole, n, 7, true);
        assert_int_equal(r.state, WDI_HTTP_ERROR);
    }
    (void)feed(&r, sized, sizeof sized - 1, 7, true);
    assert_int_equal(r.state, WDI_HTTP_ERROR);
}

static void test_feed_when_more_follows_then_it_is_left(void **state) {
    (void)state;
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n";
    wdi_http_response r;
    wdi_http_init(&r);
    size_t taken = wdi_http_feed(&r, (const uint8_t *)text, sizeof text - 1);
    assert_int_equal(r.state, WDI_HTTP_DONE);
    assert_string_equal(text + taken, "HTTP/1.1 200 OK\r\n");
}

static void test_feed_when_beyond_a_limit_then_error(void **state) {
    (void)state;
    refuses("HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n", false);
    wdi_http_response r;
    static const uint8_t zeros[WDI_HTTP_BODY_BYTES_MAX];
    static const char unsized[] = "HTTP/1.1 200 OK\r\n\r\n";
    (void)feed(&r, unsized, sizeof unsized - 1, 100, false);
    assert_int_equal(wdi_http_feed(&r, zeros, sizeof zeros), sizeof zeros);
    assert_int_equal(r.state, WDI_HTTP_BODY_TO_END);
    assert_int_equal(r.body_n, WDI_HTTP_BODY_KEPT_BYTES_MAX);
    assert_int_equal(r.body_total, sizeof zeros);
    (void)wdi_http_feed(&r, zeros, 1);
    assert_int_equal(r.state, WDI_HTTP_ERROR);

    static const char header[] = "X-Header: and so on and on\r\n";
    (void)feed(&r, "HTTP/1.1 200 OK\r\n", 17, 17, false);
    for (size_t i = 0; i <= WDI_HTTP_HEAD_BYTES_MAX / (sizeof header - 1); i++)
        (void)wdi_http_feed(&r, (const uint8_t *)header, sizeof header - 1);
    assert_int_equal(r.state, WDI_HTTP_ERROR);
}

static void test_feed_when_a_header_is_long_then_it_serves_unless_it_matters(void **state) {
    (void)state;
    char text[2048];
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nSet-Cookie: %01000d\r\nContent-Length: 1\r\n\r\nx", 1);
    answers(text, false, 200, "x", true);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nConnection: %01000d\r\n", 1);
    refuses(text, false);
}

static void waits(const char *headers, bool has, uint64_t ms) {
    char text[512];
    snprintf(text, sizeof text, "HTTP/1.1 503 x\r\n%sContent-Length: 0\r\n\r\n", headers);
    wdi_http_response r;
    (void)feed(&r, text, strlen(text), 1000, false);
    assert_int_equal(r.state, WDI_HTTP_DONE);
    uint64_t got = 0;
    assert_int_equal(wdi_http_retry_after_ms(&r, 784111777, &got), has); /* at 08:49:37 */
    assert_int_equal(got, ms);
}

static void test_retry_after_when_seconds_or_date_then_milliseconds(void **state) {
    (void)state;
    waits("", false, 0);
    waits("Retry-After: 0\r\n", true, 0);
    waits("Retry-After: 120\r\n", true, 120000);
    waits("Retry-After: 99999999999999999999\r\n", true, UINT64_C(604800000));
    waits("Retry-After: soon\r\n", false, 0);
    waits("Retry-After: -1\r\n", false, 0);
    waits("Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n", true, 10000);
    waits("Retry-After: Sun, 06 Nov 1994 08:49:07 GMT\r\n", true, 0);
    waits("Retry-After: Sun, 06 Nov 2044 08:49:07 GMT\r\n", true, UINT64_C(604800000));
    /* The device's clock may be years away: the answer's own Date is the base. */
    waits("Date: Fri, 20 Nov 2026 08:00:00 GMT\r\nRetry-After: Fri, 20 Nov 2026 08:00:30 GMT\r\n", true,
          30000);
}

static void test_date_parse_when_given_known_dates_then_unix_seconds(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t s;
    } dates[] = {
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},          {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199}, {"Fri, 01 Mar 2024 00:00:00 GMT", 1709251200},
        {"Mon, 01 Mar 2100 00:00:00 GMT", 4107542400},
    };
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        int64_t s = -1;
        assert_true(wdi_http_date_parse(dates[i].text, strlen(dates[i].text), &s));
        assert_int_equal(s, dates[i].s);
    }
    static const char *const bad[] = {
        "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",      "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",  "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 nov 1994 08:49:37 GMT",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t s = -1;
        assert_false(wdi_http_date_parse(bad[i], strlen(bad[i]), &s));
        assert_int_equal(s, -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feed_when_well_formed_then_status_body_and_keep_alive),
        cmocka_unit_test(test_feed_when_chunked_then_put_together),
        cmocka_unit_test(test_feed_when_malformed_then_error),
        cmocka_unit_test(test_feed_when_the_length_is_ambiguous_then_error),
        cmocka_unit_test(test_end_when_the_answer_is_not_whole_then_error),
        cmocka_unit_test(test_feed_when_more_follows_then_it_is_left),
        cmocka_unit_test(test_feed_when_beyond_a_limit_then_error),
        cmocka_unit_test(test_feed_when_a_header_is_long_then_it_serves_unless_it_matters),
        cmocka_unit_test(test_retry_after_when_seconds_or_date_then_milliseconds),
        cmocka_unit_test(test_date_parse_when_given_known_dates_then_unix_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

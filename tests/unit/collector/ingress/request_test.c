#include "collector/ingress/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "POST /v1/batches?a=b HTTP/1.1\r\nHost: h\r\nContent-Type:  x/y \t\r\n"

static const struct request_limits limits = {.head_bytes = 512, .body_bytes = 64};

/* Feeds `text` in pieces of at most `piece` bytes until the request is complete or faulty, or input ends. A
 * body goes to its place directly where that is offered. */
static enum request_progress feed(struct request *r, const char *text, size_t n, size_t piece,
                                  size_t *ret_used) {
    enum request_progress progress = REQUEST_MORE;
    size_t used = 0;
    unsigned heads = 0;
    for (bool more = n > 0; more && progress != REQUEST_COMPLETE && progress != REQUEST_FAULTY;) {
        size_t space_n = SIZE_MAX, step = 0, take = n - used < piece ? n - used : piece;
        uint8_t *space = NULL;
        if (request_body_space(r, &space, &space_n)) {
            take = take < space_n ? take : space_n;
            memcpy(space, text + used, take);
        }
        progress = request_feed(r, space ? space : (const uint8_t *)text + used, take, &step);
        heads += progress == REQUEST_HEAD;
        used += step;
        more = used < n || progress == REQUEST_HEAD;
    }
    assert_true(heads <= 1);
    *ret_used = used;
    return progress;
}

static struct request *fed(const char *text, enum request_progress expected) {
    struct request *r = request_new(&limits);
    size_t used = 0;
    assert_non_null(r);
    assert_int_equal(feed(r, text, strlen(text), SIZE_MAX, &used), expected);
    return r;
}

static void assert_fault(const char *text, uint16_t status) {
    struct request *r = fed(text, REQUEST_FAULTY);
    if (request_fault(r)->status != status)
        fail_msg("%u and not %u: %s", request_fault(r)->status, status, request_fault(r)->message);
    request_free(r);
}

static void test_request_in_pieces_of_any_size_then_the_same(void **state) {
    (void)state;
    static const char text[] = HEAD "Content-Length: 11\r\n\r\nhello worldPOST / HTTP/1.1\r\n";
    const size_t end = sizeof text - 1 - strlen("POST / HTTP/1.1\r\n");
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct request *r = request_new(&limits);
        size_t used = 0, n = 0;
        assert_int_equal(feed(r, text, sizeof text - 1, piece, &used), REQUEST_COMPLETE);
        assert_int_equal(used, end);
        assert_string_equal(request_path(r), "/v1/batches");
        assert_string_equal(request_header(r, REQUEST_CONTENT_TYPE), "x/y");
        assert_null(request_header(r, REQUEST_AUTHORIZATION));
        assert_true(request_is_post(r) && request_keep_alive(r) && request_has_body(r));
        uint8_t *body = request_body_take(r, &n);
        assert_int_equal(n, 11);
        assert_memory_equal(body, "hello world", 11);
        free(body);
        request_free(r);
    }
}

static void test_chunked_in_pieces_of_any_size_then_the_same(void **state) {
    (void)state;
    static const char text[] = HEAD "Transfer-Encoding: Chunked\r\n\r\n"
                                    "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nHost: other\r\n\r\n";
    for (size_t piece = 1; piece < sizeof text; piece++) {
        struct request *r = request_new(&limits);
        size_t used = 0, n = 0;
        assert_int_equal(feed(r, text, sizeof text - 1, piece, &used), REQUEST_COMPLETE);
        assert_int_equal(used, sizeof text - 1);
        assert_string_equal(request_header(r, REQUEST_HOST), "h");
        uint8_t *body = request_body_take(r, &n);
        assert_int_equal(n, 11);
        assert_memory_equal(body, "hello world", 11);
        free(body);
        request_free(r);
    }
}

static void test_request_after_reset_then_nothing_is_left_of_the_first(void **state) {
    (void)state;
    struct request *r =
        fed(HEAD "Content-Length: 2\r\nAuthorization: x\r\nConnection: close\r\n\r\nab", REQUEST_COMPLETE);
    size_t used = 0;
    assert_false(request_keep_alive(r));
    assert_true(request_body_capacity(r) > 0);
    request_reset(r);
    assert_false(request_begun(r));
    assert_int_equal(request_body_capacity(r), 0);
    const char *next = "GET /x HTTP/1.1\r\nHost: i\r\n\r\n";
    assert_int_equal(feed(r, next, strlen(next), SIZE_MAX, &used), REQUEST_COMPLETE);
    assert_string_equal(request_path(r), "/x");
    assert_null(request_header(r, REQUEST_AUTHORIZATION));
    assert_true(request_keep_alive(r) && !request_is_post(r) && !request_has_body(r));
    request_free(r);
}

static void test_body_when_discarded_then_read_past_and_still_bounded(void **state) {
    (void)state;
    static const char head[] = HEAD "Transfer-Encoding: chunked\r\n\r\n",
                      chunk[] = "20\r\n0123456789abcdef0123456789abcdef\r\n";
    struct request *r = request_new(&limits);
    size_t used = 0, n = 1;
    assert_int_equal(request_feed(r, (const uint8_t *)head, sizeof head - 1, &used), REQUEST_HEAD);
    request_body_discard(r);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(feed(r, chunk, sizeof chunk - 1, 3, &used), REQUEST_MORE);
    assert_null(request_body_take(r, &n));
    assert_int_equal(n, 0);
    assert_int_equal(request_body_received(r), 64);
    assert_int_equal(feed(r, chunk, sizeof chunk - 1, 3, &used), REQUEST_FAULTY);
    assert_int_equal(request_fault(r)->status, 413);
    request_free(r);
}

static void test_limits_when_exceeded_then_their_status(void **state) {
    (void)state;
    char text[1024] = "POST / HTTP/1.1\r\nHost: h\r\nX: ";
    size_t n = strlen(text);
    memset(text + n, 'v', limits.head_bytes - n);
    assert_fault(text, 431);
    assert_fault(HEAD "Content-Length: 65\r\n\r\n", 413);
    assert_fault(HEAD
                 "Transfer-Encoding: "
                 "chunked\r\n\r\n41\r\n01234567890123456789012345678901234567890123456789012345678901234",
                 413);
    snprintf(text, sizeof text, "POST /%0300d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    assert_fault(text, 414);
}

static void test_head_of_exactly_its_limit_then_taken(void **state) {
    (void)state;
    char text[1024];
    int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
    n += snprintf(text + n, sizeof text - (size_t)n, "%0*d\r\n\r\n", (int)limits.head_bytes - n - 4, 0);
    assert_int_equal(n, limits.head_bytes);
    request_free(fed(text, REQUEST_COMPLETE));
}

static void test_request_with_doubtful_framing_then_400(void **state) {
    (void)state;
    static const char *const heads[] = {
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "X: a\nY: b\r\n",
        "Host: h\r\n",
        "Host:\r\n",
    };
    char text[256];
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        snprintf(text, sizeof text, HEAD "%s\r\n1", heads[i]);
        assert_fault(text, 400);
    }
    assert_fault("POST / HTTP/1.1\r\n\r\n", 400);
    assert_fault("POST / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400);
    assert_fault("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
    assert_fault(HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", 501);
    assert_fault(HEAD "Expect: wonders\r\n\r\n", 417);
    assert_fault("POST / HTTP/3.0\r\n\r\n", 505);
}

static void test_http_1_0_then_no_host_needed_and_closed_by_default(void **state) {
    (void)state;
    struct request *r = fed("POST / HTTP/1.0\r\n\r\n", REQUEST_COMPLETE);
    assert_true(request_is_http_1_0(r) && !request_keep_alive(r));
    request_free(r);
    r = fed("POST / HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx",
            REQUEST_COMPLETE);
    assert_true(request_keep_alive(r) && !request_expects_continue(r));
    request_free(r);
}

static void test_target_in_every_form_then_its_path(void **state) {
    (void)state;
    static const char *const forms[][2] = {
        {"/", "/"},        {"/a/b?c?d", "/a/b"},    {"http://h/a", "/a"},          {"HTTPS://h:1/a?b", "/a"},
        {"http://h", "/"}, {"http://h?x=/v1", "/"}, {"/http://h/a", "/http://h/a"}};
    char text[256];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", forms[i][0]);
        struct request *r = fed(text, REQUEST_COMPLETE);
        assert_string_equal(request_path(r), forms[i][1]);
        request_free(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_in_pieces_of_any_size_then_the_same),
        cmocka_unit_test(test_chunked_in_pieces_of_any_size_then_the_same),
        cmocka_unit_test(test_request_after_reset_then_nothing_is_left_of_the_first),
        cmocka_unit_test(test_body_when_discarded_then_read_past_and_still_bounded),
        cmocka_unit_test(test_limits_when_exceeded_then_their_status),
        cmocka_unit_test(test_head_of_exactly_its_limit_then_taken),
        cmocka_unit_test(test_request_with_doubtful_framing_then_400),
        cmocka_unit_test(test_http_1_0_then_no_host_needed_and_closed_by_default),
        cmocka_unit_test(test_target_in_every_form_then_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

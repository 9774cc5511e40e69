#include "http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "canned.h"
#include "sdk/src/base/clock.h"

static const http_options options = {
    .connect_ms_max = 5000, .silence_s_max = 1, .bytes_s_least = 1u << 20, .parallel_max = 3};

static const canned_reply replies[] = {
    {"GET /fine", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"e\"\r\n\r\nyes", 0},
    {"GET /late", "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 0},
    {"GET /date", "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 08:52:38 GMT\r\nContent-Length: 0\r\n\r\n", 0},
    {"GET /nothing", "", 0},
    {"GET /head", "HTTP/1.1 200 OK\r\nETag: \"cut", 0},
    {"GET /body", "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nnot thirty", 0},
    {"GET /continue", "HTTP/1.1 100 Continue\r\n\r\n", 0},
    {"GET /not-http", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 0},
    {"GET /large", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", 0},
    {"GET /moved", "HTTP/1.1 301 Moved\r\nLocation: /fine\r\nContent-Length: 0\r\n\r\n", 0},
    {"GET /silent", NULL, 0},
    {"HEAD /size", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", 0},
    {"PUT /echo", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 0},
};

static canned *server;

static int server_start(void **state) {
    (void)state;
    server = canned_start(replies, sizeof replies / sizeof *replies);
    return 0;
}

static int server_stop(void **state) {
    (void)state;
    canned_stop(server);
    return 0;
}

/* The answer is the caller's to release. */
static http_answer ask(const http_options *opt, http_request r, const char *path) {
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", canned_port(server), path);
    r.url = url;
    http_client *c = http_open(opt);
    assert_non_null(c);
    http_run(c, &(http_request *){&r}, 1);
    http_close(c);
    return r.answer;
}

static void failure_expect(const char *path, http_failure failure) {
    http_answer a = ask(&options, (http_request){.answer_bytes_max = 50}, path);
    assert_string_equal(http_failure_name(a.failure), http_failure_name(failure));
    assert_true(strlen(a.detail) > 0);
    http_answer_fini(&a);
}

static void test_whole_answer_then_its_parts(void **state) {
    (void)state;
    http_answer a = ask(&options, (http_request){.answer_bytes_max = 50}, "/fine");
    assert_int_equal(a.failure, HTTP_ANSWERED);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body.data, "yes");
    assert_string_equal(a.etag, "\"e\"");
    http_answer_fini(&a);
    a = ask(&options, (http_request){.answer_bytes_max = 50}, "/late");
    assert_int_equal(a.status, 503);
    assert_int_equal(a.retry_after_s, 7);
    http_answer_fini(&a);
    a = ask(&options, (http_request){.answer_bytes_max = 50}, "/date");
    assert_int_equal(a.date_s, 1795164758);
    http_answer_fini(&a);
    a = ask(&options, (http_request){.method = HTTP_HEAD, .answer_bytes_max = 50}, "/size");
    assert_int_equal(a.content_bytes, 12345);
    http_answer_fini(&a);
    a = ask(&options, (http_request){.answer_bytes_max = 50}, "/moved");
    assert_int_equal(a.status, 301);
    http_answer_fini(&a);
}

static void test_answer_cut_anywhere_then_cut(void **state) {
    (void)state;
    failure_expect("/nothing", HTTP_ERR_CUT);
    failure_expect("/head", HTTP_ERR_CUT);
    failure_expect("/body", HTTP_ERR_CUT);
    failure_expect("/continue", HTTP_ERR_CUT);
    failure_expect("/unknown", HTTP_ERR_CUT);
}

static void test_answer_that_is_too_large_or_silent_then_said_so(void **state) {
    (void)state;
    http_answer a = ask(&options, (http_request){.answer_bytes_max = 5}, "/large");
    assert_int_equal(a.failure, HTTP_ERR_TOO_LARGE);
    http_answer_fini(&a);
    failure_expect("/silent", HTTP_ERR_TIMEOUT);
}

static void test_nobody_listens_then_connect(void **state) {
    (void)state;
    http_client *c = http_open(&options);
    http_request r = {.url = "http://127.0.0.1:1/", .answer_bytes_max = 5};
    http_run(c, &(http_request *){&r}, 1);
    assert_int_equal(r.answer.failure, HTTP_ERR_CONNECT);
    http_answer_fini(&r.answer);
    http_close(c);
}

static bool at_once(void *context) {
    (void)context;
    return true;
}

static void test_stopping_then_all_end_at_once(void **state) {
    (void)state;
    http_options opt = options;
    opt.silence_s_max = 60;
    opt.stopping = at_once;
    uint64_t begin = base_mono_us();
    http_answer a = ask(&opt, (http_request){.answer_bytes_max = 5}, "/silent");
    assert_int_equal(a.failure, HTTP_ERR_STOPPED);
    http_answer_fini(&a);
    assert_true(base_mono_us() - begin < 5000000);
}

static void test_more_requests_than_lanes_then_each_is_answered(void **state) {
    (void)state;
    char url[64];
    http_request requests[10], *pointers[10];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/echo", canned_port(server));
    for (size_t i = 0; i < 10; i++) {
        requests[i] = (http_request){.method = HTTP_PUT,
                                     .url = url,
                                     .body = "body",
                                     .body_bytes = 4,
                                     .headers = {"x-one: 1", NULL, "x-three: 3"},
                                     .answer_bytes_max = 5};
        pointers[i] = &requests[i];
    }
    http_client *c = http_open(&options);
    http_run(c, pointers, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(requests[i].answer.status, 200);
        http_answer_fini(&requests[i].answer);
    }
    http_close(c);
    assert_non_null(strstr(canned_seen(server), "x-one: 1\r\n"));
    assert_non_null(strstr(canned_seen(server), "x-three: 3\r\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_answer_then_its_parts),
        cmocka_unit_test(test_answer_cut_anywhere_then_cut),
        cmocka_unit_test(test_answer_that_is_too_large_or_silent_then_said_so),
        cmocka_unit_test(test_nobody_listens_then_connect),
        cmocka_unit_test(test_stopping_then_all_end_at_once),
        cmocka_unit_test(test_more_requests_than_lanes_then_each_is_answered),
    };
    return cmocka_run_group_tests(tests, server_start, server_stop);
}

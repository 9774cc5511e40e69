#include "s3/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "canned.h"
#include "metrics.h"
#include "s3/uploads.h"
#include "sdk/src/base/clock.h"

#define SECRET "a-very-secret-key"
#define ERROR(status, code) \
    status "\r\nConnection: close\r\n\r\n<Error><Code>" code "</Code><Message>" SECRET "</Message></Error>"
#define DONE "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static char endpoint[64];
static canned *server;

static s3_options options_of(const canned_reply *replies, size_t n) {
    server = canned_start(replies, n);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", canned_port(server));
    return (s3_options){
        .place = {.endpoint = endpoint, .region = "us-east-1", .bucket = "lake"},
        .prefix = "",
        .credentials = {.access_key_id = "key", .secret_access_key = SECRET, .session_token = "token"},
        .part_bytes = 1024,
        .parallel_parts = 2};
}

#define REPLIES(...)                                                        \
    static const canned_reply replies[] = {__VA_ARGS__};                    \
    s3_options opt = options_of(replies, sizeof replies / sizeof *replies); \
    s3_client *c = s3_client_open(&opt)

static void end(s3_client *c) {
    assert_null(strstr(s3_client_message(c), SECRET));
    assert_null(strstr(canned_seen(server), SECRET));
    s3_client_close(c);
    canned_stop(server);
}

/* Runs the call, and releases all of it but its outcome. */
static void run(s3_client *c, s3_call *call) {
    s3_run(c, call, 1);
    s3_call_fini(call);
}

static void test_slow_down_then_again_after_what_was_asked(void **state) {
    (void)state;
    REPLIES({"PUT /lake/k ", "HTTP/1.1 503 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", 1},
            {"PUT /lake/k ", DONE, 0});
    uint64_t begin = base_mono_us();
    int64_t retries = metric_get(METRIC_S3_RETRIES, 0);
    s3_call call = {.method = HTTP_PUT, .key = "k", .body = "x", .body_bytes = 1};
    run(c, &call);
    assert_true(call.done && call.repeated);
    assert_true(base_mono_us() - begin >= 1000000);
    assert_int_equal(metric_get(METRIC_S3_RETRIES, 0), retries + 1);
    assert_non_null(strstr(canned_seen(server), "x-amz-security-token: token\r\n"));
    assert_non_null(strstr(canned_seen(server),
                           "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
    end(c);
}

static void test_no_conditional_writes_then_without_them(void **state) {
    (void)state;
    REPLIES({"PUT /lake/k ", ERROR("HTTP/1.1 501 No", "NotImplemented"), 1}, {"PUT /lake/k ", DONE, 0});
    s3_call call = {.method = HTTP_PUT, .key = "k", .if_absent = true};
    run(c, &call);
    assert_true(call.done);
    const char *asked = strstr(canned_seen(server), "If-None-Match: *\r\n");
    assert_non_null(asked);
    assert_null(strstr(asked + 1, "If-None-Match"));
    end(c);
}

static void test_conditional_writes_wanted_and_not_there_then_refused(void **state) {
    (void)state;
    REPLIES({"PUT /lake/k ", ERROR("HTTP/1.1 501 No", "NotImplemented"), 0});
    opt.conditional = S3_CONDITIONAL_ON;
    s3_call call = {.method = HTTP_PUT, .key = "k", .if_absent = true};
    s3_run(c, &call, 1);
    assert_false(call.done);
    assert_int_equal(s3_failed(c, &call, "put"), SINK_ERR_IO);
    assert_string_equal(s3_client_message(c), "s3: put: 501 NotImplemented, k");
    s3_call_fini(&call);
    end(c);
}

static void test_clock_that_is_off_then_the_message_says_by_how_much(void **state) {
    (void)state;
    REPLIES({"GET /lake/k ",
             "HTTP/1.1 403 Forbidden\r\nDate: Thu, 01 Jan 1970 00:16:40 GMT\r\nConnection: close\r\n\r\n"
             "<Error><Code>RequestTimeTooSkewed</Code></Error>",
             0});
    s3_call call = {.method = HTTP_GET, .key = "k"};
    s3_run(c, &call, 1);
    assert_int_equal(s3_failed(c, &call, "get"), SINK_ERR_IO);
    assert_non_null(strstr(s3_client_message(c), "403 RequestTimeTooSkewed: this machine's clock is 1"));
    assert_non_null(strstr(s3_client_message(c), " s ahead of the server's, k"));
    s3_call_fini(&call);
    end(c);
}

static void test_full_bucket_then_no_space(void **state) {
    (void)state;
    REPLIES({"PUT /lake/k ", ERROR("HTTP/1.1 403 Quota", "QuotaExceeded"), 0});
    s3_call call = {.method = HTTP_PUT, .key = "k"};
    s3_run(c, &call, 1);
    assert_int_equal(s3_failed(c, &call, "put"), SINK_ERR_NO_SPACE);
    s3_call_fini(&call);
    end(c);
}

#define COMPLETED                     \
    "HTTP/1.1 200 OK\r\nConnection: " \
    "close\r\n\r\n<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"

/* Amazon says 200 before it knows. */
static void test_complete_that_fails_after_its_200_then_again(void **state) {
    (void)state;
    REPLIES({"POST /lake/k?uploadId=u%2F ", ERROR("HTTP/1.1 200 OK", "InternalError"), 1},
            {"POST /lake/k?uploadId=u%2F ", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<?xml ", 1},
            {"POST /lake/k?uploadId=u%2F ", COMPLETED, 1});
    char *etags[] = {(char[]){"\"e\""}};
    assert_int_equal(s3_upload_complete(c, "k", "u/", etags, 1, 5, false), SINK_OK);
    size_t asked = 0;
    for (const char *at = canned_seen(server); (at = strstr(at, "POST /lake/k?uploadId=")) != NULL; at++)
        asked++;
    assert_int_equal(asked, 3);
    assert_non_null(
        strstr(canned_seen(server), "<Part><PartNumber>1</PartNumber><ETag>&#34;e&#34;</ETag></Part>"));
    end(c);
}

static bool all(void *context, const char *key) {
    (void)context;
    (void)key;
    return true;
}

static void test_uploads_on_several_pages_then_all_are_seen(void **state) {
    (void)state;
    REPLIES({"GET /lake?prefix=dt%3D&uploads= ",
             "HTTP/1.1 200 OK\r\nConnection: "
             "close\r\n\r\n<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"
             "<NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>"
             "<Upload><Key>a</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>",
             0},
            {"GET /lake?key-marker=a&prefix=dt%3D&upload-id-marker=1&uploads= ",
             "HTTP/1.1 200 OK\r\nConnection: "
             "close\r\n\r\n<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
             "<Upload><Key>b</Key><UploadId>2</UploadId></Upload></ListMultipartUploadsResult>",
             0},
            {"DELETE /lake/a?uploadId=1 ", "HTTP/1.1 204 Gone\r\n\r\n", 0},
            {"DELETE /lake/b?uploadId=2 ", ERROR("HTTP/1.1 404 Gone", "NoSuchUpload"), 0});
    assert_int_equal(s3_uploads_abort(c, "dt=", all, NULL), SINK_OK);
    assert_non_null(strstr(canned_seen(server), "DELETE /lake/b?uploadId=2 "));
    end(c);
}

static void test_uploads_that_may_not_be_listed_then_left_alone(void **state) {
    (void)state;
    REPLIES({"GET /lake?", ERROR("HTTP/1.1 403 No", "AccessDenied"), 0});
    assert_int_equal(s3_uploads_abort(c, "dt=", all, NULL), SINK_OK);
    end(c);
}

static void test_no_credentials_then_said_and_nothing_is_sent(void **state) {
    (void)state;
    REPLIES({"GET /", DONE, 0});
    s3_client_close(c);
    opt.credentials = (credentials_options){.file = "/nonexistent/credentials"};
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    unsetenv("AWS_ACCESS_KEY_ID");
    c = s3_client_open(&opt);
    s3_call call = {.method = HTTP_GET, .key = "k"};
    s3_run(c, &call, 1);
    assert_int_equal(s3_failed(c, &call, "get"), SINK_ERR_IO);
    assert_string_equal(s3_client_message(c), "s3: no credentials: cannot read /nonexistent/credentials; ");
    assert_string_equal(canned_seen(server), "");
    s3_call_fini(&call);
    end(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_down_then_again_after_what_was_asked),
        cmocka_unit_test(test_no_conditional_writes_then_without_them),
        cmocka_unit_test(test_conditional_writes_wanted_and_not_there_then_refused),
        cmocka_unit_test(test_clock_that_is_off_then_the_message_says_by_how_much),
        cmocka_unit_test(test_full_bucket_then_no_space),
        cmocka_unit_test(test_complete_that_fails_after_its_200_then_again),
        cmocka_unit_test(test_uploads_on_several_pages_then_all_are_seen),
        cmocka_unit_test(test_uploads_that_may_not_be_listed_then_left_alone),
        cmocka_unit_test(test_no_credentials_then_said_and_nothing_is_sent),
    };
    metrics_sink_add("lake");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

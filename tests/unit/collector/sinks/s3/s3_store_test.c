/* What lost and late answers mean. The store on a real server: tests/integration/s3. */
#include "s3/s3_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "canned.h"
#include "manifest.h"
#include "metrics.h"

#define NAME "dt=2026-11-20/hr=08/c-0123456789abcdef-s-000000000001-0.jsonl"
#define KEY "/lake/dt%3D2026-11-20/hr%3D08/c-0123456789abcdef-s-000000000001-0.jsonl"
#define MANIFEST "/lake/_wadi/c/s/000000000001"
#define PART_BYTES 1024u

#define HEAD(status, headers) "HTTP/1.1 " status "\r\nConnection: close\r\n" headers "\r\n"
#define DONE HEAD("200 OK", "ETag: \"e\"\r\n")
#define GONE HEAD("204 No Content", "")
#define LOST HEAD("200 OK", "ETag: \"e\"\r\nContent-Length: 9\r\n")
#define ERROR(status, code) HEAD(status, "") "<Error><Code>" code "</Code></Error>"
#define CREATED HEAD("200 OK", "") "<R><UploadId>u</UploadId></R>"
#define COMPLETED HEAD("200 OK", "") "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"

static canned *server;
static char endpoint[64];
static s3_store *store;
static sink_store s;

static void store_open(const canned_reply *replies, size_t n, s3_conditional conditional) {
    server = canned_start(replies, n);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", canned_port(server));
    s3_options opt = {.place = {.endpoint = endpoint, .region = "us-east-1", .bucket = "lake"},
                      .prefix = "",
                      .credentials = {.access_key_id = "key", .secret_access_key = "secret"},
                      .conditional = conditional,
                      .part_bytes = PART_BYTES,
                      .parallel_parts = 2};
    assert_int_equal(s3_store_open(&opt, "c", "s", &store), SINK_OK);
    s = s3_store_of(store);
}

#define STORE(...)                                       \
    static const canned_reply replies[] = {__VA_ARGS__}; \
    store_open(replies, sizeof replies / sizeof *replies, S3_CONDITIONAL_AUTO)

static void store_end(void) {
    s3_store_close(store);
    canned_stop(server);
}

static size_t seen(const char *text) {
    size_t n = 0;
    for (const char *at = canned_seen(server); (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

static void aside(size_t n) {
    static char data[8 * PART_BYTES];
    memset(data, 'x', sizeof data); /* text, as canned_seen wants it */
    assert_int_equal(s.ops->aside_begin(s.self, 0, NAME), SINK_OK);
    assert_int_equal(s.ops->aside_write(s.self, data, n), SINK_OK);
    assert_int_equal(s.ops->aside_finish(s.self), SINK_OK);
}

/* ---- uploads ---------------------------------------------------------------------------------------- */

/* The first answer is lost, so an upload may be there that nobody knows. */
static void test_create_repeated_then_all_uploads_are_aborted_after_the_epoch(void **state) {
    (void)state;
    STORE({"POST " KEY "?uploads= ", LOST, 1}, {"POST " KEY "?uploads= ", CREATED, 0},
          {"PUT " KEY "?partNumber=", DONE, 0}, {"POST " KEY "?uploadId=u ", COMPLETED, 0},
          {"GET /lake?prefix=dt%3D&uploads= ",
           HEAD("200 OK",
                "") "<ListMultipartUploadsResult><Upload><Key>" NAME
                    "</Key><UploadId>lost</UploadId></Upload>"
                    "<Upload><Key>dt=2026-11-20/hr=08/other.jsonl</Key><UploadId>theirs</UploadId></Upload>"
                    "</ListMultipartUploadsResult>",
           0},
          {"DELETE " KEY "?uploadId=lost ", GONE, 0}, {"DELETE " MANIFEST ".intent ", GONE, 0});
    aside(3 * PART_BYTES);
    assert_int_equal(s.ops->publish(s.self, 0, NAME), SINK_OK);
    assert_int_equal(seen("DELETE "), 0);
    assert_int_equal(s.ops->remove_intent(s.self, 1), SINK_OK);
    assert_int_equal(seen("DELETE " KEY "?uploadId=lost "), 1);
    assert_int_equal(seen("theirs"), 0);
    assert_int_equal(s.ops->remove_intent(s.self, 1), SINK_OK);
    assert_int_equal(seen("GET /lake?prefix"), 1); /* once is enough */
    store_end();
}

static void test_complete_repeated_and_the_object_is_there_then_published(void **state) {
    (void)state;
    STORE({"POST " KEY "?uploads= ", CREATED, 0}, {"PUT " KEY "?partNumber=", DONE, 0},
          {"POST " KEY "?uploadId=u ", LOST, 1},
          {"POST " KEY "?uploadId=u ", ERROR("404 Not Found", "NoSuchUpload"), 0},
          {"HEAD " KEY " ", HEAD("200 OK", "Content-Length: 3072\r\n"), 0});
    aside(3 * PART_BYTES);
    assert_int_equal(s.ops->publish(s.self, 0, NAME), SINK_OK);
    store_end();
}

static void test_complete_repeated_and_no_object_or_another_then_io(void **state) {
    (void)state;
    STORE({"POST " KEY "?uploads= ", CREATED, 0}, {"PUT " KEY "?partNumber=", DONE, 0},
          {"POST " KEY "?uploadId=u ", ERROR("404 Not Found", "NoSuchUpload"), 0},
          {"HEAD " KEY " ", HEAD("404 Not Found", ""), 1},
          {"HEAD " KEY " ", HEAD("200 OK", "Content-Length: 3071\r\n"), 1});
    aside(3 * PART_BYTES);
    assert_int_equal(s.ops->publish(s.self, 0, NAME), SINK_ERR_IO);
    assert_int_equal(s.ops->publish(s.self, 0, NAME), SINK_ERR_IO);
    store_end();
}

/* ---- conditional writes ------------------------------------------------------------------------------ */

static void test_first_publication_whose_answer_was_lost_then_published(void **state) {
    (void)state;
    STORE({"PUT " MANIFEST ".intent ", DONE, 1},
          {"PUT " MANIFEST ".intent ", ERROR("412 Precondition Failed", "PreconditionFailed"), 0},
          {"PUT " KEY " ", LOST, 1},
          {"PUT " KEY " ", ERROR("412 Precondition Failed", "PreconditionFailed"), 0},
          {"HEAD " KEY " ", HEAD("200 OK", "Content-Length: 10\r\n"), 0});
    assert_int_equal(s.ops->put(s.self, SINK_INTENT, 1, "x", 1), SINK_OK);
    aside(10);
    assert_int_equal(s.ops->publish(s.self, 0, NAME), SINK_OK);
    assert_int_equal(seen("If-None-Match: *"), 4);
    store_end();
}

/* The second PUT of the first manifest shows it. */
static void test_server_that_ignores_conditions_then_used_without_or_refused(void **state) {
    (void)state;
    static const canned_reply replies[] = {{"PUT " MANIFEST ".", DONE, 0}};
    store_open(replies, 1, S3_CONDITIONAL_AUTO);
    assert_int_equal(s.ops->put(s.self, SINK_INTENT, 1, "x", 1), SINK_OK);
    assert_int_equal(s.ops->put(s.self, SINK_COMMIT, 1, "x", 1), SINK_OK);
    assert_int_equal(seen("PUT "), 3);
    assert_int_equal(seen("If-None-Match: *"), 2);
    store_end();
    store_open(replies, 1, S3_CONDITIONAL_ON);
    assert_int_equal(s.ops->put(s.self, SINK_INTENT, 1, "x", 1), SINK_ERR_IO);
    assert_non_null(strstr(s.ops->message(s.self), "ignores If-None-Match"));
    store_end();
}

static void test_publication_without_own_intent_then_it_may_replace(void **state) {
    (void)state;
    STORE({"PUT " KEY " ", DONE, 0});
    aside(10);
    assert_int_equal(s.ops->publish(s.self, 0, NAME), SINK_OK);
    assert_int_equal(seen("If-None-Match"), 0);
    store_end();
}

static void test_manifest_whose_answer_was_lost_then_the_same_text_is_ours(void **state) {
    (void)state;
    STORE({"PUT " MANIFEST ".commit ", LOST, 1},
          {"PUT " MANIFEST ".commit ", ERROR("412 Precondition Failed", "PreconditionFailed"), 0},
          {"GET " MANIFEST ".commit ", HEAD("200 OK", "") "{\"a\": 1}", 0});
    assert_int_equal(s.ops->put(s.self, SINK_COMMIT, 1, "{\"a\": 1}", 8), SINK_OK);
    assert_int_equal(s.ops->put(s.self, SINK_COMMIT, 1, "{\"a\": 2}", 8), SINK_ERR_FENCED);
    store_end();
}

/* A manifest of the incarnation whose start id begins with these 8 bytes, each; it knows the start `known`.
 */
static char *manifest_make(uint8_t incarnation, uint8_t known, uint64_t position, size_t *ret_n) {
    manifest m = {.epoch = 1, .format = "jsonl", .encoder_version = 1};
    uint8_t id[16];
    memset(id, incarnation, sizeof id);
    hex_encode(m.incarnation, id, 8);
    m.to.mark.position = position;
    memset(id, known, sizeof id);
    assert_true(checkpoint_start_add(&m.to, 1, id));
    char *text = manifest_encode(&m, SINK_INTENT, ret_n);
    assert_non_null(text);
    manifest_fini(&m);
    return text;
}

/* `there`'s incarnation is 0x11. */
static void conflict_expect(uint8_t incarnation, uint8_t known, sink_err expected) {
    size_t n, there_n;
    char *there = manifest_make(0x11, 0x11, 5, &there_n), *ours = manifest_make(incarnation, known, 7, &n);
    size_t reply_bytes = there_n + 64;
    char *reply = malloc(reply_bytes);
    assert_non_null(reply);
    snprintf(reply, reply_bytes, "%s%s", HEAD("200 OK", ""), there);
    const canned_reply replies[] = {
        {"PUT " MANIFEST ".intent ", ERROR("412 Precondition Failed", "PreconditionFailed"), 0},
        {"GET " MANIFEST ".intent ", reply, 0}};
    store_open(replies, 2, S3_CONDITIONAL_AUTO);
    assert_int_equal(s.ops->put(s.self, SINK_INTENT, 1, ours, n), expected);
    store_end();
    free(reply);
    free(there);
    free(ours);
}

static void test_manifest_that_came_late_then_ours_is_tried_again_and_theirs_fences(void **state) {
    (void)state;
    conflict_expect(0x11, 0x22, SINK_ERR_IO);     /* this process's */
    conflict_expect(0x33, 0x11, SINK_ERR_IO);     /* of one before it, on this journal */
    conflict_expect(0x33, 0x33, SINK_ERR_FENCED); /* of nobody that we know */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_repeated_then_all_uploads_are_aborted_after_the_epoch),
        cmocka_unit_test(test_complete_repeated_and_the_object_is_there_then_published),
        cmocka_unit_test(test_complete_repeated_and_no_object_or_another_then_io),
        cmocka_unit_test(test_first_publication_whose_answer_was_lost_then_published),
        cmocka_unit_test(test_server_that_ignores_conditions_then_used_without_or_refused),
        cmocka_unit_test(test_publication_without_own_intent_then_it_may_replace),
        cmocka_unit_test(test_manifest_whose_answer_was_lost_then_the_same_text_is_ours),
        cmocka_unit_test(test_manifest_that_came_late_then_ours_is_tried_again_and_theirs_fences),
    };
    metrics_sink_add("lake");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* s3_store against a real server, which s3_store_test.py starts:
 *
 *     s3_store_test ENDPOINT BUCKET KEY SECRET path|virtual [CA_FILE]
 *     s3_store_test ENDPOINT BUCKET KEY SECRET large          one object of 512 MB, in little memory */
#include "s3/s3_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "s3/client.h"
#include "s3/uploads.h"
#include "tests/unit/collector/sinks/store_contract.h"

#define PART_BYTES ((size_t)S3_PART_BYTES_LEAST)

static s3_options options = {
    .prefix = "lake/a bü~=&/", .part_bytes = S3_PART_BYTES_LEAST, .parallel_parts = 3};
static const char *sink = "s";

static sink_store store_open(void) {
    s3_store *s;
    assert_int_equal(s3_store_open(&options, "c", sink, &s), SINK_OK);
    return s3_store_of(s);
}

static void store_close(sink_store s) { s.ops->close(s.self); }

/* Another client reads, so that nothing of the store's state helps. */
static size_t object_read(const char *name, char *out, size_t cap) {
    char key[512];
    snprintf(key, sizeof key, "%s%s", options.prefix, name);
    s3_client *c = s3_client_open(&options);
    assert_non_null(c);
    s3_call call = {.method = HTTP_GET, .key = key, .answer_bytes_max = cap};
    s3_run(c, &call, 1);
    assert_true(call.done || s3_absent(&call));
    size_t n = call.done ? call.http.answer.body.length : SIZE_MAX;
    if (call.done && n > 0)
        memcpy(out, call.http.answer.body.data, n < cap ? n : cap);
    s3_call_fini(&call);
    s3_client_close(c);
    return n;
}

static void message_expect(sink_store s, const char *part) {
    const char *message = s.ops->message(s.self);
    if (!strstr(message, part))
        fail_msg("\"%s\" lacks \"%s\"", message, part);
    assert_null(strstr(message, options.credentials.secret_access_key));
}

/* ---- uploads ---------------------------------------------------------------------------------------- */

static bool all_counted(void *context, const char *key) {
    (void)key;
    ++*(size_t *)context;
    return false;
}

static size_t uploads_count(void) {
    size_t n = 0;
    s3_client *c = s3_client_open(&options);
    assert_int_equal(s3_uploads_abort(c, options.prefix, all_counted, &n), SINK_OK);
    s3_client_close(c);
    return n;
}

static void test_uploads_left_by_a_crash_then_ours_are_aborted_at_the_next_start(void **state) {
    (void)state;
    char *data = calloc(1, 4 * PART_BYTES), *id, key[512];
    bool repeated;
    sink_store s = store_open();
    assert_int_equal(s.ops->aside_begin(s.self, 0, CONTRACT_NAME("000000000001")), SINK_OK);
    assert_int_equal(s.ops->aside_write(s.self, data, 4 * PART_BYTES), SINK_OK);
    store_close(s);
    free(data);
    static const char *const others[] = {"dt=2026-11-20/hr=08/c-0123456789abcdef-s-2-000000000001-0.jsonl",
                                         "dt=2026-11-20/hr=08/d-0123456789abcdef-s-000000000001-0.jsonl"};
    s3_client *c = s3_client_open(&options);
    for (size_t i = 0; i < 2; i++) {
        snprintf(key, sizeof key, "%s%s", options.prefix, others[i]);
        assert_int_equal(s3_upload_create(c, key, &id, &repeated), SINK_OK);
        free(id);
    }
    assert_int_equal(uploads_count(), 3);
    s = store_open();
    assert_int_equal(s.ops->aside_reset(s.self), SINK_OK);
    store_close(s);
    assert_int_equal(uploads_count(), 2);
    sink = "s-2";
    s = store_open();
    assert_int_equal(s.ops->aside_reset(s.self), SINK_OK);
    store_close(s);
    sink = "s";
    assert_int_equal(uploads_count(), 1);
    s3_client_close(c);
}

/* More than the store may hold in memory: what does not fit becomes an upload of one part. */
static void test_many_small_objects_then_memory_is_bounded_and_all_are_published(void **state) {
    (void)state;
    char name[128], *data = calloc(1, PART_BYTES), *back = malloc(PART_BYTES + 1);
    size_t before = uploads_count();
    sink_store s = store_open();
    for (uint32_t i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "dt=2026-11-20/hr=%02u/c-0123456789abcdef-s-000000000003-0.jsonl", i);
        data[0] = (char)('a' + i);
        contract_aside(s, i, name, data, PART_BYTES);
    }
    assert_int_equal(uploads_count(), before + 2); /* 3 fit */
    for (uint32_t i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "dt=2026-11-20/hr=%02u/c-0123456789abcdef-s-000000000003-0.jsonl", i);
        assert_int_equal(s.ops->publish(s.self, i, name), SINK_OK);
        assert_int_equal(object_read(name, back, PART_BYTES + 1), PART_BYTES);
        assert_int_equal(back[0], 'a' + i);
    }
    assert_int_equal(uploads_count(), before);
    store_close(s);
    free(data);
    free(back);
}

static void test_upload_aborted_by_somebody_then_io_and_no_object(void **state) {
    (void)state;
    char *data = calloc(1, 2 * PART_BYTES), back[8];
    sink_store s = store_open();
    contract_aside(s, 0, CONTRACT_NAME("000000000004"), data, 2 * PART_BYTES);
    sink_store successor = store_open();
    assert_int_equal(successor.ops->aside_reset(successor.self), SINK_OK);
    assert_int_equal(s.ops->publish(s.self, 0, CONTRACT_NAME("000000000004")), SINK_ERR_IO);
    message_expect(s, "aborted");
    assert_true(object_read(CONTRACT_NAME("000000000004"), back, sizeof back) == SIZE_MAX);
    /* The successor has replayed it: then the object is there, and that is all that matters. */
    contract_aside(successor, 0, CONTRACT_NAME("000000000004"), data, 2 * PART_BYTES);
    assert_int_equal(successor.ops->publish(successor.self, 0, CONTRACT_NAME("000000000004")), SINK_OK);
    assert_int_equal(s.ops->publish(s.self, 0, CONTRACT_NAME("000000000004")), SINK_OK);
    store_close(s);
    store_close(successor);
    free(data);
}

/* ---- a second collector ------------------------------------------------------------------------------ */

static void test_manifest_of_another_collector_then_fenced_and_it_stays(void **state) {
    (void)state;
    char *text;
    size_t n;
    sink_store s = store_open(), other = store_open();
    assert_int_equal(other.ops->put(other.self, SINK_COMMIT, 20, "theirs", 6), SINK_OK);
    assert_int_equal(s.ops->put(s.self, SINK_COMMIT, 20, "ours", 4), SINK_ERR_FENCED);
    message_expect(s, "another collector");
    assert_int_equal(s.ops->get(s.self, SINK_COMMIT, 20, &text, &n), SINK_OK);
    assert_string_equal(text, "theirs");
    free(text);
    store_close(s);
    store_close(other);
}

static void object_conflict(size_t bytes) {
    char *data = calloc(1, bytes + 1);
    sink_store s = store_open(), other = store_open();
    contract_aside(other, 0, CONTRACT_NAME("000000000021"), data, bytes + 1);
    assert_int_equal(other.ops->publish(other.self, 0, CONTRACT_NAME("000000000021")), SINK_OK);
    assert_int_equal(s.ops->put(s.self, SINK_INTENT, 21, "ours", 4), SINK_OK);
    contract_aside(s, 0, CONTRACT_NAME("000000000021"), data, bytes);
    assert_int_equal(s.ops->publish(s.self, 0, CONTRACT_NAME("000000000021")), SINK_ERR_FENCED);
    contract_aside(s, 0, CONTRACT_NAME("000000000021"), data, bytes + 1);
    assert_int_equal(s.ops->publish(s.self, 0, CONTRACT_NAME("000000000021")), SINK_OK);
    assert_int_equal(s.ops->remove_object(s.self, CONTRACT_NAME("000000000021")), SINK_OK);
    assert_int_equal(s.ops->remove_intent(s.self, 21), SINK_OK);
    store_close(s);
    store_close(other);
    free(data);
}

static void test_object_of_another_size_then_fenced_and_of_the_same_then_ours(void **state) {
    (void)state;
    size_t before = uploads_count();
    object_conflict(10);
    object_conflict(PART_BYTES + 1);
    assert_int_equal(uploads_count(), before);
}

/* ---- commits ---------------------------------------------------------------------------------------- */

static void test_first_commits_expired_then_the_last_is_found(void **state) {
    (void)state;
    uint64_t last = 0;
    sink = "expired";
    sink_store s = store_open();
    for (uint64_t epoch = 700; epoch < 723; epoch++)
        assert_int_equal(s.ops->put(s.self, SINK_COMMIT, epoch, "x", 1), SINK_OK);
    assert_int_equal(s.ops->put(s.self, SINK_INTENT, 723, "x", 1), SINK_OK);
    assert_int_equal(s.ops->last_commit(s.self, &last), SINK_OK);
    assert_int_equal(last, 722);
    sink = "s";
    store_close(s);
}

/* ---- what is wrong with the configuration ------------------------------------------------------------ */

static void failure_expect(const s3_options *opt, const char *message) {
    uint64_t last;
    s3_store *s;
    assert_int_equal(s3_store_open(opt, "c", "s", &s), SINK_OK);
    assert_int_equal(s3_store_of(s).ops->last_commit(s, &last), SINK_ERR_IO);
    message_expect(s3_store_of(s), message);
    s3_store_close(s);
}

static void test_wrong_secret_then_the_message_says_403(void **state) {
    (void)state;
    s3_options opt = options;
    opt.credentials.secret_access_key = "wrong";
    failure_expect(&opt, "403");
}

static void test_no_such_bucket_then_the_message_says_so(void **state) {
    (void)state;
    s3_options opt = options;
    opt.place.bucket = "nobody-made-this";
    failure_expect(&opt, "NoSuchBucket");
}

static void test_wrong_region_then_io(void **state) {
    (void)state;
    s3_options opt = options;
    opt.place.region = "mars-north-1";
    failure_expect(&opt, "s3: look for a commit: 40");
}

static void test_certificate_of_nobody_we_know_then_said_so(void **state) {
    (void)state;
    s3_options opt = options;
    opt.ca_file = NULL;
    failure_expect(&opt, "tls: ");
}

/* ---- large ------------------------------------------------------------------------------------------- */

#define LARGE_BYTES ((size_t)512 << 20)
#define LARGE_NAME CONTRACT_NAME("000000000099")
#define MEMORY_KIB_MAX 80000

static void test_object_of_512_mb_then_memory_stays_small(void **state) {
    (void)state;
    static char data[1u << 20];
    struct rusage usage;
    sink_store s = store_open();
    assert_int_equal(s.ops->aside_begin(s.self, 0, LARGE_NAME), SINK_OK);
    for (size_t i = 0; i < LARGE_BYTES / sizeof data; i++) {
        memset(data, (int)i, sizeof data);
        assert_int_equal(s.ops->aside_write(s.self, data, sizeof data), SINK_OK);
    }
    assert_int_equal(s.ops->aside_finish(s.self), SINK_OK);
    assert_int_equal(s.ops->publish(s.self, 0, LARGE_NAME), SINK_OK);
    store_close(s);
    getrusage(RUSAGE_SELF, &usage);
    print_message("%ld KiB at most, %ld ms of CPU\n", usage.ru_maxrss,
                  (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                      (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
    assert_true(usage.ru_maxrss < MEMORY_KIB_MAX);
}

int main(int argc, char **argv) {
    static const size_t sizes[] = {
        0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, 7 * PART_BYTES + 5, SIZE_MAX};
    static const store_rig rig = {store_open, store_close, object_read, sizes};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uploads_left_by_a_crash_then_ours_are_aborted_at_the_next_start),
        cmocka_unit_test(test_many_small_objects_then_memory_is_bounded_and_all_are_published),
        cmocka_unit_test(test_upload_aborted_by_somebody_then_io_and_no_object),
        cmocka_unit_test(test_manifest_of_another_collector_then_fenced_and_it_stays),
        cmocka_unit_test(test_object_of_another_size_then_fenced_and_of_the_same_then_ours),
        cmocka_unit_test(test_first_commits_expired_then_the_last_is_found),
        cmocka_unit_test(test_wrong_secret_then_the_message_says_403),
        cmocka_unit_test(test_no_such_bucket_then_the_message_says_so),
        cmocka_unit_test(test_wrong_region_then_io),
    };
    const struct CMUnitTest tls[] = {cmocka_unit_test(test_certificate_of_nobody_we_know_then_said_so)};
    const struct CMUnitTest large[] = {cmocka_unit_test(test_object_of_512_mb_then_memory_stays_small)};
    if (argc != 6 && argc != 7)
        return 2;
    options.place = (s3_place){.endpoint = argv[1], .region = "us-east-1", .bucket = argv[2]};
    options.place.virtual_host = strcmp(argv[5], "virtual") == 0;
    options.credentials.access_key_id = argv[3];
    options.credentials.secret_access_key = argv[4];
    options.ca_file = argc == 7 ? argv[6] : NULL;
    if (strcmp(argv[5], "large") == 0)
        return cmocka_run_group_tests(large, NULL, NULL);
    if (options.ca_file && cmocka_run_group_tests(tls, NULL, NULL) != 0)
        return 1;
    return store_contract_run(&rig) + cmocka_run_group_tests(tests, NULL, NULL);
}

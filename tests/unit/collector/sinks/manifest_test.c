#include "manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static manifest example(void) {
    manifest m = {.epoch = 42,
                  .from = {.mark = {7, 5, ORDER_KEY_LEAST}},
                  .to = {.mark = {90, 88, {1700000000000001, 89, 3}}},
                  .order = {2000000, 1 << 26, 0},
                  .codec = OUTPUT_ZSTD,
                  .encoder_version = 1,
                  .incarnation = "0123456789abcdef",
                  .n_objects = 1,
                  .lines = 17,
                  .late_lines = 2,
                  .bytes = 999,
                  .min_us = -5,
                  .max_us = 6,
                  .gap = MANIFEST_GAP_RESTORED};
    static const encoder_column columns[] = {{"price", COLUMN_DOUBLE}, {"a b", COLUMN_BOOL}};
    assert_true(manifest_encoding_set(&m, OUTPUT_ZSTD, "parquet", columns, 2));
    static const uint8_t id[16] = {1, 2, 3};
    assert_true(checkpoint_start_add(&m.to, 8, id));
    m.objects = calloc(1, sizeof *m.objects);
    m.objects[0] = (object_info){.name = "dt=2026-11-20/hr=08/a",
                                 .late = true,
                                 .lines = 17,
                                 .bytes = 999,
                                 .crc32c = UINT32_MAX,
                                 .min_us = -5,
                                 .max_us = 6};
    return m;
}

static void expect_mark(order_mark a, order_mark b) {
    assert_int_equal(a.position, b.position);
    assert_int_equal(a.low, b.low);
    assert_int_equal(a.watermark.us, b.watermark.us);
    assert_int_equal(a.watermark.position, b.watermark.position);
    assert_int_equal(a.watermark.index, b.watermark.index);
}

static void test_commit_then_reads_back_equal(void **state) {
    (void)state;
    manifest m = example(), back = {0};
    size_t n = 0;
    char *text = manifest_encode(&m, SINK_COMMIT, &n);
    assert_non_null(text);
    assert_int_equal(manifest_decode(text, n, &back), SINK_OK);
    assert_int_equal(back.epoch, 42);
    expect_mark(back.from.mark, m.from.mark);
    expect_mark(back.to.mark, m.to.mark);
    assert_true(checkpoint_start_known(&back.to, 8, m.to.starts[0].id));
    assert_false(checkpoint_start_known(&back.to, 9, m.to.starts[0].id));
    assert_int_equal(back.order.window_us, 2000000);
    assert_int_equal(back.order.pending_bytes_max, 1 << 26);
    assert_int_equal(back.codec, OUTPUT_ZSTD);
    assert_string_equal(back.format, "parquet");
    assert_true(manifest_encoding_equal(&back, &m));
    back.columns[1].type = COLUMN_INT64;
    assert_false(manifest_encoding_equal(&back, &m));
    assert_string_equal(back.incarnation, m.incarnation);
    assert_int_equal(back.gap, MANIFEST_GAP_RESTORED);
    assert_int_equal(back.n_objects, 1);
    assert_memory_equal(&back.objects[0].lines, &m.objects[0].lines, sizeof m.objects[0].lines);
    assert_string_equal(back.objects[0].name, m.objects[0].name);
    assert_true(back.objects[0].late);
    assert_int_equal(back.objects[0].crc32c, UINT32_MAX);
    assert_int_equal(back.objects[0].min_us, -5);
    manifest_fini(&back);
    manifest_fini(&m);
    free(text);
}

/* Whatever is cut off, nothing but the whole is taken. */
static void test_manifest_when_cut_short_then_refused(void **state) {
    (void)state;
    manifest m = example();
    size_t n = 0;
    char *text = manifest_encode(&m, SINK_INTENT, &n);
    for (size_t cut = 0; cut < n; cut++) {
        manifest back = {0};
        assert_int_equal(manifest_decode(text, cut, &back), SINK_ERR_CHECKPOINT);
    }
    manifest_fini(&m);
    free(text);
}

static void test_manifest_of_another_version_then_refused(void **state) {
    (void)state;
    manifest m = example(), back = {0};
    size_t n = 0;
    char *text = manifest_encode(&m, SINK_COMMIT, &n);
    char *version = strstr(text, "\"version\": 1");
    assert_non_null(version);
    version[11] = '3';
    assert_int_equal(manifest_decode(text, n, &back), SINK_ERR_CHECKPOINT);
    manifest_fini(&m);
    free(text);
}

/* A build that does not know held events would lose them: it has to refuse. */
static void test_manifest_that_holds_late_events_then_reads_back_and_has_a_version_of_its_own(void **state) {
    (void)state;
    manifest m = example(), back = {0};
    m.from.holds_late = m.to.holds_late = true;
    m.from.late = m.to.late = (order_mark){4, 3, {-7, 4, 9}};
    m.from.late_until = 6;
    size_t n = 0;
    char *text = manifest_encode(&m, SINK_INTENT, &n);
    assert_non_null(strstr(text, "\"version\": 2"));
    assert_int_equal(manifest_decode(text, n, &back), SINK_OK);
    assert_true(back.from.holds_late && back.to.holds_late);
    expect_mark(back.from.late, m.from.late);
    expect_mark(back.to.late, m.to.late);
    assert_int_equal(back.from.late_until, 6);
    assert_int_equal(back.to.late_until, 0);
    assert_int_equal(checkpoint_low(&back.to), 3);
    back.to.holds_late = false;
    assert_int_equal(checkpoint_low(&back.to), 88);
    manifest_fini(&back);
    manifest_fini(&m);
    free(text);
}

/* What a reader of the lake loads. */
static void test_commit_then_says_what_is_in_it(void **state) {
    (void)state;
    manifest m = example();
    size_t n = 0;
    char *text = manifest_encode(&m, SINK_COMMIT, &n);
    static const char *const said[] = {
        "\"format\": \"parquet\"", "\"first\": 8",        "\"last\": 90",
        "\"bytes\": 999",          "\"min_time_us\": -5", "\"max_time_us\": 6"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (!strstr(text, said[i]))
            fail_msg("%s is not in %s", said[i], text);
    free(text);
    m.lines = 0;
    text = manifest_encode(&m, SINK_COMMIT, &n);
    assert_non_null(strstr(text, "\"min_time_us\": null"));
    manifest_fini(&m);
    free(text);
}

/* Of release 0.1.0, as it wrote them. */
static manifest golden(const char *kind) {
    const char *root = getenv("WADI_SOURCE_DIR");
    char path[4096], text[8192];
    if (!root)
        skip(); /* not run by ctest */
    snprintf(path, sizeof path, "%s/tests/unit/collector/sinks/golden/manifest-0.1.0.%s", root, kind);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    manifest m = {0};
    assert_int_equal(manifest_decode(text, n, &m), SINK_OK);
    return m;
}

static void test_manifests_of_the_last_release_then_read(void **state) {
    (void)state;
    manifest m = example(), commit = golden("commit"), intent = golden("intent");
    const manifest *both[] = {&commit, &intent};
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(both[i]->format, "jsonl");
        expect_mark(both[i]->from.mark, m.from.mark);
        expect_mark(both[i]->to.mark, m.to.mark);
        assert_false(both[i]->to.holds_late);
        assert_true(checkpoint_start_known(&both[i]->to, 8, m.to.starts[0].id));
        assert_string_equal(both[i]->incarnation, m.incarnation);
        assert_int_equal(both[i]->n_objects, 1);
    }
    assert_int_equal(commit.objects[0].crc32c, UINT32_MAX);
    assert_int_equal(commit.objects[0].min_us, -5);
    manifest_fini(&m);
    manifest_fini(&commit);
    manifest_fini(&intent);
}

static void test_checkpoint_when_it_has_many_starts_then_keeps_the_newest(void **state) {
    (void)state;
    checkpoint c = {0};
    uint8_t id[16] = {0};
    for (uint64_t i = 1; i <= CHECKPOINT_STARTS_MAX + 10; i++)
        assert_true(checkpoint_start_add(&c, i, id));
    checkpoint_starts_trim(&c);
    assert_int_equal(c.n_starts, CHECKPOINT_STARTS_MAX);
    assert_false(checkpoint_start_known(&c, 10, id));
    assert_true(checkpoint_start_known(&c, 11, id));
    assert_true(checkpoint_start_known(&c, CHECKPOINT_STARTS_MAX + 10, id));
    checkpoint_fini(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_then_reads_back_equal),
        cmocka_unit_test(test_manifest_when_cut_short_then_refused),
        cmocka_unit_test(test_manifest_of_another_version_then_refused),
        cmocka_unit_test(test_manifest_that_holds_late_events_then_reads_back_and_has_a_version_of_its_own),
        cmocka_unit_test(test_commit_then_says_what_is_in_it),
        cmocka_unit_test(test_manifests_of_the_last_release_then_read),
        cmocka_unit_test(test_checkpoint_when_it_has_many_starts_then_keeps_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
                  .gap = MANIFEST_GAP_RESTORED};
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
    version[11] = '2';
    assert_int_equal(manifest_decode(text, n, &back), SINK_ERR_CHECKPOINT);
    manifest_fini(&m);
    free(text);
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
        cmocka_unit_test(test_checkpoint_when_it_has_many_starts_then_keeps_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

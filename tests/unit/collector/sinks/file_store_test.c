#include "file_store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static int root_make(void **state) {
    strcpy(root, "/tmp/wadi-file-store-XXXXXX");
    *state = NULL;
    return mkdtemp(root) ? 0 : -1;
}

static int root_remove(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static sink_store store_open(file_store **ret) {
    char path[96];
    snprintf(path, sizeof path, "%s/events", root);
    assert_int_equal(file_store_open(path, "c", "s", ret), SINK_OK);
    return file_store_of(*ret);
}

static size_t file_read(const char *name, char *out, size_t cap) {
    char path[256];
    snprintf(path, sizeof path, "%s/events/%s", root, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return SIZE_MAX;
    size_t n = fread(out, 1, cap, file);
    fclose(file);
    return n;
}

static void object_put(sink_store s, uint32_t slot, const char *data, size_t n) {
    assert_int_equal(s.ops->aside_begin(s.self, slot), SINK_OK);
    assert_int_equal(s.ops->aside_write(s.self, data, n), SINK_OK);
    assert_int_equal(s.ops->aside_finish(s.self), SINK_OK);
}

/* Sizes around the block and the stage: direct I/O must leave no trace of its blocks. */
static void test_object_of_any_size_then_exact_bytes(void **state) {
    (void)state;
    static char data[1300000], back[1300001];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)('a' + i % 23);
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 524288, 524289, 1300000};
    file_store *fs;
    sink_store s = store_open(&fs);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        object_put(s, 0, data, sizes[i]);
        assert_int_equal(s.ops->publish(s.self, 0, "dt=2026-11-20/hr=08/object"), SINK_OK);
        assert_int_equal(file_read("dt=2026-11-20/hr=08/object", back, sizeof back), sizes[i]);
        assert_memory_equal(back, data, sizes[i]);
    }
    file_store_close(fs);
}

static void test_object_before_publishing_then_not_visible_and_reset_forgets_it(void **state) {
    (void)state;
    char back[16];
    file_store *fs;
    sink_store s = store_open(&fs);
    object_put(s, 1, "x", 1);
    assert_int_equal(file_read("dt=2026-11-20/hr=09/object", back, sizeof back), SIZE_MAX);
    assert_int_equal(s.ops->aside_reset(s.self), SINK_OK);
    assert_int_equal(s.ops->publish(s.self, 1, "dt=2026-11-20/hr=09/object"), SINK_ERR_IO);
    file_store_close(fs);
}

static void test_object_removed_twice_then_no_error(void **state) {
    (void)state;
    file_store *fs;
    sink_store s = store_open(&fs);
    object_put(s, 0, "x", 1);
    assert_int_equal(s.ops->publish(s.self, 0, "dt=2026-11-20/hr=10/object"), SINK_OK);
    assert_int_equal(s.ops->remove_object(s.self, "dt=2026-11-20/hr=10/object"), SINK_OK);
    assert_int_equal(s.ops->remove_object(s.self, "dt=2026-11-20/hr=10/object"), SINK_OK);
    file_store_close(fs);
}

static void test_manifests_then_the_highest_commit_is_found_after_reopening(void **state) {
    (void)state;
    file_store *fs;
    sink_store s = store_open(&fs);
    uint64_t epoch = 99;
    assert_int_equal(s.ops->last_commit(s.self, &epoch), SINK_OK);
    assert_int_equal(epoch, 0);
    assert_int_equal(s.ops->put(s.self, SINK_COMMIT, 9, "nine", 4), SINK_OK);
    assert_int_equal(s.ops->put(s.self, SINK_COMMIT, 10, "ten", 3), SINK_OK);
    assert_int_equal(s.ops->put(s.self, SINK_INTENT, 11, "eleven", 6), SINK_OK);
    file_store_close(fs);
    s = store_open(&fs);
    assert_int_equal(s.ops->last_commit(s.self, &epoch), SINK_OK);
    assert_int_equal(epoch, 10);
    char *text;
    size_t n;
    assert_int_equal(s.ops->get(s.self, SINK_INTENT, 11, &text, &n), SINK_OK);
    assert_string_equal(text, "eleven");
    free(text);
    assert_int_equal(s.ops->remove_intent(s.self, 11), SINK_OK);
    assert_int_equal(s.ops->get(s.self, SINK_INTENT, 11, &text, &n), SINK_OK);
    assert_null(text);
    file_store_close(fs);
}

static void test_open_when_the_parent_is_missing_then_io(void **state) {
    (void)state;
    file_store *fs;
    assert_int_equal(file_store_open("/nonexistent/wadi/events", "c", "s", &fs), SINK_ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object_of_any_size_then_exact_bytes),
        cmocka_unit_test(test_object_before_publishing_then_not_visible_and_reset_forgets_it),
        cmocka_unit_test(test_object_removed_twice_then_no_error),
        cmocka_unit_test(test_manifests_then_the_highest_commit_is_found_after_reopening),
        cmocka_unit_test(test_open_when_the_parent_is_missing_then_io),
    };
    return cmocka_run_group_tests(tests, root_make, root_remove);
}

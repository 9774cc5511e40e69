#include "store_contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OBJECT CONTRACT_NAME("000000000001")
#define OTHER CONTRACT_NAME("000000000002")

static const store_rig *rig;

void contract_aside(sink_store s, uint32_t slot, const char *name, const char *data, size_t n) {
    assert_int_equal(s.ops->aside_begin(s.self, slot, name), SINK_OK);
    for (size_t part = 0, at = 0; at < n; at += part) { /* in pieces that fit nothing */
        part = n - at < 100003 ? n - at : 100003;
        assert_int_equal(s.ops->aside_write(s.self, data + at, part), SINK_OK);
    }
    assert_int_equal(s.ops->aside_finish(s.self), SINK_OK);
}

static void object_expect(const char *name, const char *data, size_t n) {
    char *back = malloc(n + 1);
    assert_non_null(back);
    assert_int_equal(rig->object_read(name, back, n + 1), n);
    assert_memory_equal(back, data, n);
    free(back);
}

static void object_expect_none(const char *name) {
    char back[16];
    assert_true(rig->object_read(name, back, sizeof back) == SIZE_MAX);
}

static void test_object_of_any_size_then_exact_bytes(void **state) {
    (void)state;
    size_t most = 0;
    for (const size_t *n = rig->sizes; *n != SIZE_MAX; n++)
        most = *n > most ? *n : most;
    char *data = malloc(most + 1);
    assert_non_null(data);
    for (size_t i = 0; i < most; i++)
        data[i] = (char)('a' + i % 23);
    sink_store s = rig->open();
    for (const size_t *n = rig->sizes; *n != SIZE_MAX; n++) {
        contract_aside(s, 0, OBJECT, data, *n);
        assert_int_equal(s.ops->publish(s.self, 0, OBJECT), SINK_OK);
        object_expect(OBJECT, data, *n);
    }
    free(data);
    rig->close(s);
}

static void test_objects_in_several_slots_then_each_gets_its_name(void **state) {
    (void)state;
    sink_store s = rig->open();
    contract_aside(s, 0, OBJECT, "zero", 4);
    contract_aside(s, 1, OTHER, "first", 5);
    assert_int_equal(s.ops->publish(s.self, 1, OTHER), SINK_OK);
    assert_int_equal(s.ops->publish(s.self, 0, OBJECT), SINK_OK);
    object_expect(OBJECT, "zero", 4);
    object_expect(OTHER, "first", 5);
    assert_int_equal(s.ops->remove_object(s.self, OTHER), SINK_OK);
    object_expect_none(OTHER);
    rig->close(s);
}

static void test_object_before_publishing_then_not_visible_and_reset_forgets_it(void **state) {
    (void)state;
    sink_store s = rig->open();
    contract_aside(s, 1, OTHER, "x", 1);
    object_expect_none(OTHER);
    assert_int_equal(s.ops->aside_reset(s.self), SINK_OK);
    assert_int_equal(s.ops->publish(s.self, 1, OTHER), SINK_ERR_IO);
    object_expect_none(OTHER);
    rig->close(s);
}

static void test_slot_begun_again_then_only_the_last_counts(void **state) {
    (void)state;
    sink_store s = rig->open();
    assert_int_equal(s.ops->aside_begin(s.self, 0, OBJECT), SINK_OK);
    assert_int_equal(s.ops->aside_write(s.self, "unfinished", 10), SINK_OK);
    contract_aside(s, 0, OTHER, "abandoned", 9);
    contract_aside(s, 0, OBJECT, "last", 4);
    assert_int_equal(s.ops->publish(s.self, 0, OBJECT), SINK_OK);
    object_expect(OBJECT, "last", 4);
    object_expect_none(OTHER);
    rig->close(s);
}

/* A replay: another process writes an object that has its name already. */
static void test_object_published_again_after_reopening_then_replaced(void **state) {
    (void)state;
    sink_store s = rig->open();
    contract_aside(s, 0, OBJECT, "one", 3);
    assert_int_equal(s.ops->publish(s.self, 0, OBJECT), SINK_OK);
    rig->close(s);
    s = rig->open();
    assert_int_equal(s.ops->aside_reset(s.self), SINK_OK);
    contract_aside(s, 0, OBJECT, "three", 5);
    assert_int_equal(s.ops->publish(s.self, 0, OBJECT), SINK_OK);
    object_expect(OBJECT, "three", 5);
    rig->close(s);
}

static void test_object_removed_twice_then_no_error(void **state) {
    (void)state;
    sink_store s = rig->open();
    contract_aside(s, 0, OBJECT, "x", 1);
    assert_int_equal(s.ops->publish(s.self, 0, OBJECT), SINK_OK);
    assert_int_equal(s.ops->remove_object(s.self, OBJECT), SINK_OK);
    assert_int_equal(s.ops->remove_object(s.self, OBJECT), SINK_OK);
    object_expect_none(OBJECT);
    rig->close(s);
}

static void last_expect(sink_store s, uint64_t epoch) {
    uint64_t last = 99;
    assert_int_equal(s.ops->last_commit(s.self, &last), SINK_OK);
    assert_int_equal(last, epoch);
}

static void manifest_expect(sink_store s, sink_manifest kind, uint64_t epoch, const char *expected) {
    char *text = NULL;
    size_t n = 99;
    assert_int_equal(s.ops->get(s.self, kind, epoch, &text, &n), SINK_OK);
    assert_int_equal(n, expected ? strlen(expected) : 0);
    if (expected)
        assert_string_equal(text, expected);
    else
        assert_null(text);
    free(text);
}

static void test_manifests_then_the_last_commit_is_found_after_reopening(void **state) {
    (void)state;
    static const char *const texts[] = {"", "one", "two", "three", "four", "five", "six", "seven", "eight"};
    sink_store s = rig->open();
    last_expect(s, 0);
    for (uint64_t epoch = 1; epoch <= 8; epoch++) {
        const char *text = texts[epoch];
        assert_int_equal(s.ops->put(s.self, SINK_INTENT, epoch, text, strlen(text)), SINK_OK);
        last_expect(s, epoch - 1);
        assert_int_equal(s.ops->put(s.self, SINK_COMMIT, epoch, text, strlen(text)), SINK_OK);
        if (epoch < 8)
            assert_int_equal(s.ops->remove_intent(s.self, epoch), SINK_OK);
        rig->close(s);
        s = rig->open();
        last_expect(s, epoch);
    }
    manifest_expect(s, SINK_COMMIT, 3, "three");
    manifest_expect(s, SINK_INTENT, 3, NULL);
    manifest_expect(s, SINK_INTENT, 8, "eight");
    manifest_expect(s, SINK_COMMIT, 9, NULL);
    assert_int_equal(s.ops->remove_intent(s.self, 8), SINK_OK);
    assert_int_equal(s.ops->remove_intent(s.self, 8), SINK_OK);
    manifest_expect(s, SINK_INTENT, 8, NULL);
    rig->close(s);
}

/* As after an answer that was lost. */
static void test_manifest_put_twice_then_no_error(void **state) {
    (void)state;
    sink_store s = rig->open();
    assert_int_equal(s.ops->put(s.self, SINK_INTENT, 9, "nine", 4), SINK_OK);
    assert_int_equal(s.ops->put(s.self, SINK_INTENT, 9, "nine", 4), SINK_OK);
    manifest_expect(s, SINK_INTENT, 9, "nine");
    assert_int_equal(s.ops->remove_intent(s.self, 9), SINK_OK);
    rig->close(s);
}

int store_contract_run(const store_rig *r) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object_of_any_size_then_exact_bytes),
        cmocka_unit_test(test_objects_in_several_slots_then_each_gets_its_name),
        cmocka_unit_test(test_object_before_publishing_then_not_visible_and_reset_forgets_it),
        cmocka_unit_test(test_slot_begun_again_then_only_the_last_counts),
        cmocka_unit_test(test_object_published_again_after_reopening_then_replaced),
        cmocka_unit_test(test_object_removed_twice_then_no_error),
        cmocka_unit_test(test_manifests_then_the_last_commit_is_found_after_reopening),
        cmocka_unit_test(test_manifest_put_twice_then_no_error),
    };
    rig = r;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every setting's range, at its edges, and the units. */
#include "option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"

static bool takes(const struct option_spec *option, const char *text, void *object) {
    char buffer[256];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    bool taken = option_parse(option, text, object, &why);
    if (!taken && why.length == 0)
        fail_msg("%s: \"%s\" is refused without a word", option->path, text);
    return taken;
}

static bool is_ranged(const struct option_spec *option) {
    return option->type == OPTION_COUNT || option->type == OPTION_DURATION || option->type == OPTION_SIZE ||
           option->type == OPTION_FRACTION;
}

/* The value as a setting of this type is written, in its smallest unit. */
static void write_value(const struct option_spec *option, uint64_t value, char *ret_text, size_t size) {
    unsigned long long n = value;
    if (option->type == OPTION_FRACTION)
        snprintf(ret_text, size, "%llu.%03llu", n / 1000, n % 1000);
    else
        snprintf(ret_text, size, "%llu%s", n,
                 option->type == OPTION_DURATION ? "us"
                 : option->type == OPTION_SIZE   ? "B"
                                                 : "");
}

static void check_value(const struct option_spec *option, void *object, uint64_t value, bool taken) {
    char text[64];
    write_value(option, value, text, sizeof text);
    if (takes(option, text, object) != taken)
        fail_msg("%s: \"%s\" is %s", option->path, text, taken ? "refused" : "taken");
}

static void check_range(const struct option_spec *option, void *object) {
    assert_true(option->least <= option->most && option->most > 0);
    check_value(option, object, option->least, true);
    check_value(option, object, option->most, true);
    check_value(option, object, option->most + 1, false);
    if (option->least > 0) {
        check_value(option, object, 0, (option->flags & OPTION_OR_ZERO) != 0);
        if (option->least > 1)
            check_value(option, object, option->least - 1, false);
    }
    if (takes(option, "never", object) != ((option->flags & OPTION_OR_NEVER) != 0))
        fail_msg("%s: never", option->path);
}

static void check_texts(const struct option_spec *option, void *object) {
    char *endless = calloc(1, option->most + 2);
    memset(endless, 'a', option->most + 1);
    assert_false(takes(option, endless, object));
    endless[option->most] = '\0';
    assert_true(takes(option, endless, object));
    assert_false(takes(option, "", object));
    free(endless);
}

static void table_check(const struct option_table *table, void *object) {
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *option = &table->options[i];
        assert_true(strlen(option->help) > 0);
        assert_false((option->flags & OPTION_REQUIRED) && option->default_text);
        if (is_ranged(option))
            check_range(option, object);
        if (option->type == OPTION_NAME || option->type == OPTION_TEXT)
            check_texts(option, object);
        for (const char *const *value = option->values; value && *value; value++)
            assert_true(takes(option, *value, object));
        if (option->values)
            assert_false(takes(option, "no-such-choice", object));
        if (option->flags & OPTION_INHERITS)
            assert_int_equal(option_find(&option_root, option->default_text)->type, option->type);
        if (option->element) {
            void *entry = calloc(1, option->element->object_bytes);
            table_check(option->element, entry);
            free(entry);
        }
    }
    option_object_fini(table, object);
}

static void test_options_at_the_edges_of_their_ranges_then_taken_or_refused(void **state) {
    (void)state;
    struct collector_config config = {0};
    table_check(&option_root, &config);
}

static void expect_read(const char *path, const char *text, uint64_t expected) {
    struct collector_config config = {0};
    const struct option_spec *option = option_find(&option_root, path);
    uint64_t value;
    if (!takes(option, text, &config))
        fail_msg("%s refuses %s", path, text);
    memcpy(&value, (char *)&config + option->offset, sizeof value);
    if (value != expected)
        fail_msg("%s: %s is %llu", path, text, (unsigned long long)value);
}

static void test_options_when_units_differ_then_the_same_quantity(void **state) {
    (void)state;
    expect_read("order.window", "2s", 2000000);
    expect_read("order.window", "2000ms", 2000000);
    expect_read("order.window", "2000000us", 2000000);
    expect_read("order.window", "5m", 300000000);
    expect_read("order.window", "0", 0);
    expect_read("order.window", "0s", 0);
    expect_read("journal.keep", "30d", 2592000000000);
    expect_read("journal.keep_bytes", "64KB", 64000);
    expect_read("journal.keep_bytes", "64KiB", 65536);
    expect_read("journal.keep_bytes", "16MB", 16000000);
    expect_read("journal.keep_bytes", "1GiB", 1 << 30);
    expect_read("journal.keep_bytes", "1TB", 1000000000000);
    expect_read("journal.keep_bytes", "1TiB", UINT64_C(1) << 40);
}

static void test_options_when_units_are_wrong_then_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "s",
                                      "2",
                                      "2 s",
                                      "2S",
                                      "-2s",
                                      "+2s",
                                      "2sec",
                                      "1.5s",
                                      "2ss",
                                      "1e3s",
                                      "0x2s",
                                      "99999999999999999999s"};
    struct collector_config config = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (takes(option_find(&option_root, "order.window"), bad[i], &config))
            fail_msg("taken: %s", bad[i]);
    assert_false(takes(option_find(&option_root, "journal.keep_bytes"), "1kb", &config));
    assert_false(takes(option_find(&option_root, "journal.keep_bytes"), "17592186044416TiB", &config));
    assert_false(takes(option_find(&option_root, "journal.high_watermark"), "0.9001", &config));
    assert_false(takes(option_find(&option_root, "journal.high_watermark"), "0.", &config));
    assert_false(takes(option_find(&option_root, "journal.high_watermark"), "90%", &config));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_at_the_edges_of_their_ranges_then_taken_or_refused),
        cmocka_unit_test(test_options_when_units_differ_then_the_same_quantity),
        cmocka_unit_test(test_options_when_units_are_wrong_then_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

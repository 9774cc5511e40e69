#include "sdk/tools/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char why[512];

static void put(settings *s, setting_id id, const char *value) {
    if (!setting_put(s, id, value, why, sizeof why))
        fail_msg("%s", why);
}

/* Reads the text as a file; NULL or the error. */
static const char *file_read(settings *s, const char *text) {
    char path[] = "/tmp/wadi-settings-test.XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    bool good = settings_file(s, path, why, sizeof why);
    unlink(path);
    return good ? NULL : why;
}

static void test_find_when_dashes_or_underscores_then_the_same(void **state) {
    (void)state;
    assert_int_equal(setting_find("ca_file", 7), SETTING_ca_file);
    assert_int_equal(setting_find("ca-file", 7), SETTING_ca_file);
    assert_int_equal(setting_find("ca_fil", 6), SETTINGS_N);
    assert_int_equal(setting_find("ca_files", 8), SETTINGS_N);
    assert_int_equal(setting_find("", 0), SETTINGS_N);
}

static void test_put_when_set_before_then_the_first_counts(void **state) {
    (void)state;
    static settings s;
    memset(&s, 0, sizeof s);
    assert_int_equal(setenv("WADI_APP", "of the environment", 1), 0);
    assert_int_equal(setenv("WADI_TIMEOUT_MS", "70", 1), 0);
    put(&s, SETTING_app, "of the flag");
    assert_true(settings_environment(&s, why, sizeof why));
    assert_null(file_read(&s, "app = of the file\ntimeout_ms = 80\napp_version = 1\n"));
    assert_string_equal(setting_text(&s, SETTING_app), "of the flag");
    assert_int_equal(setting_number(&s, SETTING_timeout_ms, 0), 70);
    assert_string_equal(setting_text(&s, SETTING_app_version), "1");
    assert_null(setting_text(&s, SETTING_endpoint));
    assert_int_equal(setting_number(&s, SETTING_flush_ms, 42), 42);
    unsetenv("WADI_APP");
    unsetenv("WADI_TIMEOUT_MS");
}

static void test_put_when_a_number_has_a_unit_then_multiplied(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t number;
    } numbers[] = {{"0", 0},
                   {"1000", 1000},
                   {"64k", 65536},
                   {"64K", 65536},
                   {"3M", 3 << 20},
                   {"2G", UINT64_C(2) << 30},
                   {"18446744073709551615", UINT64_MAX}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        static settings s;
        memset(&s, 0, sizeof s);
        put(&s, SETTING_disk_bytes_max, numbers[i].text);
        assert_int_equal(setting_number(&s, SETTING_disk_bytes_max, 1), numbers[i].number);
    }
}

static void test_put_when_the_value_is_none_then_refused_by_name(void **state) {
    (void)state;
    static settings s;
    static const char *const numbers[] = {
        "", "x", "-1", "+1", " 1", "1 M", "1MB", "1T", "18446744073709551616", "18446744073709551615K"};
    memset(&s, 0, sizeof s);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_false(setting_put(&s, SETTING_ring_bytes, numbers[i], why, sizeof why));
        assert_non_null(strstr(why, "ring_bytes"));
    }
    assert_false(setting_put(&s, SETTING_wait, "forever", why, sizeof why));
    assert_non_null(strstr(why, "none|disk|acked"));
    put(&s, SETTING_wait, "acked");
    assert_int_equal(setting_number(&s, SETTING_wait, WAIT_DISK), WAIT_ACKED);
}

static void test_file_when_lines_are_of_all_kinds_then_read(void **state) {
    (void)state;
    static settings s;
    memset(&s, 0, sizeof s);
    assert_null(file_read(
        &s, "# a comment\n\n  dir=/var/lib/x \r\nca-file = /etc/a = b.pem\napi_key =\nwait = none"));
    assert_string_equal(setting_text(&s, SETTING_dir), "/var/lib/x");
    assert_string_equal(setting_text(&s, SETTING_ca_file), "/etc/a = b.pem");
    assert_string_equal(setting_text(&s, SETTING_api_key), "");
    assert_int_equal(setting_number(&s, SETTING_wait, WAIT_DISK), WAIT_NONE);
}

static void test_file_when_a_line_is_wrong_then_its_number(void **state) {
    (void)state;
    static settings s;
    assert_non_null(strstr(file_read(&s, "dir = x\nnonsense\n"), ":2: not name = value"));
    assert_non_null(strstr(file_read(&s, "dri = x\n"), ":1: there is no setting \"dri\""));
    assert_non_null(strstr(file_read(&s, "\n\nflush_ms = soon\n"), ":3: flush_ms: \"soon\" is not MS"));
    assert_false(settings_file(&s, "/nonexistent/wadi.conf", why, sizeof why));
    assert_non_null(strstr(why, "/nonexistent/wadi.conf"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_when_dashes_or_underscores_then_the_same),
        cmocka_unit_test(test_put_when_set_before_then_the_first_counts),
        cmocka_unit_test(test_put_when_a_number_has_a_unit_then_multiplied),
        cmocka_unit_test(test_put_when_the_value_is_none_then_refused_by_name),
        cmocka_unit_test(test_file_when_lines_are_of_all_kinds_then_read),
        cmocka_unit_test(test_file_when_a_line_is_wrong_then_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGUMENTS_MAX = 8, SAID_BYTES = 1 << 16 };

struct run {
    enum cli_action action;
    int status;
    char out[SAID_BYTES], err[SAID_BYTES];
    struct collector_config config;
};

static struct run run;

/* Sends what is written to `stream` into a file without a name; answers the descriptor to undo it. */
static int divert(FILE *stream, FILE *file) {
    fflush(stream);
    int before = dup(fileno(stream));
    assert_true(before >= 0 && dup2(fileno(file), fileno(stream)) >= 0);
    return before;
}

static void restore(FILE *stream, int before, FILE *file, char *ret_said) {
    fflush(stream);
    dup2(before, fileno(stream));
    close(before);
    rewind(file);
    ret_said[fread(ret_said, 1, SAID_BYTES - 1, file)] = '\0';
    fclose(file);
}

static void cli(const char *const *arguments) {
    char *argv[ARGUMENTS_MAX + 1] = {(char *)(uintptr_t) "wadi-collector"};
    int argc = 1;
    for (; arguments[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
    FILE *out = tmpfile(), *err = tmpfile();
    int out_before = divert(stdout, out), err_before = divert(stderr, err);
    run.status = -1;
    run.action = cli_parse(argc, argv, "1.2.3", &run.config, &run.status);
    restore(stdout, out_before, out, run.out);
    restore(stderr, err_before, err, run.err);
}

#define CLI(...) cli((const char *const[]){__VA_ARGS__, NULL})

static char config_path[] = "/tmp/wadi-cli-test-XXXXXX";

static void config_write(const char *yaml) {
    FILE *file = fopen(config_path, "we");
    assert_non_null(file);
    fputs(yaml, file);
    fclose(file);
}

static const char good[] = "id: c1\ntls: {cert_file: c, key_file: k}\njournal: {dir: /j}\n"
                           "sinks: [{name: f, type: file, path: /o}]\n";

static void test_cli_when_the_command_line_is_wrong_then_status_2(void **state) {
    (void)state;
    cli((const char *const[]){NULL});
    assert_int_equal(run.status, 2);
    CLI("--chekc");
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.err, "--chekc"));
    CLI("--config");
    assert_int_equal(run.status, 2);
    CLI("--config", config_path, "more");
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.err, "unexpected argument: more"));
    assert_int_equal(run.action, CLI_EXIT);
    assert_string_equal(run.out, "");
}

static void test_cli_when_asked_for_information_then_status_0(void **state) {
    (void)state;
    CLI("--version");
    assert_int_equal(run.status, 0);
    assert_string_equal(run.out, "wadi-collector 1.2.3\n");
    CLI("-h");
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "  order.window  (duration: 1s to 1d, or 0; default: 2s)\n"));
    CLI("--reference");
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "| `sinks[].name` | name | required | 1 to 63 bytes |"));
}

static void test_cli_when_checked_then_status_tells(void **state) {
    (void)state;
    config_write(good);
    CLI("--check", "--config", config_path);
    assert_int_equal(run.action, CLI_EXIT);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.err, ": ok\n"));
    config_write("id: c1\n");
    CLI("--check", "-c", config_path);
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.err, ":1:1: sinks: is missing"));
    CLI("-c", config_path);
    assert_int_equal(run.action, CLI_EXIT);
    assert_int_equal(run.status, 1);
}

static void test_cli_when_printing_then_the_output_is_only_yaml(void **state) {
    (void)state;
    config_write(good);
    CLI("--print-config", "--config", config_path);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.err, "");
    assert_memory_equal(run.out, "id: \"c1\"\n", 9);
}

static void test_cli_when_the_configuration_is_good_then_run(void **state) {
    (void)state;
    config_write(good);
    CLI("--config", config_path);
    assert_int_equal(run.action, CLI_RUN);
    assert_string_equal(run.config.id, "c1");
    config_free(&run.config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cli_when_the_command_line_is_wrong_then_status_2),
        cmocka_unit_test(test_cli_when_asked_for_information_then_status_0),
        cmocka_unit_test(test_cli_when_checked_then_status_tells),
        cmocka_unit_test(test_cli_when_printing_then_the_output_is_only_yaml),
        cmocka_unit_test(test_cli_when_the_configuration_is_good_then_run),
    };
    close(mkstemp(config_path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(config_path);
    return failed;
}

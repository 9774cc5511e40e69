#include "diag.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char said[1 << 17];
static int pipe_fds[2];

static void listen_begin(void) {
    assert_int_equal(pipe(pipe_fds), 0);
    diag_fd_set(pipe_fds[1]);
}

/* What was said since listen_begin; each line's time is cut off. */
static const char *listen_end(void) {
    size_t length = 0;
    ssize_t n;
    diag_fd_set(STDERR_FILENO);
    close(pipe_fds[1]);
    while ((n = read(pipe_fds[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)n;
    close(pipe_fds[0]);
    said[length] = '\0';
    return said;
}

static const char *after_time(const char *line) {
    assert_memory_equal(line, "ts=", 3);
    assert_memory_equal(line + 13, "T", 1);
    assert_memory_equal(line + 29, "Z ", 2);
    return line + 31;
}

static void test_diag_when_fields_are_awkward_then_still_logfmt(void **state) {
    (void)state;
    const uint8_t id[16] = {0xab};
    listen_begin();
    diag_info("disk is full", DIAG_STR("path", "/a b\"c\n"), DIAG_INT("left", -1), DIAG_UINT("n", 7),
              DIAG_ID("stream", id), DIAG_STR("none", NULL), DIAG_STR("bare", "[::]:80"));
    assert_string_equal(after_time(listen_end()),
                        "level=info msg=\"disk is full\" path=\"/a b\\\"c\\n\" left=-1 n=7 "
                        "stream=ab000000000000000000000000000000 none=\"\" bare=[::]:80\n");
}

static void test_diag_when_below_the_level_then_silent(void **state) {
    (void)state;
    listen_begin();
    diag_debug("unheard");
    diag_level_set(DIAG_ERROR);
    diag_warn("unheard");
    diag_error("heard");
    diag_level_set(DIAG_INFO);
    assert_string_equal(after_time(listen_end()), "level=error msg=heard\n");
}

static void test_diag_when_too_long_then_cut_and_ended(void **state) {
    (void)state;
    static char endless[4 * DIAG_LINE_MAX];
    memset(endless, 'x', sizeof endless - 1);
    listen_begin();
    diag_info("long", DIAG_STR("value", endless));
    const char *line = listen_end();
    assert_int_equal(strlen(line), DIAG_LINE_MAX - 1);
    assert_int_equal(line[DIAG_LINE_MAX - 2], '\n');
}

static size_t lines_of(const char *text) {
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void test_diag_when_repeated_then_limited_and_counted(void **state) {
    (void)state;
    static struct diag_site site;
    const struct diag_field none[] = {DIAG_END};
    listen_begin();
    for (int i = 0; i < 50; i++)
        diag_write(&site, DIAG_INFO, "again", none);
    assert_int_equal(lines_of(listen_end()), DIAG_SITE_LINES_MAX);
    site.window = 0; /* as if the ten seconds were over */
    listen_begin();
    diag_write(&site, DIAG_INFO, "again", none);
    assert_string_equal(after_time(listen_end()), "level=info msg=again suppressed=40\n");
}

static void *speak(void *unused) {
    (void)unused;
    diag_info("thread", DIAG_STR("text", "some words that take a while"), DIAG_UINT("n", 1));
    return NULL;
}

static void test_diag_when_threads_speak_then_lines_stay_whole(void **state) {
    (void)state;
    pthread_t threads[8];
    listen_begin();
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, speak, NULL), 0);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    char *rest = NULL;
    listen_end();
    size_t lines = 0;
    for (char *line = strtok_r(said, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), lines++)
        assert_string_equal(after_time(line),
                            "level=info msg=thread text=\"some words that take a while\" n=1");
    assert_int_equal(lines, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diag_when_fields_are_awkward_then_still_logfmt),
        cmocka_unit_test(test_diag_when_below_the_level_then_silent),
        cmocka_unit_test(test_diag_when_too_long_then_cut_and_ended),
        cmocka_unit_test(test_diag_when_repeated_then_limited_and_counted),
        cmocka_unit_test(test_diag_when_threads_speak_then_lines_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

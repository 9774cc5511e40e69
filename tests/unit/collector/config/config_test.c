#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINIMAL                                                      \
    "id: c1\ntls: {cert_file: c, key_file: k}\njournal: {dir: /j}\n" \
    "sinks: [{name: f, type: file, path: /o}]\n"

static void parse(const char *yaml, struct collector_config *ret_config) {
    memset(ret_config, 0, sizeof *ret_config);
    assert_int_equal(config_parse("test", yaml, strlen(yaml), stderr, ret_config), CONFIG_OK);
}

/* The default of every setting that has one, written out here a second time on purpose. */
static const char defaults[] = "id: \"c1\"\n"
                               "listen: \"[::]:8443\"\n"
                               "listen_backlog: 1024\n"
                               "ingress:\n"
                               "  threads: 2\n"
                               "admin:\n"
                               "  listen: \"127.0.0.1:9464\"\n"
                               "tls:\n"
                               "  cert_file: \"c\"\n"
                               "  key_file: \"k\"\n"
                               "  client_auth: \"none\"\n"
                               "  min_version: \"1.2\"\n"
                               "auth:\n"
                               "  api_keys: []\n"
                               "limits:\n"
                               "  connections: 10000\n"
                               "  header_bytes: 16KiB\n"
                               "  body_bytes: 4MiB\n"
                               "  decompressed_bytes: 16MiB\n"
                               "  batch_events: 10000\n"
                               "timeouts:\n"
                               "  handshake: 10s\n"
                               "  header: 10s\n"
                               "  body: 30s\n"
                               "  idle: 75s\n"
                               "  drain: 10s\n"
                               "journal:\n"
                               "  dir: \"/j\"\n"
                               "  max_bytes: 8GiB\n"
                               "  high_watermark: 0.9\n"
                               "  commit_delay: 2ms\n"
                               "  keep: 1d\n"
                               "  keep_bytes: 1GiB\n"
                               "  check: \"true\"\n"
                               "order:\n"
                               "  window: 2s\n"
                               "  max_pending: 64MiB\n"
                               "clock:\n"
                               "  step_max: 10s\n"
                               "dedup:\n"
                               "  stream_idle_max: never\n"
                               "sinks:\n"
                               "  - name: \"f\"\n"
                               "    type: \"file\"\n"
                               "    format: \"jsonl\"\n"
                               "    path: \"/o\"\n"
                               "    compression: \"zstd\"\n"
                               "    window: 2s\n"
                               "    max_pending: 64MiB\n"
                               "    roll_bytes: 64MiB\n"
                               "    roll_interval: 30s\n"
                               "    late_roll_interval: 5m\n"
                               "    on_full: \"block\"\n"
                               "    parquet:\n"
                               "      columns: {}\n"
                               "log:\n"
                               "  level: \"info\"\n";

static char *printed(const struct collector_config *config) {
    struct text out;
    text_init_growing(&out, 1 << 20);
    config_print(config, &out);
    assert_false(out.cut);
    return out.data;
}

static void test_config_when_minimal_then_has_every_default(void **state) {
    (void)state;
    struct collector_config config;
    parse(MINIMAL, &config);
    char *shown = printed(&config);
    assert_string_equal(shown, defaults);
    free(shown);
    config_free(&config);
}

static void test_config_when_minimal_then_values_are_in_their_units(void **state) {
    (void)state;
    struct collector_config config;
    parse(MINIMAL, &config);
    assert_string_equal(config.id, "c1");
    assert_true(config.journal.max_bytes == UINT64_C(8) << 30);
    assert_true(config.journal.commit_delay_us == 2000);
    assert_true(config.journal.keep_us == UINT64_C(86400000000));
    assert_true(config.journal.high_watermark > 0.8999 && config.journal.high_watermark < 0.9001);
    assert_true(config.dedup.stream_idle_max_us == CONFIG_NEVER);
    assert_null(config.tls.client_ca_file);
    assert_int_equal(config.sinks_count, 1);
    assert_int_equal(config.sinks[0].type, CONFIG_SINK_FILE);
    assert_int_equal(config.sinks[0].window_us, 2000000);
    assert_int_equal(config.log.level, 1);
    config_free(&config);
    config_free(&config);
}

/* Everything that differs from its default, with texts that need quoting. */
static const char everything[] =
    "id: a-9\n"
    "listen: 0.0.0.0:1\n"
    "listen_backlog: 1\n"
    "ingress: {threads: 64}\n"
    "admin: {listen: \"[::1]:0\"}\n"
    "tls: {cert_file: \"c \\\"x\\\" \\\\ \\n: #\", key_file: 'é', client_ca_file: a,\n"
    "  client_auth: required, min_version: 1.3}\n"
    "auth:\n"
    "limits: {connections: 1, header_bytes: 1KiB, body_bytes: 1500B,\n"
    "  decompressed_bytes: 1MB, batch_events: 1}\n"
    "timeouts: {handshake: 10ms, header: 1h, body: 90s, idle: 24h, drain: 0}\n"
    "journal: {dir: /j, max_bytes: 16384GiB, high_watermark: 0.125, commit_delay: 0us,\n"
    "  keep: 365d, keep_bytes: 0}\n"
    "order: {window: 0, max_pending: 64GiB}\n"
    "clock: {step_max: 1ms}\n"
    "dedup: {stream_idle_max: never}\n"
    "sinks:\n"
    "- {name: a, type: file, path: /o}\n"
    "- {name: b, type: file, path: /o, compression: gzip, window: 1500ms,\n"
    "   max_pending: 1MiB, roll_bytes: 1KiB, roll_interval: 100ms, late_roll_interval: 0,\n"
    "   on_full: block, format: parquet, parquet: {columns: {price: double, a b: string}}}\n"
    "log: {level: debug}\n";

static void test_config_when_printed_and_read_again_then_the_same(void **state) {
    (void)state;
    static const char *const files[] = {MINIMAL, everything};
    for (size_t i = 0; i < 2; i++) {
        struct collector_config config, again;
        parse(files[i], &config);
        char *first = printed(&config);
        parse(first, &again);
        char *second = printed(&again);
        assert_string_equal(first, second);
        free(first);
        free(second);
        config_free(&config);
        config_free(&again);
    }
}

static void test_config_when_a_sink_has_no_window_then_it_inherits(void **state) {
    (void)state;
    struct collector_config config;
    parse(everything, &config);
    assert_int_equal(config.sinks[0].window_us, 0);
    assert_true(config.sinks[0].max_pending_bytes == UINT64_C(64) << 30);
    assert_int_equal(config.sinks[1].window_us, 1500000);
    assert_int_equal(config.sinks[1].max_pending_bytes, 1 << 20);
    assert_int_equal(config.sinks[1].on_full, CONFIG_ON_FULL_BLOCK);
    config_free(&config);
}

static void test_config_when_it_has_api_keys_then_hashes_are_never_printed(void **state) {
    (void)state;
    struct collector_config config;
    parse(MINIMAL "auth:\n  api_keys:\n  - tenant: shop\n"
                  "    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n",
          &config);
    assert_int_equal(config.auth.api_keys_count, 1);
    assert_string_equal(config.auth.api_keys[0].tenant, "shop");
    assert_int_equal(config.auth.api_keys[0].sha256[31], 0x08);
    char *shown = printed(&config);
    assert_null(strstr(shown, "9f86"));
    assert_non_null(strstr(shown, "  api_keys:\n    - tenant: \"shop\"\n      sha256: \"redacted\"\n"));
    free(shown);
    config_free(&config);
}

static void test_config_when_the_file_is_not_there_then_says_so(void **state) {
    (void)state;
    struct collector_config config = {0};
    char *said = NULL;
    size_t said_bytes;
    FILE *errors = open_memstream(&said, &said_bytes);
    assert_int_equal(config_load("/nonexistent/wadi.yaml", errors, &config), CONFIG_UNREADABLE);
    assert_int_equal(config_load("/", errors, &config), CONFIG_UNREADABLE);
    fclose(errors);
    assert_string_equal(said, "/nonexistent/wadi.yaml: No such file or directory\n/: Is a directory\n");
    free(said);
}

static char *source_file(const char *path) {
    const char *root = getenv("WADI_SOURCE_DIR");
    char whole[4096];
    if (!root)
        return NULL;
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    FILE *file = fopen(whole, "re");
    assert_non_null(file);
    char *content = calloc(1, 1 << 18);
    assert_true(fread(content, 1, (1 << 18) - 1, file) > 0);
    fclose(file);
    return content;
}

static void test_reference_page_then_is_what_the_table_says(void **state) {
    (void)state;
    char *page = source_file("collector/config/REFERENCE.md");
    if (!page)
        skip(); /* not run by ctest */
    struct text out;
    text_init_growing(&out, 1 << 20);
    config_reference(&out);
    assert_string_equal(page, out.data);
    text_fini(&out);
    free(page);
}

static void test_example_then_is_valid(void **state) {
    (void)state;
    char *yaml = source_file("collector/packaging/wadi-collector.yaml");
    if (!yaml)
        skip(); /* not run by ctest */
    struct collector_config config;
    parse(yaml, &config);
    assert_string_equal(config.id, "region-1");
    free(yaml);
    config_free(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_when_minimal_then_has_every_default),
        cmocka_unit_test(test_config_when_minimal_then_values_are_in_their_units),
        cmocka_unit_test(test_config_when_printed_and_read_again_then_the_same),
        cmocka_unit_test(test_config_when_a_sink_has_no_window_then_it_inherits),
        cmocka_unit_test(test_config_when_it_has_api_keys_then_hashes_are_never_printed),
        cmocka_unit_test(test_config_when_the_file_is_not_there_then_says_so),
        cmocka_unit_test(test_reference_page_then_is_what_the_table_says),
        cmocka_unit_test(test_example_then_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

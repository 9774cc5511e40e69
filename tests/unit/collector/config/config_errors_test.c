/* Every kind of fault, each with its line. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The last lines of each file, so that what is tested has the lines from 1 on. */
#define TLS "tls: {cert_file: c, key_file: k}\n"
#define JOURNAL "journal: {dir: /j}\n"
#define SINKS "sinks: [{name: f, type: file, path: /o}]\n"
#define REST "id: c1\n" TLS JOURNAL SINKS

struct fault {
    const char *name;
    const char *yaml;
    const char *errors; /* all of them, in order */
};

static const struct fault faults[] = {
    {"unknown key, near", "lisen: \"[::]:1\"\n" REST,
     "f:1:1: lisen: unknown setting; did you mean \"listen\"?\n"},
    {"unknown key, far", "\nxyzzy: 1\n" REST, "f:2:1: xyzzy: unknown setting\n"},
    {"unknown key of several lines", "\"a\\nb\": 1\n" REST, "f:1:1: a\\nb: unknown setting\n"},
    {"unknown key in a section", "limits:\n  body_byte: 1\n" REST,
     "f:2:3: limits.body_byte: unknown setting; did you mean \"limits.body_bytes\"?\n"},
    {"unknown section", "limit:\n  body_bytes: 1MB\n" REST,
     "f:1:1: limit: unknown setting; did you mean \"limits\"?\n"},
    {"dotted key", "order.window: 2s\n" REST, "f:1:1: order.window: unknown setting\n"},
    {"unknown key in a list", "id: c1\n" TLS JOURNAL "sinks:\n  - name: f\n    type: file\n    pat: /o\n",
     "f:6:5: sinks[0].path: is needed by a sink of type file\n"
     "f:7:5: sinks[0].pat: unknown setting; did you mean \"sinks[0].path\"?\n"},
    {"duplicate", "listen: \"[::]:1\"\nlisten: \"[::]:2\"\n" REST,
     "f:2:1: listen: stands here again, first on line 1\n"},
    {"duplicate section", "order: {window: 2s}\norder: {window: 3s}\n" REST,
     "f:2:1: order: stands here again, first on line 1\n"},
    {"missing", "id: c1\n" JOURNAL SINKS,
     "f:1:1: tls.cert_file: is missing, and has no default\nf:1:1: tls.key_file: is missing, and has no "
     "default\n"},
    {"missing in a list", "id: c1\n" TLS JOURNAL "sinks:\n  - type: file\n    path: /o\n",
     "f:5:5: sinks[0].name: is missing, and has no default\n"},
    {"no value", "listen:\n" REST, "f:1:8: listen: has no value\n"},
    {"list for a value", "listen: [a, b]\n" REST, "f:1:9: listen: expected one value, got a list\n"},
    {"section for a value", "order:\n  window: {a: 1}\n" REST,
     "f:2:11: order.window: expected one value, got a section\n"},
    {"value for a section", "order: 2s\n" REST, "f:1:8: order: expected settings, `key: value`\n"},
    {"value for a list", "id: c1\n" TLS JOURNAL "sinks: files\n", "f:4:8: sinks: expected a list\n"},
    {"value for an entry", "id: c1\n" TLS JOURNAL "sinks: [files]\n",
     "f:4:9: sinks[0]: expected settings, `key: value`\n"},
    {"empty list", "id: c1\n" TLS JOURNAL "sinks: []\n", "f:4:8: sinks: has 0 entries; allowed: 1 to 16\n"},
    {"wrong type", "ingress:\n  threads: many\n" REST,
     "f:2:12: ingress.threads: expected a whole number, got \"many\"\n"},
    {"no unit", "order:\n  window: 2\n" REST,
     "f:2:11: order.window: expected a duration such as 250ms, 2s, 5m, 24h or 30d, got \"2\"\n"},
    {"below the range", "order:\n  window: 999ms\n" REST,
     "f:2:11: order.window: 999ms is out of range: 1s to 1d, or 0\n"},
    {"above the range", "ingress:\n  threads: 65\n" REST,
     "f:2:12: ingress.threads: 65 is out of range: 1 to 64\n"},
    {"overflow", "limits:\n  connections: 18446744073709551616\n" REST,
     "f:2:16: limits.connections: expected a whole number, got \"18446744073709551616\"\n"},
    {"enum", "log: {level: warm}\n" REST,
     "f:1:14: log.level: \"warm\" is not one of debug, info, warn, error; did you mean \"warn\"?\n"},
    {"bad id", "id: Region_1\n" TLS JOURNAL SINKS,
     "f:1:5: id: expected a name of a-z, 0-9 and -, got \"Region_1\"\n"},
    {"empty id", "id: \"\"\n" TLS JOURNAL SINKS, "f:1:5: id: 0 bytes long; allowed: 1 to 63 bytes\n"},
    {"name for an address", "listen: localhost:80\n" REST,
     "f:1:9: listen: expected a numeric address and port such as 127.0.0.1:9464 or [::]:8443, got "
     "\"localhost:80\"\n"},
    {"NUL in a text", "listen: \"a\\0b\"\n" REST, "f:1:9: listen: has a NUL byte inside\n"},
    {"key that is no text", "[a]: 1\n" REST, "f:1:1: key: expected the name of a setting\n"},
    {"short hash", "auth:\n  api_keys:\n  - {tenant: t, sha256: secret}\n" REST,
     "f:3:25: auth.api_keys[0].sha256: expected 64 hex digits\n"},
    {"same key twice",
     "auth:\n  api_keys:\n"
     "  - {tenant: t, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}\n"
     "  - {tenant: u, sha256: 9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}\n" REST,
     "f:4:17: auth.api_keys[1].sha256: the same key stands here twice\n"},
    {"client_auth without authorities",
     "tls:\n  cert_file: c\n  key_file: k\n  client_auth: required\nid: c1\n" JOURNAL SINKS,
     "f:4:3: tls.client_ca_file: is needed when tls.client_auth is required\n"},
    {"authorities without client_auth",
     "tls:\n  cert_file: c\n  key_file: k\n  client_ca_file: a\nid: c1\n" JOURNAL SINKS,
     "f:4:3: tls.client_ca_file: does nothing while tls.client_auth is none; make that required, or take "
     "this "
     "out\n"},
    {"keys and certificates",
     "tls: {cert_file: c, key_file: k, client_auth: required, client_ca_file: a}\nauth:\n  api_keys:\n"
     "  - {tenant: t, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}\n"
     "id: c1\n" JOURNAL SINKS,
     "f:3:3: auth.api_keys: the tenant is the certificate's CN when tls.client_auth is required; use one of "
     "the "
     "two\n"},
    {"decompressed less than body", "limits:\n  body_bytes: 32MiB\n" REST,
     "f:2:3: limits.decompressed_bytes: is less than limits.body_bytes\n"},
    {"keep more than the journal", "id: c1\n" TLS SINKS "journal:\n  dir: /j\n  keep_bytes: 8GiB\n",
     "f:6:3: journal.keep_bytes: has to be less than journal.max_bytes\n"},
    {"same address twice", "listen: 127.0.0.1:9464\n" REST, "f:1:1: admin.listen: is the same as listen\n"},
    {"same sink twice",
     "id: c1\n" TLS JOURNAL "sinks:\n- {name: f, type: file, path: /o}\n- {name: f, type: file, path: /p}\n",
     "f:6:4: sinks[1].name: another sink has this name\n"},
    {"s3's own settings",
     "id: c1\n" TLS JOURNAL "sinks:\n- name: f\n  type: s3\n  s3:\n    endpoint: ftp://h\n"
     "    bucket: A-B\n    prefix: a//\n    access_key_id: k\n    part_bytes: 4MiB\n",
     "f:8:5: sinks[0].s3.endpoint: begins with http:// or https://\n"
     "f:9:5: sinks[0].s3.bucket: is 3 to 63 of a-z, 0-9, `-`, `.` and `_`\n"
     "f:10:5: sinks[0].s3.prefix: ends in `/`, and no part of it is empty, `.` or `..`\n"
     "f:11:5: sinks[0].s3.access_key_id: is nothing without the other: access_key_id and secret_access_key\n"
     "f:12:17: sinks[0].s3.part_bytes: 4MiB is out of range: 5MiB to 1GiB\n"},
    {"s3 without a bucket", "id: c1\n" TLS JOURNAL "sinks:\n- {name: f, type: s3}\n",
     "f:5:3: sinks[0].s3.bucket: is missing, and has no default\n"},
    {"kafka's own settings",
     "id: c1\n" TLS JOURNAL "sinks:\n- {name: f, type: kafka, format: parquet, "
     "kafka: {brokers: b, rdkafka: {acks: 1}, headers: [seq, key]}}\n",
     "f:5:26: sinks[0].format: messages are `jsonl` or `record`\n"
     "f:5:63: sinks[0].kafka.rdkafka: acks is always all: exactly-once needs it\n"
     "f:5:83: sinks[0].kafka.headers: headers are name, stream, seq and late, or none\n"},
    {"kafka's combinations",
     "id: c1\n" TLS JOURNAL
     "sinks:\n- name: f\n  type: kafka\n  roll_interval: 10m\n  kafka:\n    brokers: b\n"
     "    topic: a/{name}\n    on_refused: dead_letter\n    tls: {cert_file: c}\n    sasl: {mechanism: "
     "PLAIN}\n"
     "    schema_registry: {url: 'http://r'}\n",
     "f:7:3: sinks[0].roll_interval: is more than 5m: brokers give a transaction up that is open for so "
     "long\n"
     "f:10:5: sinks[0].kafka.topic: topics are made of letters, digits, `.`, `_` and `-`\n"
     "f:11:5: sinks[0].kafka.dead_letter.path: is needed when kafka.on_refused is dead_letter\n"
     "f:12:11: sinks[0].kafka.tls.enabled: is false: the files do nothing\n"
     "f:12:11: sinks[0].kafka.tls.cert_file: is nothing without the other: cert_file and key_file\n"
     "f:13:12: sinks[0].kafka.sasl.mechanism: needs a username and a password\n"
     "f:14:23: sinks[0].kafka.schema_registry.url: is for format `record`\n"},
    {"kafka's names twice",
     "id: c1\n" TLS JOURNAL "sinks:\n- {name: f, type: kafka, kafka: {brokers: b, transactional_id: t}}\n"
     "- {name: g, type: kafka, kafka: {brokers: b, transactional_id: t}}\n",
     "f:6:46: sinks[1].kafka.transactional_id: another sink has this one\n"},
    {"kafka's events among its checkpoints",
     "id: c1\n" TLS JOURNAL
     "sinks:\n- {name: f, type: kafka, kafka: {brokers: b, topic: t, checkpoint_topic: t}}\n"
     "- {name: g, type: kafka, kafka: {brokers: b, late_topic: _wadi.checkpoint.c1-g}}\n",
     "f:5:46: sinks[0].kafka.topic: is the checkpoint's topic, which has to be for itself\n"
     "f:6:46: sinks[1].kafka.late_topic: is the checkpoint's topic, which has to be for itself\n"},
    {"kafka's names given and by default",
     "id: c1\n" TLS JOURNAL "sinks:\n- {name: f, type: kafka, kafka: {brokers: b, transactional_id: c1-g}}\n"
     "- {name: g, type: kafka, kafka: {brokers: b}}\n"
     "- {name: h, type: kafka, kafka: {brokers: b, checkpoint_topic: _wadi.checkpoint.c1-i}}\n"
     "- {name: i, type: kafka, kafka: {brokers: b}}\n",
     "f:6:4: sinks[1].kafka.transactional_id: another sink has this one\n"
     "f:8:4: sinks[3].kafka.checkpoint_topic: another sink has this one\n"},
    {"parquet's columns",
     "id: c1\n" TLS JOURNAL "sinks:\n- {name: f, type: file, path: /o, format: parquet, "
     "parquet: {columns: {Name: string, a: text, b: bool, B: int64}}}\n",
     "f:5:62: sinks[0].parquet.columns: Name: every event has a column of this name\n"
     "f:5:62: sinks[0].parquet.columns: a: types are string, int64, double and bool\n"
     "f:5:62: sinks[0].parquet.columns: B: two columns of this name, for readers to whom large and small "
     "letters are alike\n"},
    {"parquet's columns elsewhere",
     "id: c1\n" TLS JOURNAL "sinks:\n- {name: f, type: file, path: /o, parquet: {columns: {a: bool}}}\n",
     "f:5:45: sinks[0].parquet.columns: is only for `format: parquet`\n"},
    {"gap not built in", "id: c1\n" TLS JOURNAL "sinks:\n- {name: f, type: file, path: /o, on_full: gap}\n",
     "f:5:35: sinks[0].on_full: `gap` is not built in yet; `block` is\n"},
    {"forgetting not built in", "dedup: {stream_idle_max: 90d}\n" REST,
     "f:1:9: dedup.stream_idle_max: is not built in yet; `never` is\n"},
    {"more than the wire takes", "limits: {batch_events: 10001}\n" REST,
     "f:1:24: limits.batch_events: 10001 is out of range: 1 to 10000\n"},
    {"not YAML", "id: c1\n  listen: x\n", "f:2:9: syntax: mapping values are not allowed in this context\n"},
    {"two documents", REST "---\nid: c2\n",
     "f:5:1: syntax: a second document begins here; only one is allowed\n"},
    {"several", "lisen: x\norder: {window: 1ms}\nlog: {level: loud}\n" REST,
     "f:1:1: lisen: unknown setting; did you mean \"listen\"?\n"
     "f:2:17: order.window: 1ms is out of range: 1s to 1d, or 0\n"
     "f:3:14: log.level: \"loud\" is not one of debug, info, warn, error\n"},
};

static bool fault_is_told(const struct fault *fault) {
    struct collector_config config = {0};
    char *said = NULL;
    size_t said_bytes;
    FILE *errors = open_memstream(&said, &said_bytes);
    enum config_result result = config_parse("f", fault->yaml, strlen(fault->yaml), errors, &config);
    fclose(errors);
    bool told = result == CONFIG_INVALID && strcmp(said, fault->errors) == 0 && !config.id;
    if (!told)
        printf("%s: result %d, said:\n%sexpected:\n%s\n", fault->name, (int)result, said, fault->errors);
    free(said);
    return told;
}

static void test_config_when_faulty_then_every_error_has_its_line(void **state) {
    (void)state;
    size_t untold = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        untold += !fault_is_told(&faults[i]);
    assert_int_equal(untold, 0);
}

static void test_config_when_there_are_very_many_errors_then_counted(void **state) {
    (void)state;
    static const char rest[] = REST;
    char yaml[16384];
    struct text text;
    text_init(&text, yaml, sizeof yaml);
    text_put(&text, rest);
    text_put(&text, "auth:\n  api_keys:\n");
    for (int i = 0; i < 80; i++)
        text_put(&text, "  - {tenant: T, sha256: x}\n");
    struct collector_config config = {0};
    char *said = NULL;
    size_t said_bytes;
    FILE *errors = open_memstream(&said, &said_bytes);
    assert_int_equal(config_parse("f", yaml, text.length, errors, &config), CONFIG_INVALID);
    fclose(errors);
    assert_non_null(strstr(said, "f: and 60 more errors\n"));
    free(said);
}

static void test_config_when_cut_anywhere_then_refused_or_taken_but_never_harmful(void **state) {
    (void)state;
    static const char yaml[] =
        "id: c1\ntls:\n  cert_file: \"c\"\n  key_file: 'k'\nauth:\n  api_keys:\n  - tenant: t\n"
        "    sha256: &a 9f86\nlimits: {body_bytes: 1MB}\n" JOURNAL SINKS;
    FILE *nowhere = fopen("/dev/null", "we");
    for (size_t length = 0; length <= sizeof yaml - 1; length++) {
        struct collector_config config = {0};
        assert_int_not_equal(config_parse("f", yaml, length, nowhere, &config), CONFIG_OK);
        config_free(&config);
    }
    fclose(nowhere);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_when_faulty_then_every_error_has_its_line),
        cmocka_unit_test(test_config_when_there_are_very_many_errors_then_counted),
        cmocka_unit_test(test_config_when_cut_anywhere_then_refused_or_taken_but_never_harmful),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

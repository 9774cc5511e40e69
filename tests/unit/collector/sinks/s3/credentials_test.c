#include "s3/credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "canned.h"
#include "s3/credentials_parse.h"

#define SOON_US INT64_C(1795166358000000) /* 2026-11-20T09:19:18Z */

static const char *const variables[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_PROFILE",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT"};

/* Nothing of the machine's own is found. */
static int environment_empty(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    setenv("HOME", "/nonexistent", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    return 0;
}

static void keys_expect(const credentials *c, const char *id, const char *secret, const char *token) {
    assert_string_equal(c->access_key_id, id);
    assert_string_equal(c->secret_access_key, secret);
    if (token)
        assert_string_equal(c->session_token, token);
    else
        assert_null(c->session_token);
}

/* ---- parsing ---------------------------------------------------------------------------------------- */

static void test_profile_then_its_own_lines_only(void **state) {
    (void)state;
    static const char text[] =
        "# a comment\n[default]\naws_access_key_id = D\r\naws_secret_access_key=s/+=\r\n"
        "region = x\n\n[ other ]\n;aws_access_key_id = no\naws_access_key_id=O\n"
        "aws_secret_access_key =p q\naws_session_token= t=\n[half]\naws_access_key_id=H";
    credentials c;
    assert_true(credentials_profile_parse(text, "default", &c));
    keys_expect(&c, "D", "s/+=", NULL);
    credentials_fini(&c);
    assert_true(credentials_profile_parse(text, "other", &c));
    keys_expect(&c, "O", "p q", "t=");
    credentials_fini(&c);
    assert_false(credentials_profile_parse(text, "half", &c));
    assert_false(credentials_profile_parse(text, "none", &c));
    assert_false(credentials_profile_parse("", "default", &c));
}

static void test_json_then_keys_and_expiry(void **state) {
    (void)state;
    static const char text[] =
        "{\"Code\":\"Success\",\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
        "\"Expiration\":\"2026-11-20T09:24:18Z\"}";
    credentials c;
    assert_true(credentials_json_parse(text, strlen(text), &c));
    keys_expect(&c, "I", "S", "T");
    assert_int_equal(c.expires_us, SOON_US + 300000000);
    credentials_fini(&c);
    assert_false(credentials_json_parse("{\"AccessKeyId\":\"I\"}", 19, &c));
    assert_false(credentials_json_parse("no", 2, &c));
    assert_false(credentials_json_parse("[]", 2, &c));
}

/* ---- where they come from ---------------------------------------------------------------------------- */

static void test_configuration_before_environment(void **state) {
    (void)state;
    const credentials *c;
    setenv("AWS_ACCESS_KEY_ID", "E", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "F", 1);
    credentials_chain *chain =
        credentials_open(&(credentials_options){.access_key_id = "A", .secret_access_key = "B"});
    assert_true(credentials_get(chain, 1, &c));
    keys_expect(c, "A", "B", NULL);
    credentials_close(chain);
    chain = credentials_open(&(credentials_options){0});
    assert_true(credentials_get(chain, 1, &c));
    keys_expect(c, "E", "F", NULL);
    credentials_close(chain);
}

static void file_write(const char *path, const char *text) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_file_then_read_again_when_its_keys_are_refused(void **state) {
    (void)state;
    const credentials *c;
    char path[] = "/tmp/wadi-credentials-XXXXXX";
    close(mkstemp(path));
    file_write(path, "[p]\naws_access_key_id=A\naws_secret_access_key=B\n");
    credentials_chain *chain = credentials_open(&(credentials_options){.file = path, .profile = "p"});
    assert_true(credentials_get(chain, 1, &c));
    keys_expect(c, "A", "B", NULL);
    file_write(path, "[p]\naws_access_key_id=C\naws_secret_access_key=D\n");
    assert_true(credentials_get(chain, 2, &c));
    keys_expect(c, "A", "B", NULL);
    credentials_forget(chain);
    assert_true(credentials_get(chain, 60000000, &c));
    keys_expect(c, "C", "D", NULL);
    credentials_close(chain);
    chain = credentials_open(&(credentials_options){.file = path, .profile = "q"});
    assert_false(credentials_get(chain, 1, &c));
    assert_non_null(strstr(credentials_why(chain), path));
    credentials_close(chain);
    unlink(path);
}

#define ROLE "/latest/meta-data/iam/security-credentials/"
#define OK(text) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" text
#define KEYS(id, expiry) \
    "{\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":\"" expiry "\"}"

/* The second answer is fetched before the first expires; a third there is not, so the second serves on. */
static void test_instance_then_fetched_again_before_they_expire(void **state) {
    (void)state;
    static const canned_reply replies[] = {
        {"PUT /latest/api/token", OK("the-token"), 0},
        {"GET " ROLE " ", OK("role\n"), 0},
        {"GET " ROLE "role ", OK(KEYS("1", "2026-11-20T09:24:18Z")), 1},
        {"GET " ROLE "role ", OK(KEYS("2", "2026-11-20T09:34:18Z")), 1},
        {"GET " ROLE "role ", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0},
    };
    char endpoint[64];
    const credentials *c;
    canned *server = canned_start(replies, sizeof replies / sizeof *replies);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", canned_port(server));
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint, 1);
    unsetenv("AWS_EC2_METADATA_DISABLED");
    credentials_chain *chain = credentials_open(&(credentials_options){0});
    assert_true(credentials_get(chain, SOON_US - 60000000, &c));
    keys_expect(c, "1", "S", "T");
    assert_true(credentials_get(chain, SOON_US - 1, &c));
    keys_expect(c, "1", "S", "T");
    assert_true(credentials_get(chain, SOON_US + 1, &c));
    keys_expect(c, "2", "S", "T");
    assert_true(credentials_get(chain, SOON_US + 601000000, &c));
    keys_expect(c, "2", "S", "T");
    assert_false(credentials_get(chain, SOON_US + 900000000, &c));
    assert_non_null(strstr(credentials_why(chain), "metadata service answered 500"));
    assert_non_null(strstr(canned_seen(server), "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
    assert_non_null(strstr(canned_seen(server), "X-aws-ec2-metadata-token: the-token\r\n"));
    credentials_close(chain);
    canned_stop(server);
}

static void test_container_then_its_token_is_sent(void **state) {
    (void)state;
    static const canned_reply replies[] = {{"GET /v2/keys ", OK(KEYS("C", "2026-11-20T09:24:18Z")), 0}};
    char uri[64];
    const credentials *c;
    canned *server = canned_start(replies, 1);
    snprintf(uri, sizeof uri, "http://127.0.0.1:%u/v2/keys", canned_port(server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri, 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer x\n", 1);
    credentials_chain *chain = credentials_open(&(credentials_options){0});
    assert_true(credentials_get(chain, 1, &c));
    keys_expect(c, "C", "S", "T");
    assert_non_null(strstr(canned_seen(server), "Authorization: Bearer x\r\n"));
    credentials_close(chain);
    canned_stop(server);
}

static void test_nothing_anywhere_then_none(void **state) {
    (void)state;
    const credentials *c;
    credentials_chain *chain = credentials_open(&(credentials_options){0});
    assert_false(credentials_get(chain, 1, &c));
    credentials_close(chain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profile_then_its_own_lines_only),
        cmocka_unit_test(test_json_then_keys_and_expiry),
        cmocka_unit_test_setup(test_configuration_before_environment, environment_empty),
        cmocka_unit_test_setup(test_file_then_read_again_when_its_keys_are_refused, environment_empty),
        cmocka_unit_test_setup(test_instance_then_fetched_again_before_they_expire, environment_empty),
        cmocka_unit_test_setup(test_container_then_its_token_is_sent, environment_empty),
        cmocka_unit_test_setup(test_nothing_anywhere_then_none, environment_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

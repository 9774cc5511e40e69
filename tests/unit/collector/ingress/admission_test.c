#include "collector/ingress/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/journal/entry.h"
#include "sdk/src/base/sha256.h"

#define GOOD "POST /v1/batches HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-protobuf\r\n"

static const struct request_limits limits = {.head_bytes = 4096, .body_bytes = 4096};
static const struct admission_policy open_policy = {0};
static struct admission admission;
static struct fault fault;

/* `head` without its last line break, and one byte of body. */
static bool check(const struct admission_policy *policy, const char *head, const char *peer_name) {
    char text[1024];
    size_t used;
    struct request *r = request_new(&limits);
    int n = snprintf(text, sizeof text, "%sContent-Length: 1\r\n\r\n", head);
    assert_int_equal(request_feed(r, (const uint8_t *)text, (size_t)n, &used), REQUEST_HEAD);
    memset(&admission, 0, sizeof admission);
    memset(&fault, 0, sizeof fault);
    bool admitted = admission_check(policy, r, peer_name, &admission, &fault);
    assert_int_equal(admitted, fault.status == 0);
    request_free(r);
    return admitted;
}

static void assert_encoding(const char *header, unsigned expected) {
    char head[512];
    snprintf(head, sizeof head, GOOD "%s", header);
    assert_true(check(&open_policy, head, NULL));
    assert_int_equal(admission.encoding, expected);
    assert_string_equal(admission.tenant, "default");
}

static void assert_fault(const char *head, unsigned status, const char *header) {
    assert_false(check(&open_policy, head, NULL));
    assert_int_equal(fault.status, status);
    assert_true(fault.message[0] != '\0');
    if (header != NULL)
        assert_string_equal(fault.headers, header);
    else
        assert_null(fault.headers);
}

static void test_encodings_then_the_journals_names_of_them(void **state) {
    (void)state;
    assert_encoding("", ENTRY_PLAIN);
    assert_encoding("Content-Encoding: identity\r\n", ENTRY_PLAIN);
    assert_encoding("Content-Encoding: zstd\r\n", ENTRY_ZSTD);
    assert_encoding("content-encoding: GZIP \r\n", ENTRY_GZIP);
    assert_encoding("Content-Encoding: x-gzip\r\n", ENTRY_GZIP);
}

static void test_wrong_form_then_its_status_and_what_is_spoken(void **state) {
    (void)state;
    assert_fault("POST /v1 HTTP/1.1\r\nHost: h\r\n", 404, NULL);
    assert_fault("POST /v1/batches/ HTTP/1.1\r\nHost: h\r\n", 404, NULL);
    assert_fault("PUT /v1/batches HTTP/1.1\r\nHost: h\r\n", 405, "Allow: POST\r\n");
    assert_fault("POST /v1/batches HTTP/1.1\r\nHost: h\r\n", 415, "Accept: application/x-protobuf\r\n");
    assert_fault("POST /v1/batches HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-protobuf2\r\n", 415,
                 "Accept: application/x-protobuf\r\n");
    assert_fault(GOOD "Content-Encoding: br\r\n", 415, "Accept-Encoding: zstd, gzip, identity\r\n");
    assert_fault(GOOD "Content-Encoding: \r\n", 415, "Accept-Encoding: zstd, gzip, identity\r\n");
}

static void test_api_keys_then_needed(void **state) {
    (void)state;
    char tenant[] = "acme";
    struct config_api_key key = {.tenant = tenant};
    const struct admission_policy policy = {.api_keys = &key, .n_api_keys = 1};
    assert_true(base_sha256("tea", 3, key.sha256));
    assert_true(check(&policy, GOOD "Authorization: Bearer tea\r\n", NULL));
    assert_string_equal(admission.tenant, "acme");
    assert_false(check(&policy, GOOD "Authorization: Bearer tee\r\n", NULL));
    assert_int_equal(fault.status, 401);
    assert_non_null(strstr(fault.headers, "WWW-Authenticate: Bearer"));
    assert_null(strstr(fault.message, "tee")); /* a key is shown nowhere, a wrong one neither */
    assert_false(check(&policy, GOOD, NULL));
    assert_int_equal(fault.status, 401);
}

static void test_client_certificates_then_their_name(void **state) {
    (void)state;
    const struct admission_policy policy = {.client_certificates = true};
    assert_true(check(&policy, GOOD, "device-7"));
    assert_string_equal(admission.tenant, "device-7");
    assert_false(check(&policy, GOOD, NULL));
    assert_int_equal(fault.status, 403);
}

static void test_client_certificates_with_a_name_that_breaks_texts_then_refused(void **state) {
    (void)state;
    static const char *const names[] = {"",         "two words", "line\nbreak", "tab\t", "a\"b",
                                        "back\\sl", "it's",      "\x7f",        "é",     "a`b"};
    const struct admission_policy policy = {.client_certificates = true};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(check(&policy, GOOD, names[i]));
        assert_int_equal(fault.status, 403);
    }
    assert_true(check(&policy, GOOD, "urn:dev/7@example.org{~}"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodings_then_the_journals_names_of_them),
        cmocka_unit_test(test_wrong_form_then_its_status_and_what_is_spoken),
        cmocka_unit_test(test_api_keys_then_needed),
        cmocka_unit_test(test_client_certificates_then_their_name),
        cmocka_unit_test(test_client_certificates_with_a_name_that_breaks_texts_then_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

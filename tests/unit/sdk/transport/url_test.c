#include "sdk/src/transport/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void parses(const char *text, bool tls, const char *host, uint16_t port, const char *authority,
                   const char *prefix) {
    wdi_url url;
    const char *why = "";
    if (wdi_url_parse(text, &url, &why) != WADI_OK)
        fail_msg("%s: %s", text, why);
    assert_int_equal(url.tls, tls);
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_string_equal(url.authority, authority);
    assert_string_equal(url.prefix, prefix);
}

static void test_url_parse_when_well_formed_then_taken_apart(void **state) {
    (void)state;
    parses("https://c.example", true, "c.example", 443, "c.example", "");
    parses("https://c.example/", true, "c.example", 443, "c.example", "");
    parses("HTTPS://c.example:8443/in/here//", true, "c.example", 8443, "c.example:8443", "/in/here");
    parses("https://[2001:db8::7]:65535/x", true, "2001:db8::7", 65535, "[2001:db8::7]:65535", "/x");
    parses("https://[::1]", true, "::1", 443, "[::1]", "");
    parses("http://127.0.0.1:80", false, "127.0.0.1", 80, "127.0.0.1:80", "");
    parses("http://127.9.9.9", false, "127.9.9.9", 80, "127.9.9.9", "");
    parses("http://localhost:1", false, "localhost", 1, "localhost:1", "");
    parses("http://[::1]:8080", false, "::1", 8080, "[::1]:8080", "");
}

static void test_url_parse_when_malformed_then_refused_with_a_reason(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "c.example",
        "ftp://c.example",
        "https:/c.example",
        "https://",
        "https:///x",
        "https://:443",
        "https://a b",
        "https://u:p@c.example",
        "https://c.example:",
        "https://c.example:0",
        "https://c.example:65536",
        "https://c.example:4x3",
        "https://c.example:000443",
        "https://[::1",
        "https://[::1]x",
        "https://[::g]",
        "https://[]",
        "https://c.example?q",
        "https://c.example/a?b",
        "https://c.example/a#b",
        "https://c.example/a b",
        "https://c.example/\r\nX: y",
        "http://c.example",
        "http://10.0.0.1",
        "http://localhost.example",
        "http://[2001:db8::1]",
        "https://\xc3\xa4.example",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wdi_url url;
        const char *why = NULL;
        if (wdi_url_parse(bad[i], &url, &why) != WADI_ERR_INVALID)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_non_null(why);
    }
}

static void test_url_parse_when_longest_then_taken_and_longer_then_refused(void **state) {
    (void)state;
    char text[1024];
    wdi_url url;
    const char *why = NULL;
    snprintf(text, sizeof text, "https://%0253d:12345/%0254d", 1, 2);
    assert_int_equal(wdi_url_parse(text, &url, &why), WADI_OK);
    snprintf(text, sizeof text, "https://%0254d/", 1);
    assert_int_equal(wdi_url_parse(text, &url, &why), WADI_ERR_INVALID);
    snprintf(text, sizeof text, "https://h/%0255d", 1);
    assert_int_equal(wdi_url_parse(text, &url, &why), WADI_ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_parse_when_well_formed_then_taken_apart),
        cmocka_unit_test(test_url_parse_when_malformed_then_refused_with_a_reason),
        cmocka_unit_test(test_url_parse_when_longest_then_taken_and_longer_then_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

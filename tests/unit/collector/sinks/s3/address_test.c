#include "s3/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void url_expect(const s3_place *place, const char *key, const char *query, const char *expected) {
    char buffer[512];
    struct text url;
    text_init(&url, buffer, sizeof buffer);
    s3_url_put(&url, place, key, query);
    assert_string_equal(buffer, expected);
}

static void test_url_then_everything_but_unreserved_is_encoded(void **state) {
    (void)state;
    s3_place path = {.endpoint = "http://[::1]:9000", .region = "r", .bucket = "b.c"};
    s3_place virtual = {
        .endpoint = "https://s3.example", .region = "r", .bucket = "lake", .virtual_host = true};
    url_expect(&path, "dt=2026-11-20/hr=08/a b+ü~.jsonl", NULL,
               "http://[::1]:9000/b.c/dt%3D2026-11-20/hr%3D08/a%20b%2B%C3%BC~.jsonl");
    url_expect(&path, "", "uploads=", "http://[::1]:9000/b.c?uploads=");
    url_expect(&virtual, "k", NULL, "https://lake.s3.example/k");
    url_expect(&virtual, "", "uploads=", "https://lake.s3.example/?uploads=");
}

static void test_url_without_endpoint_then_amazons_of_the_region(void **state) {
    (void)state;
    s3_place place = {.region = "eu-central-1", .bucket = "lake", .virtual_host = true};
    url_expect(&place, "k", NULL, "https://lake.s3.eu-central-1.amazonaws.com/k");
    place.region = "cn-north-1";
    place.virtual_host = false;
    url_expect(&place, "k", NULL, "https://s3.cn-north-1.amazonaws.com.cn/lake/k");
}

static void test_query_then_values_are_encoded_slashes_too(void **state) {
    (void)state;
    char buffer[128];
    struct text query;
    text_init(&query, buffer, sizeof buffer);
    s3_query_put(&query, "prefix", "a/b=c&d");
    s3_query_put(&query, "uploads", "");
    assert_string_equal(buffer, "prefix=a%2Fb%3Dc%26d&uploads=");
}

static void test_faults_then_said_in_words(void **state) {
    (void)state;
    static const char *const endpoints[] = {"s3.example",    "ftp://h",    "https://",
                                            "http://h/path", "http://u@h", "http://h?q"};
    static const char *const prefixes[] = {"a", "/", "a//b/", "../", "a/./", "a/b", "a+b/"};
    static const char *const buckets[] = {"ab", "Abc", "a/b", "",
                                          "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        assert_non_null(s3_endpoint_fault(endpoints[i]));
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        assert_non_null(s3_prefix_fault(prefixes[i]));
    for (size_t i = 0; i < sizeof buckets / sizeof *buckets; i++)
        assert_non_null(s3_bucket_fault(buckets[i]));
    assert_null(s3_endpoint_fault("http://127.0.0.1:9000"));
    assert_null(s3_endpoint_fault("https://[fe80::1]:9000"));
    assert_null(s3_prefix_fault(""));
    assert_null(s3_prefix_fault("a/.b/c../"));
    assert_null(s3_bucket_fault("lake-1.events_x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_then_everything_but_unreserved_is_encoded),
        cmocka_unit_test(test_url_without_endpoint_then_amazons_of_the_region),
        cmocka_unit_test(test_query_then_values_are_encoded_slashes_too),
        cmocka_unit_test(test_faults_then_said_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

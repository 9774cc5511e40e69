#include "kafka/direct/direct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "../mock_link.h"

/* As the mock's link is, but for its settings. */
static kafka_link *link_make(const kafka_setting *settings, size_t n) {
    kafka_link *link = mock_link_new("events");
    link->opt.settings = settings;
    link->opt.n_settings = n;
    return link;
}

static void test_suitable_when_nothing_speaks_against_it_then_is(void **state) {
    (void)state;
    static const kafka_setting settings[] = {{"message.max.bytes", "4000"}, {"linger.ms", "5"}};
    kafka_link *link = link_make(settings, 2);
    assert_null(direct_unsuitable(link));
    link->opt.sasl_mechanism = "PLAIN";
    link->opt.compression = "zstd";
    assert_null(direct_unsuitable(link));
    kafka_link_free(link);
}

static void test_suitable_when_a_setting_is_librdkafkas_alone_then_it_is_named(void **state) {
    (void)state;
    static const kafka_setting settings[] = {{"linger.ms", "5"}, {"ssl.ciphers", "x"}};
    kafka_link *link = link_make(settings, 2);
    assert_string_equal(direct_unsuitable(link), "ssl.ciphers");
    kafka_link_free(link);
}

static void test_suitable_when_it_does_not_know_how_then_is_not(void **state) {
    (void)state;
    kafka_link *link = link_make(NULL, 0);
    link->opt.sasl_mechanism = "SCRAM-SHA-512";
    assert_string_equal(direct_unsuitable(link), "kafka.sasl.mechanism");
    link->opt.sasl_mechanism = NULL;
    link->opt.compression = "snappy";
    assert_string_equal(direct_unsuitable(link), "kafka.compression");
    link->opt.compression = "none";
    link->opt.librdkafka_only = true;
    assert_non_null(direct_unsuitable(link));
    kafka_link_free(link);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suitable_when_nothing_speaks_against_it_then_is),
        cmocka_unit_test(test_suitable_when_a_setting_is_librdkafkas_alone_then_it_is_named),
        cmocka_unit_test(test_suitable_when_it_does_not_know_how_then_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

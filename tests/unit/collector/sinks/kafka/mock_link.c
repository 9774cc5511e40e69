#include "mock_link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

_Atomic uint64_t mock_give_up_us;

static kafka_link *link_new(const char *brokers, const char *topic, const kafka_setting *settings, size_t n) {
    static const uint8_t start[16] = {1};
    mock_give_up_us = 0;
    kafka_link *link = kafka_link_new(&(kafka_options){.brokers = brokers,
                                                       .topic = topic,
                                                       .compression = "none",
                                                       .format = &row_format_jsonl,
                                                       .buffer_bytes = 1u << 20,
                                                       .roll_interval_us = 1000000,
                                                       .give_up_us = &mock_give_up_us,
                                                       .settings = settings,
                                                       .n_settings = n},
                                      "c", "s", start);
    assert_non_null(link);
    return link;
}

kafka_link *mock_link_new(const char *topic) {
    static const kafka_setting settings[] = {{"test.mock.num.brokers", "1"}, {"linger.ms", "0"}};
    return link_new("localhost:9", topic, settings, sizeof settings / sizeof *settings);
}

kafka_link *mock_link_to(const char *brokers, const char *topic) { return link_new(brokers, topic, NULL, 0); }

producer *mock_producer_open(kafka_link *link) {
    producer *p = producer_open(link);
    assert_non_null(p);
    assert_int_equal(producer_init(p), SINK_OK);
    return p;
}

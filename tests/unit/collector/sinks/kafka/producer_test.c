/* The producer against the cluster that librdkafka has in it for tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mock_link.h"
#include "sdk/src/base/clock.h"

/* Of rdkafka_mock.h, which the program needs no copy of. */
typedef struct rd_kafka_mock_cluster_s rd_kafka_mock_cluster_t;
rd_kafka_mock_cluster_t *rd_kafka_handle_mock_cluster(const rd_kafka_t *rk);
rd_kafka_resp_err_t rd_kafka_mock_broker_push_request_error_rtts(rd_kafka_mock_cluster_t *cluster,
                                                                 int32_t broker, int16_t request, size_t n,
                                                                 ...);

#define END_TRANSACTION 26 /* in Kafka's protocol */

static void send_some(producer *p, plane_topic *topic, unsigned count) {
    message m = {.topic = topic, .key = "key", .key_n = 3, .value = "value", .value_n = 5};
    for (unsigned i = 0; i < count; i++) {
        bool too_large;
        assert_int_equal(producer_send(p, &m, &too_large), SINK_OK);
    }
}

/* 1,638 messages have room: with the pauses of everything else, 200 ms each, this would take 12 s. */
static void test_producer_when_the_buffer_is_full_then_it_goes_on_as_soon_as_there_is_room(void **state) {
    (void)state;
    kafka_link *link = mock_link_new("events");
    producer *p = mock_producer_open(link);
    plane_topic *topic;
    assert_int_equal(producer_topic_open(p, "events", &topic), SINK_OK);
    uint64_t before = base_mono_us();
    send_some(p, topic, 100000);
    assert_int_equal(producer_commit(p), SINK_OK);
    assert_true(base_mono_us() - before < 6000000);
    producer_topic_close(p, topic);
    producer_close(p);
    kafka_link_free(link);
}

/* One message and its commit, whose answer takes so long. */
static sink_err commit_slowly(int answer_ms, uint64_t give_up_after_us) {
    kafka_link *link = mock_link_new("events");
    producer *p = mock_producer_open(link);
    plane_topic *topic;
    assert_int_equal(producer_topic_open(p, "events", &topic), SINK_OK);
    send_some(p, topic, 1);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_handle_mock_cluster(producer_handle(p));
    rd_kafka_mock_broker_push_request_error_rtts(cluster, 1, END_TRANSACTION, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 answer_ms);
    if (give_up_after_us > 0)
        mock_give_up_us = base_mono_us() + give_up_after_us;
    sink_err err = producer_commit(p);
    producer_topic_close(p, topic);
    producer_close(p);
    kafka_link_free(link);
    return err;
}

static void test_producer_when_the_answer_to_a_commit_is_slow_then_it_is_waited_for(void **state) {
    (void)state;
    assert_int_equal(commit_slowly(2500, 0), SINK_OK);
}

/* Nobody can say whether it is committed; the next producer's checkpoint will. */
static void test_producer_when_the_collector_stops_then_a_commit_without_an_answer_is_given_up(void **state) {
    (void)state;
    uint64_t before = base_mono_us();
    assert_int_equal(commit_slowly(20000, 1500000), SINK_ERR_IO);
    assert_true(base_mono_us() - before < 10000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_producer_when_the_buffer_is_full_then_it_goes_on_as_soon_as_there_is_room),
        cmocka_unit_test(test_producer_when_the_answer_to_a_commit_is_slow_then_it_is_waited_for),
        cmocka_unit_test(test_producer_when_the_collector_stops_then_a_commit_without_an_answer_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

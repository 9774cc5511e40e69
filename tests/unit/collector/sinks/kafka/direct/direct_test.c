/* The direct plane against the cluster that librdkafka has in it for tests: when the end of a transaction is
 * asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../mock_link.h"
#include "sdk/src/base/clock.h"

/* Of rdkafka_mock.h, which the program needs no copy of. */
typedef struct rd_kafka_mock_cluster_s rd_kafka_mock_cluster_t;
typedef struct rd_kafka_mock_request_s rd_kafka_mock_request_t;
rd_kafka_mock_cluster_t *rd_kafka_mock_cluster_new(rd_kafka_t *rk, int brokers);
void rd_kafka_mock_cluster_destroy(rd_kafka_mock_cluster_t *cluster);
const char *rd_kafka_mock_cluster_bootstraps(const rd_kafka_mock_cluster_t *cluster);
rd_kafka_resp_err_t rd_kafka_mock_broker_push_request_error_rtts(rd_kafka_mock_cluster_t *cluster,
                                                                 int32_t broker, int16_t request, size_t n,
                                                                 ...);
void rd_kafka_mock_start_request_tracking(rd_kafka_mock_cluster_t *cluster);
rd_kafka_mock_request_t **rd_kafka_mock_get_requests(rd_kafka_mock_cluster_t *cluster, size_t *ret_n);
void rd_kafka_mock_request_destroy_array(rd_kafka_mock_request_t **requests, size_t n);
int16_t rd_kafka_mock_request_api_key(rd_kafka_mock_request_t *request);

#define PRODUCE 0 /* in Kafka's protocol */
#define END_TRANSACTION 26
#define NEVER_MS 60000

typedef struct rig {
    rd_kafka_t *rk; /* whose cluster it is */
    rd_kafka_mock_cluster_t *cluster;
    kafka_link *link;
    producer *producer;
    plane_topic *topic;
} rig;

static void rig_make(rig *r) {
    char why[200];
    r->rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why);
    assert_non_null(r->rk);
    r->cluster = rd_kafka_mock_cluster_new(r->rk, 1);
    assert_non_null(r->cluster);
    r->link = mock_link_to(rd_kafka_mock_cluster_bootstraps(r->cluster), "events");
    r->producer = mock_producer_open(r->link);
    assert_int_equal(producer_topic_open(r->producer, "events", &r->topic), SINK_OK);
    rd_kafka_mock_start_request_tracking(r->cluster);
}

static void rig_free(rig *r) {
    kafka_link_free(r->link);
    rd_kafka_mock_cluster_destroy(r->cluster);
    rd_kafka_destroy(r->rk);
}

/* A message to the events' topic; the next answer to one is this. */
static void send_one(rig *r, rd_kafka_resp_err_t code, int answer_ms) {
    message m = {.topic = r->topic, .key = "key", .key_n = 3, .value = "value", .value_n = 5};
    bool too_large;
    rd_kafka_mock_broker_push_request_error_rtts(r->cluster, 1, PRODUCE, 1, code, answer_ms);
    assert_int_equal(producer_send(r->producer, &m, &too_large), SINK_OK);
}

static unsigned requests_count(rig *r, int16_t what) {
    size_t n;
    unsigned found = 0;
    rd_kafka_mock_request_t **requests = rd_kafka_mock_get_requests(r->cluster, &n);
    for (size_t i = 0; i < n; i++)
        found += rd_kafka_mock_request_api_key(requests[i]) == what;
    rd_kafka_mock_request_destroy_array(requests, n);
    return found;
}

static void test_direct_when_all_is_taken_then_it_commits(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    send_one(&r, RD_KAFKA_RESP_ERR_NO_ERROR, 0);
    rd_kafka_topic_t *checkpoints = rd_kafka_topic_new(producer_handle(r.producer), "checkpoints", NULL);
    bool too_large;
    message m = {.key = "key", .key_n = 3, .value = "value", .value_n = 5};
    assert_int_equal(producer_send_record(r.producer, checkpoints, &m, &too_large), SINK_OK);
    assert_int_equal(producer_commit(r.producer), SINK_OK);
    assert_int_equal(requests_count(&r, END_TRANSACTION), 1);
    rd_kafka_topic_destroy(checkpoints);
    producer_close(r.producer);
    assert_int_equal(requests_count(&r, END_TRANSACTION), 1);
    rig_free(&r);
}

/* Nothing of it is under way: readers need not wait. */
static void test_direct_when_a_batch_is_refused_then_the_transaction_is_aborted(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    send_one(&r, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 0);
    assert_int_equal(producer_commit(r.producer), SINK_ERR_IO);
    assert_int_equal(requests_count(&r, PRODUCE), 1);
    producer_close(r.producer);
    assert_int_equal(requests_count(&r, END_TRANSACTION), 1);
    rig_free(&r);
}

/* A broker may take it after the end, and to it that is a transaction's beginning. */
static void test_direct_when_a_batch_is_not_answered_then_the_transaction_is_left(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    send_one(&r, RD_KAFKA_RESP_ERR_NO_ERROR, NEVER_MS);
    mock_give_up_us = base_mono_us() + 500000;
    assert_int_equal(producer_commit(r.producer), SINK_ERR_IO);
    mock_give_up_us = 0; /* now there is time for an end */
    assert_int_equal(requests_count(&r, PRODUCE), 1);
    producer_close(r.producer);
    assert_int_equal(requests_count(&r, END_TRANSACTION), 0);
    rig_free(&r);
}

/* Nor when the connection is gone, over which the answer would have come. */
static void test_direct_when_the_connection_breaks_then_the_transaction_is_left(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    send_one(&r, RD_KAFKA_RESP_ERR__TRANSPORT, 0);
    assert_int_equal(producer_commit(r.producer), SINK_ERR_IO);
    producer_close(r.producer);
    assert_int_equal(requests_count(&r, END_TRANSACTION), 0);
    rig_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct_when_all_is_taken_then_it_commits),
        cmocka_unit_test(test_direct_when_a_batch_is_refused_then_the_transaction_is_aborted),
        cmocka_unit_test(test_direct_when_a_batch_is_not_answered_then_the_transaction_is_left),
        cmocka_unit_test(test_direct_when_the_connection_breaks_then_the_transaction_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

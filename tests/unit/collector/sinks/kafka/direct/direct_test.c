/* The direct plane against the cluster that librdkafka has in it for tests: when the end of a transaction is
 * asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../mock_link.h"
#include "metrics.h"
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
#define ADD_PARTITIONS 24
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

/* The next answer to such a request. */
static void answer_next(rig *r, int16_t what, rd_kafka_resp_err_t code, int ms) {
    rd_kafka_mock_broker_push_request_error_rtts(r->cluster, 1, what, 1, code, ms);
}

/* A message to the events' topic. */
static void send_one(rig *r, size_t bytes) {
    static const char value[600000];
    message m = {.topic = r->topic, .key = "key", .key_n = 3, .value = value, .value_n = bytes};
    bool too_large;
    assert_int_equal(producer_send(r->producer, &m, &too_large), SINK_OK);
}

/* Transactions of all tests with that result. */
static int64_t ended(unsigned result) { return metric_get(METRIC_KAFKA_TRANSACTIONS, result); }

/* A commit that is given up soon. */
static void commit_in_vain(rig *r) {
    mock_give_up_us = base_mono_us() + 500000;
    assert_int_equal(producer_commit(r->producer), SINK_ERR_IO);
    mock_give_up_us = 0; /* now there is time for an end */
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
    send_one(&r, 5);
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
    int64_t aborted = ended(METRIC_TRANSACTION_ABORTED);
    answer_next(&r, PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 0);
    send_one(&r, 5);
    assert_int_equal(producer_commit(r.producer), SINK_ERR_IO);
    assert_int_equal(requests_count(&r, PRODUCE), 1);
    producer_close(r.producer);
    assert_int_equal(requests_count(&r, END_TRANSACTION), 1);
    assert_int_equal(ended(METRIC_TRANSACTION_ABORTED), aborted + 1);
    rig_free(&r);
}

/* A broker may take it after the end, and to it that is a transaction's beginning. */
static void test_direct_when_a_batch_is_not_answered_then_the_transaction_is_left(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    int64_t aborted = ended(METRIC_TRANSACTION_ABORTED);
    answer_next(&r, PRODUCE, RD_KAFKA_RESP_ERR_NO_ERROR, NEVER_MS);
    send_one(&r, 5);
    commit_in_vain(&r);
    assert_int_equal(requests_count(&r, PRODUCE), 1);
    producer_close(r.producer);
    assert_int_equal(requests_count(&r, END_TRANSACTION), 0);
    assert_int_equal(ended(METRIC_TRANSACTION_ABORTED), aborted);
    rig_free(&r);
}

/* Nor when the connection is gone, over which the answer would have come. */
static void test_direct_when_the_connection_breaks_then_the_transaction_is_left(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    answer_next(&r, PRODUCE, RD_KAFKA_RESP_ERR__TRANSPORT, 0);
    send_one(&r, 5);
    assert_int_equal(producer_commit(r.producer), SINK_ERR_IO);
    producer_close(r.producer);
    assert_int_equal(requests_count(&r, END_TRANSACTION), 0);
    rig_free(&r);
}

/* Only one side asks, and only once. */
static void test_direct_when_an_abort_is_not_answered_then_it_does_not_count_as_one(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    int64_t aborted = ended(METRIC_TRANSACTION_ABORTED), unknown = ended(METRIC_TRANSACTION_UNKNOWN);
    answer_next(&r, PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 0);
    answer_next(&r, END_TRANSACTION, RD_KAFKA_RESP_ERR_NO_ERROR, NEVER_MS);
    send_one(&r, 5);
    assert_int_equal(producer_commit(r.producer), SINK_ERR_IO);
    producer_close(r.producer);
    assert_int_equal(requests_count(&r, END_TRANSACTION), 1);
    assert_int_equal(ended(METRIC_TRANSACTION_ABORTED), aborted);
    assert_int_equal(ended(METRIC_TRANSACTION_UNKNOWN), unknown + 1);
    rig_free(&r);
}

/* The late answer must not be taken for the abort's. */
static void test_direct_when_an_answer_is_late_then_the_next_call_has_its_own(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    int64_t aborted = ended(METRIC_TRANSACTION_ABORTED);
    answer_next(&r, ADD_PARTITIONS, RD_KAFKA_RESP_ERR_NO_ERROR, 1000);
    send_one(&r, 5);
    commit_in_vain(&r);
    assert_int_equal(requests_count(&r, PRODUCE), 0);
    producer_close(r.producer);
    assert_int_equal(ended(METRIC_TRANSACTION_ABORTED), aborted + 1);
    rig_free(&r);
}

/* kafka.buffer is 1 MiB: there is no second place for one so large while the first is under way. */
static void test_direct_when_the_buffer_is_full_then_what_is_under_way_is_waited_for(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    answer_next(&r, PRODUCE, RD_KAFKA_RESP_ERR_NO_ERROR, 700);
    uint64_t before = base_mono_us();
    for (unsigned i = 0; i < 3; i++)
        send_one(&r, 600000);
    assert_true(base_mono_us() - before >= 700000);
    producer_close(r.producer);
    rig_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct_when_all_is_taken_then_it_commits),
        cmocka_unit_test(test_direct_when_a_batch_is_refused_then_the_transaction_is_aborted),
        cmocka_unit_test(test_direct_when_a_batch_is_not_answered_then_the_transaction_is_left),
        cmocka_unit_test(test_direct_when_the_connection_breaks_then_the_transaction_is_left),
        cmocka_unit_test(test_direct_when_an_abort_is_not_answered_then_it_does_not_count_as_one),
        cmocka_unit_test(test_direct_when_an_answer_is_late_then_the_next_call_has_its_own),
        cmocka_unit_test(test_direct_when_the_buffer_is_full_then_what_is_under_way_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

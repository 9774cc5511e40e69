#include "metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct text rendered;

static void expect_line(const char *line) {
    char framed[256];
    snprintf(framed, sizeof framed, "\n%s\n", line);
    text_fini(&rendered);
    text_init_growing(&rendered, 1 << 20);
    metrics_render(&rendered);
    if (!strstr(rendered.data, framed))
        fail_msg("no line: %s", line);
}

static void *add_many(void *unused) {
    (void)unused;
    for (int i = 0; i < 20000; i++)
        metric_add(METRIC_INGEST_EVENTS_RECEIVED, 0, 1);
    return NULL;
}

static void test_counter_when_added_by_threads_then_nothing_is_lost(void **state) {
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metric_get(METRIC_INGEST_EVENTS_RECEIVED, 0), 80000);
    expect_line("wadi_ingest_events_received_total 80000");
}

static void test_labels_when_two_then_each_series_is_its_own(void **state) {
    (void)state;
    metric_add(METRIC_INGEST_REQUESTS, METRIC_INDEX_2(METRIC_PROTOCOL_BATCHES, CODE, metric_code(503)), 2);
    metric_add(METRIC_INGEST_REQUESTS, METRIC_INDEX_2(METRIC_PROTOCOL_OTHER, CODE, metric_code(418)), 3);
    metric_add(METRIC_DEVICE_DROPPED, METRIC_DROP_DISK_QUOTA, 5);
    expect_line("wadi_ingest_requests_total{protocol=\"batches\",code=\"503\"} 2");
    expect_line("wadi_ingest_requests_total{protocol=\"batches\",code=\"200\"} 0");
    expect_line("wadi_ingest_requests_total{protocol=\"other\",code=\"other\"} 3");
    expect_line("wadi_device_dropped_events_total{reason=\"disk_quota\"} 5");
}

static void test_sinks_when_added_then_shown_and_not_before(void **state) {
    (void)state;
    expect_line(
        "# TYPE wadi_sink_events_total counter\n# HELP wadi_sink_bytes_total Bytes of committed objects.");
    unsigned files = metrics_sink_add("files");
    unsigned other = metrics_sink_add("other");
    metric_add(METRIC_SINK_EVENTS, other, 9);
    metric_add(METRIC_SINK_ERRORS, METRIC_INDEX_2(files, SINK_ERROR, METRIC_SINK_ERROR_NO_SPACE), 1);
    expect_line("wadi_sink_events_total{sink=\"files\"} 0");
    expect_line("wadi_sink_events_total{sink=\"other\"} 9");
    expect_line("wadi_sink_errors_total{sink=\"files\",reason=\"no_space\"} 1");
}

static void test_gauge_when_in_seconds_then_shown_exactly(void **state) {
    (void)state;
    metric_set(METRIC_CLOCK_OFFSET, 0, -1500001);
    expect_line("wadi_clock_offset_seconds -1.500001");
    metric_set(METRIC_INGEST_CONNECTIONS, 0, 3);
    metric_move(METRIC_INGEST_CONNECTIONS, 0, -5);
    expect_line("wadi_ingest_connections -2");
}

static void test_histogram_when_observed_at_edges_then_buckets_are_inclusive(void **state) {
    (void)state;
    metric_observe(METRIC_JOURNAL_FSYNC_DURATION, 0, 0);
    metric_observe(METRIC_JOURNAL_FSYNC_DURATION, 0, 100);
    metric_observe(METRIC_JOURNAL_FSYNC_DURATION, 0, 101);
    metric_observe(METRIC_JOURNAL_FSYNC_DURATION, 0, 10000000);
    metric_observe(METRIC_JOURNAL_FSYNC_DURATION, 0, 10000001);
    expect_line("wadi_journal_fsync_duration_seconds_bucket{le=\"0.0001\"} 2");
    expect_line("wadi_journal_fsync_duration_seconds_bucket{le=\"0.00025\"} 3");
    expect_line("wadi_journal_fsync_duration_seconds_bucket{le=\"5\"} 3");
    expect_line("wadi_journal_fsync_duration_seconds_bucket{le=\"10\"} 4");
    expect_line("wadi_journal_fsync_duration_seconds_bucket{le=\"+Inf\"} 5");
    expect_line("wadi_journal_fsync_duration_seconds_sum 20.000202");
    expect_line("wadi_journal_fsync_duration_seconds_count 5");
}

static void test_version_when_set_then_build_info_is_escaped(void **state) {
    (void)state;
    metrics_version_set("1.0 \"x\"");
    expect_line("wadi_build_info{version=\"1.0 \\\"x\\\"\"} 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_when_added_by_threads_then_nothing_is_lost),
        cmocka_unit_test(test_labels_when_two_then_each_series_is_its_own),
        cmocka_unit_test(test_sinks_when_added_then_shown_and_not_before),
        cmocka_unit_test(test_gauge_when_in_seconds_then_shown_exactly),
        cmocka_unit_test(test_histogram_when_observed_at_edges_then_buckets_are_inclusive),
        cmocka_unit_test(test_version_when_set_then_build_info_is_escaped),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    text_fini(&rendered);
    return failed;
}

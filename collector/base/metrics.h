/* The metrics of metrics.def: process-wide relaxed atomics, so that counting is one addition without a lock
 * and needs no opening. Any thread; nothing blocks, and nothing allocates but the text of metrics_render.
 *
 *     metric_add(METRIC_LATE_EVENTS, sink, 3);
 *     metric_add(METRIC_INGEST_REQUESTS,
 *                METRIC_INDEX_2(METRIC_PROTOCOL_BATCHES, CODE, metric_code(200)), 1);
 *
 * `index` is the label's value; 0 for a metric without labels. An index beyond its list is a
 * programmer's error. */
#ifndef COLLECTOR_BASE_METRICS_H
#define COLLECTOR_BASE_METRICS_H

#include <stdint.h>

#include "metric_labels.h"
#include "text.h"

enum metric_id {
#define METRIC(id, name, type, unit, label_1, label_2, help) METRIC_##id,
#include "metrics.def"
    METRIC_ID_COUNT
};

/* The index of a metric with two labels, the second of which is named. */
#define METRIC_INDEX_2(first, second_label, second) \
    ((unsigned)(first)*METRIC_##second_label##_VALUES + (unsigned)(second))

/* The CODE value of an HTTP status. */
unsigned metric_code(unsigned http_status);

/* Counters. */
void metric_add(enum metric_id id, unsigned index, uint64_t n);

/* Gauges; microseconds where the unit is SECONDS. */
void metric_set(enum metric_id id, unsigned index, int64_t value);
void metric_move(enum metric_id id, unsigned index, int64_t by);

/* Histograms; microseconds where the unit is SECONDS. */
void metric_observe(enum metric_id id, unsigned index, uint64_t value);

/* What a counter or gauge holds now: for the status page and tests. */
int64_t metric_get(enum metric_id id, unsigned index);

/* The DROP value's text, for the ledger too; `other` beyond the list. */
const char *metric_drop_name(unsigned reason);

/* Names the next sink and answers its SINK value; the name is borrowed for good. At most
 * METRIC_SINK_VALUES. At start, before other threads. */
unsigned metrics_sink_add(const char *name);

/* The name of a SINK value; NULL beyond the last. */
const char *metrics_sink_name(unsigned sink);

/* The build_info label, borrowed for good; sets build_info to 1. At start. */
void metrics_version_set(const char *version);

/* Appends everything as Prometheus' text format 0.0.4. A histogram's count is the sum of the buckets
 * that are shown, so that the two always agree. */
void metrics_render(struct text *out);

#endif

#include "metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum metric_type { COUNTER, GAUGE, HISTOGRAM_LATENCY, HISTOGRAM_AGE, HISTOGRAM_BYTES };
enum metric_unit { COUNT, SECONDS };

enum label_id {
    LABEL_NONE,
    LABEL_VERSION,
    LABEL_SINK,
#define LABEL_ENUMERATOR(label, shown) LABEL_##label,
    METRIC_LABELS(LABEL_ENUMERATOR)
};

enum { BUCKETS = 16 };

/* In the metric's unit: microseconds, or what is counted. */
static const uint64_t buckets[][BUCKETS] = {
    [HISTOGRAM_LATENCY] = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
                           1000000, 2500000, 5000000, 10000000},
    [HISTOGRAM_AGE] = {100000, 250000, 500000, 1000000, 2000000, 5000000, 10000000, 30000000, 60000000,
                       300000000, 1800000000, 7200000000, 43200000000, 86400000000, 604800000000,
                       7776000000000},
    [HISTOGRAM_BYTES] = {UINT64_C(1) << 10, UINT64_C(1) << 12, UINT64_C(1) << 14, UINT64_C(1) << 16,
                         UINT64_C(1) << 18, UINT64_C(1) << 20, UINT64_C(1) << 21, UINT64_C(1) << 22,
                         UINT64_C(1) << 23, UINT64_C(1) << 24, UINT64_C(1) << 25, UINT64_C(1) << 26,
                         UINT64_C(1) << 27, UINT64_C(1) << 28, UINT64_C(1) << 30, UINT64_C(1) << 32},
};

/* A histogram's cells: its buckets, the one above them all, and the sum. */
enum {
    CELLS_COUNTER = 1,
    CELLS_GAUGE = 1,
    CELL_SUM = BUCKETS + 1,
    CELLS_HISTOGRAM_LATENCY = BUCKETS + 2,
    CELLS_HISTOGRAM_AGE = BUCKETS + 2,
    CELLS_HISTOGRAM_BYTES = BUCKETS + 2
};

static struct {
#define METRIC(id, name, type, unit, label_1, label_2, help) \
    _Atomic uint64_t id[CELLS_##type * METRIC_##label_1##_VALUES * METRIC_##label_2##_VALUES];
#include "metrics.def"
} cells;

struct metric {
    const char *name;
    const char *help;
    enum metric_type type;
    enum metric_unit unit;
    enum label_id labels[2];
    unsigned series_max, cells_per_series;
    _Atomic uint64_t *cells;
};

static const struct metric metrics[] = {
#define METRIC(id, metric_name, metric_type, metric_unit, label_1, label_2, metric_help) \
    {.name = "wadi_" metric_name,                                                        \
     .help = metric_help,                                                                \
     .type = metric_type,                                                                \
     .unit = metric_unit,                                                                \
     .labels = {LABEL_##label_1, LABEL_##label_2},                                       \
     .series_max = METRIC_##label_1##_VALUES * METRIC_##label_2##_VALUES,                \
     .cells_per_series = CELLS_##metric_type,                                            \
     .cells = cells.id},
#include "metrics.def"
};

#define VALUE_TEXT(label, name, text) text,
#define LABEL_TEXTS(label, shown) \
    static const char *const label_texts_##label[] = {METRIC_VALUES_##label(VALUE_TEXT)};
METRIC_LABELS(LABEL_TEXTS)

/* Written at start only, see metrics_sink_add. */
static const char *sink_names[METRIC_SINK_VALUES];
static const char *version_text[1];

struct label_list {
    const char *name;
    const char *const *values;
    unsigned count; /* 0: not filled, nothing is shown */
};

static unsigned sinks_count;

static struct label_list label_of(enum label_id id) {
    static const char *const nothing[] = {""};
    switch (id) {
    case LABEL_NONE:
        return (struct label_list){NULL, nothing, 1};
    case LABEL_VERSION:
        return (struct label_list){"version", version_text, version_text[0] != NULL};
    case LABEL_SINK:
        return (struct label_list){"sink", sink_names, sinks_count};
#define LABEL_CASE(label, shown) \
    case LABEL_##label:          \
        return (struct label_list){shown, label_texts_##label, METRIC_##label##_VALUES};
        METRIC_LABELS(LABEL_CASE)
    }
    return (struct label_list){0};
}

static bool is_histogram(const struct metric *m) { return m->type != COUNTER && m->type != GAUGE; }

static _Atomic uint64_t *series_of(enum metric_id id, unsigned index) {
    assert(id < METRIC_ID_COUNT && index < metrics[id].series_max);
    return metrics[id].cells + (size_t)index * metrics[id].cells_per_series;
}

static uint64_t cell_load(_Atomic uint64_t *cell) { return atomic_load_explicit(cell, memory_order_relaxed); }

static void cell_add(_Atomic uint64_t *cell, uint64_t n) {
    atomic_fetch_add_explicit(cell, n, memory_order_relaxed);
}

unsigned metric_code(unsigned http_status) {
    char digits[12];
    snprintf(digits, sizeof digits, "%u", http_status);
    for (unsigned i = 0; i < METRIC_CODE_VALUES; i++)
        if (strcmp(digits, label_texts_CODE[i]) == 0)
            return i;
    return METRIC_CODE_OTHER;
}

void metric_add(enum metric_id id, unsigned index, uint64_t n) {
    assert(metrics[id].type == COUNTER);
    cell_add(series_of(id, index), n);
}

void metric_set(enum metric_id id, unsigned index, int64_t value) {
    assert(metrics[id].type == GAUGE);
    atomic_store_explicit(series_of(id, index), (uint64_t)value, memory_order_relaxed);
}

void metric_move(enum metric_id id, unsigned index, int64_t by) {
    assert(metrics[id].type == GAUGE);
    cell_add(series_of(id, index), (uint64_t)by);
}

void metric_observe(enum metric_id id, unsigned index, uint64_t value) {
    assert(is_histogram(&metrics[id]));
    _Atomic uint64_t *series = series_of(id, index);
    const uint64_t *bounds = buckets[metrics[id].type];
    unsigned bucket = 0;
    while (bucket < BUCKETS && value > bounds[bucket])
        bucket++;
    cell_add(&series[bucket], 1);
    cell_add(&series[CELL_SUM], value);
}

int64_t metric_get(enum metric_id id, unsigned index) {
    assert(!is_histogram(&metrics[id]));
    return (int64_t)cell_load(series_of(id, index));
}

unsigned metrics_sink_add(const char *name) {
    assert(sinks_count < METRIC_SINK_VALUES);
    sink_names[sinks_count] = name;
    return sinks_count++;
}

const char *metrics_sink_name(unsigned sink) { return sink < sinks_count ? sink_names[sink] : NULL; }

const char *metric_drop_name(unsigned reason) {
    return label_texts_DROP[reason < METRIC_DROP_VALUES ? reason : METRIC_DROP_OTHER];
}

void metrics_version_set(const char *version) {
    version_text[0] = version;
    metric_set(METRIC_BUILD_INFO, 0, 1);
}

static void label_put(struct text *t, const struct label_list *label, unsigned value) {
    if (!label->name)
        return;
    text_printf(t, "%s%s=\"", t->length > 0 ? "," : "", label->name);
    text_put_escaped(t, label->values[value]);
    text_put(t, "\"");
}

/* Microseconds as seconds, exactly. */
static void seconds_put(struct text *out, int64_t us) {
    uint64_t magnitude = us < 0 ? -(uint64_t)us : (uint64_t)us;
    text_printf(out, "%s%" PRIu64 ".%06" PRIu64, us < 0 ? "-" : "", magnitude / 1000000, magnitude % 1000000);
}

static void value_put(struct text *out, const struct metric *m, uint64_t value) {
    if (m->unit == SECONDS)
        seconds_put(out, (int64_t)value);
    else if (m->type == GAUGE)
        text_printf(out, "%" PRId64, (int64_t)value);
    else
        text_printf(out, "%" PRIu64, value);
}

static void scalar_render(struct text *out, const struct metric *m, const char *labels,
                          _Atomic uint64_t *series) {
    uint64_t value = cell_load(series);
    text_put(out, m->name);
    if (*labels)
        text_printf(out, "{%s}", labels);
    text_put(out, " ");
    value_put(out, m, value);
    text_put(out, "\n");
}

static void histogram_render(struct text *out, const struct metric *m, const char *labels,
                             _Atomic uint64_t *series) {
    const char *comma = *labels ? "," : "";
    uint64_t count = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        count += cell_load(&series[i]);
        text_printf(out, "%s_bucket{%s%sle=\"%.10g\"} %" PRIu64 "\n", m->name, labels, comma,
                    (double)buckets[m->type][i] / (m->unit == SECONDS ? 1e6 : 1), count);
    }
    count += cell_load(&series[BUCKETS]);
    text_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", m->name, labels, comma, count);
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    text_printf(out, "%s_sum%s%s%s ", m->name, open, labels, close);
    value_put(out, m, cell_load(&series[CELL_SUM]));
    text_printf(out, "\n%s_count%s%s%s %" PRIu64 "\n", m->name, open, labels, close, count);
}

static void metric_render(struct text *out, enum metric_id id) {
    const struct metric *m = &metrics[id];
    struct label_list first = label_of(m->labels[0]), second = label_of(m->labels[1]);
    static const char *const type_names[] = {"counter", "gauge", "histogram", "histogram", "histogram"};
    text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, type_names[m->type]);
    for (unsigned i = 0; i < first.count; i++)
        for (unsigned j = 0; j < second.count; j++) {
            char buffer[256];
            struct text labels;
            text_init(&labels, buffer, sizeof buffer);
            label_put(&labels, &first, i);
            label_put(&labels, &second, j);
            _Atomic uint64_t *series = series_of(id, i * second.count + j);
            if (is_histogram(m))
                histogram_render(out, m, buffer, series);
            else
                scalar_render(out, m, buffer, series);
        }
}

void metrics_render(struct text *out) {
    for (enum metric_id id = 0; id < METRIC_ID_COUNT; id++)
        metric_render(out, id);
}

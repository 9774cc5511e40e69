/* Prints the exposition with something in every kind of metric, for promtool. */
#include <stdio.h>

#include "metrics.h"

int main(void) {
    struct text out;
    text_init_growing(&out, 1 << 20);
    metrics_version_set("0.0.0-\"test\\\"");
    metrics_sink_add("files");
    metrics_sink_add("archive");
    metric_add(METRIC_LATE_EVENTS, 1, 7);
    metric_set(METRIC_WATERMARK, 0, -1);
    metric_observe(METRIC_EVENT_LAG, 0, UINT64_C(1) << 50);
    metrics_render(&out);
    fputs(out.data, stdout);
    text_fini(&out);
    return out.cut;
}

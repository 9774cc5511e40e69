#include "sink.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <zmq.h>

#include "diag.h"
#include "metrics.h"
#include "ready.h"
#include "sdk/src/base/clock.h"
#include "thread.h"

#define STEP_ENTRIES_MAX 256u
#define POLL_MS 50 /* also how fast a stop is noticed, and how exact roll_interval is */
#define RETRY_MIN_MS 250u
#define RETRY_MAX_MS 30000u
#define HELD_BYTES_MAX (8u << 20)
#define OPEN_BYTES_MAX (32u << 20)
#define COMPONENT_MAX 32u

struct sink {
    sink_options opt;
    unsigned label;
    char component[COMPONENT_MAX]; /* in /readyz */
    pthread_t thread;
    _Atomic uint64_t stop_by_us; /* 0: run */
    file_store *store;
    epochs *epochs;
    epochs_stats shown; /* what the metrics already count */
    uint32_t retry_ms;
};

const char *sink_err_name(sink_err err) {
    static const char *const names[] = {"ok",         "io",     "no_space", "memory",
                                        "checkpoint", "encode", "journal",  "busy"};
    return names[err];
}

static unsigned error_label(sink_err err) {
    switch (err) {
    case SINK_ERR_NO_SPACE:
        return METRIC_SINK_ERROR_NO_SPACE;
    case SINK_ERR_CHECKPOINT:
        return METRIC_SINK_ERROR_CHECKPOINT;
    case SINK_ERR_ENCODE:
    case SINK_ERR_MEMORY:
        return METRIC_SINK_ERROR_ENCODE;
    case SINK_ERR_JOURNAL:
        return METRIC_SINK_ERROR_JOURNAL;
    case SINK_ERR_BUSY:
        return METRIC_SINK_ERROR_BUSY;
    case SINK_OK:
    case SINK_ERR_IO:
        break;
    }
    return METRIC_SINK_ERROR_IO;
}

/* ---- metrics ---------------------------------------------------------------------------------------- */

static void metrics_show(sink *s) {
    epochs_stats now = epochs_stats_get(s->epochs);
    metric_add(METRIC_SINK_EVENTS, s->label, now.lines - s->shown.lines);
    metric_add(METRIC_SINK_BYTES, s->label, now.bytes - s->shown.bytes);
    metric_add(METRIC_SINK_EPOCHS, s->label, now.epochs - s->shown.epochs);
    metric_add(METRIC_LATE_EVENTS, s->label, now.late - s->shown.late);
    metric_set(METRIC_ORDER_PENDING_EVENTS, s->label, (int64_t)now.pending_events);
    metric_set(METRIC_ORDER_PENDING_BYTES, s->label, (int64_t)now.pending_bytes);
    metric_set(METRIC_SINK_LAG_EVENTS, s->label, (int64_t)now.uncommitted_events);
    metric_set(METRIC_SINK_LAG, s->label, (int64_t)now.waiting_us);
    if (now.watermark_us > 0)
        metric_set(METRIC_WATERMARK, s->label, now.watermark_us);
    s->shown = now;
}

/* ---- opening and failing ---------------------------------------------------------------------------- */

static void sink_close(sink *s) {
    epochs_close(s->epochs);
    file_store_close(s->store);
    s->epochs = NULL;
    s->store = NULL;
}

static sink_err sink_open(sink *s) {
    const sink_options *opt = &s->opt;
    sink_err err = file_store_open(opt->path, opt->collector, opt->name, &s->store);
    if (err != SINK_OK)
        return err;
    epochs_options e = {.collector = opt->collector,
                        .sink = opt->name,
                        .order = opt->order,
                        .codec = opt->codec,
                        .roll_bytes = opt->roll_bytes,
                        .roll_interval_us = opt->roll_interval_us,
                        .held_bytes_max = HELD_BYTES_MAX};
    e.order.open_bytes_max = OPEN_BYTES_MAX;
    for (size_t i = 0; i < sizeof e.start_id; i++)
        e.start_id[i] = opt->start_id[i];
    err = epochs_open(&e, file_store_of(s->store), &opt->source, &s->epochs);
    if (err != SINK_OK)
        return err;
    s->shown = (epochs_stats){0};
    epochs_stats now = epochs_stats_get(s->epochs);
    if (now.gap != MANIFEST_GAP_NONE)
        diag_warn("the journal lacks what the sink had not written; it goes on behind the gap",
                  DIAG_STR("sink", opt->name), DIAG_STR("journal", manifest_gap_name(now.gap)),
                  DIAG_UINT("position", now.position));
    diag_info("sink stands", DIAG_STR("sink", opt->name), DIAG_UINT("position", now.position),
              DIAG_UINT("low", now.low), DIAG_UINT("pending", now.pending_events));
    opt->confirm(opt->confirm_context, opt->index, now.low);
    ready_set(s->component, true, NULL);
    return SINK_OK;
}

static void sink_fail(sink *s, sink_err err) {
    char reason[128];
    snprintf(reason, sizeof reason, "%s: trying again", sink_err_name(err));
    ready_set(s->component, false, reason);
    metric_add(METRIC_SINK_ERRORS, s->label * METRIC_SINK_ERROR_VALUES + error_label(err), 1);
    s->retry_ms = s->retry_ms ? s->retry_ms * 2 : RETRY_MIN_MS;
    if (s->retry_ms > RETRY_MAX_MS)
        s->retry_ms = RETRY_MAX_MS;
    diag_error("sink failed", DIAG_STR("sink", s->opt.name), DIAG_STR("reason", sink_err_name(err)),
               DIAG_UINT("retry_ms", s->retry_ms));
    sink_close(s);
}

/* ---- the thread ------------------------------------------------------------------------------------- */

static uint64_t stop_by(const sink *s) { return atomic_load_explicit(&s->stop_by_us, memory_order_relaxed); }

/* Until the journal advances, or the time is over, or a stop is asked for. */
static void advance_wait(const sink *s, void *socket, uint32_t ms) {
    uint64_t until = base_mono_us() + 1000u * (uint64_t)ms;
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    do {
        uint64_t position;
        if (zmq_poll(&item, 1, ms < POLL_MS ? (long)ms : POLL_MS) > 0) {
            zmq_recv(socket, &position, sizeof position, ZMQ_DONTWAIT);
            return;
        }
    } while (stop_by(s) == 0 && base_mono_us() < until);
}

static sink_err sink_step(sink *s, bool *ret_more) {
    if (!s->epochs) {
        sink_err err = sink_open(s);
        if (err != SINK_OK)
            return err;
    }
    uint64_t epochs_before = s->shown.epochs;
    sink_err err = epochs_step(s->epochs, base_mono_us(), STEP_ENTRIES_MAX, ret_more);
    if (err != SINK_OK)
        return err;
    metrics_show(s);
    if (s->shown.epochs != epochs_before) {
        s->opt.confirm(s->opt.confirm_context, s->opt.index, s->shown.low);
        s->retry_ms = 0; /* not before: a step that only read says nothing about the disk */
    }
    return SINK_OK;
}

/* The journal's end is read: commits what waits. */
static void sink_finish(sink *s) {
    if (!s->epochs)
        return;
    sink_err err = epochs_flush(s->epochs);
    if (err != SINK_OK)
        diag_error("last epoch not written; it follows after the next start", DIAG_STR("sink", s->opt.name),
                   DIAG_STR("reason", sink_err_name(err)));
    else
        metrics_show(s);
}

static void *sink_main(void *argument) {
    sink *s = argument;
    void *socket = zmq_socket(s->opt.zmq, ZMQ_PULL);
    int one = 1;
    zmq_setsockopt(socket, ZMQ_CONFLATE, &one, sizeof one);
    if (zmq_connect(socket, s->opt.advanced) != 0)
        diag_error("cannot hear the journal", DIAG_STR("sink", s->opt.name));
    bool more = false;
    for (;;) {
        sink_err err = sink_step(s, &more);
        if (err != SINK_OK)
            sink_fail(s, err);
        uint64_t until = stop_by(s);
        if (until != 0 && (!more || err != SINK_OK || base_mono_us() >= until))
            break;
        if (err != SINK_OK)
            advance_wait(s, socket, s->retry_ms);
        else if (!more)
            advance_wait(s, socket, POLL_MS);
    }
    sink_finish(s);
    zmq_close(socket);
    return NULL;
}

sink_err sink_start(const sink_options *opt, sink **ret_sink) {
    sink *s = calloc(1, sizeof *s);
    if (!s)
        return SINK_ERR_MEMORY;
    s->opt = *opt;
    s->label = metrics_sink_add(opt->name);
    snprintf(s->component, sizeof s->component, "sink %.24s", opt->name);
    ready_set(s->component, false, "starting");
    char name[16];
    snprintf(name, sizeof name, "sink-%.10s", opt->name);
    if (thread_start(name, sink_main, s, &s->thread) != 0) {
        free(s);
        return SINK_ERR_IO;
    }
    *ret_sink = s;
    return SINK_OK;
}

void sink_stop(sink *s, uint32_t timeout_ms) {
    if (!s)
        return;
    atomic_store_explicit(&s->stop_by_us, base_mono_us() + 1000u * (uint64_t)timeout_ms,
                          memory_order_relaxed);
    pthread_join(s->thread, NULL);
    sink_close(s);
    free(s);
}

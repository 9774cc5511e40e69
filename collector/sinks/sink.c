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
#define HELD_BYTES_MAX (32u << 20) /* memory of late events; beyond it they are written before their time */
#define OPEN_BYTES_MAX (32u << 20)
#define COMPONENT_MAX 32u
#define REASON_BYTES 128u /* as much as /readyz shows */
#define REPLAY_MESSAGE \
    "held late events are not found again: start the build that wrote them, and stop it cleanly"

struct sink {
    sink_options opt;
    unsigned label;
    char component[COMPONENT_MAX]; /* in /readyz */
    pthread_t thread;
    _Atomic uint64_t stop_by_us; /* 0: run */
    sink_target target;          /* ops NULL: not open */
    char why[REASON_BYTES];      /* the target could not be opened */
    epochs *epochs;
    epochs_stats shown; /* what the metrics already count */
    uint32_t retry_ms;
};

const char *sink_err_name(sink_err err) {
    static const char *const names[] = {"ok",     "io",      "no_space", "memory", "checkpoint",
                                        "encode", "journal", "busy",     "replay", "fenced"};
    return names[err];
}

static unsigned error_label(sink_err err) {
    switch (err) {
    case SINK_ERR_NO_SPACE:
        return METRIC_SINK_ERROR_NO_SPACE;
    case SINK_ERR_CHECKPOINT:
    case SINK_ERR_REPLAY:
        return METRIC_SINK_ERROR_CHECKPOINT;
    case SINK_ERR_ENCODE:
    case SINK_ERR_MEMORY:
        return METRIC_SINK_ERROR_ENCODE;
    case SINK_ERR_JOURNAL:
        return METRIC_SINK_ERROR_JOURNAL;
    case SINK_ERR_BUSY:
        return METRIC_SINK_ERROR_BUSY;
    case SINK_ERR_FENCED:
        return METRIC_SINK_ERROR_FENCED;
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
    metric_set(METRIC_LATE_HELD_EVENTS, s->label, (int64_t)now.held_late);
    metric_set(METRIC_SINK_LAG_EVENTS, s->label, (int64_t)now.uncommitted_events);
    metric_set(METRIC_SINK_LAG, s->label, (int64_t)now.waiting_us);
    if (now.watermark_us > 0)
        metric_set(METRIC_WATERMARK, s->label, now.watermark_us);
    s->shown = now;
}

/* ---- opening and failing ---------------------------------------------------------------------------- */

static void sink_close(sink *s) {
    epochs_close(s->epochs);
    s->epochs = NULL;
    if (s->target.ops)
        s->target.ops->close(s->target.self);
    s->target = (sink_target){0};
}

static sink_err sink_open(sink *s) {
    const sink_options *opt = &s->opt;
    struct text why;
    text_init(&why, s->why, sizeof s->why);
    sink_err err = opt->open(opt->context, opt->index, &s->target, &why);
    if (err != SINK_OK)
        return err;
    epochs_options e = {.order = opt->order,
                        .format = opt->format,
                        .columns = opt->columns,
                        .n_columns = opt->n_columns,
                        .codec = opt->codec,
                        .roll_bytes = opt->roll_bytes,
                        .roll_interval_us = opt->roll_interval_us,
                        .late_roll_interval_us = opt->late_roll_interval_us,
                        .held_bytes_max = HELD_BYTES_MAX,
                        .held_journal_bytes_max = opt->held_journal_bytes_max};
    e.order.open_bytes_max = OPEN_BYTES_MAX;
    for (size_t i = 0; i < sizeof e.start_id; i++)
        e.start_id[i] = opt->start_id[i];
    err = epochs_open(&e, s->target, &opt->source, &s->epochs);
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
    opt->confirm(opt->context, opt->index, now.low);
    ready_set(s->component, true, NULL);
    return SINK_OK;
}

/* Shows it, lent until the target is closed. */
static const char *error_show(const sink *s, sink_err err) {
    const char *message = s->why;
    if (s->target.ops)
        message = s->target.ops->message ? s->target.ops->message(s->target.self) : NULL;
    if (!message || !message[0])
        message = sink_err_name(err);
    if (err == SINK_ERR_REPLAY) /* of which the target knows nothing */
        message = REPLAY_MESSAGE;
    ready_set(s->component, false, message);
    metric_add(METRIC_SINK_ERRORS, s->label * METRIC_SINK_ERROR_VALUES + error_label(err), 1);
    return message;
}

static void sink_fail(sink *s, sink_err err) {
    const char *message = error_show(s, err);
    s->retry_ms = s->retry_ms ? s->retry_ms * 2 : RETRY_MIN_MS;
    if (s->retry_ms > RETRY_MAX_MS)
        s->retry_ms = RETRY_MAX_MS;
    diag_error("sink failed; it tries again", DIAG_STR("sink", s->opt.name),
               DIAG_STR("reason", sink_err_name(err)), DIAG_STR("message", message),
               DIAG_UINT("retry_ms", s->retry_ms));
    sink_close(s);
}

static void sink_fenced(sink *s) {
    diag_error("another collector with this id has taken over; this one ends", DIAG_STR("sink", s->opt.name),
               DIAG_STR("message", error_show(s, SINK_ERR_FENCED)));
    sink_close(s);
    s->opt.fenced(s->opt.context, s->opt.index);
}

/* ---- the thread ------------------------------------------------------------------------------------- */

static uint64_t stop_by(const sink *s) { return atomic_load_explicit(&s->stop_by_us, memory_order_relaxed); }

/* Until the time is over, or a stop is asked for, or the journal advances, if there is a socket to hear it.
 */
static void advance_wait(const sink *s, void *socket, uint32_t ms) {
    uint64_t until = base_mono_us() + 1000u * (uint64_t)ms;
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    do {
        uint64_t position;
        if (zmq_poll(&item, socket ? 1 : 0, ms < POLL_MS ? (long)ms : POLL_MS) > 0) {
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
        s->opt.confirm(s->opt.context, s->opt.index, s->shown.low);
        s->retry_ms = 0; /* not before: a step that only read says nothing about the disk */
    }
    return SINK_OK;
}

/* The journal's end is read: commits what waits. A target that has failed before has no epochs. */
static void sink_finish(sink *s) {
    if (!s->epochs)
        return;
    sink_err err = epochs_finish(s->epochs);
    if (err == SINK_ERR_FENCED)
        sink_fenced(s);
    else if (err != SINK_OK)
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
        if (err == SINK_ERR_FENCED) {
            sink_fenced(s);
            break;
        }
        if (err != SINK_OK)
            sink_fail(s, err);
        uint64_t until = stop_by(s);
        if (until != 0 && (!more || err != SINK_OK || base_mono_us() >= until))
            break;
        if (err != SINK_OK)
            advance_wait(s, NULL, s->retry_ms); /* whatever the journal does meanwhile */
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

void sink_stop_ask(sink *s, uint32_t timeout_ms) {
    if (s)
        atomic_store_explicit(&s->stop_by_us, base_mono_us() + 1000u * (uint64_t)timeout_ms,
                              memory_order_relaxed);
}

void sink_stop(sink *s) {
    if (!s)
        return;
    pthread_join(s->thread, NULL);
    sink_close(s);
    free(s);
}

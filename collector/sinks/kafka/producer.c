#include "producer.h"

#include <stdlib.h>

#include <jansson.h>

#include "diag.h"
#include "direct/direct.h"
#include "metrics.h"
#include "plane_rdkafka.h"
#include "sdk/src/base/clock.h"

#define INIT_MS 30000u  /* for the cluster to answer, and to finish what our predecessor began */
#define FLUSH_MS 60000u /* for the brokers to have all of an epoch */
#define COMMIT_MS 30000u
#define COMMIT_LEAST_MS 1000u /* even when the collector stops: the brokers have the messages */
#define ABORT_MS 2000u
#define SLICE_MS 200u /* how fast a stop and a failed message are noticed */
#define ID_MS 5000u   /* for librdkafka to say who it is, which it does several times a second */

struct producer {
    producer_core core;
    plane plane;
    bool open; /* a transaction is */
};

/* ---- errors ------------------------------------------------------------------------------------------- */

static void transactions_count(unsigned result) { metric_add(METRIC_KAFKA_TRANSACTIONS, result, 1); }

/* A message that was not delivered. What a person is told is the first one's reason: the others follow from
 * it. */
static void report_take(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) {
    kafka_link *link = opaque;
    producer *p = link->producer;
    uint64_t id = (uint64_t)(uintptr_t)m->_private;
    (void)rk;
    if (m->err && rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED)
        p->core.adrift = true;
    if (!m->err || m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return;
    size_t bytes = m->len + m->key_len;
    if (plane_is_too_large(m->err) && id != 0) /* librdkafka adds none to a message as large as a batch */
        oversize_take(&link->oversize, id, bytes, bytes >= link->oversize.batch_bytes);
    if (plane_is_refusal(m->err) && id != 0)
        refusals_add(&link->refusals, rd_kafka_topic_name(m->rkt), base_mono_us());
    if (!p->core.failed)
        link_say(link, "topic %s: %s", rd_kafka_topic_name(m->rkt), rd_kafka_err2str(m->err));
    p->core.failed = true;
}

static sink_err error_say(const producer *p, const char *what, const rd_kafka_error_t *error) {
    if (!p->core.failed) /* else the message's own reason says more */
        link_say(p->core.link, "%s: %s", what, rd_kafka_error_string(error));
    return SINK_ERR_IO;
}

/* ---- who we are --------------------------------------------------------------------------------------- */

/* The statistics are librdkafka's only way to tell. They are made as JSON several times a second; only the
 * first that has an answer is read. */
static int identity_take(rd_kafka_t *rk, char *text, size_t n, void *opaque) {
    producer_core *core = &((kafka_link *)opaque)->producer->core;
    (void)rk;
    json_t *all = core->id < 0 ? json_loadb(text, n, 0, NULL) : NULL;
    const json_t *eos = json_object_get(all, "eos");
    const json_t *id = json_object_get(eos, "producer_id"), *epoch = json_object_get(eos, "producer_epoch");
    if (json_is_integer(id) && json_is_integer(epoch)) {
        core->epoch = (int16_t)json_integer_value(epoch);
        core->id = json_integer_value(id);
    }
    json_decref(all);
    return 0; /* the text is librdkafka's to free */
}

/* ---- life --------------------------------------------------------------------------------------------- */

producer *producer_open(kafka_link *link) {
    producer *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->core = (producer_core){.link = link, .id = -1};
    link->producer = p;
    p->core.rk = client_producer(link, report_take, identity_take);
    if (!p->core.rk) {
        free(p);
        return NULL;
    }
    return p;
}

/* Readers wait at the first message of an open transaction, so it should not stay so until it times out. One
 * that is left open the next producer ends when it starts. */
static void transaction_abort(producer *p) {
    p->open = false;
    if (p->core.fenced) {
        transactions_count(METRIC_TRANSACTION_FENCED);
        return;
    }
    plane_end end = p->plane.ops->abort(p->plane.self);
    if (end == PLANE_END_NOT_OURS) { /* librdkafka too waits for what it has under way, or ends nothing */
        uint64_t deadline = link_deadline_us(p->core.link, ABORT_MS);
        CLEANUP_ERROR rd_kafka_error_t *error =
            rd_kafka_abort_transaction(p->core.rk, link_left_ms(p->core.link, deadline, ABORT_MS));
        end = error ? PLANE_END_LEFT : PLANE_END_DONE;
    }
    transactions_count(end == PLANE_END_DONE ? METRIC_TRANSACTION_ABORTED : METRIC_TRANSACTION_UNKNOWN);
}

void producer_close(producer *p) {
    if (!p)
        return;
    if (p->open && rd_kafka_fatal_error(p->core.rk, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR)
        transaction_abort(p);
    if (p->plane.ops)
        p->plane.ops->close(p->plane.self);
    rd_kafka_destroy(p->core.rk);
    oversize_learn(&p->core.link->oversize);
    p->core.link->producer = NULL;
    free(p);
}

static sink_err transactions_init(producer *p) {
    uint64_t deadline = link_deadline_us(p->core.link, INIT_MS);
    for (;;) {
        int slice = link_left_ms(p->core.link, deadline, SLICE_MS);
        CLEANUP_ERROR rd_kafka_error_t *error = rd_kafka_init_transactions(p->core.rk, slice);
        if (!error)
            return SINK_OK;
        if (!rd_kafka_error_is_retriable(error) || slice == 0)
            return error_say(p, "cannot start transactions", error);
    }
}

/* NULL: the direct plane is open. */
static const char *direct_try(producer *p, sink_err *ret_err) {
    const char *why = direct_unsuitable(p->core.link);
    if (why)
        return why;
    uint64_t deadline = link_deadline_us(p->core.link, ID_MS);
    int slice;
    while (p->core.id < 0 && (slice = link_left_ms(p->core.link, deadline, SLICE_MS)) > 0)
        rd_kafka_poll(p->core.rk, slice);
    if (p->core.id < 0)
        return "librdkafka does not say who it is";
    *ret_err = direct_open(&p->core, &p->plane, &why);
    return why;
}

sink_err producer_init(producer *p) {
    sink_err err = transactions_init(p);
    if (err != SINK_OK)
        return err;
    const char *why = direct_try(p, &err);
    if (err != SINK_OK)
        return err;
    if (why)
        p->plane = plane_rdkafka_open(&p->core);
    metric_add(METRIC_KAFKA_PRODUCERS, why ? METRIC_PLANE_LIBRDKAFKA : METRIC_PLANE_DIRECT, 1);
    diag_info("kafka producer", DIAG_STR("sink", p->core.link->sink), DIAG_STR("plane", p->plane.ops->name),
              DIAG_STR("why", why ? why : "nothing needs librdkafka's"));
    if (why)
        p->core.link->message[0] = '\0'; /* it may be what `why` lends */
    return SINK_OK;
}

rd_kafka_t *producer_handle(const producer *p) { return p->core.rk; }

/* ---- messages ----------------------------------------------------------------------------------------- */

sink_err producer_topic_open(producer *p, const char *name, plane_topic **ret_topic) {
    return p->plane.ops->topic_open(p->plane.self, name, ret_topic);
}

void producer_topic_close(producer *p, plane_topic *topic) {
    if (topic)
        p->plane.ops->topic_close(p->plane.self, topic);
}

static sink_err transaction_begin(producer *p) {
    CLEANUP_ERROR rd_kafka_error_t *error = rd_kafka_begin_transaction(p->core.rk);
    if (error)
        return error_say(p, "cannot begin a transaction", error);
    p->open = true;
    return SINK_OK;
}

sink_err producer_send(producer *p, const message *m, bool *ret_too_large) {
    if (!p->open && transaction_begin(p) != SINK_OK)
        return SINK_ERR_IO;
    return p->plane.ops->send(p->plane.self, m, ret_too_large);
}

sink_err producer_send_record(producer *p, rd_kafka_topic_t *topic, const message *m, bool *ret_too_large) {
    if (!p->open && transaction_begin(p) != SINK_OK)
        return SINK_ERR_IO;
    return plane_rdkafka_send(&p->core, topic, 0, m, ret_too_large);
}

sink_err producer_poll(producer *p) {
    rd_kafka_poll(p->core.rk, 0);
    return p->core.failed ? SINK_ERR_IO : p->plane.ops->poll(p->plane.self);
}

/* ---- the end of a transaction ------------------------------------------------------------------------- */

/* Until the brokers have every message, so that the commit itself is one short exchange. */
static sink_err messages_flush(producer *p) {
    uint64_t deadline = link_deadline_us(p->core.link, FLUSH_MS);
    for (;;) {
        int slice = link_left_ms(p->core.link, deadline, SLICE_MS);
        rd_kafka_resp_err_t err = rd_kafka_flush(p->core.rk, slice);
        if (p->core.failed)
            return SINK_ERR_IO;
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return SINK_OK;
        if (slice == 0) {
            link_say(p->core.link, "no broker has taken the epoch's messages in time");
            return SINK_ERR_IO;
        }
    }
}

static unsigned result_of(const rd_kafka_error_t *error) {
    if (rd_kafka_error_is_fatal(error))
        return METRIC_TRANSACTION_FENCED;
    return rd_kafka_error_txn_requires_abort(error) ? METRIC_TRANSACTION_REFUSED : METRIC_TRANSACTION_UNKNOWN;
}

/* In slices, for a stop may come meanwhile; a call goes on where the one before it ran out of time. */
static rd_kafka_error_t *commit_wait(const producer *p) {
    uint64_t deadline = link_deadline_us(p->core.link, COMMIT_MS);
    for (;;) {
        bool last = link_left_ms(p->core.link, deadline, COMMIT_LEAST_MS) < (int)COMMIT_LEAST_MS;
        rd_kafka_error_t *error = rd_kafka_commit_transaction(p->core.rk, (int)COMMIT_LEAST_MS);
        if (last || !error || rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT)
            return error;
        rd_kafka_error_destroy(error);
    }
}

sink_err producer_commit(producer *p) {
    sink_err err = p->plane.ops->flush(p->plane.self);
    if (err == SINK_OK)
        err = messages_flush(p);
    if (err != SINK_OK)
        return err;
    CLEANUP_ERROR rd_kafka_error_t *error = commit_wait(p);
    if (!error) {
        p->open = false;
        p->plane.ops->committed(p->plane.self);
        transactions_count(METRIC_TRANSACTION_COMMITTED);
        return SINK_OK;
    }
    transactions_count(result_of(error));
    p->open = rd_kafka_error_txn_requires_abort(error); /* else it may be committed: nothing to abort */
    return error_say(p, "the commit failed", error);
}

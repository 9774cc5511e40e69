#include "producer.h"

#include <stdlib.h>

#include "diag.h"
#include "metrics.h"
#include "sdk/src/base/clock.h"

#define INIT_MS 30000u  /* for the cluster to answer, and to finish what our predecessor began */
#define SEND_MS 60000u  /* for room in the buffer */
#define FLUSH_MS 60000u /* for the brokers to have all of an epoch */
#define COMMIT_MS 30000u
#define COMMIT_LEAST_MS 1000u /* even when the collector stops: the brokers have the messages */
#define ABORT_MS 2000u
#define SLICE_MS 200u /* how fast a stop and a failed message are noticed */
#define ROOM_MS 1u    /* a full buffer makes room in milliseconds, and delivered messages wake nobody */
#define SETTINGS_MAX 8u

struct producer {
    kafka_link *link;
    rd_kafka_t *rk;
    bool open;   /* a transaction is */
    bool failed; /* a message was not delivered, so the transaction cannot be committed */
};

/* ---- errors ------------------------------------------------------------------------------------------- */

static void transactions_count(unsigned result) { metric_add(METRIC_KAFKA_TRANSACTIONS, result, 1); }

_Static_assert(sizeof(void *) >= sizeof(uint64_t), "a message's row travels as its opaque pointer");

static bool is_refusal(rd_kafka_resp_err_t err) {
    return err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
}

/* A message that was not delivered. What a person is told is the first one's reason: the others follow from
 * it. */
static void report_take(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) {
    kafka_link *link = opaque;
    producer *p = link->producer;
    uint64_t id = (uint64_t)(uintptr_t)m->_private;
    (void)rk;
    if (!m->err || m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return;
    if (m->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && id != 0)
        oversize_take(&link->oversize, id, m->len + m->key_len);
    if (is_refusal(m->err) && id != 0)
        refusals_add(&link->refusals, rd_kafka_topic_name(m->rkt), base_mono_us());
    if (!p->failed)
        link_say(link, "topic %s: %s", rd_kafka_topic_name(m->rkt), rd_kafka_err2str(m->err));
    p->failed = true;
}

static sink_err error_say(const producer *p, const char *what, const rd_kafka_error_t *error) {
    if (!p->failed) /* else the message's own reason says more */
        link_say(p->link, "%s: %s", what, rd_kafka_error_string(error));
    return SINK_ERR_IO;
}

/* ---- life --------------------------------------------------------------------------------------------- */

producer *producer_open(kafka_link *link) {
    producer *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->link = link;
    link->producer = p;
    p->rk = client_producer(link, report_take);
    if (!p->rk) {
        free(p);
        return NULL;
    }
    return p;
}

/* Readers wait at the first message of an open transaction, so it should not stay so until it times out. */
static void transaction_abort(producer *p) {
    uint64_t deadline = link_deadline_us(p->link, ABORT_MS);
    CLEANUP_ERROR rd_kafka_error_t *error =
        rd_kafka_abort_transaction(p->rk, link_left_ms(p->link, deadline, ABORT_MS));
    p->open = false;
    if (!error)
        transactions_count(METRIC_TRANSACTION_ABORTED);
}

void producer_close(producer *p) {
    if (!p)
        return;
    if (p->open && rd_kafka_fatal_error(p->rk, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR)
        transaction_abort(p);
    rd_kafka_destroy(p->rk);
    oversize_learn(&p->link->oversize);
    p->link->producer = NULL;
    free(p);
}

sink_err producer_init(producer *p) {
    uint64_t deadline = link_deadline_us(p->link, INIT_MS);
    for (;;) {
        int slice = link_left_ms(p->link, deadline, SLICE_MS);
        CLEANUP_ERROR rd_kafka_error_t *error = rd_kafka_init_transactions(p->rk, slice);
        if (!error)
            return SINK_OK;
        if (!rd_kafka_error_is_retriable(error) || slice == 0)
            return error_say(p, "cannot start transactions", error);
    }
}

rd_kafka_t *producer_handle(const producer *p) { return p->rk; }

/* ---- messages ----------------------------------------------------------------------------------------- */

/* For librdkafka, which copies it. */
static void *lent(const void *data) { return (void *)(uintptr_t)data; }

/* Of our own making: headers that librdkafka has made of VTYPE_HEADER it frees twice when the partitioner
 * fails (its issue 4627). NULL: the message has none, or there is no memory. */
static rd_kafka_headers_t *headers_make(const message *m) {
    rd_kafka_headers_t *headers = m->n_headers > 0 ? rd_kafka_headers_new(m->n_headers) : NULL;
    for (size_t i = 0; headers && i < m->n_headers; i++) {
        const message_header *h = &m->headers[i];
        rd_kafka_header_add(headers, h->name, -1, h->value, (ssize_t)h->n);
    }
    return headers;
}

/* Takes the headers if it succeeds. */
static rd_kafka_resp_err_t message_offer(producer *p, const message *m, rd_kafka_headers_t *headers) {
    rd_kafka_vu_t settings[SETTINGS_MAX];
    size_t n = 0;
    settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = m->topic};
    settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY};
    settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)m->row};
    settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = m->time_ms};
    settings[n++] =
        (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = lent(m->key), .size = m->key_n}};
    settings[n++] =
        (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = lent(m->value), .size = m->value_n}};
    if (m->first)
        settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0};
    if (headers)
        settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers};
    CLEANUP_ERROR rd_kafka_error_t *error = rd_kafka_produceva(p->rk, settings, n);
    return error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
}

static sink_err transaction_begin(producer *p) {
    CLEANUP_ERROR rd_kafka_error_t *error = rd_kafka_begin_transaction(p->rk);
    if (error)
        return error_say(p, "cannot begin a transaction", error);
    p->open = true;
    return SINK_OK;
}

static sink_err send_failed(const producer *p, const message *m, rd_kafka_resp_err_t err) {
    char fatal[160] = "";
    rd_kafka_fatal_error(p->rk, fatal, sizeof fatal);
    if (!p->failed)
        link_say(p->link, "topic %s: %s", rd_kafka_topic_name(m->topic),
                 fatal[0] ? fatal : rd_kafka_err2str(err));
    return SINK_ERR_IO;
}

/* Until there is room, or a message was refused. Takes the headers if it succeeds. */
static rd_kafka_resp_err_t message_put(producer *p, const message *m, rd_kafka_headers_t *headers) {
    uint64_t deadline = 0; /* not asked for unless the buffer is full */
    for (;;) {
        rd_kafka_resp_err_t err = message_offer(p, m, headers);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR || err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
            return err;
        if (deadline == 0)
            deadline = link_deadline_us(p->link, SEND_MS);
        int slice = link_left_ms(p->link, deadline, ROOM_MS);
        rd_kafka_poll(p->rk, slice); /* for room, or for the message that was the reason */
        if (p->failed || err != RD_KAFKA_RESP_ERR__QUEUE_FULL || slice == 0)
            return err;
    }
}

sink_err producer_send(producer *p, const message *m, bool *ret_too_large) {
    if (!p->open && transaction_begin(p) != SINK_OK)
        return SINK_ERR_IO;
    rd_kafka_headers_t *headers = headers_make(m);
    if (m->n_headers > 0 && !headers)
        return SINK_ERR_MEMORY;
    rd_kafka_resp_err_t err = message_put(p, m, headers);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && headers)
        rd_kafka_headers_destroy(headers);
    *ret_too_large = err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    return err == RD_KAFKA_RESP_ERR_NO_ERROR || *ret_too_large ? SINK_OK : send_failed(p, m, err);
}

sink_err producer_poll(producer *p) {
    rd_kafka_poll(p->rk, 0);
    return p->failed ? SINK_ERR_IO : SINK_OK;
}

/* ---- the end of a transaction ------------------------------------------------------------------------- */

/* Until the brokers have every message, so that the commit itself is one short exchange. */
static sink_err messages_flush(producer *p) {
    uint64_t deadline = link_deadline_us(p->link, FLUSH_MS);
    for (;;) {
        int slice = link_left_ms(p->link, deadline, SLICE_MS);
        rd_kafka_resp_err_t err = rd_kafka_flush(p->rk, slice);
        if (p->failed)
            return SINK_ERR_IO;
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return SINK_OK;
        if (slice == 0) {
            link_say(p->link, "no broker has taken the epoch's messages in time");
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
    uint64_t deadline = link_deadline_us(p->link, COMMIT_MS);
    for (;;) {
        bool last = link_left_ms(p->link, deadline, COMMIT_LEAST_MS) < (int)COMMIT_LEAST_MS;
        rd_kafka_error_t *error = rd_kafka_commit_transaction(p->rk, (int)COMMIT_LEAST_MS);
        if (last || !error || rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT)
            return error;
        rd_kafka_error_destroy(error);
    }
}

sink_err producer_commit(producer *p) {
    sink_err err = messages_flush(p);
    if (err != SINK_OK)
        return err;
    CLEANUP_ERROR rd_kafka_error_t *error = commit_wait(p);
    if (!error) {
        p->open = false;
        transactions_count(METRIC_TRANSACTION_COMMITTED);
        return SINK_OK;
    }
    transactions_count(result_of(error));
    p->open = rd_kafka_error_txn_requires_abort(error); /* else it may be committed: nothing to abort */
    return error_say(p, "the commit failed", error);
}

#include "plane_rdkafka.h"

#include <stdio.h>
#include <stdlib.h>

#define SEND_MS 60000u /* for room in the buffer */
#define ROOM_MS 1u     /* a full buffer makes room in milliseconds, and delivered messages wake nobody */
#define SETTINGS_MAX 8u

typedef struct rdkafka_topic {
    plane_topic base;
    rd_kafka_topic_t *handle;
} rdkafka_topic;

_Static_assert(sizeof(void *) >= sizeof(uint64_t), "a message's row travels as its opaque pointer");

bool plane_is_refusal(rd_kafka_resp_err_t err) {
    return err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
}

bool plane_is_too_large(rd_kafka_resp_err_t err) {
    return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || err == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
}

/* ---- a message ---------------------------------------------------------------------------------------- */

/* For librdkafka, which copies it. */
static void *lent(const void *data) { return (void *)(uintptr_t)data; }

/* Of our own making: headers that librdkafka has made of VTYPE_HEADER it frees twice when the partitioner
 * fails (its issue 4627). NULL: the message has none, or there is no memory. */
static rd_kafka_headers_t *headers_make(const message *m) {
    rd_kafka_headers_t *headers = m->n_headers > 0 ? rd_kafka_headers_new(m->n_headers) : NULL;
    for (size_t i = 0; headers && i < m->n_headers; i++) {
        const message_header *h = &m->headers[i];
        rd_kafka_header_add(headers, h->name, (ssize_t)h->name_n, h->value, (ssize_t)h->n);
    }
    return headers;
}

/* A message, and what librdkafka has of it. */
typedef struct offer {
    const message *message;
    rd_kafka_topic_t *topic;
    int32_t partition;
    rd_kafka_headers_t *headers; /* its own as soon as it has taken the message */
} offer;

static rd_kafka_resp_err_t offer_make(const producer_core *core, const offer *o) {
    const message *m = o->message;
    rd_kafka_vu_t settings[SETTINGS_MAX];
    size_t n = 0;
    settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = o->topic};
    settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = o->partition};
    settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY};
    settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)m->row};
    settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = m->time_ms};
    settings[n++] =
        (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = lent(m->key), .size = m->key_n}};
    settings[n++] =
        (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = lent(m->value), .size = m->value_n}};
    if (o->headers)
        settings[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = o->headers};
    CLEANUP_ERROR rd_kafka_error_t *error = rd_kafka_produceva(core->rk, settings, n);
    return error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Until there is room, or a message was refused. */
static rd_kafka_resp_err_t offer_put(const producer_core *core, const offer *o) {
    uint64_t deadline = 0; /* not asked for unless the buffer is full */
    for (;;) {
        rd_kafka_resp_err_t err = offer_make(core, o);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR || err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
            return err;
        if (deadline == 0)
            deadline = link_deadline_us(core->link, SEND_MS);
        int slice = link_left_ms(core->link, deadline, ROOM_MS);
        rd_kafka_poll(core->rk, slice); /* for room, or for the message that was the reason */
        if (core->failed || err != RD_KAFKA_RESP_ERR__QUEUE_FULL || slice == 0)
            return err;
    }
}

static sink_err send_failed(const producer_core *core, rd_kafka_topic_t *topic, rd_kafka_resp_err_t err) {
    char fatal[160] = "";
    rd_kafka_fatal_error(core->rk, fatal, sizeof fatal);
    if (!core->failed)
        link_say(core->link, "topic %s: %s", rd_kafka_topic_name(topic),
                 fatal[0] ? fatal : rd_kafka_err2str(err));
    return SINK_ERR_IO;
}

sink_err plane_rdkafka_send(producer_core *core, rd_kafka_topic_t *topic, int32_t partition, const message *m,
                            bool *ret_too_large) {
    offer o = {m, topic, partition, headers_make(m)};
    if (m->n_headers > 0 && !o.headers)
        return SINK_ERR_MEMORY;
    rd_kafka_resp_err_t err = offer_put(core, &o);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && o.headers)
        rd_kafka_headers_destroy(o.headers);
    *ret_too_large = err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    return err == RD_KAFKA_RESP_ERR_NO_ERROR || *ret_too_large ? SINK_OK : send_failed(core, topic, err);
}

bool plane_rdkafka_settle(const producer_core *core, uint32_t most_ms) {
    uint64_t deadline = link_deadline_us(core->link, most_ms);
    return rd_kafka_purge(core->rk, RD_KAFKA_PURGE_F_QUEUE) == RD_KAFKA_RESP_ERR_NO_ERROR &&
           rd_kafka_flush(core->rk, link_left_ms(core->link, deadline, most_ms)) ==
               RD_KAFKA_RESP_ERR_NO_ERROR &&
           !core->adrift;
}

/* ---- the plane ---------------------------------------------------------------------------------------- */

static sink_err topic_open(void *self, const char *name, plane_topic **ret_topic) {
    const producer_core *core = self;
    rdkafka_topic *t = calloc(1, sizeof *t);
    if (!t)
        return SINK_ERR_MEMORY;
    snprintf(t->base.name, sizeof t->base.name, "%s", name);
    t->handle = rd_kafka_topic_new(core->rk, name, NULL);
    if (t->handle) {
        *ret_topic = &t->base;
        return SINK_OK;
    }
    free(t);
    link_say(core->link, "topic %s: %s", name, rd_kafka_err2str(rd_kafka_last_error()));
    return SINK_ERR_IO;
}

static void topic_close(void *self, plane_topic *topic) {
    rdkafka_topic *t = (rdkafka_topic *)topic;
    (void)self;
    rd_kafka_topic_destroy(t->handle);
    free(t);
}

static sink_err message_send(void *self, const message *m, bool *ret_too_large) {
    const rdkafka_topic *t = (const rdkafka_topic *)m->topic;
    return plane_rdkafka_send(self, t->handle, RD_KAFKA_PARTITION_UA, m, ret_too_large);
}

/* All of this the producer does anyway, for the checkpoint. */
static sink_err nothing_to_do(void *self) {
    (void)self;
    return SINK_OK;
}

static void nothing_to_note(void *self) { (void)self; }

static plane_end abort_not_ours(void *self) {
    (void)self;
    return PLANE_END_NOT_OURS;
}

plane plane_rdkafka_open(producer_core *core) {
    static const plane_ops ops = {.name = "librdkafka",
                                  .topic_open = topic_open,
                                  .topic_close = topic_close,
                                  .send = message_send,
                                  .poll = nothing_to_do,
                                  .flush = nothing_to_do,
                                  .committed = nothing_to_note,
                                  .abort = abort_not_ours,
                                  .close = nothing_to_note};
    return (plane){&ops, core};
}

#include "collector/ingress/serve.h"

#include <stdio.h>
#include <string.h>

#include "collector/base/metrics.h"
#include "sdk/src/base/clock.h"

#define JOURNAL_ANSWER_US_MAX                                                     \
    UINT64_C(30000000) /* then the device shall ask again: the batch may be there \
                        */

/* ---- answering ---------------------------------------------------------------------------------- */

static void count_answer(const struct connection *c, uint16_t status, bool batches) {
    unsigned protocol = batches ? METRIC_PROTOCOL_BATCHES : METRIC_PROTOCOL_OTHER;
    metric_add(METRIC_INGEST_REQUESTS, METRIC_INDEX_2(protocol, CODE, metric_code(status)), 1);
    if (status == 503)
        metric_add(METRIC_BACKPRESSURE, METRIC_RETRY_CODE_503, 1);
    if (c->arrived_us != 0)
        metric_observe(METRIC_INGEST_REQUEST_DURATION, 0, base_mono_us() - c->arrived_us);
}

static struct answer answer_to(struct connection *c, uint16_t status, bool close) {
    bool draining = atomic_load_explicit(&c->loop->shared->draining, memory_order_relaxed);
    return (struct answer){
        .status = status,
        .close = close || draining || !request_keep_alive(c->request),
        .keep_alive_1_0 = request_has_head(c->request) && request_is_http_1_0(c->request),
        .head_only = request_is_head(c->request),
        .date = loop_date(c->loop),
    };
}

static void answer_ack(struct connection *c, const struct answer *answer, const wire_ack *ack) {
    size_t n = answer_format_ack(answer, ack, c->loop->out);
    count_answer(c, answer->status, true);
    connection_answer_begin(c, answer->close);
    connection_send(c, c->loop->out, n);
}

static void answer_text(struct connection *c, const struct answer *answer, const char *message) {
    size_t n = answer_format_text(answer, message, c->loop->out);
    count_answer(c, answer->status, false);
    connection_answer_begin(c, answer->close);
    connection_send(c, c->loop->out, n);
}

/* A refusal tells the time as well as any answer, once the request is complete: devices ask by sending what
 * is no batch. */
static void ack_stamp(const struct connection *c, wire_ack *ack) {
    const ingress_options *opt = &c->loop->shared->opt;
    if (c->arrived_us == 0 || opt->now_us == NULL)
        return;
    ack->sent_us = opt->now_us(opt->now_context);
    ack->received_us = ack->sent_us - (int64_t)(base_mono_us() - c->arrived_us);
}

static void answer_fault(struct connection *c, const struct fault *fault, bool close) {
    struct answer answer = answer_to(c, fault->status, close);
    answer.headers = fault->headers;
    if (admission_is_batches(c->request)) {
        wire_ack ack = answer_fault_ack(fault, c->loop->shared->opt.collector, loop_retry_after_ms(c->loop));
        ack_stamp(c, &ack);
        answer_ack(c, &answer, &ack);
    } else {
        answer_text(c, &answer, fault->message);
    }
}

/* Nothing on this connection can be trusted any more. */
static void answer_broken(struct connection *c, struct fault fault) {
    fault.unjudged = fault.status == 400;
    answer_fault(c, &fault, true);
}

/* ---- a complete batch --------------------------------------------------------------------------- */

static bool journal_submit(struct connection *c, submission *sub) {
    struct loop *loop = c->loop;
    sub->loop = loop->index;
    sub->connection = c->id;
    sub->arrived_us = c->arrived_us;
    memcpy(sub->tenant, c->admission.tenant, sizeof sub->tenant);
    uint32_t body_bytes = sub->body_bytes; /* once it is sent, it is the journal's */
    if (loop->in_flight >= INGRESS_QUEUE_MAX || !journal_port_submit(loop->port, sub))
        return false;
    loop->in_flight++;
    loop->buffered_bytes += body_bytes;
    return true;
}

static void batch_take(struct connection *c) {
    size_t n = 0;
    uint8_t *body = request_body_take(c->request, &n);
    submission *sub = NULL;
    struct fault fault = {0};
    connection_count_body(c);
    metric_add(METRIC_INGEST_BYTES, 0, n);
    if (!intake_take(c->loop->intake, body, n, c->admission.encoding, &sub, &fault)) {
        metric_add(METRIC_INGEST_EVENTS_REFUSED, 0, fault.refused_seq != 0);
        answer_fault(c, &fault, false);
        return;
    }
    metric_add(METRIC_INGEST_EVENTS_RECEIVED, 0, sub->facts.n_events);
    if (!journal_submit(c, sub)) {
        intake_submission_free(sub);
        fault_set(&fault, 503, NULL, "the journal is behind");
        answer_fault(c, &fault, false);
        return;
    }
    c->state = CONNECTION_WAITING;
    c->deadline_us = c->arrived_us + JOURNAL_ANSWER_US_MAX;
    c->readable = false; /* if there is more already, the socket will say so */
}

void serve_answer(struct loop *loop, submission *sub) {
    struct connection *c = loop_find(loop, sub->connection);
    loop->in_flight--;
    loop->buffered_bytes -= sub->body_bytes;
    if (c != NULL && c->state == CONNECTION_WAITING) {
        wire_ack *ack = &sub->ack;
        struct answer answer = answer_to(c, sub->http_status, false);
        /* On the journal's clock, as received_us is: the device takes the difference for our part. */
        if (ack->received_us != 0)
            ack->sent_us = ack->received_us + (int64_t)(base_mono_us() - sub->arrived_us);
        if (ack->status == WIRE_STATUS_RETRY && ack->retry_after_ms == 0)
            ack->retry_after_ms = loop_retry_after_ms(loop);
        answer_ack(c, &answer, ack);
        connection_run(c);
    }
    intake_submission_free(sub);
}

/* ---- input -------------------------------------------------------------------------------------- */

static void head_done(struct connection *c) {
    const struct loop_shared *shared = c->loop->shared;
    const char *peer_name = c->peer_name[0] != '\0' ? c->peer_name : NULL;
    c->deadline_us = base_mono_us() + shared->opt.timeouts.body_us;
    bool admitted = admission_check(&shared->policy, c->request, peer_name, &c->admission, &c->fault);
    if (!admitted)
        request_body_discard(c->request);
    if (!request_expects_continue(c->request))
        return;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (admitted)
        connection_send(c, go_on, sizeof go_on - 1);
    else /* whether the body still comes is the client's choice, so nothing can follow */
        answer_fault(c, &c->fault, true);
}

static void request_done(struct connection *c) {
    c->arrived_us = base_mono_us();
    if (c->fault.status != 0)
        answer_fault(c, &c->fault, false);
    else
        batch_take(c);
}

/* Bodies of a loop share a bound, so that many large ones at once cannot take all memory. */
static void body_account(struct connection *c) {
    struct fault fault;
    connection_count_body(c);
    if (c->loop->buffered_bytes <= c->loop->shared->buffered_max)
        return;
    fault_set(&fault, 503, NULL, "too much is being received at once");
    answer_fault(c, &fault, true);
}

static void input_begin(struct connection *c) {
    c->arrived_us = 0;
    c->deadline_us = base_mono_us() + c->loop->shared->opt.timeouts.header_us;
}

size_t serve_input(struct connection *c, const uint8_t *data, size_t n) {
    size_t used = 0;
    bool more = true;
    if (!request_begun(c->request))
        input_begin(c);
    while (more && c->state == CONNECTION_READING) {
        size_t step = 0;
        switch (request_feed(c->request, data + used, n - used, &step)) {
        case REQUEST_MORE:
            more = used + step < n;
            body_account(c);
            break;
        case REQUEST_HEAD:
            head_done(c); /* a request without a body is complete with it: once more even without input */
            break;
        case REQUEST_COMPLETE:
            request_done(c);
            more = false;
            break;
        case REQUEST_FAULTY:
            answer_broken(c, *request_fault(c->request));
            more = false;
            break;
        }
        used += step;
    }
    return used;
}

/* Between two requests there is nothing to say. */
static void idle_end(struct connection *c) {
    base_tls_close_notify(c->tls);
    connection_end(c);
}

void serve_input_end(struct connection *c) {
    struct fault fault;
    if (!request_begun(c->request)) {
        idle_end(c);
        return;
    }
    fault_set(&fault, 400, NULL, "the connection ended within the request, after %zu bytes of its body",
              request_body_received(c->request));
    answer_broken(c, fault);
}

void serve_expire(struct connection *c) {
    struct fault fault;
    if (c->state == CONNECTION_WAITING)
        fault_set(&fault, 503, NULL, "the journal does not answer");
    else if (!request_begun(c->request)) {
        idle_end(c);
        return;
    } else
        fault_set(&fault, 408, NULL, "the request came too slowly");
    answer_fault(c, &fault, true);
}

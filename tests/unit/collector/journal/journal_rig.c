#include "journal_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include <cmocka.h>

#include "sdk/src/base/clock.h"

enum { DEADLINE_MS = 20000, QUEUE_MAX = 1024 };

void rig_init(rig *r) {
    const char *base = getenv("TMPDIR");
    memset(r, 0, sizeof *r);
    snprintf(r->dir, sizeof r->dir, "%s/wadi-journal-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(r->dir));
    r->opt = (journal_options){.dir = r->dir,
                               .collector = "collector-1",
                               .max_bytes = 64u << 20,
                               .high_watermark = 0.8,
                               .commit_delay_us = 2000,
                               .window_max_us = 1000000,
                               .clock_step_max_us = 10000000,
                               .n_loops = 1,
                               .n_sinks = 1,
                               .queue_max = QUEUE_MAX};
}

static void *socket_connect(void *zmq, int type, const char *endpoint) {
    int queue_max = QUEUE_MAX, wait_ms = DEADLINE_MS, linger = 0;
    void *socket = zmq_socket(zmq, type);
    assert_non_null(socket);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &queue_max, sizeof queue_max);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &queue_max, sizeof queue_max);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

void rig_open(rig *r) {
    char answers[64];
    snprintf(answers, sizeof answers, JOURNAL_ANSWERS_FMT, 0u);
    r->opt.zmq = zmq_ctx_new();
    assert_int_equal(journal_open(&r->opt, &r->j), JOURNAL_OK);
    r->submit = socket_connect(r->opt.zmq, ZMQ_PUSH, JOURNAL_SUBMIT);
    r->answers = socket_connect(r->opt.zmq, ZMQ_PULL, answers);
    assert_int_equal(journal_reader_open(r->j, &r->reader), JOURNAL_OK);
    r->source = journal_reader_source(r->reader);
    assert_int_equal(journal_run(r->j), JOURNAL_OK);
}

void rig_close(rig *r) {
    if (r->j == NULL)
        return;
    journal_reader_close(r->reader);
    journal_stop(r->j);
    zmq_close(r->submit);
    zmq_close(r->answers);
    journal_close(r->j);
    zmq_ctx_term(r->opt.zmq);
    r->j = NULL;
}

void rig_fini(rig *r) {
    static const char *const names[] = {"journal.mdb", "journal.mdb-lock"};
    rig_close(r);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", r->dir, names[i]);
        unlink(path);
    }
    rmdir(r->dir);
}

void rig_submit(rig *r, submission *s) {
    s->arrived_us = base_mono_us();
    submission_release(s);
    assert_int_equal(zmq_send(r->submit, &s, sizeof s, 0), sizeof s);
}

submission *rig_answer(rig *r) {
    submission *s = NULL;
    if (zmq_recv(r->answers, &s, sizeof s, 0) != (int)sizeof s)
        return NULL;
    submission_acquire(s);
    return s;
}

wire_ack rig_send(rig *r, const batch_plan *plan) {
    rig_submit(r, submission_make(plan));
    submission *s = rig_answer(r);
    assert_non_null(s);
    wire_ack ack = s->ack;
    int expected = ack.status == WIRE_STATUS_OK ? 200 : ack.status == WIRE_STATUS_RETRY ? 503 : 409;
    assert_int_equal(s->http_status, ack.status == WIRE_STATUS_REFUSED ? 400 : expected);
    submission_free(s);
    return ack;
}

void rig_until(bool (*condition)(rig *r, uint64_t argument), rig *r, uint64_t argument) {
    const struct timespec slice = {.tv_nsec = 5000000};
    uint64_t until_us = base_mono_us() + 1000u * DEADLINE_MS;
    while (!condition(r, argument)) {
        assert_true(base_mono_us() < until_us);
        nanosleep(&slice, NULL);
    }
}

journal_entry rig_entry(rig *r, uint64_t position) {
    const journal_entry *e = NULL;
    wire_span body;
    assert_true(r->source.get(r->source.context, position, &e, &body));
    assert_int_equal(e->position, position);
    journal_entry copy = *e;
    r->source.release(r->source.context);
    return copy;
}

uint64_t rig_first(rig *r) {
    uint64_t first, last;
    r->source.range(r->source.context, &first, &last);
    return first;
}

uint64_t rig_last(rig *r) {
    uint64_t first, last;
    r->source.range(r->source.context, &first, &last);
    return last;
}

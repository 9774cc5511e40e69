#include "ports.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <zmq.h>

/* Loops take their answers whenever they run; one that does not for so long is not there any more. */
#define ANSWER_WAIT_MS 2000

struct ports {
    void *submissions; /* PULL */
    void **answers;    /* PUSH, one a loop */
    bool *gone;        /* loops that did not take an answer in time: nobody waits for them again */
    void **advanced;   /* PUSH, one a sink */
    uint32_t n_loops, n_sinks;
    int wake; /* eventfd */
};

static bool option_set(void *socket, int option, int value) {
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static void *socket_bind(void *zmq, int type, const char *endpoint, int high_water, bool conflate) {
    void *socket = zmq_socket(zmq, type);
    if (socket == NULL)
        return NULL;
    if (option_set(socket, ZMQ_SNDHWM, high_water) && option_set(socket, ZMQ_RCVHWM, high_water) &&
        option_set(socket, ZMQ_SNDTIMEO, ANSWER_WAIT_MS) && option_set(socket, ZMQ_LINGER, 0) &&
        (!conflate || option_set(socket, ZMQ_CONFLATE, 1)) && zmq_bind(socket, endpoint) == 0)
        return socket;
    int err = errno;
    zmq_close(socket);
    errno = err;
    return NULL;
}

static bool sockets_bind(void *zmq, void **sockets, uint32_t n, bool conflate, int high_water) {
    for (uint32_t i = 0; i < n; i++) {
        char endpoint[64];
        if (conflate)
            snprintf(endpoint, sizeof endpoint, JOURNAL_ADVANCED_FMT, i);
        else
            snprintf(endpoint, sizeof endpoint, JOURNAL_ANSWERS_FMT, i);
        sockets[i] = socket_bind(zmq, ZMQ_PUSH, endpoint, high_water, conflate);
        if (sockets[i] == NULL)
            return false;
    }
    return true;
}

ports *ports_open(const journal_options *opt) {
    ports *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->n_loops = opt->n_loops;
    p->n_sinks = opt->n_sinks;
    p->answers = calloc(opt->n_loops + 1, sizeof *p->answers);
    p->gone = calloc(opt->n_loops + 1, sizeof *p->gone);
    p->advanced = calloc(opt->n_sinks + 1, sizeof *p->advanced);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int high_water = (int)opt->queue_max;
    if (p->answers != NULL && p->gone != NULL && p->advanced != NULL && p->wake >= 0) {
        p->submissions = socket_bind(opt->zmq, ZMQ_PULL, JOURNAL_SUBMIT, high_water, false);
        if (p->submissions != NULL && sockets_bind(opt->zmq, p->answers, p->n_loops, false, high_water) &&
            sockets_bind(opt->zmq, p->advanced, p->n_sinks, true, 1))
            return p;
    }
    int err = errno;
    ports_close(p);
    errno = err;
    return NULL;
}

static void sockets_close(void **sockets, uint32_t n) {
    for (uint32_t i = 0; sockets != NULL && i < n; i++)
        if (sockets[i] != NULL)
            zmq_close(sockets[i]);
    free(sockets);
}

static void submission_discard(submission *s) {
    free(s->body);
    free(s->items);
    free(s);
}

static submission *receive_now(ports *p) {
    submission *s = NULL;
    if (zmq_recv(p->submissions, &s, sizeof s, ZMQ_DONTWAIT) != (int)sizeof s)
        return NULL;
    submission_acquire(s);
    return s;
}

void ports_close(ports *p) {
    if (p == NULL)
        return;
    submission *s;
    while (p->submissions != NULL && (s = receive_now(p)) != NULL)
        submission_discard(s);
    if (p->submissions != NULL)
        zmq_close(p->submissions);
    sockets_close(p->answers, p->n_loops);
    sockets_close(p->advanced, p->n_sinks);
    if (p->wake >= 0)
        close(p->wake);
    free(p->gone);
    free(p);
}

submission *ports_receive(ports *p, uint32_t wait_ms) {
    submission *s = receive_now(p);
    if (s != NULL || wait_ms == 0)
        return s;
    zmq_pollitem_t items[] = {{.socket = p->submissions, .events = ZMQ_POLLIN},
                              {.fd = p->wake, .events = ZMQ_POLLIN}};
    if (zmq_poll(items, 2, (long)wait_ms) <= 0)
        return NULL;
    uint64_t woken;
    if (items[1].revents != 0 && read(p->wake, &woken, sizeof woken) < 0)
        return NULL;
    return receive_now(p);
}

void ports_wake(ports *p) {
    const uint64_t one = 1;
    while (write(p->wake, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void ports_answer(ports *p, submission *s) {
    uint32_t loop = s->loop;
    submission_release(s);
    if (loop < p->n_loops) {
        int sent = zmq_send(p->answers[loop], &s, sizeof s, p->gone[loop] ? ZMQ_DONTWAIT : 0);
        p->gone[loop] = sent != (int)sizeof s;
        if (!p->gone[loop])
            return;
    }
    submission_discard(s);
}

void ports_announce(ports *p, uint64_t position) {
    for (uint32_t i = 0; i < p->n_sinks; i++)
        (void)zmq_send(p->advanced[i], &position, sizeof position, ZMQ_DONTWAIT);
}

#include "collector/ingress/journal_port.h"

#include <zmq.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/journal/journal.h"

struct journal_port {
    void *submit;  /* PUSH */
    void *answers; /* PULL */
    int fd;
};

static void *socket_open(void *zmq, int type, uint32_t queue_max, const char *endpoint) {
    int high_water = (int)queue_max, linger = 0;
    void *socket = zmq_socket(zmq, type);
    if (socket == NULL)
        return NULL;
    if (zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water, sizeof high_water) == 0 &&
        zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water, sizeof high_water) == 0 &&
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) == 0 && zmq_connect(socket, endpoint) == 0)
        return socket;
    int err = errno;
    zmq_close(socket);
    errno = err;
    return NULL;
}

struct journal_port *journal_port_open(void *zmq, uint32_t loop, uint32_t queue_max) {
    struct journal_port *port = calloc(1, sizeof *port);
    if (port == NULL)
        return NULL;
    char answers[64];
    snprintf(answers, sizeof answers, JOURNAL_ANSWERS_FMT, loop);
    size_t size = sizeof port->fd;
    port->submit = socket_open(zmq, ZMQ_PUSH, queue_max, JOURNAL_SUBMIT);
    port->answers = socket_open(zmq, ZMQ_PULL, queue_max, answers);
    if (port->submit == NULL || port->answers == NULL ||
        zmq_getsockopt(port->answers, ZMQ_FD, &port->fd, &size) != 0) {
        int err = errno;
        journal_port_close(port);
        errno = err;
        return NULL;
    }
    return port;
}

void journal_port_close(struct journal_port *port) {
    if (port == NULL)
        return;
    if (port->submit != NULL)
        zmq_close(port->submit);
    if (port->answers != NULL)
        zmq_close(port->answers);
    free(port);
}

static bool socket_ready(void *socket, int event) {
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 && (events & event) != 0;
}

bool journal_port_submit(struct journal_port *port, submission *sub) {
    submission_release(sub);
    if (zmq_send(port->submit, &sub, sizeof sub, ZMQ_DONTWAIT) == (int)sizeof sub)
        return true;
    /* A send looks only now and then whether the other end has made room; ZMQ_EVENTS always does. */
    return socket_ready(port->submit, ZMQ_POLLOUT) &&
           zmq_send(port->submit, &sub, sizeof sub, ZMQ_DONTWAIT) == (int)sizeof sub;
}

submission *journal_port_receive(struct journal_port *port) {
    submission *sub = NULL;
    while (socket_ready(port->answers, ZMQ_POLLIN))
        if (zmq_recv(port->answers, &sub, sizeof sub, ZMQ_DONTWAIT) == (int)sizeof sub) {
            submission_acquire(sub);
            return sub;
        }
    return NULL;
}

int journal_port_fd(const struct journal_port *port) { return port->fd; }

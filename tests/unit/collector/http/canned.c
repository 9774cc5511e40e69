#include "canned.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEEN_MAX (1u << 20)

struct canned {
    const canned_reply *replies;
    unsigned *left; /* of `times` */
    size_t n;
    int listener;
    uint16_t port;
    pthread_t thread;
    char *seen;
    size_t seen_n;
};

/* Reads a whole request behind what was seen; NULL: the connection ended. */
static const char *request_read(canned *c, int fd) {
    char *begin = c->seen + c->seen_n, *end = NULL;
    size_t wanted = SIZE_MAX;
    while (!end || (size_t)(c->seen + c->seen_n - end) < wanted) {
        ssize_t n = recv(fd, c->seen + c->seen_n, SEEN_MAX - c->seen_n - 1, 0);
        if (n <= 0)
            return NULL;
        c->seen_n += (size_t)n;
        c->seen[c->seen_n] = '\0';
        if (end || !(end = strstr(begin, "\r\n\r\n")))
            continue;
        const char *length = strcasestr(begin, "\r\nContent-Length:");
        wanted = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
        end += 4;
    }
    return begin;
}

static const canned_reply *reply_find(canned *c, const char *request) {
    for (size_t i = 0; i < c->n; i++) {
        const canned_reply *r = &c->replies[i];
        if (strncmp(request, r->request, strlen(r->request)) != 0 || (r->times && c->left[i] == 0))
            continue;
        c->left[i] -= r->times ? 1 : 0;
        return r;
    }
    return NULL;
}

static void serve(canned *c, int fd) {
    const char *request = request_read(c, fd);
    const canned_reply *r = request ? reply_find(c, request) : NULL;
    char byte;
    if (r && r->reply)
        (void)!send(fd, r->reply, strlen(r->reply), MSG_NOSIGNAL);
    else if (r)
        (void)!recv(fd, &byte, 1, 0);
}

static void *run(void *context) {
    canned *c = context;
    for (int fd; (fd = accept(c->listener, NULL, NULL)) >= 0;) {
        serve(c, fd);
        close(fd);
    }
    return NULL;
}

canned *canned_start(const canned_reply *replies, size_t n) {
    canned *c = calloc(1, sizeof *c);
    assert(c);
    c->replies = replies;
    c->n = n;
    c->left = calloc(n, sizeof *c->left);
    c->seen = calloc(1, SEEN_MAX);
    assert(c->left && c->seen);
    for (size_t i = 0; i < n; i++)
        c->left[i] = replies[i].times;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listening = bind(c->listener, (struct sockaddr *)&at, size) == 0 && listen(c->listener, 16) == 0 &&
                     getsockname(c->listener, (struct sockaddr *)&at, &size) == 0;
    c->port = ntohs(at.sin_port);
    bool running = listening && pthread_create(&c->thread, NULL, run, c) == 0;
    assert(running);
    (void)running;
    return c;
}

void canned_stop(canned *c) {
    shutdown(c->listener, SHUT_RDWR);
    pthread_join(c->thread, NULL);
    close(c->listener);
    free(c->left);
    free(c->seen);
    free(c);
}

uint16_t canned_port(const canned *c) { return c->port; }
const char *canned_seen(const canned *c) { return c->seen; }

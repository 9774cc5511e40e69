#include "exchange.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* `localhost` has two addresses on most machines, and a collector may listen on one of them. */
int exchange_connect(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    int fd = -1, one = 1;
    for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

size_t exchange_request_put(uint8_t *out, const char *host, wire_span body) {
    int n = snprintf((char *)out, EXCHANGE_HEAD_BYTES_MAX,
                     "POST /v1/batches HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-protobuf\r\n"
                     "Content-Encoding: zstd\r\nContent-Length: %zu\r\n\r\n",
                     host, body.n);
    memcpy(out + n, body.data, body.n);
    return (size_t)n + body.n;
}

int exchange_answer_parse(const uint8_t *answer, size_t n, int *ret_status, wire_span *ret_body) {
    const uint8_t *end = memmem(answer, n, "\r\n\r\n", 4);
    if (!end)
        return n >= EXCHANGE_ANSWER_BYTES_MAX ? -1 : 0;
    char head[EXCHANGE_ANSWER_BYTES_MAX + 1];
    size_t head_n = (size_t)(end - answer);
    if (head_n >= sizeof head)
        return -1;
    memcpy(head, answer, head_n);
    head[head_n] = '\0';
    const char *length = strcasestr(head, "\r\ncontent-length:");
    if (sscanf(head, "HTTP/1.1 %d", ret_status) != 1 || !length)
        return -1;
    *ret_body = (wire_span){end + 4, strtoul(length + 17, NULL, 10)};
    return head_n + 4 + ret_body->n <= n ? 1 : 0;
}

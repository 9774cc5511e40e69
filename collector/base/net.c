#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

static bool port_parse(const char *text, uint16_t *ret_port) {
    unsigned port = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 5; digits++)
        port = port * 10 + (unsigned)(text[digits] - '0');
    if (digits == 0 || text[digits] != '\0' || port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

static bool v6_parse(const char *host, uint16_t port, struct net_address *ret_address) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
        return false;
    *ret_address = (struct net_address){.length = sizeof v6};
    memcpy(&ret_address->storage, &v6, sizeof v6);
    return true;
}

static bool v4_parse(const char *host, uint16_t port, struct net_address *ret_address) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) != 1)
        return false;
    *ret_address = (struct net_address){.length = sizeof v4};
    memcpy(&ret_address->storage, &v4, sizeof v4);
    return true;
}

bool net_address_parse(const char *text, struct net_address *ret_address) {
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    uint16_t port;
    if (!colon || (size_t)(colon - text) >= sizeof host || !port_parse(colon + 1, &port))
        return false;
    size_t length = (size_t)(colon - text);
    memcpy(host, text, length);
    host[length] = '\0';
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        return v6_parse(host + 1, port, ret_address);
    }
    return v4_parse(host, port, ret_address);
}

static int listen_options(int fd, const struct net_address *address, int backlog) {
    static const int on = 1, off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return -errno;
    /* A machine may be set to give IPv6 sockets to IPv6 only; [::] means everything here. */
    if (address->storage.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&address->storage, address->length) != 0)
        return -errno;
    return listen(fd, backlog) != 0 ? -errno : 0;
}

int net_listen(const struct net_address *address, int backlog) {
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int refused = listen_options(fd, address, backlog);
    if (refused != 0) {
        close(fd);
        return refused;
    }
    return fd;
}

uint16_t net_local_port(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof address;
    if (getsockname(fd, &address.any, &length) != 0)
        return 0;
    if (address.any.sa_family == AF_INET6)
        return ntohs(address.v6.sin6_port);
    return address.any.sa_family == AF_INET ? ntohs(address.v4.sin_port) : 0;
}

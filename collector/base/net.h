/* Addresses and listening sockets. Any thread; nothing blocks. */
#ifndef COLLECTOR_BASE_NET_H
#define COLLECTOR_BASE_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct net_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

/* Reads `1.2.3.4:80` or `[::1]:80`: numeric only, since a name would have to be looked up. false for
 * anything else. */
bool net_address_parse(const char *text, struct net_address *ret_address);

/* A non-blocking, close-on-exec, listening TCP socket; SO_REUSEADDR, and for [::] IPv4 too. Negative
 * errno when the system refuses. The caller closes it. */
int net_listen(const struct net_address *address, int backlog);

/* The port that a bound socket really has, for port 0. 0 when it has none. */
uint16_t net_local_port(int fd);

#endif

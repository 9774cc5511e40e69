#include "uplink.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "sdk/src/base/clock.h"

#define HOST "localhost"
#define HANDSHAKE_US 5000000u
#define ANSWER_US 30000000u /* longer than any disk is slow here; a dead peer is seen at once */

void uplink_init(uplink *u, base_tls *tls, const char *port_file) {
    u->tls = tls;
    u->port_file = port_file;
    u->fd = -1;
    u->conn = NULL;
}

void uplink_close(uplink *u) {
    base_tls_conn_free(u->conn);
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
    u->conn = NULL;
}

/* After WANT_*: until the socket is ready. false: the deadline is over. */
static bool ready_wait(const uplink *u, base_tls_result want, uint64_t until_us) {
    struct pollfd p = {.fd = u->fd, .events = want == BASE_TLS_WANT_WRITE ? POLLOUT : POLLIN};
    uint64_t now_us = base_mono_us();
    return now_us < until_us && poll(&p, 1, (int)((until_us - now_us) / 1000 + 1)) > 0;
}

static bool is_wanting(base_tls_result r) { return r == BASE_TLS_WANT_READ || r == BASE_TLS_WANT_WRITE; }

static bool port_read(const uplink *u, char port[8]) {
    FILE *f = fopen(u->port_file, "re");
    if (!f)
        return false;
    bool ok = fscanf(f, "%7[0-9]", port) == 1;
    fclose(f);
    return ok;
}

static bool handshake(uplink *u) {
    uint64_t until_us = base_mono_us() + HANDSHAKE_US;
    base_tls_result r;
    while (is_wanting(r = base_tls_handshake(u->conn)))
        if (!ready_wait(u, r, until_us))
            return false;
    return r == BASE_TLS_OK;
}

bool uplink_open(uplink *u) {
    char port[8];
    if (u->conn)
        return true;
    if (port_read(u, port) && (u->fd = exchange_connect(HOST, port)) >= 0 &&
        fcntl(u->fd, F_SETFL, O_NONBLOCK) == 0 &&
        base_tls_conn_new(u->tls, u->fd, HOST, &u->conn) == BASE_TLS_OK && handshake(u))
        return true;
    uplink_close(u);
    return false;
}

static bool request_write(uplink *u, size_t n, uint64_t until_us) {
    for (size_t done = 0; done < n;) {
        size_t put = 0;
        base_tls_result r = base_tls_write(u->conn, u->request + done, n - done, &put);
        if (r == BASE_TLS_OK)
            done += put;
        else if (!is_wanting(r) || !ready_wait(u, r, until_us))
            return false;
    }
    return true;
}

static bool answer_read(uplink *u, uint64_t until_us, int *ret_status, wire_span *ret_body) {
    size_t n = 0;
    int whole = 0;
    while (whole == 0) {
        size_t got = 0;
        base_tls_result r = base_tls_read(u->conn, u->answer + n, sizeof u->answer - n, &got);
        if (r == BASE_TLS_OK) {
            n += got;
            whole = exchange_answer_parse(u->answer, n, ret_status, ret_body);
        } else if (!is_wanting(r) || !ready_wait(u, r, until_us)) {
            return false;
        }
    }
    return whole > 0;
}

bool uplink_exchange(uplink *u, wire_span body, int *ret_status, wire_ack *ret_ack) {
    uint64_t until_us = base_mono_us() + ANSWER_US;
    wire_span answer;
    size_t n = exchange_request_put(u->request, HOST, body);
    if (request_write(u, n, until_us) && answer_read(u, until_us, ret_status, &answer) &&
        wire_ack_decode(answer.data, answer.n, ret_ack) == WIRE_OK)
        return true;
    uplink_close(u);
    return false;
}

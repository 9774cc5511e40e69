#include "sdk/src/transport/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

base_tls_result wdi_link_open(wdi_link *link, int fd, base_tls *tls, const char *host) {
    *link = (wdi_link){.fd = fd};
    return tls != NULL ? base_tls_conn_new(tls, fd, host, &link->tls) : BASE_TLS_OK;
}

void wdi_link_close(wdi_link *link) {
    if (link->tls != NULL)
        base_tls_close_notify(link->tls);
    wdi_link_forget(link);
}

void wdi_link_disown(wdi_link *link) {
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

void wdi_link_forget(wdi_link *link) {
    base_tls_conn_free(link->tls);
    wdi_link_disown(link);
    *link = WDI_LINK_NONE;
}

base_tls_result wdi_link_handshake(wdi_link *link) {
    return link->tls != NULL ? base_tls_handshake(link->tls) : BASE_TLS_OK;
}

static base_tls_result plain_failure(wdi_link *link, base_tls_result want) {
    link->error = errno;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? want : BASE_TLS_ERR_PEER;
}

base_tls_result wdi_link_read(wdi_link *link, void *buf, size_t n, size_t *ret_n) {
    if (link->tls != NULL)
        return base_tls_read(link->tls, buf, n, ret_n);
    ssize_t got = recv(link->fd, buf, n, 0);
    if (got < 0)
        return plain_failure(link, BASE_TLS_WANT_READ);
    link->error = 0;
    if (got == 0)
        return BASE_TLS_CLOSED;
    *ret_n = (size_t)got;
    return BASE_TLS_OK;
}

base_tls_result wdi_link_write(wdi_link *link, const void *buf, size_t n, size_t *ret_n) {
    if (link->tls != NULL)
        return base_tls_write(link->tls, buf, n, ret_n);
    ssize_t put = send(link->fd, buf, n, MSG_NOSIGNAL);
    if (put < 0)
        return plain_failure(link, BASE_TLS_WANT_WRITE);
    *ret_n = (size_t)put;
    return BASE_TLS_OK;
}

const char *wdi_link_error(const wdi_link *link) {
    if (link->tls != NULL)
        return base_tls_error(link->tls);
    return link->error != 0 ? strerror(link->error) : "the peer closed the connection";
}

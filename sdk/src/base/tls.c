#include "sdk/src/base/tls.h"

#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/oid.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <psa/crypto.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sdk/src/base/clock.h"

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define TICKET_LIFETIME_S 86400u /* a key lives as long, and one more as the previous key */
#define ERROR_BYTES 192u

struct base_tls {
    bool server, clock_known;
    int64_t unix_minus_boot_us;
    mbedtls_ssl_config conf;
    mbedtls_x509_crt ca, cert;
    mbedtls_pk_context key;
    mbedtls_ssl_ticket_context tickets;
};

struct base_tls_conn {
    mbedtls_ssl_context ssl;
    int fd;
    bool handshake_full; /* the server sent its certificate: nothing was resumed */
    bool has_ticket;     /* TLS 1.3: tickets come after the handshake */
    char error[ERROR_BYTES];
};

static const int ciphersuites[] = {
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0,
};

/* ---- set-up --------------------------------------------------------------------------------------- */

static psa_status_t crypto_status = PSA_ERROR_BAD_STATE;

static void crypto_init(void) { crypto_status = psa_crypto_init(); }

static base_tls_result config_fail(char *why, size_t why_size, const char *what, const char *file, int rc) {
    char text[96] = "not found or not readable";
    if (rc != MBEDTLS_ERR_PK_FILE_IO_ERROR && rc != MBEDTLS_ERR_X509_FILE_IO_ERROR)
        mbedtls_strerror(rc, text, sizeof text);
    if (why != NULL)
        snprintf(why, why_size, "%s %s: %s", what, file, text);
    return BASE_TLS_ERR_CONFIG;
}

static base_tls_result ca_load(base_tls *tls, const base_tls_options *opt, char *why, size_t why_size) {
    const char *file = opt->ca_file != NULL ? opt->ca_file : SYSTEM_CA_FILE;
    int rc = mbedtls_x509_crt_parse_file(&tls->ca, file);
    /* Above 0: so many certificates could not be read. The system's list may hold a few such; ours may not.
     */
    if (rc < 0 || (rc > 0 && opt->ca_file != NULL))
        return config_fail(why, why_size, "ca_file", file, rc < 0 ? rc : MBEDTLS_ERR_X509_INVALID_FORMAT);
    mbedtls_ssl_conf_ca_chain(&tls->conf, &tls->ca, NULL);
    return BASE_TLS_OK;
}

static base_tls_result identity_load(base_tls *tls, const base_tls_options *opt, char *why, size_t why_size) {
    if (opt->cert_file == NULL || opt->key_file == NULL) {
        if (why != NULL)
            snprintf(why, why_size, "cert_file and key_file belong together");
        return BASE_TLS_ERR_CONFIG;
    }
    int rc = mbedtls_x509_crt_parse_file(&tls->cert, opt->cert_file);
    if (rc != 0)
        return config_fail(why, why_size, "cert_file", opt->cert_file,
                           rc < 0 ? rc : MBEDTLS_ERR_X509_INVALID_FORMAT);
    rc = mbedtls_pk_parse_keyfile(&tls->key, opt->key_file, NULL, mbedtls_psa_get_random,
                                  MBEDTLS_PSA_RANDOM_STATE);
    if (rc != 0)
        return config_fail(why, why_size, "key_file", opt->key_file, rc);
    rc = mbedtls_pk_check_pair(&tls->cert.pk, &tls->key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    if (rc != 0)
        return config_fail(why, why_size, "not the certificate's key: key_file", opt->key_file, rc);
    rc = mbedtls_ssl_conf_own_cert(&tls->conf, &tls->cert, &tls->key);
    return rc == 0 ? BASE_TLS_OK : BASE_TLS_ERR_MEMORY;
}

/* A resumed handshake shows no certificate. So where the client's certificate decides, there is no
 * resumption: whatever has happened to the certificate since is looked at every time. */
static base_tls_result tickets_init(base_tls *tls, const base_tls_options *opt) {
    if (!opt->server) {
        mbedtls_ssl_conf_session_tickets(&tls->conf, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
        mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
            &tls->conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
        return BASE_TLS_OK;
    }
    if (opt->client_auth) {
        mbedtls_ssl_conf_new_session_tickets(&tls->conf, 0);
        return BASE_TLS_OK;
    }
    int rc = mbedtls_ssl_ticket_setup(&tls->tickets, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE,
                                      MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME_S);
    if (rc != 0)
        return BASE_TLS_ERR_MEMORY;
    mbedtls_ssl_conf_session_tickets_cb(&tls->conf, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse,
                                        &tls->tickets);
    return BASE_TLS_OK;
}

/* A device that was never told the time believes in 1970, where every certificate is of the future; none that
 * is would be of use to an attacker. One that has expired stays refused. */
static int verify_dates(void *context, mbedtls_x509_crt *cert, int depth, uint32_t *flags) {
    const base_tls *tls = context;
    mbedtls_x509_time now;
    (void)depth;
    *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_FUTURE;
    if (!tls->clock_known)
        return 0;
    int64_t unix_us = tls->unix_minus_boot_us + (int64_t)base_boot_us();
    if (mbedtls_x509_time_gmtime((mbedtls_time_t)(unix_us / 1000000), &now) != 0)
        return 0;
    if (mbedtls_x509_time_cmp(&now, &cert->valid_to) > 0)
        *flags |= MBEDTLS_X509_BADCERT_EXPIRED;
    else
        *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_EXPIRED;
    return 0;
}

void base_tls_clock_set(base_tls *tls, int64_t unix_minus_boot_us) {
    tls->unix_minus_boot_us = unix_minus_boot_us;
    tls->clock_known = true;
}

static base_tls_result config_init(base_tls *tls, const base_tls_options *opt) {
    int rc =
        mbedtls_ssl_config_defaults(&tls->conf, opt->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (rc != 0)
        return BASE_TLS_ERR_MEMORY;
    mbedtls_ssl_conf_rng(&tls->conf, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_min_tls_version(&tls->conf, opt->tls13_only ? MBEDTLS_SSL_VERSION_TLS1_3
                                                                 : MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(&tls->conf, MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_ciphersuites(&tls->conf, ciphersuites);
    mbedtls_ssl_conf_tls13_key_exchange_modes(&tls->conf, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL);
    mbedtls_ssl_conf_authmode(&tls->conf, opt->server && !opt->client_auth ? MBEDTLS_SSL_VERIFY_NONE
                                                                           : MBEDTLS_SSL_VERIFY_REQUIRED);
    if (!opt->server)
        mbedtls_ssl_conf_verify(&tls->conf, verify_dates, tls);
    return tickets_init(tls, opt);
}

base_tls_result base_tls_new(const base_tls_options *opt, char *why, size_t why_size, base_tls **ret_tls) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, crypto_init);
    /* A generator that a fork or a copied machine duplicated gives the same bytes to both. */
    bool ready = crypto_status == PSA_SUCCESS && psa_random_reseed(NULL, 0) == PSA_SUCCESS;
    base_tls *tls = ready ? calloc(1, sizeof *tls) : NULL;
    if (tls == NULL)
        return BASE_TLS_ERR_MEMORY;
    tls->server = opt->server;
    mbedtls_ssl_config_init(&tls->conf);
    mbedtls_x509_crt_init(&tls->ca);
    mbedtls_x509_crt_init(&tls->cert);
    mbedtls_pk_init(&tls->key);
    mbedtls_ssl_ticket_init(&tls->tickets);

    base_tls_result result = config_init(tls, opt);
    if (result == BASE_TLS_OK && (!opt->server || opt->client_auth))
        result = ca_load(tls, opt, why, why_size);
    if (result == BASE_TLS_OK && (opt->server || opt->cert_file != NULL || opt->key_file != NULL))
        result = identity_load(tls, opt, why, why_size);
    if (result == BASE_TLS_OK) {
        *ret_tls = tls;
        return result;
    }
    if (result == BASE_TLS_ERR_MEMORY && why != NULL)
        snprintf(why, why_size, "out of memory");
    base_tls_free(tls);
    return result;
}

void base_tls_free(base_tls *tls) {
    if (tls == NULL)
        return;
    mbedtls_ssl_config_free(&tls->conf);
    mbedtls_ssl_ticket_free(&tls->tickets);
    mbedtls_x509_crt_free(&tls->ca);
    mbedtls_x509_crt_free(&tls->cert);
    mbedtls_pk_free(&tls->key);
    free(tls);
}

/* ---- connection ----------------------------------------------------------------------------------- */

static int socket_send(void *context, const unsigned char *data, size_t n) {
    const base_tls_conn *conn = context;
    ssize_t sent = send(conn->fd, data, n, MSG_NOSIGNAL);
    if (sent >= 0)
        return (int)sent; /* at most a record */
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    return errno == EPIPE || errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_SEND_FAILED;
}

static int socket_receive(void *context, unsigned char *data, size_t n) {
    const base_tls_conn *conn = context;
    ssize_t got = recv(conn->fd, data, n, 0);
    if (got >= 0)
        return (int)got; /* at most a record; 0: mbedTLS makes it CONN_EOF */
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return MBEDTLS_ERR_SSL_WANT_READ;
    return errno == EPIPE || errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_RECV_FAILED;
}

base_tls_result base_tls_conn_new(base_tls *tls, int fd, const char *host, base_tls_conn **ret_conn) {
    base_tls_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return BASE_TLS_ERR_MEMORY;
    conn->fd = fd;
    mbedtls_ssl_init(&conn->ssl);
    /* Without a name a client would take any certificate of the CA for anybody's. */
    if (mbedtls_ssl_setup(&conn->ssl, &tls->conf) != 0 ||
        (!tls->server && mbedtls_ssl_set_hostname(&conn->ssl, host != NULL ? host : "") != 0)) {
        base_tls_conn_free(conn);
        return BASE_TLS_ERR_MEMORY;
    }
    mbedtls_ssl_set_bio(&conn->ssl, conn, socket_send, socket_receive, NULL);
    *ret_conn = conn;
    return BASE_TLS_OK;
}

void base_tls_conn_free(base_tls_conn *conn) {
    if (conn == NULL)
        return;
    mbedtls_ssl_free(&conn->ssl);
    free(conn);
}

static base_tls_result verify_fail(base_tls_conn *conn) {
    uint32_t flags = mbedtls_ssl_get_verify_result(&conn->ssl);
    if (flags == 0 || flags == UINT32_MAX ||
        mbedtls_x509_crt_verify_info(conn->error, sizeof conn->error, "", flags) <= 0) {
        snprintf(conn->error, sizeof conn->error, "no certificate, or not one that verifies");
        return BASE_TLS_ERR_VERIFY;
    }
    size_t n = strlen(conn->error);
    while (n > 0 && conn->error[n - 1] == '\n')
        conn->error[--n] = '\0';
    for (char *c = conn->error; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
    return BASE_TLS_ERR_VERIFY;
}

static base_tls_result conn_result(base_tls_conn *conn, int rc) {
    switch (rc) {
    case 0:
        return BASE_TLS_OK;
    case MBEDTLS_ERR_SSL_WANT_READ:
        return BASE_TLS_WANT_READ;
    case MBEDTLS_ERR_SSL_WANT_WRITE:
        return BASE_TLS_WANT_WRITE;
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
    case MBEDTLS_ERR_SSL_CONN_EOF:
        snprintf(conn->error, sizeof conn->error, "the peer closed the connection");
        return BASE_TLS_CLOSED;
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
        return verify_fail(conn);
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
    case MBEDTLS_ERR_X509_ALLOC_FAILED:
        snprintf(conn->error, sizeof conn->error, "out of memory");
        return BASE_TLS_ERR_MEMORY;
    default:
        mbedtls_strerror(rc, conn->error, sizeof conn->error);
        return BASE_TLS_ERR_PEER;
    }
}

base_tls_result base_tls_handshake(base_tls_conn *conn) {
    int rc = 0;
    while (rc == 0 && !mbedtls_ssl_is_handshake_over(&conn->ssl)) {
        rc = mbedtls_ssl_handshake_step(&conn->ssl);
        /* Both ends of both versions pass this state unless the session is resumed; nothing public tells it.
         */
        if (conn->ssl.MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_SERVER_CERTIFICATE)
            conn->handshake_full = true;
    }
    return conn_result(conn, rc);
}

base_tls_result base_tls_read(base_tls_conn *conn, void *buf, size_t n, size_t *ret_n) {
    int rc = mbedtls_ssl_read(&conn->ssl, buf, n);
    while (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
        conn->has_ticket = true;
        rc = mbedtls_ssl_read(&conn->ssl, buf, n);
    }
    if (rc <= 0)
        return conn_result(conn, rc == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : rc);
    *ret_n = (size_t)rc;
    return BASE_TLS_OK;
}

base_tls_result base_tls_write(base_tls_conn *conn, const void *buf, size_t n, size_t *ret_n) {
    int rc = mbedtls_ssl_write(&conn->ssl, buf, n);
    while (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) { /* a read had begun to take it */
        conn->has_ticket = true;
        rc = mbedtls_ssl_write(&conn->ssl, buf, n);
    }
    if (rc < 0)
        return conn_result(conn, rc);
    *ret_n = (size_t)rc;
    return BASE_TLS_OK;
}

size_t base_tls_pending(const base_tls_conn *conn) { return mbedtls_ssl_get_bytes_avail(&conn->ssl); }

void base_tls_close_notify(base_tls_conn *conn) {
    /* A full socket loses it: the peer then sees a plain end, which is no worse. */
    (void)mbedtls_ssl_close_notify(&conn->ssl);
}

/* ---- resumption and identity ---------------------------------------------------------------------- */

size_t base_tls_session_save(base_tls_conn *conn, uint8_t *out, size_t cap) {
    if (mbedtls_ssl_get_version_number(&conn->ssl) == MBEDTLS_SSL_VERSION_TLS1_3 && !conn->has_ticket)
        return 0;
    mbedtls_ssl_session session;
    mbedtls_ssl_session_init(&session);
    size_t n = 0;
    if (mbedtls_ssl_get_session(&conn->ssl, &session) != 0 ||
        mbedtls_ssl_session_save(&session, out, cap, &n) != 0)
        n = 0;
    mbedtls_ssl_session_free(&session);
    return n;
}

void base_tls_session_set(base_tls_conn *conn, const uint8_t *saved, size_t n) {
    mbedtls_ssl_session session;
    mbedtls_ssl_session_init(&session);
    if (mbedtls_ssl_session_load(&session, saved, n) == 0)
        (void)mbedtls_ssl_set_session(&conn->ssl, &session);
    mbedtls_ssl_session_free(&session);
}

bool base_tls_resumed(const base_tls_conn *conn) {
    return !conn->handshake_full && conn->ssl.MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_HANDSHAKE_OVER;
}

bool base_tls_peer_name(const base_tls_conn *conn, char *out, size_t cap) {
    const mbedtls_x509_crt *cert = mbedtls_ssl_get_peer_cert(&conn->ssl);
    const mbedtls_x509_name *name = cert != NULL ? &cert->subject : NULL;
    while (name != NULL && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) != 0)
        name = name->next;
    if (name == NULL || name->val.len == 0 || name->val.len >= cap ||
        memchr(name->val.p, '\0', name->val.len) != NULL)
        return false;
    memcpy(out, name->val.p, name->val.len);
    out[name->val.len] = '\0';
    return true;
}

const char *base_tls_error(const base_tls_conn *conn) { return conn->error; }

/* TLS over a non-blocking socket, both ends: the only file that includes mbedTLS' TLS headers.
 *
 * TLS 1.3 preferred, 1.2 with ECDHE and AEAD allowed. Randomness from PSA only. A client always verifies
 * the server's chain and name, and that no certificate has expired; not that it is valid already, for a
 * device's clock may be years behind. A server that asks for client certificates requires them, and then
 * resumes no sessions: a resumed handshake shows no certificate, so one revoked meanwhile would still be
 * good. All other servers hand out tickets (both versions; their keys live one day), which clients may keep
 * in memory.
 *
 * Blocks: only base_tls_new, for its files. Deadlines are the caller's.
 * Threads: a base_tls is shared, read-only after creation; a base_tls_conn belongs to one thread.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct base_tls base_tls;
typedef struct base_tls_conn base_tls_conn;

typedef enum base_tls_result {
    BASE_TLS_OK = 0,
    BASE_TLS_WANT_READ,  /* call again when the socket is readable */
    BASE_TLS_WANT_WRITE, /* call again when the socket is writable */
    BASE_TLS_CLOSED,     /* the peer ended the stream (close_notify, or a plain end) */
    BASE_TLS_ERR_CONFIG, /* a file missing or unreadable, key and certificate apart */
    BASE_TLS_ERR_VERIFY, /* the peer's certificate does not verify */
    BASE_TLS_ERR_PEER,   /* protocol error, alert, or not TLS at all */
    BASE_TLS_ERR_MEMORY,
} base_tls_result;

typedef struct base_tls_options {
    bool server;
    const char
        *ca_file; /* client: roots to trust; NULL takes the system's. server: roots of client certificates */
    const char *cert_file; /* server: required. client: optional */
    const char *key_file;
    bool client_auth; /* server: a client certificate from ca_file is required */
    bool tls13_only;  /* min_version 1.3 */
} base_tls_options;

/* Loads everything. On failure *ret_tls is untouched and `why` (may be NULL) says what, with the file's name.
 */
base_tls_result base_tls_new(const base_tls_options *opt, char *why, size_t why_size, base_tls **ret_tls);
void base_tls_free(base_tls *tls);

/* Client: what time it really is, as Unix time minus the boot clock, from somebody who proved who he is.
 * Certificates are judged by it from now on, and not by a wall clock that may show anything. Not while a
 * handshake is under way. */
void base_tls_clock_set(base_tls *tls, int64_t unix_minus_boot_us);

/* Borrows `fd`, which stays the caller's to close, after base_tls_conn_free. `host` (client): the name to
 * verify and to announce. */
base_tls_result base_tls_conn_new(base_tls *tls, int fd, const char *host, base_tls_conn **ret_conn);
void base_tls_conn_free(base_tls_conn *conn);

/* Until OK. */
base_tls_result base_tls_handshake(base_tls_conn *conn);

/* OK: 1 … n bytes were moved. After WANT_* of a write, repeat it with the same bytes. */
base_tls_result base_tls_read(base_tls_conn *conn, void *buf, size_t n, size_t *ret_n);
base_tls_result base_tls_write(base_tls_conn *conn, const void *buf, size_t n, size_t *ret_n);

/* Decrypted bytes that wait inside and that no poll of the socket will announce. */
size_t base_tls_pending(const base_tls_conn *conn);

/* Sends close_notify, best effort. */
void base_tls_close_notify(base_tls_conn *conn);

/* Client: the session for resumption, serialized; 0 when there is none (yet: with TLS 1.3 it comes with the
 * first bytes read). It holds secrets and the server's certificate: about 1 to 3 KB. */
size_t base_tls_session_save(base_tls_conn *conn, uint8_t *out, size_t cap);
/* Client, before the handshake: tries to resume; a session that does not serve is ignored. */
void base_tls_session_set(base_tls_conn *conn, const uint8_t *session, size_t n);
/* Both ends, after the handshake. */
bool base_tls_resumed(const base_tls_conn *conn);

/* Server with client_auth: the common name of the verified client certificate; false when none. */
bool base_tls_peer_name(const base_tls_conn *conn, char *out, size_t cap);

/* What the last error of the connection was, for people. */
const char *base_tls_error(const base_tls_conn *conn);

#endif

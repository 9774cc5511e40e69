/* Both ends of base/tls over a socketpair, pumped in turn by one thread. */
#include "sdk/src/base/clock.h"
#include "sdk/src/base/tls.h"
#include "tests/unit/sdk/base/test_certs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUNDS_MAX 1000

static char certs[64] = "/tmp/wadi-tls-test.XXXXXX";

static const char *cert_path(const char *name) {
    static char paths[8][128];
    static unsigned next;
    if (name == NULL)
        return NULL;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", certs, name);
    return path;
}

static base_tls *tls_make(bool server, const char *ca, const char *identity, bool client_auth) {
    char cert[64] = "", key[64] = "", why[256] = "";
    if (identity != NULL) {
        snprintf(cert, sizeof cert, "%s.pem", identity);
        snprintf(key, sizeof key, "%s.key", identity);
    }
    base_tls_options opt = {
        .server = server,
        .ca_file = cert_path(ca),
        .cert_file = cert_path(identity != NULL ? cert : NULL),
        .key_file = cert_path(identity != NULL ? key : NULL),
        .client_auth = client_auth,
    };
    base_tls *tls = NULL;
    base_tls_result result = base_tls_new(&opt, why, sizeof why, &tls);
    if (result != BASE_TLS_OK)
        fail_msg("base_tls_new: %s", why);
    return tls;
}

/* A connection in the making: both ends, and what each end's handshake came to. */
typedef struct pair {
    int fds[2];
    base_tls_conn *client, *server;
    base_tls_result client_result, server_result;
} pair;

static bool result_waits(base_tls_result result) {
    return result == BASE_TLS_WANT_READ || result == BASE_TLS_WANT_WRITE;
}

static void pair_open(pair *p, base_tls *client, base_tls *server, const char *host) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->fds), 0);
    assert_int_equal(base_tls_conn_new(client, p->fds[0], host, &p->client), BASE_TLS_OK);
    assert_int_equal(base_tls_conn_new(server, p->fds[1], NULL, &p->server), BASE_TLS_OK);
    p->client_result = p->server_result = BASE_TLS_WANT_READ;
}

static void pair_shake(pair *p) {
    for (int i = 0; i < ROUNDS_MAX; i++) {
        if (result_waits(p->client_result))
            p->client_result = base_tls_handshake(p->client);
        if (p->client_result > BASE_TLS_WANT_WRITE)
            shutdown(p->fds[0], SHUT_WR);
        if (result_waits(p->server_result))
            p->server_result = base_tls_handshake(p->server);
        if (p->server_result > BASE_TLS_WANT_WRITE)
            shutdown(p->fds[1], SHUT_WR);
        if (!result_waits(p->client_result) && !result_waits(p->server_result))
            return;
    }
    fail_msg("the handshake never ends");
}

static void pair_close(pair *p) {
    base_tls_conn_free(p->client);
    base_tls_conn_free(p->server);
    close(p->fds[0]);
    close(p->fds[1]);
}

/* Moves `n` bytes from one end to the other, and checks every one. */
static void bytes_move(base_tls_conn *from, base_tls_conn *to, size_t n) {
    unsigned char *out = malloc(n), *in = malloc(n);
    assert_non_null(out);
    assert_non_null(in);
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)(i * 31 + i / 251);
    size_t written = 0, got = 0;
    for (int i = 0; i < ROUNDS_MAX && got < n; i++) {
        size_t moved = 0;
        if (written < n && base_tls_write(from, out + written, n - written, &moved) == BASE_TLS_OK)
            written += moved;
        while (got < n && base_tls_read(to, in + got, n - got, &moved) == BASE_TLS_OK)
            got += moved;
    }
    assert_int_equal(got, n);
    assert_memory_equal(in, out, n);
    free(out);
    free(in);
}

static void test_handshake_when_certificates_are_good_then_bytes_pass_both_ways(void **state) {
    (void)state;
    base_tls *client = tls_make(false, "ca.pem", NULL, false),
             *server = tls_make(true, NULL, "server", false);
    pair p;
    pair_open(&p, client, server, "localhost");
    pair_shake(&p);
    assert_int_equal(p.client_result, BASE_TLS_OK);
    assert_int_equal(p.server_result, BASE_TLS_OK);
    assert_false(base_tls_resumed(p.client));
    bytes_move(p.client, p.server, 1);
    bytes_move(p.client, p.server, 300000);
    bytes_move(p.server, p.client, 300000);
    char name[32];
    assert_false(base_tls_peer_name(p.server, name, sizeof name));

    size_t n = 0;
    char byte;
    base_tls_close_notify(p.client);
    assert_int_equal(base_tls_read(p.server, &byte, 1, &n), BASE_TLS_CLOSED);
    pair_close(&p);
    base_tls_free(client);
    base_tls_free(server);
}

static void test_read_when_less_is_asked_than_a_record_holds_then_the_rest_is_pending(void **state) {
    (void)state;
    base_tls *client = tls_make(false, "ca.pem", NULL, false),
             *server = tls_make(true, NULL, "server", false);
    pair p;
    pair_open(&p, client, server, "127.0.0.1");
    pair_shake(&p);
    size_t n = 0;
    char two[2];
    assert_int_equal(base_tls_write(p.client, "hello", 5, &n), BASE_TLS_OK);
    assert_int_equal(base_tls_read(p.server, two, 2, &n), BASE_TLS_OK);
    assert_int_equal(n, 2);
    assert_int_equal(base_tls_pending(p.server), 3);
    pair_close(&p);
    base_tls_free(client);
    base_tls_free(server);
}

/* A handshake that must fail on the client's side. */
static void client_refuses(const char *ca, const char *identity, const char *host, const char *text) {
    base_tls *client = tls_make(false, ca, NULL, false), *server = tls_make(true, NULL, identity, false);
    pair p;
    pair_open(&p, client, server, host);
    pair_shake(&p);
    assert_int_equal(p.client_result, BASE_TLS_ERR_VERIFY);
    assert_int_not_equal(p.server_result, BASE_TLS_OK);
    if (strstr(base_tls_error(p.client), text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", base_tls_error(p.client), text);
    pair_close(&p);
    base_tls_free(client);
    base_tls_free(server);
}

static void test_handshake_when_the_server_is_not_to_be_trusted_then_refused(void **state) {
    (void)state;
    client_refuses("other-ca.pem", "server", "localhost", "not correctly signed");
    client_refuses("ca.pem", "wrong-name", "localhost", "Common Name");
    client_refuses("ca.pem", "server", "127.0.0.2", "Common Name");
    client_refuses("ca.pem", "server", NULL, "Common Name");
    client_refuses("ca.pem", "expired", "localhost", "expired");
}

/* A device whose clock was never set is behind every certificate. */
static void test_handshake_when_the_certificate_is_not_valid_yet_then_taken(void **state) {
    (void)state;
    base_tls *client = tls_make(false, "ca.pem", NULL, false), *server = tls_make(true, NULL, "early", false);
    pair p;
    pair_open(&p, client, server, "localhost");
    pair_shake(&p);
    assert_int_equal(p.client_result, BASE_TLS_OK);
    pair_close(&p);
    base_tls_free(client);
    base_tls_free(server);
    client_refuses("other-ca.pem", "early", "localhost", "not correctly signed");
    client_refuses("ca.pem", "early", "127.0.0.2", "Common Name");
}

/* By the time that a collector told, in 2020 or, when the root has expired, in 2030; the wall clock has no
 * say. */
static void test_handshake_when_the_time_is_told_then_certificates_are_judged_by_it(void **state) {
    (void)state;
    static const int64_t told_s[] = {1577923200, 1893456000}; /* 2020-01-02, 2030-01-01 */
    static const struct {
        const char *identity;
        bool good[2];
    } cases[] = {{"expired", {true, false}}, {"early", {true, false}}, {"server", {true, false}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t k = 0; k < 2; k++) {
            base_tls *client = tls_make(false, "ca.pem", NULL, false);
            base_tls *server = tls_make(true, NULL, cases[i].identity, false);
            base_tls_clock_set(client, told_s[k] * 1000000 - (int64_t)base_boot_us());
            pair p;
            pair_open(&p, client, server, "localhost");
            pair_shake(&p);
            assert_int_equal(p.client_result, cases[i].good[k] ? BASE_TLS_OK : BASE_TLS_ERR_VERIFY);
            pair_close(&p);
            base_tls_free(client);
            base_tls_free(server);
        }
    }
}

/* With client_auth: what the server makes of a client's certificate. With TLS 1.3 the client hears of a
 * refusal only when it reads. */
static base_tls_result server_judges(const char *client_identity, char *name, size_t cap) {
    base_tls *client = tls_make(false, "ca.pem", client_identity, false);
    base_tls *server = tls_make(true, "ca.pem", "server", true);
    pair p;
    pair_open(&p, client, server, "localhost");
    pair_shake(&p);
    base_tls_result result = p.server_result;
    if (result == BASE_TLS_OK) {
        bytes_move(p.server, p.client, 10);
        assert_true(base_tls_peer_name(p.server, name, cap));
        assert_false(base_tls_peer_name(p.server, name, strlen("device-7")));
        uint8_t session[8192];
        assert_int_equal(base_tls_session_save(p.client, session, sizeof session), 0);
    }
    pair_close(&p);
    base_tls_free(client);
    base_tls_free(server);
    return result;
}

static void test_handshake_when_a_client_certificate_is_required_then_only_a_good_one_serves(void **state) {
    (void)state;
    char name[64] = "";
    assert_int_equal(server_judges("client", name, sizeof name), BASE_TLS_OK);
    assert_string_equal(name, "device-7");
    assert_int_equal(server_judges("stranger", name, sizeof name), BASE_TLS_ERR_VERIFY);
    assert_int_equal(server_judges(NULL, name, sizeof name), BASE_TLS_ERR_VERIFY);
}

static void test_handshake_when_the_client_speaks_plain_http_then_peer_error(void **state) {
    (void)state;
    base_tls *server = tls_make(true, NULL, "server", false);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    base_tls_conn *conn = NULL;
    assert_int_equal(base_tls_conn_new(server, fds[1], NULL, &conn), BASE_TLS_OK);
    assert_int_equal(send(fds[0], "POST / HTTP/1.1\r\n\r\n", 19, 0), 19);
    assert_int_equal(base_tls_handshake(conn), BASE_TLS_ERR_PEER);
    assert_true(strlen(base_tls_error(conn)) > 0);
    base_tls_conn_free(conn);
    base_tls_free(server);
    close(fds[0]);
    close(fds[1]);
}

static void test_write_when_the_peer_is_gone_then_error_and_no_signal(void **state) {
    (void)state;
    base_tls *client = tls_make(false, "ca.pem", NULL, false),
             *server = tls_make(true, NULL, "server", false);
    pair p;
    pair_open(&p, client, server, "localhost");
    pair_shake(&p);
    shutdown(p.fds[1], SHUT_RDWR);
    size_t n = 0;
    assert_int_equal(base_tls_write(p.client, "x", 1, &n), BASE_TLS_ERR_PEER);
    pair_close(&p);
    base_tls_free(client);
    base_tls_free(server);
}

/* One connection; the session to resume goes in and out by `session`. Tells whether it was resumed. */
static bool session_use(base_tls *client, base_tls *server, uint8_t *session, size_t cap, size_t *n) {
    pair p;
    pair_open(&p, client, server, "localhost");
    if (*n > 0)
        base_tls_session_set(p.client, session, *n);
    pair_shake(&p);
    assert_int_equal(p.client_result, BASE_TLS_OK);
    assert_int_equal(p.server_result, BASE_TLS_OK);
    bytes_move(p.client, p.server, 10);
    bytes_move(p.server, p.client, 10);
    *n = base_tls_session_save(p.client, session, cap);
    bool resumed = base_tls_resumed(p.client);
    assert_int_equal(base_tls_resumed(p.server), resumed);
    pair_close(&p);
    return resumed;
}

static void test_session_when_saved_then_resumed_and_elsewhere_ignored(void **state) {
    (void)state;
    base_tls *client = tls_make(false, "ca.pem", NULL, false);
    base_tls *server = tls_make(true, NULL, "server", false), *other = tls_make(true, NULL, "server", false);
    uint8_t session[8192];
    size_t n = 0;
    assert_false(session_use(client, server, session, sizeof session, &n));
    assert_in_range(n, 1, 4096);
    assert_true(session_use(client, server, session, sizeof session, &n));
    assert_in_range(n, 1, 4096);
    assert_false(session_use(client, other, session, sizeof session, &n));
    memset(session, 0x55, sizeof session);
    assert_false(session_use(client, server, session, sizeof session, &n));
    base_tls_free(client);
    base_tls_free(server);
    base_tls_free(other);
}

/* TLS 1.2 is spoken with the openssl command at the other end. */

static int loopback_socket(uint16_t *ret_port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 20};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* s_client of OpenSSL comes once; tells whether its session was resumed. */
static bool openssl_visits(base_tls *server, int listener, uint16_t port, const char *session_option) {
    char command[512];
    snprintf(command, sizeof command,
             "openssl s_client -connect 127.0.0.1:%u -tls1_2 -CAfile %s -verify_return_error %s %s "
             "</dev/null 2>&1",
             port, cert_path("ca.pem"), session_option, cert_path("session"));
    FILE *client = popen(command, "r");
    assert_non_null(client);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    base_tls_conn *conn = NULL;
    assert_int_equal(base_tls_conn_new(server, fd, NULL, &conn), BASE_TLS_OK);
    base_tls_result result;
    while (result_waits(result = base_tls_handshake(conn)))
        continue;
    assert_int_equal(result, BASE_TLS_OK);
    char line[256];
    bool said = false;
    while (fgets(line, sizeof line, client) != NULL)
        said = said || strncmp(line, "Reused, TLSv1.2", 15) == 0;
    pclose(client);
    bool resumed = base_tls_resumed(conn);
    assert_int_equal(resumed, said);
    base_tls_conn_free(conn);
    close(fd);
    return resumed;
}

static void test_session_when_an_openssl_client_of_tls12_comes_back_then_resumed(void **state) {
    (void)state;
    base_tls *server = tls_make(true, NULL, "server", false),
             *strict = tls_make(true, "ca.pem", "server", true);
    uint16_t port = 0;
    int listener = loopback_socket(&port);
    assert_int_equal(listen(listener, 4), 0);
    assert_false(openssl_visits(server, listener, port, "-sess_out"));
    assert_true(openssl_visits(server, listener, port, "-sess_in"));
    char identity[512];
    snprintf(identity, sizeof identity, "-cert %s -key %s -sess_out", cert_path("client.pem"),
             cert_path("client.key"));
    assert_false(openssl_visits(strict, listener, port, identity));
    snprintf(identity, sizeof identity, "-cert %s -key %s -sess_in", cert_path("client.pem"),
             cert_path("client.key"));
    assert_false(openssl_visits(strict, listener, port, identity));
    close(listener);
    base_tls_free(server);
    base_tls_free(strict);
}

static pid_t openssl_serve(uint16_t port) {
    char accept_at[32];
    snprintf(accept_at, sizeof accept_at, "127.0.0.1:%u", port);
    pid_t pid = fork();
    assert_true(pid >= 0); /* its user kills it */
    if (pid != 0)
        return pid;
    execlp("openssl", "openssl", "s_server", "-accept", accept_at, "-tls1_2", "-quiet", "-rev", "-cert",
           cert_path("server.pem"), "-key", cert_path("server.key"), (char *)NULL);
    _exit(127);
}

static int connect_until(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < 2000; i++) { /* until the server listens: at most 20 s */
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        close(fd);
        usleep(10000);
    }
    fail_msg("openssl s_server does not listen");
    return -1;
}

/* s_server's -rev answers each line reversed. */
static bool openssl_visited(base_tls *client, uint16_t port, uint8_t *session, size_t cap, size_t *n) {
    int fd = connect_until(port);
    base_tls_conn *conn = NULL;
    assert_int_equal(base_tls_conn_new(client, fd, "localhost", &conn), BASE_TLS_OK);
    base_tls_session_set(conn, session, *n);
    base_tls_result result;
    while (result_waits(result = base_tls_handshake(conn)))
        continue;
    assert_int_equal(result, BASE_TLS_OK);
    char answer[8] = "";
    size_t got = 0;
    assert_int_equal(base_tls_write(conn, "abc\n", 4, &got), BASE_TLS_OK);
    while (result_waits(result = base_tls_read(conn, answer, sizeof answer, &got)))
        continue;
    assert_int_equal(result, BASE_TLS_OK);
    assert_memory_equal(answer, "cba\n", 4);
    *n = base_tls_session_save(conn, session, cap);
    bool resumed = base_tls_resumed(conn);
    base_tls_close_notify(conn);
    base_tls_conn_free(conn);
    close(fd);
    return resumed;
}

static void test_session_when_an_openssl_server_of_tls12_is_met_again_then_resumed(void **state) {
    (void)state;
    base_tls *client = tls_make(false, "ca.pem", NULL, false);
    uint16_t port = 0;
    close(loopback_socket(&port));
    pid_t pid = openssl_serve(port);
    uint8_t session[8192];
    size_t n = 0;
    assert_false(openssl_visited(client, port, session, sizeof session, &n));
    assert_in_range(n, 1, 4096);
    assert_true(openssl_visited(client, port, session, sizeof session, &n));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    base_tls_free(client);
}

static void new_fails(const base_tls_options *opt, const char *text) {
    base_tls *tls = NULL;
    char why[256] = "";
    assert_int_equal(base_tls_new(opt, why, sizeof why, &tls), BASE_TLS_ERR_CONFIG);
    assert_null(tls);
    if (strstr(why, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, text);
}

static void test_new_when_files_do_not_serve_then_says_which(void **state) {
    (void)state;
    const char *ca = cert_path("ca.pem"), *cert = cert_path("server.pem"), *missing = cert_path("missing");
    new_fails(&(base_tls_options){.ca_file = missing}, "missing: not found");
    new_fails(&(base_tls_options){.ca_file = cert_path("server.key")}, "ca_file");
    new_fails(&(base_tls_options){.server = true}, "belong together");
    new_fails(&(base_tls_options){.ca_file = ca, .cert_file = cert}, "belong together");
    new_fails(&(base_tls_options){.ca_file = ca, .cert_file = cert, .key_file = missing},
              "missing: not found");
    new_fails(&(base_tls_options){.ca_file = ca, .cert_file = cert, .key_file = cert_path("client.key")},
              "not the certificate's key");
    base_tls_free(NULL);
    base_tls_conn_free(NULL);
}

static int certs_make(void **state) {
    (void)state;
    return test_certs_make(certs);
}

static int certs_remove(void **state) {
    (void)state;
    return test_certs_remove(certs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_when_certificates_are_good_then_bytes_pass_both_ways),
        cmocka_unit_test(test_read_when_less_is_asked_than_a_record_holds_then_the_rest_is_pending),
        cmocka_unit_test(test_handshake_when_the_server_is_not_to_be_trusted_then_refused),
        cmocka_unit_test(test_handshake_when_the_certificate_is_not_valid_yet_then_taken),
        cmocka_unit_test(test_handshake_when_the_time_is_told_then_certificates_are_judged_by_it),
        cmocka_unit_test(test_handshake_when_a_client_certificate_is_required_then_only_a_good_one_serves),
        cmocka_unit_test(test_handshake_when_the_client_speaks_plain_http_then_peer_error),
        cmocka_unit_test(test_write_when_the_peer_is_gone_then_error_and_no_signal),
        cmocka_unit_test(test_session_when_saved_then_resumed_and_elsewhere_ignored),
        cmocka_unit_test(test_session_when_an_openssl_client_of_tls12_comes_back_then_resumed),
        cmocka_unit_test(test_session_when_an_openssl_server_of_tls12_is_met_again_then_resumed),
        cmocka_unit_test(test_new_when_files_do_not_serve_then_says_which),
    };
    return cmocka_run_group_tests(tests, certs_make, certs_remove);
}

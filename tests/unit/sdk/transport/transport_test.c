/* The transport against a scripted peer on loopback, both driven by this one thread: in the clear and under
 * TLS. */
#include "sdk/src/base/clock.h"
#include "sdk/src/transport/link.h"
#include "sdk/src/transport/transport.h"
#include "tests/unit/sdk/base/test_certs.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_US (20 * UINT64_C(1000000))
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nack"

static char certs[64] = "/tmp/wadi-transport-test.XXXXXX";

/* A server of one connection at a time, and the transport that talks to it. */
typedef struct scene {
    int listener;
    uint16_t port;
    base_tls *tls; /* the peer's; NULL: in the clear */
    wdi_link peer;
    char got[8192];
    size_t got_n;
    const wdi_transport_ops *ops;
    void *t;
    char ca[128];
} scene;

static void listen_on(scene *s, int family) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    bool is_v6 = family == AF_INET6;
    struct sockaddr *at = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t n = is_v6 ? sizeof v6 : sizeof v4;
    s->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, at, n), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, at, &n), 0);
    s->port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
}

static wadi_options options_for(const char *endpoint) {
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.endpoint = endpoint;
    opt.connect_timeout_ms = 10000;
    opt.request_timeout_ms = 10000;
    return opt;
}

static void scene_open(scene *s, bool tls, const char *host) {
    char endpoint[128], why[256] = "", cert[128], key[128];
    *s = (scene){.ops = &wdi_transport_mbedtls, .peer = WDI_LINK_NONE};
    listen_on(s, strcmp(host, "[::1]") == 0 ? AF_INET6 : AF_INET);
    snprintf(endpoint, sizeof endpoint, "http%s://%s:%u/in", tls ? "s" : "", host, s->port);
    wadi_options opt = options_for(endpoint);
    opt.api_key = "secret";
    if (tls) {
        snprintf(s->ca, sizeof s->ca, "%s/ca.pem", certs);
        snprintf(cert, sizeof cert, "%s/server.pem", certs);
        snprintf(key, sizeof key, "%s/server.key", certs);
        base_tls_options server = {.server = true, .cert_file = cert, .key_file = key};
        assert_int_equal(base_tls_new(&server, why, sizeof why, &s->tls), BASE_TLS_OK);
        opt.ca_file = s->ca;
    }
    if (s->ops->open(&opt, why, sizeof why, &s->t) != WADI_OK)
        fail_msg("open: %s", why);
}

static void scene_close(scene *s) {
    s->ops->close(s->t);
    wdi_link_close(&s->peer);
    close(s->listener);
    base_tls_free(s->tls);
}

/* Lets both ends go on; a poll of a millisecond keeps it from spinning. */
static wdi_transport_state scene_turn(scene *s) {
    struct pollfd fds[WDI_TRANSPORT_POLLFDS_MAX];
    size_t n = s->ops->pollfds(s->t, fds, WDI_TRANSPORT_POLLFDS_MAX);
    (void)poll(fds, n, 1);
    if (s->peer.fd < 0) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            assert_int_equal(wdi_link_open(&s->peer, fd, s->tls, NULL), BASE_TLS_OK);
    }
    if (s->peer.fd >= 0)
        (void)wdi_link_handshake(&s->peer);
    return s->ops->step(s->t, base_mono_us());
}

static void turn_until(scene *s, wdi_transport_state wanted) {
    uint64_t until_us = base_mono_us() + PATIENCE_US;
    wdi_transport_state now;
    while ((now = scene_turn(s)) != wanted) {
        const char *text = "";
        if (now == WDI_TRANSPORT_FAILED)
            (void)s->ops->failure(s->t, &text);
        if (now == WDI_TRANSPORT_FAILED || base_mono_us() > until_us)
            fail_msg("state %d instead of %d: %s", now, wanted, text);
    }
}

/* The peer reads until it has a request whole: head and body of `body_n` bytes. */
static void peer_request(scene *s, size_t body_n) {
    uint64_t until_us = base_mono_us() + PATIENCE_US;
    s->got_n = 0;
    for (;;) {
        size_t n = 0;
        (void)scene_turn(s);
        if (s->peer.fd >= 0 &&
            wdi_link_read(&s->peer, s->got + s->got_n, sizeof s->got - 1 - s->got_n, &n) == BASE_TLS_OK)
            s->got_n += n;
        s->got[s->got_n] = '\0';
        const char *end = strstr(s->got, "\r\n\r\n");
        if (end != NULL && s->got_n == (size_t)(end - s->got) + 4 + body_n)
            return;
        if (base_mono_us() > until_us)
            fail_msg("no request, but: %s", s->got);
    }
}

static void peer_say(scene *s, const char *text) {
    size_t n = strlen(text), put = 0;
    assert_int_equal(wdi_link_write(&s->peer, text, n, &put), BASE_TLS_OK);
    assert_int_equal(put, n);
}

static void scene_connect(scene *s) {
    if (s->ops->connect(s->t, base_mono_us()) != WDI_TRANSPORT_READY)
        turn_until(s, WDI_TRANSPORT_READY);
    while (s->peer.fd < 0) /* the kernel connects before the peer accepts */
        (void)scene_turn(s);
}

static void scene_post(scene *s, const char *body) {
    wdi_request request = {.body = (const uint8_t *)body, .n = strlen(body), .encoding = "gzip"};
    (void)s->ops->post(s->t, &request, base_mono_us());
}

static void exchange(scene *s, const char *body, const char *answer) {
    scene_connect(s);
    scene_post(s, body);
    peer_request(s, strlen(body));
    peer_say(s, answer);
    turn_until(s, WDI_TRANSPORT_ANSWERED);
}

static wdi_transport_failure failure_await(scene *s, const char *said) {
    uint64_t until_us = base_mono_us() + PATIENCE_US;
    while (scene_turn(s) != WDI_TRANSPORT_FAILED)
        assert_true(base_mono_us() < until_us);
    const char *text = "";
    wdi_transport_failure failure = s->ops->failure(s->t, &text);
    if (strstr(text, said) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, said);
    return failure;
}

static bool v6_loopback_is_there(void) {
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0)
        close(fd);
    return there;
}

static void each_host(void (*body)(scene *s)) {
    static const struct {
        bool tls;
        const char *host;
    } cases[] = {{false, "127.0.0.1"},
                 {false, "localhost"},
                 {false, "[::1]"},
                 {true, "localhost"},
                 {true, "127.0.0.1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene s;
        if (strcmp(cases[i].host, "[::1]") == 0 && !v6_loopback_is_there()) /* containers often lack it */
            continue;
        scene_open(&s, cases[i].tls, cases[i].host);
        body(&s);
        scene_close(&s);
    }
}

static void good_exchange(scene *s) {
    exchange(s, "body", OK_ANSWER);
    const wdi_response *response = s->ops->response(s->t);
    assert_int_equal(response->status, 200);
    assert_int_equal(response->n, 3);
    assert_memory_equal(response->body, "ack", 3);
    assert_false(response->has_retry_after);
    char host[64];
    snprintf(host, sizeof host, ":%u\r\n", s->port);
    assert_non_null(strstr(s->got, "POST /in/v1/batches HTTP/1.1\r\nHost: "));
    assert_non_null(strstr(s->got, host));
    assert_non_null(strstr(s->got, "\r\nContent-Type: application/x-protobuf\r\n"));
    assert_non_null(strstr(s->got, "\r\nContent-Encoding: gzip\r\n"));
    assert_non_null(strstr(s->got, "\r\nContent-Length: 4\r\n\r\nbody"));
    assert_non_null(strstr(s->got, "\r\nAuthorization: Bearer secret\r\n"));
}

static void test_post_when_answered_then_the_response(void **state) {
    (void)state;
    each_host(good_exchange);
}

static void kept_exchange(scene *s) {
    exchange(s, "one", OK_ANSWER);
    assert_int_equal(s->ops->connect(s->t, base_mono_us()), WDI_TRANSPORT_READY);
    exchange(s, "two", "HTTP/1.1 503 x\r\nRetry-After: 7\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(s->ops->response(s->t)->status, 503);
    assert_true(s->ops->response(s->t)->has_retry_after);
    assert_int_equal(s->ops->response(s->t)->retry_after_ms, 7000);
    wdi_link_close(&s->peer);
    exchange(s, "three", OK_ANSWER); /* on a new connection */
}

static void test_connect_when_kept_then_ready_at_once(void **state) {
    (void)state;
    each_host(kept_exchange);
}

static void quietly_closed(scene *s) {
    exchange(s, "one", OK_ANSWER);
    wdi_link_close(&s->peer); /* seen by connect, before anything is sent into it */
    scene_connect(s);
    exchange(s, "two", OK_ANSWER);
}

static void test_connect_when_the_kept_connection_was_closed_then_a_new_one(void **state) {
    (void)state;
    each_host(quietly_closed);
}

static void stale_connection(scene *s) {
    exchange(s, "one", OK_ANSWER);
    scene_connect(s);
    scene_post(s, "two");
    wdi_link_close(&s->peer);
    assert_int_equal(failure_await(s, "no answer"), WDI_FAILURE_STALE);
    scene_connect(s);
    scene_post(s, "two");
    wdi_link_close(&s->peer); /* a new connection that dies so is not stale, but broken */
    assert_int_equal(failure_await(s, "no answer"), WDI_FAILURE_BROKEN);
    exchange(s, "two", OK_ANSWER);
}

static void test_post_when_the_kept_connection_dies_then_stale_once(void **state) {
    (void)state;
    each_host(stale_connection);
}

static void cut_answer(scene *s) {
    scene_connect(s);
    scene_post(s, "body");
    peer_request(s, 4);
    peer_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nack");
    wdi_link_close(&s->peer);
    assert_int_equal(failure_await(s, "cut off"), WDI_FAILURE_BROKEN);
}

static void test_post_when_the_answer_is_cut_then_broken(void **state) {
    (void)state;
    each_host(cut_answer);
}

static void early_answer(scene *s) {
    static char large[4 << 20];
    memset(large, 'x', sizeof large - 1);
    scene_connect(s);
    scene_post(s, large);
    while (s->got_n < 4) /* the head's first bytes are enough for the peer to refuse */
        if (wdi_link_read(&s->peer, s->got, 4, &s->got_n) != BASE_TLS_OK)
            (void)scene_turn(s);
    peer_say(s, "HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n");
    turn_until(s, WDI_TRANSPORT_ANSWERED);
    assert_int_equal(s->ops->response(s->t)->status, 413);
    wdi_link_close(&s->peer);
    exchange(s, "less", OK_ANSWER);
}

static void test_post_when_answered_before_all_was_sent_then_the_answer_counts(void **state) {
    (void)state;
    each_host(early_answer);
}

static void not_http(scene *s) {
    scene_connect(s);
    scene_post(s, "body");
    peer_request(s, 4);
    peer_say(s, "220 mail.example ESMTP\r\n");
    assert_int_equal(failure_await(s, "not an HTTP/1.1 answer"), WDI_FAILURE_BROKEN);
    wdi_link_close(&s->peer);
    /* What comes unasked after an answer ends the connection too. */
    exchange(s, "body", OK_ANSWER OK_ANSWER);
    wdi_link_close(&s->peer);
    exchange(s, "body", OK_ANSWER);
}

static void test_post_when_the_answer_is_not_http_then_broken(void **state) {
    (void)state;
    each_host(not_http);
}

static void silent_peer(scene *s) {
    scene_connect(s);
    scene_post(s, "body");
    uint64_t deadline_us = s->ops->deadline_us(s->t);
    assert_in_range(deadline_us, base_mono_us(), base_mono_us() + 10000000);
    assert_int_equal(s->ops->step(s->t, deadline_us - 1), WDI_TRANSPORT_EXCHANGING);
    assert_int_equal(s->ops->step(s->t, deadline_us), WDI_TRANSPORT_FAILED);
    assert_int_equal(failure_await(s, "in time"), WDI_FAILURE_TIMEOUT);
    assert_int_equal(s->ops->deadline_us(s->t), WDI_TRANSPORT_NEVER);
    struct pollfd fd;
    assert_int_equal(s->ops->pollfds(s->t, &fd, 1), 0);
}

static void test_post_when_no_answer_comes_then_time_out(void **state) {
    (void)state;
    each_host(silent_peer);
}

static void test_connect_when_tls_is_not_spoken_in_time_then_unreachable(void **state) {
    (void)state;
    scene s;
    scene_open(&s, true, "localhost");
    assert_int_equal(s.ops->connect(s.t, base_mono_us()), WDI_TRANSPORT_CONNECTING);
    uint64_t until_us = base_mono_us() + 10000000;
    assert_int_equal(s.ops->step(s.t, until_us - 5000000), WDI_TRANSPORT_CONNECTING);
    assert_int_equal(s.ops->step(s.t, until_us), WDI_TRANSPORT_FAILED);
    assert_int_equal(failure_await(&s, "no connection"), WDI_FAILURE_UNREACHABLE);
    scene_close(&s);
}

static void test_connect_when_refused_then_unreachable(void **state) {
    (void)state;
    scene s;
    scene_open(&s, false, "localhost");
    close(s.listener);
    (void)s.ops->connect(s.t, base_mono_us());
    assert_int_equal(failure_await(&s, "refused"), WDI_FAILURE_UNREACHABLE);
    scene_close(&s);
}

static void test_connect_when_the_certificate_is_not_trusted_then_unreachable(void **state) {
    (void)state;
    scene s;
    scene_open(&s, true, "localhost");
    s.ops->close(s.t);
    char endpoint[64], why[256];
    snprintf(endpoint, sizeof endpoint, "https://localhost:%u", s.port);
    snprintf(s.ca, sizeof s.ca, "%s/other-ca.pem", certs);
    wadi_options opt = options_for(endpoint);
    opt.ca_file = s.ca;
    assert_int_equal(s.ops->open(&opt, why, sizeof why, &s.t), WADI_OK);
    (void)s.ops->connect(s.t, base_mono_us());
    assert_int_equal(failure_await(&s, "not correctly signed"), WDI_FAILURE_UNREACHABLE);
    scene_close(&s);
}

static void test_connect_when_it_was_connected_before_then_the_tls_session_is_resumed(void **state) {
    (void)state;
    scene s;
    scene_open(&s, true, "localhost");
    for (int i = 0; i < 3; i++) {
        exchange(&s, "body", OK_ANSWER);
        assert_int_equal(base_tls_resumed(s.peer.tls), i > 0);
        wdi_link_close(&s.peer);
    }
    scene_close(&s);
}

static void test_cancel_when_anything_is_under_way_then_it_starts_anew(void **state) {
    (void)state;
    scene s;
    scene_open(&s, true, "localhost");
    (void)s.ops->connect(s.t, base_mono_us());
    s.ops->cancel(s.t);
    assert_int_equal(s.ops->step(s.t, base_mono_us()), WDI_TRANSPORT_CLOSED);
    wdi_link_close(&s.peer);
    while (s.peer.fd < 0) /* the connection that was given up is still in the queue */
        (void)scene_turn(&s);
    wdi_link_close(&s.peer);
    scene_connect(&s);
    scene_post(&s, "body");
    s.ops->cancel(s.t);
    wdi_link_close(&s.peer);
    exchange(&s, "body", OK_ANSWER);
    s.ops->forget(s.t);
    s.t = NULL;
    scene_close(&s);
}

static void open_fails(const wadi_options *opt, wadi_err expected, const char *said) {
    char why[256] = "";
    void *t = NULL;
    assert_int_equal(wdi_transport_mbedtls.open(opt, why, sizeof why, &t), expected);
    assert_null(t);
    if (strstr(why, said) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, said);
}

static void test_open_when_options_do_not_serve_then_says_why(void **state) {
    (void)state;
    char key[2048];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    wadi_options opt = options_for("http://example.org");
    open_fails(&opt, WADI_ERR_INVALID, "loopback");
    opt = options_for("https://localhost");
    opt.ca_file = "/nonexistent/ca.pem";
    open_fails(&opt, WADI_ERR_TLS, "/nonexistent/ca.pem");
    opt.ca_file = NULL;
    opt.api_key = key;
    open_fails(&opt, WADI_ERR_INVALID, "1024");
    opt.api_key = "a\r\nb";
    open_fails(&opt, WADI_ERR_INVALID, "ASCII");
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
        cmocka_unit_test(test_post_when_answered_then_the_response),
        cmocka_unit_test(test_connect_when_kept_then_ready_at_once),
        cmocka_unit_test(test_connect_when_the_kept_connection_was_closed_then_a_new_one),
        cmocka_unit_test(test_post_when_the_kept_connection_dies_then_stale_once),
        cmocka_unit_test(test_post_when_the_answer_is_cut_then_broken),
        cmocka_unit_test(test_post_when_answered_before_all_was_sent_then_the_answer_counts),
        cmocka_unit_test(test_post_when_the_answer_is_not_http_then_broken),
        cmocka_unit_test(test_post_when_no_answer_comes_then_time_out),
        cmocka_unit_test(test_connect_when_tls_is_not_spoken_in_time_then_unreachable),
        cmocka_unit_test(test_connect_when_refused_then_unreachable),
        cmocka_unit_test(test_connect_when_the_certificate_is_not_trusted_then_unreachable),
        cmocka_unit_test(test_connect_when_it_was_connected_before_then_the_tls_session_is_resumed),
        cmocka_unit_test(test_cancel_when_anything_is_under_way_then_it_starts_anew),
        cmocka_unit_test(test_open_when_options_do_not_serve_then_says_why),
    };
    return cmocka_run_group_tests(tests, certs_make, certs_remove);
}

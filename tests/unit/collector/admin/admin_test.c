/* The listener itself, over loopback, by raw sockets. */
#include "admin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics.h"
#include "ready.h"

static enum admin_result total_get(void *context, ledger *ret_total) {
    *ret_total = (ledger){.numbers = 3, .delivered = 2, .dropped = {0, 1}};
    return *(enum admin_result *)context;
}

static enum admin_result page_get(void *context, const ledger_row *after, size_t rows_max,
                                  ledger_row *ret_rows, size_t *ret_count) {
    (void)after;
    (void)rows_max;
    (void)ret_rows;
    *ret_count = 0;
    return *(enum admin_result *)context;
}

static const struct admin_ops ops = {total_get, page_get};
static enum admin_result journal_state;
static struct admin *admin;
static char answer[1 << 18];

static int admin_start(void **state) {
    (void)state;
    const struct admin_options options = {.listen = "127.0.0.1:0",
                                          .collector = "<c1>",
                                          .version = "1.2.3",
                                          .ops = &ops,
                                          .context = &journal_state};
    ready_reset();
    journal_state = ADMIN_OK;
    return admin_open(&options, &admin) == ADMIN_OK ? 0 : -1;
}

static int admin_stop(void **state) {
    (void)state;
    admin_close(admin);
    admin = NULL;
    return 0;
}

static int admin_connect(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(admin_port(admin))};
    const struct timeval patience = {.tv_sec = 10};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Sends the bytes and reads until the other side closes. Answers the status; 0 for none. */
static int exchange(const char *bytes, size_t n) {
    int fd = admin_connect();
    size_t length = 0;
    ssize_t got;
    int status = 0;
    send(fd, bytes, n, MSG_NOSIGNAL);
    while ((got = recv(fd, answer + length, sizeof answer - 1 - length, 0)) > 0)
        length += (size_t)got;
    answer[length] = '\0';
    close(fd);
    sscanf(answer, "HTTP/1.1 %d", &status);
    return status;
}

static int fetch(const char *method, const char *target) {
    char request[512];
    int n = snprintf(request, sizeof request,
                     "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, target);
    return exchange(request, (size_t)n);
}

static const char *body(void) {
    const char *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static void test_admin_when_alive_then_healthz_is_200(void **state) {
    (void)state;
    assert_int_equal(fetch("GET", "/healthz"), 200);
    assert_string_equal(body(), "ok\n");
}

static void test_admin_when_something_is_not_ready_then_readyz_is_503_with_the_reason(void **state) {
    (void)state;
    assert_int_equal(fetch("GET", "/readyz"), 503);
    ready_set("journal", false, "replaying");
    assert_int_equal(fetch("GET", "/readyz"), 503);
    assert_string_equal(body(), "journal: replaying\n");
    ready_set("journal", true, NULL);
    assert_int_equal(fetch("GET", "/readyz"), 200);
    assert_string_equal(body(), "journal: ok\n");
}

static void test_admin_then_metrics_are_prometheus_text(void **state) {
    (void)state;
    metrics_version_set("1.2.3");
    assert_int_equal(fetch("GET", "/metrics"), 200);
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(body(), "\nwadi_build_info{version=\"1.2.3\"} 1\n"));
}

static void test_admin_then_status_page_is_escaped_html_with_the_ledger(void **state) {
    (void)state;
    assert_int_equal(fetch("GET", "/"), 200);
    assert_non_null(strstr(answer, "Content-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(body(), "<h1>&lt;c1&gt;</h1>"));
    assert_non_null(strstr(body(), "<tr><th>dropped: disk_quota</th><td>1</td></tr>"));
    assert_non_null(strstr(body(), ">balanced</p>"));
}

static void test_admin_when_the_journal_is_away_then_ledger_is_503(void **state) {
    (void)state;
    assert_int_equal(fetch("GET", "/ledger?limit=10"), 200);
    assert_non_null(strstr(body(), "\"numbers\":3"));
    assert_int_equal(fetch("GET", "/ledger?limit=no"), 400);
    journal_state = ADMIN_UNAVAILABLE;
    assert_int_equal(fetch("GET", "/ledger"), 503);
    assert_int_equal(fetch("GET", "/"), 200);
    assert_non_null(strstr(body(), "cannot be read now"));
}

static void test_admin_when_head_then_headers_alone(void **state) {
    (void)state;
    assert_int_equal(fetch("HEAD", "/healthz"), 200);
    assert_string_equal(body(), "");
    assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
}

static void test_admin_when_the_request_is_not_for_it_then_refused(void **state) {
    (void)state;
    assert_int_equal(fetch("GET", "/nothing"), 404);
    assert_true(fetch("POST", "/ledger") >= 400);
    assert_true(fetch("DELETE", "/metrics") >= 400);
    int fd = admin_connect();
    send(fd, "\x16\x03\x01\x02", 4, MSG_NOSIGNAL);
    close(fd);
    static char endless[1 << 16];
    memset(endless, 'a', sizeof endless);
    memcpy(endless, "GET /", 5);
    assert_true(exchange(endless, sizeof endless) != 200);
    assert_int_equal(fetch("GET", "/healthz"), 200);
}

static void test_admin_when_closed_with_a_silent_connection_then_returns(void **state) {
    (void)state;
    int fd = admin_connect();
    char byte;
    admin_stop(NULL);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    assert_int_equal(admin_start(NULL), 0);
    assert_int_equal(fetch("GET", "/healthz"), 200);
}

static void test_admin_when_the_address_is_taken_then_not_bound(void **state) {
    (void)state;
    char listen[32];
    struct admin *second = NULL;
    snprintf(listen, sizeof listen, "127.0.0.1:%u", admin_port(admin));
    const struct admin_options options = {.listen = listen, .collector = "c", .version = "1", .ops = &ops};
    assert_int_equal(admin_open(&options, &second), ADMIN_NOT_BOUND);
    assert_null(second);
    admin_close(NULL);
}

#define ADMIN_TEST(test) cmocka_unit_test_setup_teardown(test, admin_start, admin_stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        ADMIN_TEST(test_admin_when_alive_then_healthz_is_200),
        ADMIN_TEST(test_admin_when_something_is_not_ready_then_readyz_is_503_with_the_reason),
        ADMIN_TEST(test_admin_then_metrics_are_prometheus_text),
        ADMIN_TEST(test_admin_then_status_page_is_escaped_html_with_the_ledger),
        ADMIN_TEST(test_admin_when_the_journal_is_away_then_ledger_is_503),
        ADMIN_TEST(test_admin_when_head_then_headers_alone),
        ADMIN_TEST(test_admin_when_the_request_is_not_for_it_then_refused),
        ADMIN_TEST(test_admin_when_closed_with_a_silent_connection_then_returns),
        ADMIN_TEST(test_admin_when_the_address_is_taken_then_not_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

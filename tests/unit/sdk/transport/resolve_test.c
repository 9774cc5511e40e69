/* Name look-ups against a name server on loopback, which this thread plays too. The linker's --wrap points
 * c-ares to it. */
#include "sdk/src/base/clock.h"
#include "sdk/src/transport/dial.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ares.h>
#include <cmocka.h>

#define PATIENCE_US (20 * UINT64_C(1000000))
#define TYPE_A 1
#define RCODE_NAME_ERROR 3

static int server = -1;
static char server_csv[32];

int __real_ares_init_options(ares_channel *ret_channel, struct ares_options *options, int mask);
int __wrap_ares_init_options(ares_channel *ret_channel, struct ares_options *options, int mask);

int __wrap_ares_init_options(ares_channel *ret_channel, struct ares_options *options, int mask) {
    int rc = __real_ares_init_options(ret_channel, options, mask);
    return rc == ARES_SUCCESS ? ares_set_servers_ports_csv(*ret_channel, server_csv) : rc;
}

static int server_open(void **state) {
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(server, (struct sockaddr *)&at, n) != 0 || getsockname(server, (struct sockaddr *)&at, &n) != 0)
        return -1;
    snprintf(server_csv, sizeof server_csv, "127.0.0.1:%u", ntohs(at.sin_port));
    return 0;
}

static int server_close(void **state) {
    (void)state;
    return close(server);
}

/* Answers one query, if there is one: type A with 127.0.0.7, anything else with no address. */
static void server_answer(uint8_t rcode) {
    uint8_t packet[512];
    struct sockaddr_in from;
    socklen_t from_n = sizeof from;
    ssize_t n = recvfrom(server, packet, sizeof packet, 0, (struct sockaddr *)&from, &from_n);
    if (n < 17)
        return;
    size_t end = 12; /* of the question: labels, type, class */
    while (end < (size_t)n && packet[end] != 0)
        end += 1u + packet[end];
    uint8_t type = packet[end + 2];
    end += 5;
    static const uint8_t record[] = {0xC0, 12, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 7};
    bool has_address = type == TYPE_A && rcode == 0;
    packet[2] = 0x81; /* an answer */
    packet[3] = (uint8_t)(0x80 | rcode);
    memset(packet + 6, 0, 6);
    packet[7] = has_address;
    if (has_address) {
        memcpy(packet + end, record, sizeof record);
        end += sizeof record;
    }
    assert_int_equal(sendto(server, packet, end, 0, (struct sockaddr *)&from, from_n), end);
}

static wdi_resolve_state resolve_await(wdi_resolver *r, uint8_t rcode) {
    uint64_t until_us = base_mono_us() + PATIENCE_US;
    wdi_resolve_state state;
    while ((state = wdi_resolver_step(r)) == WDI_RESOLVE_PENDING) {
        struct pollfd fds[16];
        size_t n = wdi_resolver_pollfds(r, fds, 16);
        assert_in_range(n, 1, 15);
        server_answer(rcode);
        (void)poll(fds, n, 1);
        assert_true(base_mono_us() < until_us);
    }
    return state;
}

static void test_start_when_the_server_knows_the_name_then_its_address(void **state) {
    (void)state;
    wdi_resolver *r = NULL;
    const wdi_address *addresses = NULL;
    assert_int_equal(wdi_resolver_new(&r), WADI_OK);
    assert_int_equal(wdi_resolver_start(r, "collector.example", 8443), WDI_RESOLVE_PENDING);
    assert_true(wdi_resolver_deadline_us(r, 1000) > 1000);
    assert_int_equal(resolve_await(r, 0), WDI_RESOLVE_DONE);
    assert_int_equal(wdi_resolver_addresses(r, &addresses), 1);
    assert_int_equal(addresses[0].at.v4.sin_family, AF_INET);
    assert_int_equal(ntohs(addresses[0].at.v4.sin_port), 8443);
    assert_int_equal(ntohl(addresses[0].at.v4.sin_addr.s_addr), 0x7F000007);
    wdi_resolver_free(r);
}

static void test_start_when_the_name_is_unknown_then_failed_with_a_reason(void **state) {
    (void)state;
    wdi_resolver *r = NULL;
    assert_int_equal(wdi_resolver_new(&r), WADI_OK);
    (void)wdi_resolver_start(r, "nowhere.example", 443);
    assert_int_equal(resolve_await(r, RCODE_NAME_ERROR), WDI_RESOLVE_FAILED);
    assert_true(strlen(wdi_resolver_error(r)) > 0);
    wdi_resolver_free(r);
    wdi_resolver_free(NULL);
}

static void test_start_when_it_is_an_address_then_done_at_once(void **state) {
    (void)state;
    wdi_resolver *r = NULL;
    const wdi_address *addresses = NULL;
    assert_int_equal(wdi_resolver_new(&r), WADI_OK);
    assert_int_equal(wdi_resolver_start(r, "192.0.2.1", 443), WDI_RESOLVE_DONE);
    assert_int_equal(wdi_resolver_addresses(r, &addresses), 1);
    assert_int_equal(wdi_resolver_start(r, "2001:db8::1", 443), WDI_RESOLVE_DONE);
    assert_int_equal(wdi_resolver_addresses(r, &addresses), 1);
    assert_int_equal(addresses[0].at.v6.sin6_family, AF_INET6);
    wdi_resolver_free(r);
}

static void test_start_when_it_is_localhost_then_nobody_is_asked(void **state) {
    (void)state;
    wdi_resolver *r = NULL;
    const wdi_address *addresses = NULL;
    char byte;
    assert_int_equal(wdi_resolver_new(&r), WADI_OK);
    assert_int_equal(wdi_resolver_start(r, "localhost", 443), WDI_RESOLVE_DONE);
    assert_in_range(wdi_resolver_addresses(r, &addresses), 1, WDI_ADDRESSES_MAX);
    assert_true(recv(server, &byte, 1, 0) < 0);
    wdi_resolver_free(r);
}

static void test_dial_when_no_answer_comes_then_it_fails_at_its_deadline(void **state) {
    (void)state;
    wdi_dial d;
    struct pollfd fds[16];
    assert_int_equal(wdi_dial_init(&d), WADI_OK);
    uint64_t now_us = base_mono_us(), until_us = now_us + 5000000;
    assert_int_equal(wdi_dial_start(&d, "silent.example", 443, false, now_us, until_us), WDI_DIAL_PENDING);
    assert_in_range(wdi_dial_deadline_us(&d, now_us), now_us, until_us);
    assert_in_range(wdi_dial_pollfds(&d, fds, 16), 1, 15);
    assert_int_equal(wdi_dial_step(&d, until_us - 1), WDI_DIAL_PENDING);
    assert_int_equal(wdi_dial_step(&d, until_us), WDI_DIAL_FAILED);
    assert_non_null(strstr(d.error, "too slow"));
    wdi_dial_cancel(&d);
    assert_int_equal(wdi_dial_pollfds(&d, fds, 16), 0);
    wdi_dial_fini(&d);
    while (recv(server, fds, sizeof fds, 0) > 0) /* what was asked meanwhile is not the next test's */
        continue;
}

static void test_dial_when_only_loopback_is_allowed_then_nothing_else(void **state) {
    (void)state;
    wdi_dial d;
    assert_int_equal(wdi_dial_init(&d), WADI_OK);
    uint64_t now_us = base_mono_us();
    assert_int_equal(wdi_dial_start(&d, "192.0.2.1", 443, true, now_us, now_us + 5000000), WDI_DIAL_FAILED);
    wdi_dial_fini(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_when_the_server_knows_the_name_then_its_address),
        cmocka_unit_test(test_start_when_the_name_is_unknown_then_failed_with_a_reason),
        cmocka_unit_test(test_start_when_it_is_an_address_then_done_at_once),
        cmocka_unit_test(test_start_when_it_is_localhost_then_nobody_is_asked),
        cmocka_unit_test(test_dial_when_no_answer_comes_then_it_fails_at_its_deadline),
        cmocka_unit_test(test_dial_when_only_loopback_is_allowed_then_nothing_else),
    };
    return cmocka_run_group_tests(tests, server_open, server_close);
}

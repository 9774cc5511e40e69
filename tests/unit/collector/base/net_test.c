#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void test_address_when_numeric_then_read_and_otherwise_refused(void **state) {
    (void)state;
    static const char *const good[] = {"127.0.0.1:0", "[::]:8443", "[::1]:65535", "0.0.0.0:1"};
    static const char *const bad[] = {"",          "8443",          ":8443",     "localhost:80",
                                      "::1:80",    "[::1]",         "[::1]:",    "[::1]:65536",
                                      "1.2.3.4:x", "1.2.3.4:-1",    "1.2.3:80 ", "[1.2.3.4]:80",
                                      "[]:80",     "1.2.3.4:080000"};
    struct net_address address;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(net_address_parse(good[i], &address));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (net_address_parse(bad[i], &address))
            fail_msg("taken: %s", bad[i]);
}

static void test_listen_on_port_0_then_has_a_port_and_is_refused_twice(void **state) {
    (void)state;
    struct net_address address;
    char again[32];
    assert_true(net_address_parse("127.0.0.1:0", &address));
    int fd = net_listen(&address, 4);
    assert_true(fd >= 0);
    uint16_t port = net_local_port(fd);
    assert_true(port > 0);
    snprintf(again, sizeof again, "127.0.0.1:%u", port);
    assert_true(net_address_parse(again, &address));
    assert_true(net_listen(&address, 4) < 0);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_when_numeric_then_read_and_otherwise_refused),
        cmocka_unit_test(test_listen_on_port_0_then_has_a_port_and_is_refused_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

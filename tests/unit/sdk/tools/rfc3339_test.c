#include "sdk/tools/rfc3339.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_parse_when_known_times_then_unix_microseconds(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } times[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2015-05-17T10:05:03Z", INT64_C(1431857103000000)},
        {"2015-05-17t10:05:03z", INT64_C(1431857103000000)},
        {"2015-05-17 12:05:03.25+02:00", INT64_C(1431857103250000)},
        {"2015-05-17T00:35:03.1234567-09:30", INT64_C(1431857103123456)},
        {"2024-02-29T23:59:59.999999Z", INT64_C(1709251199999999)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000000)},
        {"1969-12-31T23:59:59.5Z", -500000},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200000000)},
        {"9999-12-31T23:59:59Z", INT64_C(253402300799000000)},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t us = 1;
        if (!rfc3339_parse(times[i].text, strlen(times[i].text), &us) || us != times[i].us)
            fail_msg("%s: %lld", times[i].text, (long long)us);
    }
}

static void test_parse_when_every_day_of_centuries_then_as_the_library_has_it(void **state) {
    (void)state;
    for (int64_t day = -150000; day < 150000; day++) {
        time_t seconds = (time_t)(day * 86400);
        struct tm parts;
        char text[64];
        int64_t us = 1;
        gmtime_r(&seconds, &parts);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
        if (strlen(text) != 20)
            continue;
        assert_true(rfc3339_parse(text, 20, &us));
        assert_int_equal(us, day * INT64_C(86400000000));
    }
}

static void test_parse_when_malformed_then_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "2015",
        "2015-05-17",
        "2015-05-17T10:05:03",
        "2015-05-17T10:05Z",
        "2015-5-17T10:05:03Z",
        "2015-13-17T10:05:03Z",
        "2015-00-17T10:05:03Z",
        "2015-05-00T10:05:03Z",
        "2015-05-32T10:05:03Z",
        "2015-02-29T10:05:03Z",
        "2100-02-29T10:05:03Z",
        "2015-05-17T24:05:03Z",
        "2015-05-17T10:60:03Z",
        "2015-05-17T10:05:61Z",
        "2015-05-17T10:05:03.Z",
        "2015-05-17T10:05:03+0200",
        "2015-05-17T10:05:03+24:00",
        "2015-05-17T10:05:03Zx",
        "2015-05-17T10:05:03 Z",
        "+015-05-17T10:05:03Z",
        "1431857103",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t us = 1;
        if (rfc3339_parse(bad[i], strlen(bad[i]), &us))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(us, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_when_known_times_then_unix_microseconds),
        cmocka_unit_test(test_parse_when_every_day_of_centuries_then_as_the_library_has_it),
        cmocka_unit_test(test_parse_when_malformed_then_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

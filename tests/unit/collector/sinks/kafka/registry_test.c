#include "kafka/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_registry_frame_put_then_magic_id_and_first_message(void **state) {
    (void)state;
    static const uint8_t expected[REGISTRY_FRAME_BYTES] = {0, 0x01, 0x02, 0x03, 0x04, 0};
    uint8_t frame[REGISTRY_FRAME_BYTES];
    registry_frame_put(frame, 0x01020304);
    assert_memory_equal(frame, expected, sizeof frame);
}

static void test_registry_answer_read_then_the_outermost_id(void **state) {
    (void)state;
    static const struct {
        const char *json;
        uint32_t id; /* 0: refused */
    } cases[] = {
        {"{\"id\":7}", 7},
        {" { \"version\": 3, \"id\" : 4294967295 }\n", 4294967295u},
        {"{\"schema\":\"x \\\" {\\\"id\\\":5}\",\"metadata\":{\"id\":1,\"tags\":[{\"id\":2}]},\"id\":9}", 9},
        {"{\"message\":\"id\",\"error_code\":409}", 0},
        {"{\"id\":\"7\"}", 0},
        {"{\"id\":4294967296}", 0},
        {"{\"id\":", 0},
        {"{\"id", 0},
        {"[{\"id\":1}]", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t id = 0;
        bool known = registry_answer_read(cases[i].json, strlen(cases[i].json), &id);
        assert_int_equal(known, cases[i].id != 0);
        if (known)
            assert_int_equal(id, cases[i].id);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry_frame_put_then_magic_id_and_first_message),
        cmocka_unit_test(test_registry_answer_read_then_the_outermost_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "collector/ingress/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sdk/src/base/sha256.h"

static char acme[] = "acme", globex[] = "globex";
static struct config_api_key keys[2] = {{.tenant = acme}, {.tenant = globex}};

static int setup(void **state) {
    (void)state;
    assert_true(base_sha256("tea", 3, keys[0].sha256));
    assert_true(base_sha256("coffee", 6, keys[1].sha256));
    return 0;
}

static const char *tenant(const char *authorization) { return auth_tenant(keys, 2, authorization); }

static void test_known_key_then_its_tenant(void **state) {
    (void)state;
    assert_string_equal(tenant("Bearer tea"), "acme");
    assert_string_equal(tenant("Bearer coffee"), "globex");
    assert_string_equal(tenant("bearer   coffee"), "globex");
}

static void test_anything_else_then_nobody(void **state) {
    (void)state;
    static const char *const others[] = {
        "",          "Bearer", "Bearer ",     "Bearer te", "Bearer teaa", "Bearer tea ",
        "Basic tea", "tea",    "Bearer\ttea", "BearerXtea"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (tenant(others[i]) != NULL)
            fail_msg("taken: '%s'", others[i]);
    assert_null(tenant(NULL));
    assert_null(auth_tenant(keys, 0, "Bearer tea"));
}

static void test_hash_that_differs_in_one_byte_then_nobody(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof keys[0].sha256; i++) {
        keys[0].sha256[i] ^= 1;
        assert_null(tenant("Bearer tea"));
        keys[0].sha256[i] ^= 1;
    }
    assert_string_equal(tenant("Bearer tea"), "acme");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_key_then_its_tenant),
        cmocka_unit_test(test_anything_else_then_nobody),
        cmocka_unit_test(test_hash_that_differs_in_one_byte_then_nobody),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

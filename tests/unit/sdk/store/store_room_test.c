/* The store over many runs, and when its room is short. */
#include "tests/unit/sdk/store/store_rig.h"

static void test_clock_of_another_boot_is_not_reported(void **state) {
    (void)state;
    rig *r = rig_new(1 << 20, 1);
    assert_int_equal(wdi_store_clock_sample(r->store, 1000000, 500, 10, NULL), WADI_OK);
    rig_run(r, 1, 2000);
    assert_int_equal(rig_stats(r).offset_error_us, 500);
    rig_run(r, 2, 1000);
    assert_int_equal(rig_stats(r).offset_error_us, 0);
    rig_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_of_another_boot_is_not_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

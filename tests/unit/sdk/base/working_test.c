// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "sdk/src/base/working.h"

static pthread_mutex_t lock;

static int setup(void **state) {
    (void)state;
    pthread_mutexattr_t attr;
    int failed = pthread_mutexattr_init(&attr);
    failed |= pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    failed |= pthread_mutex_init(&lock, &attr);
    return failed | pthread_mutexattr_destroy(&attr);
}

static int teardown(void **state) {
    (void)state;
    return pthread_mutex_destroy(&lock);
}

static void *leave(void *ret_left) {
    *(bool *)ret_left = base_working_leave(&lock);
    return NULL;
}

static bool left_by_another_thread(void) {
    bool left = true;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, leave, &left), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return left;
}

static void *take(void *ret_taken) {
    *(bool *)ret_taken = pthread_mutex_trylock(&lock) == 0 && pthread_mutex_unlock(&lock) == 0;
    return NULL;
}

static bool is_free(void) {
    bool taken = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take, &taken), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return taken;
}

static void test_holder_lets_go(void **state) {
    (void)state;
    assert_int_equal(pthread_mutex_lock(&lock), 0);
    assert_true(base_working_leave(&lock));
    assert_true(is_free());
}

static void test_who_does_not_hold_it_changes_nothing(void **state) {
    (void)state;
    assert_false(base_working_leave(NULL));
    assert_false(base_working_leave(&lock));
    assert_true(is_free());
    assert_int_equal(pthread_mutex_lock(&lock), 0);
    assert_false(left_by_another_thread());
    assert_false(is_free());
    assert_int_equal(pthread_mutex_unlock(&lock), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_holder_lets_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_does_not_hold_it_changes_nothing, setup, teardown),
    };
    return cmocka_run_group_tests_name("working", tests, NULL, NULL);
}

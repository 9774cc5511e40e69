#include "sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define EVENTS_MAX 5000u

/* Ascending times, and `index`, which held the place before, ascending among equal times. */
static void expect_sorted(const order_event *events, size_t n) {
    for (size_t i = 1; i < n; i++) {
        assert_true(events[i - 1].us <= events[i].us);
        if (events[i - 1].us == events[i].us)
            assert_true(events[i - 1].index < events[i].index);
    }
}

static void sort_random(size_t n, int64_t least, uint64_t range) {
    static order_event events[EVENTS_MAX], scratch[EVENTS_MAX];
    uint64_t sum = 0, sorted_sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t r = (uint64_t)rand() << 31 ^ (uint64_t)rand();
        events[i] = (order_event){.us = (int64_t)((uint64_t)least + r % range), .index = (uint32_t)i};
        sum += (uint64_t)events[i].us * 31 + i;
    }
    order_sort(events, scratch, n);
    expect_sorted(events, n);
    for (size_t i = 0; i < n; i++)
        sorted_sum += (uint64_t)events[i].us * 31 + events[i].index;
    assert_int_equal(sum, sorted_sum);
}

static void test_sort_of_every_size_then_ascending_and_stable(void **state) {
    (void)state;
    srand(7);
    for (size_t n = 0; n < 200; n++)
        sort_random(n, 1700000000000000, 100);
    sort_random(EVENTS_MAX, 1700000000000000, 1000000);
    sort_random(EVENTS_MAX, -5000000, 10000000);
    sort_random(EVENTS_MAX, INT64_MIN, UINT64_MAX);
}

static void test_sort_by_index_then_places_ascend(void **state) {
    (void)state;
    order_event events[] = {{.us = 5, .index = 3}, {.us = 4, .index = 0}, {.us = 9, .index = 2}};
    order_sort_by_index(events, 3);
    assert_int_equal(events[0].index, 0);
    assert_int_equal(events[1].index, 2);
    assert_int_equal(events[2].index, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort_of_every_size_then_ascending_and_stable),
        cmocka_unit_test(test_sort_by_index_then_places_ascend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

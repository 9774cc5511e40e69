/* Produce requests: what an answer is believed, whatever a broker sends. */
#include "kafka/direct/flight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../mock_link.h"

#define MESSAGE_TOO_LARGE 10
#define RECORDS_TOO_LARGE 18
#define NOT_LEADER 6
#define VERSION 5

static void rows_make(partition *p, direct_topic *t, int32_t index, uint64_t first) {
    *p = (partition){.topic = t, .index = index, .rows = calloc(2, sizeof *p->rows), .rows_size = 2};
    assert_non_null(p->rows);
    p->rows[0] = (oversize_report){first, 2000000};
    p->rows[1] = (oversize_report){first + 1, 50};
}

typedef struct rig {
    producer_core core;
    direct_topic topic;
    partition partitions[2];
    flight_part parts[2];
    oversize_report rows[4];
    flight flight;
} rig;

/* A request with a batch of two rows for each of two partitions. */
static void rig_make(rig *r) {
    *r = (rig){.core = {.link = mock_link_new("events"), .id = 1}};
    strcpy(r->topic.base.name, "events");
    for (int32_t i = 0; i < 2; i++) {
        rows_make(&r->partitions[i], &r->topic, i, 10 * (uint64_t)(i + 1));
        r->parts[i] = (flight_part){&r->partitions[i], 2 * (size_t)i, 2, false};
        memcpy(&r->rows[2 * i], r->partitions[i].rows, 2 * sizeof *r->rows);
    }
    r->flight = (flight){.parts = r->parts, .n = 2, .rows = r->rows, .n_rows = 4};
}

static void rig_free(rig *r) {
    free(r->partitions[0].rows);
    free(r->partitions[1].rows);
    kafka_link_free(r->core.link);
}

/* An answer for these partitions, in this order, with these codes. */
static void answer_make(frame *f, const int32_t *partitions, const int16_t *codes, int32_t n) {
    f->n = 0;
    frame_put_i32(f, 1);
    frame_put_string(f, "events");
    frame_put_i32(f, n);
    for (int32_t i = 0; i < n; i++) {
        frame_put_i32(f, partitions[i]);
        frame_put_i16(f, codes[i]);
        frame_put_i64(f, 1234);
        frame_put_i64(f, -1);
        frame_put_i64(f, 0);
    }
    frame_put_i32(f, 0); /* throttled */
}

static sink_err answered(rig *r, const int32_t *partitions, const int16_t *codes, int32_t n, size_t cut) {
    frame f = {0};
    answer_make(&f, partitions, codes, n);
    answer a = {f.data, f.data + f.n - cut, false};
    sink_err err = flight_answer(&r->flight, &r->core, VERSION, &a);
    frame_fini(&f);
    return err;
}

static void test_flight_when_every_batch_is_taken_then_is_well(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    assert_int_equal(answered(&r, (int32_t[]){1, 0}, (int16_t[]){0, 0}, 2, 0), SINK_OK);
    assert_false(r.core.failed);
    rig_free(&r);
}

/* An answer that speaks of one batch twice, or of one that was not sent, has not spoken of the other. */
static void test_flight_when_an_answer_has_one_batch_twice_then_is_not_well(void **state) {
    (void)state;
    for (int32_t other = 0; other < 3; other += 2) {
        rig r;
        rig_make(&r);
        assert_int_equal(answered(&r, (int32_t[]){0, other}, (int16_t[]){0, 0}, 2, 0), SINK_ERR_IO);
        assert_true(r.core.failed);
        assert_false(flight_answered(&r.flight));
        rig_free(&r);
    }
}

/* A commit after this would lose the batch that nobody spoke of. */
static void test_flight_when_an_answer_lacks_a_batch_then_is_not(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    assert_int_equal(answered(&r, (int32_t[]){1}, (int16_t[]){0}, 1, 0), SINK_ERR_IO);
    assert_true(r.core.failed);
    rig_free(&r);
    rig_make(&r);
    assert_int_equal(answered(&r, (int32_t[]){0, 1}, (int16_t[]){0, 0}, 2, 6), SINK_ERR_IO);
    rig_free(&r);
}

static void test_flight_when_a_batch_is_refused_then_it_is_named(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    assert_int_equal(answered(&r, (int32_t[]){0, 1}, (int16_t[]){0, NOT_LEADER}, 2, 0), SINK_ERR_IO);
    assert_non_null(strstr(r.core.link->message, "topic events: "));
    assert_int_equal(r.core.link->oversize.refused, 0);
    assert_true(flight_answered(&r.flight)); /* ill, but answered */
    rig_free(&r);
}

static void test_flight_when_a_batch_is_too_large_then_its_rows_are_reported(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    assert_int_equal(answered(&r, (int32_t[]){0, 1}, (int16_t[]){0, MESSAGE_TOO_LARGE}, 2, 0), SINK_ERR_IO);
    const oversize *o = &r.core.link->oversize;
    assert_int_equal(o->refused, 2);
    assert_int_equal(o->largest, 2000000);
    assert_int_equal(o->n, 0); /* either may be the one */
    rig_free(&r);
}

/* Which is so whatever batches may have by now. */
static void test_flight_when_a_single_row_is_too_large_then_it_is_set_aside(void **state) {
    (void)state;
    for (int16_t code = MESSAGE_TOO_LARGE; code <= RECORDS_TOO_LARGE;
         code += RECORDS_TOO_LARGE - MESSAGE_TOO_LARGE) {
        rig r;
        rig_make(&r);
        r.parts[1].rows = 1;
        assert_int_equal(answered(&r, (int32_t[]){0, 1}, (int16_t[]){0, code}, 2, 0), SINK_ERR_IO);
        const oversize *o = &r.core.link->oversize;
        assert_int_equal(o->refused, 0);
        assert_true(oversize_is(o, 20));
        assert_false(oversize_is(o, 21));
        rig_free(&r);
    }
}

/* A good answer with a few bytes changed and the end cut off: never well unless each batch's code is 0, and
 * no byte behind it is read. */
static void test_flight_when_an_answer_is_damaged_then_nothing_breaks(void **state) {
    (void)state;
    rig r;
    rig_make(&r);
    frame f = {0};
    answer_make(&f, (int32_t[]){0, 1}, (int16_t[]){0, MESSAGE_TOO_LARGE}, 2);
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = f.n - (size_t)rand() % 8 * (size_t)(rand() % 8 == 0);
        uint8_t *damaged = malloc(n);
        assert_non_null(damaged);
        memcpy(damaged, f.data, n);
        for (unsigned i = 0; i < 3; i++)
            damaged[(size_t)rand() % n] = (uint8_t)rand();
        answer a = {damaged, damaged + n, false};
        r.parts[0].answered = r.parts[1].answered = false;
        sink_err err = flight_answer(&r.flight, &r.core, VERSION, &a);
        assert_true(err == SINK_OK || err == SINK_ERR_IO);
        oversize_forget(&r.core.link->oversize);
        free(damaged);
    }
    frame_fini(&f);
    rig_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flight_when_every_batch_is_taken_then_is_well),
        cmocka_unit_test(test_flight_when_an_answer_has_one_batch_twice_then_is_not_well),
        cmocka_unit_test(test_flight_when_an_answer_lacks_a_batch_then_is_not),
        cmocka_unit_test(test_flight_when_a_batch_is_refused_then_it_is_named),
        cmocka_unit_test(test_flight_when_a_batch_is_too_large_then_its_rows_are_reported),
        cmocka_unit_test(test_flight_when_a_single_row_is_too_large_then_it_is_set_aside),
        cmocka_unit_test(test_flight_when_an_answer_is_damaged_then_nothing_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

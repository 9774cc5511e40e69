/* The times that the journal fixes when it appends, and how good it says that they are. */
#include "journal_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state) {
    static rig r;
    rig_init(&r);
    *state = &r;
    return 0;
}

static int teardown(void **state) {
    rig_fini(*state);
    return 0;
}

/* The entry of a batch whose first event was `ago_us` ago, by an offset that an earlier boot had measured. */
static journal_entry entry_of_ago(rig *r, const batch_plan *p, int64_t ago_us) {
    submission *s = submission_make(p);
    int64_t first_us = (int64_t)(p->at_us + p->first_seq * p->step_us + s->facts.run_boot_us);
    memset(s->facts.run_boot_id, 77, sizeof s->facts.run_boot_id);
    s->facts.clock.has_offset = true;
    s->facts.clock.offset_us = journal_now_us(r->j) - ago_us - first_us;
    s->facts.clock.offset_error_us = 1000;
    rig_submit(r, s);
    s = rig_answer(r);
    assert_int_equal(s->ack.status, WIRE_STATUS_OK);
    submission_free(s);
    return rig_entry(r, rig_last(r));
}

/* Exact is what is where the offset puts it, to within its error and 50 ms. */
static void test_journal_when_the_stream_or_arrival_moves_exact_times_then_estimated(void **state) {
    rig *r = *state;
    r->opt.window_max_us = 0; /* no ticks among the entries */
    rig_open(r);
    batch_plan p = batch_plan_first(10);
    journal_entry e = entry_of_ago(r, &p, 5000000);
    assert_int_equal(e.time_quality, 1); /* exact */
    assert_true(e.max_us - e.min_us == 9000);

    p = batch_plan_next(&p, 10);
    e = entry_of_ago(r, &p, 5020000); /* a little before the last one's end: lifted, and still as good */
    assert_int_equal(e.time_quality, 1);
    p = batch_plan_next(&p, 10);
    e = entry_of_ago(r, &p, 9000000);
    assert_int_equal(e.time_quality, 2); /* estimated: 4 s off */
    assert_true(e.min_us == e.floor_us && e.max_us == e.floor_us);
    p = batch_plan_next(&p, 10);
    e = entry_of_ago(r, &p, -4000000); /* not yet, by this offset */
    assert_int_equal(e.time_quality, 2);
    assert_true(e.max_us <= e.received_us);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_journal_when_the_stream_or_arrival_moves_exact_times_then_estimated, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

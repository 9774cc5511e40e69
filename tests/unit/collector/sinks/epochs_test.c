/* When epochs are cut and what they take along; that nothing is lost is the simulator's part. */
#include "epochs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "object_target.h"
#include "tests/sim/mem_journal.h"
#include "tests/sim/mem_store.h"

#define STEP_US 250000

typedef struct rig {
    sim_random random;
    mem_journal journal;
    mem_store store;
    entry_source source;
    sink_target target;
    epochs *epochs;
    epochs_options opt;
    uint64_t clock_us;
} rig;

static void rig_init(rig *r, uint64_t late_roll_us) {
    *r = (rig){.random = {7}, .store = {.calls_left = -1}};
    r->store.random = &r->random;
    mem_journal_init(&r->journal, &r->random);
    r->journal.explicit_times = true; /* the others rarely go back */
    r->source = mem_journal_source(&r->journal);
    r->opt = (epochs_options){.order = {2000000, 1 << 26, 1 << 20},
                              .format = "jsonl",
                              .roll_bytes = 1 << 20,
                              .roll_interval_us = 500000,
                              .late_roll_interval_us = late_roll_us,
                              .held_bytes_max = 1 << 20,
                              .held_journal_bytes_max = 1 << 20};
}

static void rig_open(rig *r) {
    static const object_target_options objects = {.collector = "c", .sink = "s"};
    mem_journal_start(&r->journal, r->opt.start_id);
    assert_int_equal(object_target_open(&objects, mem_store_of(&r->store), &r->target), SINK_OK);
    assert_int_equal(epochs_open(&r->opt, r->target, &r->source, &r->epochs), SINK_OK);
}

static void rig_close(rig *r) {
    epochs_close(r->epochs);
    r->target.ops->close(r->target.self);
}

static void rig_fini(rig *r) {
    rig_close(r);
    mem_store_fini(&r->store);
    mem_journal_fini(&r->journal);
}

/* A batch each quarter of a second, some of it late. */
static void rig_run(rig *r, unsigned batches) {
    bool more;
    for (unsigned i = 0; i < batches; i++) {
        mem_journal_batch(&r->journal);
        r->journal.now_us += STEP_US;
        r->clock_us += STEP_US;
        assert_int_equal(epochs_step(r->epochs, r->clock_us, 100, &more), SINK_OK);
    }
}

static size_t objects_ending(const rig *r, const char *suffix) {
    size_t n = 0;
    for (size_t i = 0; i < r->store.n_objects; i++) {
        size_t length = strlen(r->store.objects[i].name), of = strlen(suffix);
        n += length > of && strcmp(r->store.objects[i].name + length - of, suffix) == 0;
    }
    return n;
}

static size_t late_objects(const rig *r) {
    size_t n = 0;
    for (size_t i = 0; i < r->store.n_objects; i++)
        n += strstr(r->store.objects[i].name, "-1.jsonl") != NULL;
    return n;
}

static void test_late_events_when_held_then_a_late_object_an_interval_not_an_epoch(void **state) {
    (void)state;
    rig now, later;
    rig_init(&now, 0);
    rig_init(&later, 10000000);
    rig *rigs[] = {&now, &later};
    for (size_t i = 0; i < 2; i++) {
        rig_open(rigs[i]);
        rig_run(rigs[i], 400); /* 100 seconds */
        assert_int_equal(epochs_finish(rigs[i]->epochs), SINK_OK);
    }
    epochs_stats a = epochs_stats_get(now.epochs), b = epochs_stats_get(later.epochs);
    assert_true(a.late > 50);
    assert_int_equal(a.late, b.late);
    assert_true(late_objects(&now) > 50);
    assert_true(late_objects(&later) <= 22); /* 11 times, over an hour's end */
    rig_fini(&now);
    rig_fini(&later);
}

static void test_late_events_when_finished_then_written_before_their_time(void **state) {
    (void)state;
    rig r;
    rig_init(&r, UINT64_C(3600000000));
    rig_open(&r);
    rig_run(&r, 60);
    epochs_stats s = epochs_stats_get(r.epochs);
    assert_true(s.held_late > 0);
    assert_true(s.epochs > 10);
    assert_true(s.low < s.position / 2); /* the journal keeps what would find them again */
    assert_int_equal(late_objects(&r), 0);
    assert_int_equal(epochs_flush(r.epochs), SINK_OK);
    assert_int_equal(late_objects(&r), 0);
    assert_int_equal(epochs_finish(r.epochs), SINK_OK);
    assert_int_equal(epochs_stats_get(r.epochs).held_late, 0);
    assert_true(late_objects(&r) > 0);
    rig_fini(&r);
}

/* Or a collector that is killed again and again would hold them for good. */
static void test_late_events_when_restarted_then_have_waited_as_long_as_before(void **state) {
    (void)state;
    rig r;
    rig_init(&r, 20000000);
    rig_open(&r);
    for (int i = 0; i < 5; i++) {
        rig_run(&r, 24); /* 6 seconds */
        rig_close(&r);
        r.clock_us = 0;
        rig_open(&r);
    }
    assert_true(late_objects(&r) > 0);
    rig_fini(&r);
}

static void test_late_events_when_they_take_much_memory_then_written_before_their_time(void **state) {
    (void)state;
    rig r;
    rig_init(&r, UINT64_C(3600000000));
    r.opt.held_bytes_max = 20000;
    rig_open(&r);
    rig_run(&r, 400);
    assert_true(late_objects(&r) > 2);
    rig_fini(&r);
}

static void
test_late_events_when_they_keep_back_much_of_the_journal_then_written_before_their_time(void **state) {
    (void)state;
    rig r;
    rig_init(&r, UINT64_C(3600000000));
    r.opt.held_journal_bytes_max = 20000;
    rig_open(&r);
    for (int i = 0; i < 40; i++) {
        rig_run(&r, 10); /* less than the limit: it is counted on from where it was */
        rig_close(&r);
        rig_open(&r);
        uint64_t kept = 0;
        for (uint64_t p = epochs_stats_get(r.epochs).low; p <= r.journal.n; p++)
            kept += r.journal.entries[p - 1].entry.body_bytes;
        assert_true(kept < 20000 + 10 * 1000);
    }
    assert_true(late_objects(&r) > 2);
    rig_fini(&r);
}

static size_t lines_with(const rig *r, uint32_t uid) {
    char text[32];
    size_t n = 0;
    snprintf(text, sizeof text, "\"uid\":%u}", uid);
    for (size_t i = 0; i < r->store.n_objects; i++)
        for (const char *at = r->store.objects[i].data; (at = strstr(at, text)) != NULL; at++)
            n++;
    return n;
}

/* A sink that nobody had configured for a while. */
static void test_late_events_when_the_journal_has_let_go_of_them_then_a_gap_and_nothing_twice(void **state) {
    (void)state;
    rig r;
    rig_init(&r, UINT64_C(3600000000));
    rig_open(&r);
    rig_run(&r, 60);
    uint64_t low = epochs_stats_get(r.epochs).low;
    assert_true(epochs_stats_get(r.epochs).held_late > 0);
    rig_close(&r);
    r.journal.base = low + 5;
    rig_open(&r);
    assert_int_equal(epochs_stats_get(r.epochs).gap, MANIFEST_GAP_TRIMMED);
    rig_run(&r, 60);
    assert_int_equal(epochs_finish(r.epochs), SINK_OK);
    size_t lines = 0;
    for (uint32_t uid = 1; uid <= r.journal.last_uid; uid++) {
        size_t n = lines_with(&r, uid);
        assert_true(n <= 1);
        lines += n;
    }
    assert_true(lines > r.journal.last_uid / 2);
    rig_fini(&r);
}

static void test_late_events_when_they_are_not_found_again_then_replay(void **state) {
    (void)state;
    rig r;
    rig_init(&r, UINT64_C(3600000000));
    rig_open(&r);
    rig_run(&r, 60);
    rig_close(&r);
    r.epochs = NULL;
    static const object_target_options objects = {.collector = "c", .sink = "s"};
    assert_int_equal(object_target_open(&objects, mem_store_of(&r.store), &r.target), SINK_OK);
    manifest last = {0};
    assert_true(mem_store_last(&r.store, &last));
    assert_true(last.to.holds_late);
    for (uint64_t i = last.to.late.position; i < last.to.mark.position; i++)
        r.journal.entries[i].entry.received_us += 1; /* another journal than the one it was made from */
    manifest_fini(&last);
    assert_int_equal(epochs_open(&r.opt, r.target, &r.source, &r.epochs), SINK_ERR_REPLAY);
    rig_fini(&r);
}

/* Dies in the n-th call to the store, and comes back with settings that make quite other objects. */
static size_t encoding_change(int32_t calls) {
    static const encoder_column columns[] = {{"uid", COLUMN_INT64}};
    rig r;
    rig_init(&r, 0);
    r.opt.format = "parquet";
    r.opt.codec = OUTPUT_ZSTD;
    r.opt.columns = columns;
    r.opt.n_columns = 1;
    rig_open(&r);
    r.store.calls_left = calls;
    for (bool more; epochs_step(r.epochs, r.clock_us, 100, &more) == SINK_OK; r.clock_us += STEP_US) {
        mem_journal_batch(&r.journal);
        r.journal.now_us += STEP_US;
    }
    rig_close(&r);
    r.store.calls_left = -1;
    r.opt.format = "record";
    r.opt.codec = OUTPUT_PLAIN;
    r.opt.n_columns = 0;
    rig_open(&r);
    size_t found = objects_ending(&r, ".parquet");
    rig_run(&r, 20);
    assert_int_equal(epochs_finish(r.epochs), SINK_OK);
    assert_null(r.store.violation);
    assert_int_equal(objects_ending(&r, ".parquet"), found);
    assert_true(objects_ending(&r, ".pb") > 0);
    assert_int_equal(objects_ending(&r, ".parquet") + objects_ending(&r, ".pb"), r.store.n_objects);
    rig_fini(&r);
    return found;
}

static void test_intent_of_other_settings_then_the_same_bytes_under_the_same_names(void **state) {
    (void)state;
    size_t found = 0;
    for (int32_t calls = 1; calls <= 24; calls++)
        found += encoding_change(calls);
    assert_true(found > 0);
}

static sink_err opened_as(rig *r, const uint8_t start_id[16]) {
    epochs_close(r->epochs);
    r->epochs = NULL;
    r->store.calls_left = -1;
    memcpy(r->opt.start_id, start_id, sizeof r->opt.start_id);
    return epochs_open(&r->opt, r->target, &r->source, &r->epochs);
}

static bool intent_is_there(const rig *r) {
    for (size_t i = 0; i < r->store.n_texts; i++)
        if (r->store.texts[i].kind == SINK_INTENT)
            return true;
    return false;
}

/* One that was taken over, and then only fails and opens again: the other's position is of another journal.
 * The other one dies in the n-th call to the store; 0: when all is written. */
static bool taken_over(int32_t calls) {
    rig r;
    rig_init(&r, 0);
    rig_open(&r);
    rig_run(&r, 20);
    assert_int_equal(epochs_finish(r.epochs), SINK_OK);
    uint8_t older[16], newer[16];
    memcpy(older, r.opt.start_id, sizeof older);
    assert_int_equal(opened_as(&r, older), SINK_OK);
    rig_close(&r);
    rig_open(&r);
    memcpy(newer, r.opt.start_id, sizeof newer);
    mem_journal_batch(&r.journal);
    r.journal.now_us += 10 * STEP_US;
    mem_journal_tick(&r.journal);
    bool more;
    assert_int_equal(epochs_step(r.epochs, r.clock_us, 100, &more), SINK_OK);
    r.store.calls_left = calls > 0 ? calls : -1;
    sink_err err = epochs_finish(r.epochs);
    assert_int_equal(err == SINK_OK, calls == 0);
    bool intent = intent_is_there(&r);
    if (calls == 0 || intent)
        assert_int_equal(opened_as(&r, older), SINK_ERR_FENCED);
    assert_int_equal(opened_as(&r, newer), SINK_OK);
    rig_fini(&r);
    return intent;
}

static void test_open_when_somebody_who_began_later_has_decided_an_epoch_then_fenced(void **state) {
    (void)state;
    bool intent = false;
    for (int32_t calls = 0; calls <= 4; calls++)
        intent = taken_over(calls) || intent;
    assert_true(intent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_events_when_held_then_a_late_object_an_interval_not_an_epoch),
        cmocka_unit_test(test_late_events_when_finished_then_written_before_their_time),
        cmocka_unit_test(test_late_events_when_restarted_then_have_waited_as_long_as_before),
        cmocka_unit_test(test_late_events_when_they_take_much_memory_then_written_before_their_time),
        cmocka_unit_test(
            test_late_events_when_they_keep_back_much_of_the_journal_then_written_before_their_time),
        cmocka_unit_test(test_late_events_when_the_journal_has_let_go_of_them_then_a_gap_and_nothing_twice),
        cmocka_unit_test(test_late_events_when_they_are_not_found_again_then_replay),
        cmocka_unit_test(test_intent_of_other_settings_then_the_same_bytes_under_the_same_names),
        cmocka_unit_test(test_open_when_somebody_who_began_later_has_decided_an_epoch_then_fenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

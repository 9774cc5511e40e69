/* The journal as the other stages see it: submissions in, answers and entries out, over a real database. */
#include "journal_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include <cmocka.h>

#include "metrics.h"
#include "ready.h"

static int setup(void **state) {
    static rig r;
    rig_init(&r);
    *state = &r;
    return 0;
}

static int teardown(void **state) {
    rig_fini(*state);
    ready_reset();
    return 0;
}

/* ---- appending ---------------------------------------------------------------------------------- */

static void test_journal_when_a_batch_is_acknowledged_then_its_entry_can_be_read(void **state) {
    rig *r = *state;
    rig_open(r);
    batch_plan p = batch_plan_first(10);
    submission *s = submission_make(&p);
    uint8_t *body = malloc(s->body_bytes);
    memcpy(body, s->body, s->body_bytes);
    rig_submit(r, s);
    s = rig_answer(r);
    assert_int_equal(s->http_status, 200);
    assert_int_equal(s->ack.status, WIRE_STATUS_OK);
    assert_int_equal(s->ack.agreed_through, 10);
    assert_string_equal(s->ack.collector, "collector-1");
    assert_true(s->ack.received_us > 0 && s->ack.sent_us >= s->ack.received_us);

    const journal_entry *e = NULL;
    wire_span lent;
    assert_true(r->source.get(r->source.context, 2, &e, &lent));
    assert_int_equal(e->kind, ENTRY_BATCH);
    assert_int_equal(e->n_items, 10);
    assert_int_equal(e->n_events, 10);
    assert_int_equal(e->chain_after, batch_chain_after(&p));
    assert_int_equal(e->max_us - e->min_us, 9000);
    assert_int_equal(e->last_us, e->max_us);
    assert_true(e->max_us <= e->received_us);
    assert_string_equal(e->tenant, "tenant");
    assert_int_equal(lent.n, s->body_bytes);
    assert_memory_equal(lent.data, body, lent.n);
    assert_false(r->source.get(r->source.context, rig_last(r) + 1, &e, &lent));
    free(body);
    submission_free(s);
}

static void test_journal_when_batches_need_each_row_then_answers_as_the_table_says(void **state) {
    rig *r = *state;
    rig_open(r);
    batch_plan p = batch_plan_first(10), q = batch_plan_next(&p, 10);
    batch_plan early = q;
    early.low = 1;
    wire_ack ack = rig_send(r, &early);
    assert_int_equal(ack.status, WIRE_STATUS_REWIND);
    assert_int_equal(ack.next_seq, 1);
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    assert_int_equal(rig_send(r, &q).agreed_through, 20);

    batch_plan old = {
        .stream = 1, .installation = 2, .first_seq = 1, .last_seq = 4, .low = 1, .step_us = 1000};
    assert_int_equal(rig_send(r, &old).agreed_through, 4); /* inside an entry: its body is read back */
    batch_plan apart = batch_plan_next(&old, 12);
    apart.low = 1;
    apart.salt = 1;
    ack = rig_send(r, &apart);
    assert_int_equal(ack.status, WIRE_STATUS_FORK);
    assert_int_equal(ack.agreed_through, 4);
    apart.chain ^= 1;
    ack = rig_send(r, &apart);
    assert_int_equal(ack.status, WIRE_STATUS_REWIND);
    assert_int_equal(ack.next_seq, 1);

    batch_plan gap = batch_plan_next(&q, 5);
    gap.first_seq = gap.low = 24;
    ack = rig_send(r, &gap);
    assert_int_equal(ack.status, WIRE_STATUS_OK);
    assert_int_equal(rig_entry(r, rig_last(r)).gap_first, 21);
}

static void test_journal_when_numbers_cannot_be_then_refused(void **state) {
    rig *r = *state;
    rig_open(r);
    batch_plan p = batch_plan_first(3);
    submission *s = submission_make(&p);
    s->facts.last_seq = 77;
    rig_submit(r, s);
    s = rig_answer(r);
    assert_int_equal(s->http_status, 400);
    assert_int_equal(s->ack.status, WIRE_STATUS_REFUSED);
    submission_free(s);
}

static void test_journal_when_many_come_at_once_then_they_share_a_sync(void **state) {
    rig *r = *state;
    rig_open(r);
    enum { STREAMS = 200 };
    submission *all[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        batch_plan p = batch_plan_first(5);
        p.stream = (uint8_t)i;
        all[i] = submission_make(&p);
    }
    int64_t before = metric_get(METRIC_JOURNAL_COMMITS, 0);
    for (int i = 0; i < STREAMS; i++)
        rig_submit(r, all[i]);
    for (int i = 0; i < STREAMS; i++) {
        submission *s = rig_answer(r);
        assert_non_null(s);
        assert_int_equal(s->ack.status, WIRE_STATUS_OK);
        submission_free(s);
    }
    assert_in_range(metric_get(METRIC_JOURNAL_COMMITS, 0) - before, 1, STREAMS / 4);
    int64_t received_us = 0;
    for (uint64_t position = 1; position <= rig_last(r); position++) {
        journal_entry e = rig_entry(r, position);
        assert_true(e.received_us >= received_us);
        received_us = e.received_us;
    }
}

/* One stream twice in one transaction: the second must see the first. */
static void test_journal_when_a_stream_comes_twice_in_a_group_then_the_second_sees_the_first(void **state) {
    rig *r = *state;
    rig_open(r);
    batch_plan p = batch_plan_first(5), q = batch_plan_next(&p, 5);
    q.low = 1;
    const batch_plan *order[] = {&p, &p, &q, &p, &q};
    for (size_t i = 0; i < 5; i++)
        rig_submit(r, submission_make(order[i]));
    for (size_t i = 0; i < 5; i++) {
        submission *s = rig_answer(r);
        assert_int_equal(s->ack.status, WIRE_STATUS_OK);
        assert_int_equal(s->ack.agreed_through, order[i]->last_seq);
        submission_free(s);
    }
    ledger total;
    assert_int_equal(journal_ledger_total(r->j, &total), JOURNAL_OK);
    assert_int_equal(total.delivered, 10);
    assert_int_equal(total.duplicates, 15);
}

/* ---- starts ------------------------------------------------------------------------------------- */

static void test_journal_when_reopened_then_goes_on_where_it_was(void **state) {
    rig *r = *state;
    rig_open(r);
    batch_plan p = batch_plan_first(10), q = batch_plan_next(&p, 3);
    q.low = 1;
    uint8_t id_1[16], id_2[16];
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    journal_start_id(r->j, id_1);
    journal_entry before = rig_entry(r, rig_last(r));
    rig_close(r);
    rig_open(r);
    journal_start_id(r->j, id_2);
    assert_memory_not_equal(id_1, id_2, sizeof id_1);
    uint64_t start_at = r->source.last_start(r->source.context);
    assert_true(start_at > before.position);
    journal_entry start = rig_entry(r, start_at);
    assert_int_equal(start.kind, ENTRY_START);
    assert_memory_equal(start.start_id, id_2, sizeof id_2);
    assert_int_equal(start.prev_position, 1);
    assert_true(start.received_us >= before.received_us);
    assert_int_equal(rig_send(r, &p).agreed_through, 10);
    assert_int_equal(rig_send(r, &q).agreed_through, 13);
    ledger total;
    assert_int_equal(journal_ledger_total(r->j, &total), JOURNAL_OK);
    assert_int_equal(total.delivered, 13);
    assert_int_equal(total.duplicates, 10);
    assert_true(ledger_balances(&total));
}

/* Changes one bit of every copy of these bytes that lies in the file. */
static void file_damage(const rig *r, const void *bytes_ptr, size_t n, size_t offset) {
    char path[128];
    snprintf(path, sizeof path, "%s/journal.mdb", r->dir);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    off_t bytes = lseek(fd, 0, SEEK_END);
    uint8_t *file = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(file != MAP_FAILED);
    uint8_t *at = memmem(file, (size_t)bytes, bytes_ptr, n);
    assert_non_null(at);
    for (; at != NULL; at = memmem(file, (size_t)bytes, bytes_ptr, n))
        at[offset] ^= 4;
    munmap(file, (size_t)bytes);
    close(fd);
}

static void test_journal_when_its_end_is_damaged_then_it_is_not_opened(void **state) {
    rig *r = *state;
    rig_open(r);
    batch_plan p = batch_plan_first(10);
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    rig_close(r);
    submission *s = submission_make(&p);
    file_damage(r, s->body, s->body_bytes, s->body_bytes / 2);
    submission_free(s);
    journal *j = NULL;
    void *zmq = r->opt.zmq = zmq_ctx_new();
    assert_int_equal(journal_open(&r->opt, &j), JOURNAL_ERR_CORRUPT);
    zmq_ctx_term(zmq);
}

static void test_journal_when_another_holds_the_directory_then_busy(void **state) {
    rig *r = *state;
    rig_open(r);
    journal *second = NULL;
    assert_int_equal(journal_open(&r->opt, &second), JOURNAL_ERR_BUSY);
    assert_null(second);
}

static void test_journal_when_stopped_then_what_is_queued_is_answered_first(void **state) {
    rig *r = *state;
    rig_open(r);
    for (int i = 0; i < 50; i++) {
        batch_plan p = batch_plan_first(3);
        p.stream = (uint8_t)i;
        rig_submit(r, submission_make(&p));
    }
    journal_stop(r->j);
    for (int i = 0; i < 50; i++) {
        submission *s = rig_answer(r);
        assert_non_null(s);
        assert_int_equal(s->ack.status, WIRE_STATUS_OK);
        submission_free(s);
    }
}

/* ---- batches without end ------------------------------------------------------------------------ */

static batch_plan plan_large(uint8_t stream, uint32_t padding_bytes) {
    batch_plan p = batch_plan_first(20);
    p.stream = stream;
    p.padding_bytes = padding_bytes;
    return p;
}

/* Sends until one is told to come back: that one is in `p` then. */
static wire_ack fill(rig *r, batch_plan *p) {
    wire_ack ack;
    for (int i = 0; i < 400 && (ack = rig_send(r, p)).status == WIRE_STATUS_OK; i++)
        *p = batch_plan_next(p, 20);
    assert_int_equal(ack.status, WIRE_STATUS_RETRY);
    return ack;
}

/* ---- ticks -------------------------------------------------------------------------------------- */

static bool clock_has_passed(rig *r, uint64_t received_us) {
    return rig_entry(r, rig_last(r)).received_us >= (int64_t)received_us;
}

static void test_journal_when_events_wait_in_a_window_then_ticks_until_it_has_passed(void **state) {
    rig *r = *state;
    rig_open(r);
    batch_plan p = batch_plan_first(10);
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    int64_t newest_us = rig_entry(r, 2).max_us;
    rig_until(clock_has_passed, r, (uint64_t)(newest_us + r->opt.window_max_us));
    uint64_t last = rig_last(r);
    assert_int_equal(rig_entry(r, last).kind, ENTRY_TICK);
    journal_stop(r->j);
    assert_int_equal(rig_last(r), last);
}

static void test_journal_when_full_and_devices_keep_coming_then_still_ticks(void **state) {
    rig *r = *state;
    r->opt.max_bytes = 4u << 20;
    r->opt.commit_delay_us = 0;
    r->opt.window_max_us = INT64_C(3600000000);
    rig_open(r);
    batch_plan p = plan_large(1, 2000);
    fill(r, &p);
    uint64_t last = rig_last(r);
    while (rig_last(r) < last + 2) /* the test's own time limit ends it */
        assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_RETRY);
    assert_int_equal(rig_entry(r, last + 1).kind, ENTRY_TICK);
}

/* ---- the wall clock ----------------------------------------------------------------------------- */

static _Atomic int64_t wall_ahead_us;

int64_t __real_base_wall_us(void);
int64_t __wrap_base_wall_us(void);
int64_t __wrap_base_wall_us(void) { return __real_base_wall_us() + wall_ahead_us; }

static bool is_ready(rig *r, uint64_t expected) {
    struct text out;
    (void)r;
    text_init_growing(&out, 4096);
    bool ready = ready_check(&out);
    text_fini(&out);
    return ready == (expected != 0);
}

static void test_journal_when_the_clock_steps_while_idle_then_not_ready(void **state) {
    rig *r = *state;
    r->opt.window_max_us = 0; /* nothing to tick for */
    rig_open(r);
    assert_true(is_ready(r, true));
    wall_ahead_us = INT64_C(3600000000);
    rig_until(is_ready, r, false);
    wall_ahead_us = 0;
    rig_until(is_ready, r, true);
}

/* ---- space -------------------------------------------------------------------------------------- */

static bool first_is_at_least(rig *r, uint64_t position) { return rig_first(r) >= position; }

static void test_journal_when_sinks_confirm_then_trimmed_below_the_least(void **state) {
    rig *r = *state;
    r->opt.n_sinks = 2;
    rig_open(r);
    batch_plan p = batch_plan_first(3);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
        p = batch_plan_next(&p, 3);
    }
    journal_confirm(r->j, 0, 15); /* the other has said nothing yet */
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    assert_int_equal(rig_first(r), 1);
    journal_confirm(r->j, 1, 9);
    rig_until(first_is_at_least, r, 9);
    p = batch_plan_next(&p, 3);
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    assert_int_equal(rig_first(r), 9);

    batch_plan old = batch_plan_first(3); /* trimmed: it cannot be compared any more */
    assert_int_equal(rig_send(r, &old).status, WIRE_STATUS_UNVERIFIED);
    rig_close(r);
    rig_open(r);
    assert_int_equal(rig_first(r), 9);
}

static void test_journal_when_kept_then_confirmed_entries_stay(void **state) {
    rig *r = *state;
    r->opt.keep_us = UINT64_C(3600000000);
    r->opt.keep_bytes = 32u << 20;
    rig_open(r);
    batch_plan p = batch_plan_first(3);
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    journal_confirm(r->j, 0, 1000);
    batch_plan q = batch_plan_next(&p, 3);
    assert_int_equal(rig_send(r, &q).status, WIRE_STATUS_OK);
    assert_int_equal(rig_first(r), 1);
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK); /* and can be compared */
}

static void test_journal_when_full_then_retry_until_it_is_trimmed(void **state) {
    rig *r = *state;
    r->opt.max_bytes = 4u << 20;
    r->opt.commit_delay_us = 0;
    rig_open(r);
    batch_plan p = plan_large(1, 2000);
    wire_ack ack = fill(r, &p);
    assert_true(ack.retry_after_ms > 0);
    journal_confirm(r->j, 0, rig_last(r));
    do
        ack = rig_send(r, &p);
    while (ack.status == WIRE_STATUS_RETRY);
    assert_int_equal(ack.status, WIRE_STATUS_OK);
    rig_close(r);
    rig_open(r);
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK); /* a duplicate by now */
}

/* The database has no room in one piece, long before the watermark, and never a moment without a group. */
static void test_journal_when_a_group_does_not_fit_then_trimmed_without_it(void **state) {
    const struct timespec pace = {.tv_nsec = 20000000};
    rig *r = *state;
    r->opt.max_bytes = 4u << 20;
    r->opt.high_watermark = 0.99;
    r->opt.window_max_us = 0; /* nor a tick, which would trim too */
    r->opt.commit_delay_us = 0;
    rig_open(r);
    batch_plan p = plan_large(1, 4000);
    wire_ack ack = fill(r, &p);
    journal_confirm(r->j, 0, rig_last(r));
    for (int i = 0; i < 50 && ack.status == WIRE_STATUS_RETRY; i++) {
        nanosleep(&pace, NULL);
        ack = rig_send(r, &p);
    }
    assert_int_equal(ack.status, WIRE_STATUS_OK);
}

static void test_journal_when_its_oldest_entry_is_damaged_then_goes_on_untrimmed(void **state) {
    rig *r = *state;
    rig_open(r);
    batch_plan p = batch_plan_first(3);
    for (int i = 0; i < 80; i++, p = batch_plan_next(&p, 3)) /* beyond what is verified at the start */
        assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    journal_entry oldest = rig_entry(r, 1);
    rig_close(r);
    file_damage(r, &oldest, sizeof oldest, offsetof(journal_entry, position));
    rig_open(r);
    assert_true(is_ready(r, true));
    journal_confirm(r->j, 0, rig_last(r));
    for (int i = 0; i < 3; i++, p = batch_plan_next(&p, 3))
        assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    assert_int_equal(rig_first(r), 1);
    assert_true(is_ready(r, false));
}

/* Writes until a commit fails, since the kernel refuses to grow the file. */
static void commit_fail(rig *r, batch_plan *p) {
    struct rlimit saved, tight = {0};
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &saved);
    tight.rlim_max = saved.rlim_max;
    tight.rlim_cur = 512u << 10;
    setrlimit(RLIMIT_FSIZE, &tight);
    fill(r, p);
    setrlimit(RLIMIT_FSIZE, &saved);
}

/* A reader keeps the first entry while a commit fails. */
static const journal_entry *reader_hang(rig *r, batch_plan *p) {
    const journal_entry *e;
    wire_span body;
    r->opt.commit_delay_us = 0;
    rig_open(r);
    assert_int_equal(rig_send(r, p).status, WIRE_STATUS_OK);
    assert_true(r->source.get(r->source.context, 1, &e, &body));
    commit_fail(r, p);
    return e;
}

/* A sink that hangs with a snapshot in its hands: the database cannot be closed, and the devices hear so. */
static void test_journal_when_a_reader_hangs_then_a_failure_still_answers(void **state) {
    rig *r = *state;
    batch_plan p = plan_large(1, 2000);
    const journal_entry *e = reader_hang(r, &p);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_RETRY);
    assert_int_equal(e->kind, ENTRY_START); /* what was lent is still there */
    r->source.release(r->source.context);
    wire_ack ack;
    while ((ack = rig_send(r, &p)).status == WIRE_STATUS_RETRY)
        continue;
    assert_int_equal(ack.agreed_through, p.last_seq);
}

static void test_journal_when_a_reader_hangs_then_a_stop_does_not_wait(void **state) {
    rig *r = *state;
    batch_plan p = plan_large(1, 2000);
    (void)reader_hang(r, &p);
    rig_submit(r, submission_make(&p));
    journal_stop(r->j);
    submission *s = rig_answer(r);
    assert_int_equal(s->ack.status, WIRE_STATUS_RETRY);
    submission_free(s);
}

/* The kernel refuses to grow the file in the middle of a commit: nothing of it is acknowledged, the journal
 * opens the file anew and goes on by itself. */
static void test_journal_when_a_commit_fails_then_retry_and_nothing_acknowledged_is_lost(void **state) {
    rig *r = *state;
    r->opt.commit_delay_us = 0;
    rig_open(r);
    batch_plan p = plan_large(1, 2000), next = p;
    commit_fail(r, &next);
    wire_ack ack;
    while ((ack = rig_send(r, &next)).status == WIRE_STATUS_RETRY)
        continue;
    assert_true(metric_get(METRIC_JOURNAL_FAILURES, 0) > 0);
    assert_int_equal(ack.agreed_through, next.last_seq);
    assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    ledger total;
    assert_int_equal(journal_ledger_total(r->j, &total), JOURNAL_OK);
    assert_int_equal(total.delivered, next.last_seq);
}

/* ---- ledger ------------------------------------------------------------------------------------- */

static void test_journal_when_streams_have_fates_then_the_ledger_balances_by_installation(void **state) {
    rig *r = *state;
    rig_open(r);
    for (uint8_t i = 1; i <= 7; i++) {
        batch_plan p = batch_plan_first(10);
        p.stream = i;
        p.installation = (uint8_t)(i % 3);
        p.dropped_first = 2;
        p.dropped_last = 3;
        p.resent_through = 4;
        assert_int_equal(rig_send(r, &p).status, WIRE_STATUS_OK);
    }
    ledger total, sum = {0};
    assert_int_equal(journal_ledger_total(r->j, &total), JOURNAL_OK);
    assert_true(ledger_balances(&total));
    assert_int_equal(total.numbers, 70);
    assert_int_equal(total.dropped[1], 14);
    assert_int_equal(total.resent, 14);
    assert_int_equal(total.streams, 7);

    ledger_row after = {.sums = {0}}, rows[2];
    size_t n = 0, installations = 0;
    do {
        assert_int_equal(journal_ledger_page(r->j, &after, 2, rows, &n), JOURNAL_OK);
        for (size_t i = 0; i < n; i++) {
            assert_true(ledger_balances(&rows[i].sums));
            ledger_add(&sum, &rows[i].sums);
            after = rows[i];
        }
        installations += n;
    } while (n == 2);
    assert_int_equal(installations, 3);
    assert_memory_equal(&sum, &total, sizeof sum);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_journal_when_a_batch_is_acknowledged_then_its_entry_can_be_read),
        TEST(test_journal_when_batches_need_each_row_then_answers_as_the_table_says),
        TEST(test_journal_when_numbers_cannot_be_then_refused),
        TEST(test_journal_when_many_come_at_once_then_they_share_a_sync),
        TEST(test_journal_when_a_stream_comes_twice_in_a_group_then_the_second_sees_the_first),
        TEST(test_journal_when_reopened_then_goes_on_where_it_was),
        TEST(test_journal_when_its_end_is_damaged_then_it_is_not_opened),
        TEST(test_journal_when_another_holds_the_directory_then_busy),
        TEST(test_journal_when_stopped_then_what_is_queued_is_answered_first),
        TEST(test_journal_when_events_wait_in_a_window_then_ticks_until_it_has_passed),
        TEST(test_journal_when_full_and_devices_keep_coming_then_still_ticks),
        TEST(test_journal_when_the_clock_steps_while_idle_then_not_ready),
        TEST(test_journal_when_sinks_confirm_then_trimmed_below_the_least),
        TEST(test_journal_when_kept_then_confirmed_entries_stay),
        TEST(test_journal_when_full_then_retry_until_it_is_trimmed),
        TEST(test_journal_when_a_group_does_not_fit_then_trimmed_without_it),
        TEST(test_journal_when_its_oldest_entry_is_damaged_then_goes_on_untrimmed),
        TEST(test_journal_when_a_reader_hangs_then_a_failure_still_answers),
        TEST(test_journal_when_a_reader_hangs_then_a_stop_does_not_wait),
        TEST(test_journal_when_a_commit_fails_then_retry_and_nothing_acknowledged_is_lost),
        TEST(test_journal_when_streams_have_fates_then_the_ledger_balances_by_installation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

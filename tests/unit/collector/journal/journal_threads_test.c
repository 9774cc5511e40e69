/* A sink reads while the writer appends and trims; what is confirmed goes, what is not stays readable. */
#include "journal_rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ready.h"

enum { STREAMS = 8, ROUNDS = 60, LAG = 10 };

typedef struct sink {
    rig *r;
    _Atomic bool done; /* nothing more will come */
    uint64_t numbers;  /* seen */
    bool in_order;
    pthread_t thread;
} sink;

/* Reads every position once, from the first on, and confirms all but the last few. */
static void *sink_main(void *context) {
    sink *s = context;
    uint64_t next = 1;
    int64_t received_us = 0;
    s->in_order = true;
    for (;;) {
        bool done = atomic_load(&s->done);
        const journal_entry *e;
        wire_span body;
        if (!s->r->source.get(s->r->source.context, next, &e, &body)) {
            s->r->source.release(s->r->source.context);
            if (done)
                return NULL;
            continue;
        }
        s->in_order &= e->position == next && e->received_us >= received_us && body.n == e->body_bytes;
        received_us = e->received_us;
        s->numbers += e->n_items;
        next++;
        if (next > LAG)
            journal_confirm(s->r->j, 0, next - LAG);
    }
}

static void test_journal_when_read_while_it_is_written_and_trimmed_then_complete(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    r.opt.max_bytes = 8u << 20;
    rig_open(&r);
    sink s = {.r = &r};
    assert_int_equal(pthread_create(&s.thread, NULL, sink_main, &s), 0);
    batch_plan plans[STREAMS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < STREAMS; i++) {
            batch_plan *p = &plans[i];
            uint64_t chain = round > 0 ? batch_chain_after(p) : 0, first = (uint64_t)round * 10 + 1;
            *p = (batch_plan){.stream = (uint8_t)i, .first_seq = first, .low = first, .step_us = 1};
            p->last_seq = first + 9;
            p->chain = chain;
            p->padding_bytes = 500;
            rig_submit(&r, submission_make(p));
        }
        for (int i = 0; i < STREAMS; i++) {
            submission *a = rig_answer(&r);
            assert_non_null(a);
            assert_int_equal(a->ack.status, WIRE_STATUS_OK);
            submission_free(a);
        }
    }
    atomic_store(&s.done, true);
    pthread_join(s.thread, NULL);
    assert_true(s.in_order);
    assert_int_equal(s.numbers, STREAMS * ROUNDS * 10);
    assert_true(rig_first(&r) > 1);
    ledger total;
    assert_int_equal(journal_ledger_total(r.j, &total), JOURNAL_OK);
    assert_int_equal(total.delivered, STREAMS * ROUNDS * 10);
    rig_fini(&r);
    ready_reset();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_when_read_while_it_is_written_and_trimmed_then_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

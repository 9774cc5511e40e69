/* The chain at earlier numbers, walked out of entries, against a plain list of all of them. */
#include "history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "make_batch.h"

enum { ENTRIES_MAX = 2000, NUMBERS_MAX = 20000 };

/* A journal with one stream, every second position somebody else's. */
static struct {
    journal_entry entries[2 * ENTRIES_MAX + 2];
    submission *bodies[2 * ENTRIES_MAX + 2];
    uint64_t first, last; /* positions kept */
    dedup_state state;
    bool known[NUMBERS_MAX];
    uint64_t chains[NUMBERS_MAX];
    uint32_t reads, opened;
    uint64_t at; /* read last: a body is read after its header */
} fake;

static bool fake_get(void *context, uint64_t position, journal_entry *ret_entry, wire_span *ret_body) {
    (void)context;
    fake.reads++;
    fake.opened += position == fake.at;
    fake.at = position;
    if (position < fake.first || position > fake.last)
        return false;
    *ret_entry = fake.entries[position];
    const submission *s = fake.bodies[position];
    *ret_body = s != NULL ? (wire_span){s->body, s->body_bytes} : (wire_span){NULL, 0};
    return true;
}

static void seed_random(unsigned seed) {
    print_message("seed %u\n", seed);
    srand(seed);
}

static void fake_reset(void) {
    for (size_t i = 0; i < sizeof fake.bodies / sizeof fake.bodies[0]; i++)
        if (fake.bodies[i] != NULL)
            submission_free(fake.bodies[i]);
    memset(&fake, 0, sizeof fake);
    fake.first = 1;
}

/* Appends numbers first … last of the stream, as the journal does, `skip` of them known before. */
static void fake_append(uint64_t first, uint64_t last, uint32_t skip, bool gap) {
    uint64_t position = fake.last += 2;
    batch_plan plan = {.stream = 1, .first_seq = first, .last_seq = last, .low = 1, .step_us = 1};
    plan.chain = gap ? 12345 : fake.chains[first - 1];
    submission *s = submission_make(&plan);
    journal_entry *e = &fake.entries[position];
    *e = (journal_entry){.position = position, .kind = ENTRY_BATCH, .skip = skip, .first_seq = first + skip};
    memcpy(e->stream, s->facts.stream, sizeof e->stream);
    e->n_items = s->facts.n_items - skip;
    e->prev_position = fake.state.last_position;
    e->mile_position = fake.state.mile_position;
    e->raw_bytes = s->facts.raw_bytes;
    uint64_t chain = fake.chains[first - 1] = plan.chain;
    fake.known[first - 1] = true;
    for (uint64_t seq = first; seq <= last; seq++) {
        if (seq == e->first_seq)
            e->chain_before = chain;
        fake.chains[seq] = chain = wire_chain(chain, s->items[seq - first].crc);
        fake.known[seq] = true;
    }
    e->chain_after = chain;
    fake.bodies[position] = s;
    fake.state.last_position = position;
    if (fake.state.entries++ % DEDUP_MILE == 0)
        fake.state.mile_position = position;
    fake.state.next_seq = last + 1;
    fake.state.chain = chain;
}

static void fake_fill(uint32_t entries, uint32_t numbers_max) {
    for (uint32_t i = 0; i < entries; i++) {
        bool gap = i > 0 && rand() % 50 == 0;
        uint64_t first = (i == 0 ? 1 : fake.state.next_seq) + (gap ? 1 + (uint64_t)rand() % 5 : 0);
        uint32_t skip = !gap && i > 0 && rand() % 3 == 0 ? (uint32_t)rand() % 3 : 0;
        if (skip >= first)
            skip = 0;
        for (uint32_t k = 1; k <= skip + 1; k++) /* a batch over a gap would not be one lineage */
            skip = fake.known[first - k] ? skip : 0;
        fake_append(first - skip, first + (uint64_t)rand() % numbers_max, skip, gap);
    }
}

/* Cuts the front off; what the oracle may know shrinks with it. */
static void fake_trim(uint64_t first) {
    fake.first = first;
    while (fake.first <= fake.last && fake.entries[first].kind != ENTRY_BATCH)
        first++;
    for (uint64_t seq = 0; seq + 1 < fake.entries[first].first_seq; seq++)
        fake.known[seq] = false;
}

static void assert_history(history *h, uint64_t from, uint64_t through) {
    dedup_history past = history_of(h, &fake.state);
    for (uint64_t seq = through + 1; seq-- > from;) {
        uint64_t chain = 0;
        assert_int_equal(past.chain_at(past.context, seq, &chain), fake.known[seq]);
        if (fake.known[seq])
            assert_int_equal(chain, fake.chains[seq]);
    }
}

static void test_history_when_walked_then_every_number_is_as_it_was(void **unused) {
    (void)unused;
    seed_random(5);
    for (int run = 0; run < 20; run++) {
        fake_reset();
        fake_fill(100 + (uint32_t)rand() % 200, 1 + (uint32_t)rand() % 12);
        if (run % 2 == 1)
            fake_trim(2 + 2 * ((uint64_t)rand() % 90));
        history *h = history_new(fake_get, NULL);
        uint64_t last = fake.state.next_seq - 1;
        for (int i = 0; i < 20; i++) {
            uint64_t through = (uint64_t)rand() % (last + 1), from = through > 30 ? through - 30 : 0;
            assert_history(h, from, through);
        }
        history_free(h);
    }
    fake_reset();
}

static void test_history_when_far_back_then_milestones_shorten_the_way(void **unused) {
    (void)unused;
    seed_random(6);
    fake_reset();
    fake_fill(ENTRIES_MAX, 2);
    history *h = history_new(fake_get, NULL);
    fake.reads = 0;
    assert_history(h, 5, 5);
    assert_in_range(fake.reads, 1, 3 * DEDUP_MILE);
    history_free(h);
    fake_reset();
}

static void test_history_when_a_body_is_damaged_then_not_known(void **unused) {
    (void)unused;
    fake_reset();
    fake_append(1, 10, 0, false);
    fake.bodies[2]->body[fake.bodies[2]->body_bytes - 1] ^= 1; /* in the padding of the last event */
    history *h = history_new(fake_get, NULL);
    dedup_history past = history_of(h, &fake.state);
    uint64_t chain;
    assert_false(past.chain_at(past.context, 5, &chain));
    assert_true(past.chain_at(past.context, 0, &chain));
    history_free(h);
    fake_reset();
}

static uint32_t interiors_known(history *h, uint64_t last) {
    dedup_history past = history_of(h, &fake.state);
    uint32_t known = 0;
    for (uint64_t seq = last - 1, chain; seq > 0 && seq < last; seq -= 3)
        known += past.chain_at(past.context, seq, &chain);
    return known;
}

static void test_history_when_bodies_are_large_then_few_are_opened(void **unused) {
    (void)unused;
    fake_reset();
    for (uint64_t first = 1; first < 300; first += 3)
        fake_append(first, first + 2, 0, false);
    history *h = history_new(fake_get, NULL);
    assert_int_equal(interiors_known(h, 300), 100);
    for (uint64_t position = 1; position <= fake.last; position++)
        fake.entries[position].raw_bytes = 4u << 20;
    assert_in_range(interiors_known(h, 300), 4, 8);
    for (uint64_t position = 1; position <= fake.last; position++)
        fake.entries[position].raw_bytes = 64u << 20;
    assert_int_equal(interiors_known(h, 300), 1); /* one always, or such batches could never be compared */
    history_free(h);
    fake_reset();
}

/* A twin with the same numbers 1 … 449, and others up to the end of a long overlap. */
static void
test_history_when_a_twin_went_apart_long_ago_then_only_bodies_at_the_ends_are_opened(void **unused) {
    (void)unused;
    fake_reset();
    for (uint64_t first = 1; first < 3000; first += 3)
        fake_append(first, first + 2, 0, false);
    batch_plan plan = {.stream = 1, .first_seq = 449, .last_seq = 2999, .low = 1, .step_us = 1};
    for (uint32_t salt = 0; salt <= 1; salt++) {
        plan.first_seq += salt; /* before it: inside an entry, and at the end of one */
        plan.chain = fake.chains[plan.first_seq - 1];
        plan.salt = 1;
        submission *s = submission_make(&plan);
        history *h = history_new(fake_get, NULL);
        dedup_history past = history_of(h, &fake.state);
        dedup_decision d;
        fake.opened = 0;
        dedup_decide(&fake.state, &s->facts, s->items, &past, &d);
        assert_int_equal(d.status, WIRE_STATUS_FORK);
        assert_int_equal(d.agreed_through, plan.first_seq - 1);
        assert_in_range(fake.opened, 1, 4);
        submission_free(s);
        history_free(h);
    }
    fake_reset();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history_when_walked_then_every_number_is_as_it_was),
        cmocka_unit_test(test_history_when_far_back_then_milestones_shorten_the_way),
        cmocka_unit_test(test_history_when_a_body_is_damaged_then_not_known),
        cmocka_unit_test(test_history_when_bodies_are_large_then_few_are_opened),
        cmocka_unit_test(
            test_history_when_a_twin_went_apart_long_ago_then_only_bodies_at_the_ends_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

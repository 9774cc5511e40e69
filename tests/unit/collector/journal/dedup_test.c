/* Every row of the dedup table, and every clause of a row. */
#include "dedup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { NUMBERS = 64 };

/* The numbers 1 … 39 of a stream as the journal has them; `salt` from `split` on tells two lineages apart. */
typedef struct lineage {
    uint32_t crcs[NUMBERS];
    uint64_t chains[NUMBERS]; /* after each number; [0] before the first */
} lineage;

static lineage lineage_make(uint32_t split, uint32_t salt) {
    lineage l = {.chains = {0}};
    for (uint32_t i = 1; i < NUMBERS; i++) {
        l.crcs[i] = i * 2654435761u + (i >= split ? salt : 0);
        l.chains[i] = wire_chain(l.chains[i - 1], l.crcs[i]);
    }
    return l;
}

/* What the journal still knows: numbers from `known_from` on, but for a hole. */
typedef struct journal_past {
    const lineage *l;
    uint64_t known_from, hole_first, hole_last;
    uint32_t asked;
} journal_past;

static bool chain_at(void *context, uint64_t seq, uint64_t *ret_chain) {
    journal_past *past = context;
    past->asked++;
    if (seq < past->known_from || (seq >= past->hole_first && seq <= past->hole_last))
        return false;
    *ret_chain = past->l->chains[seq];
    return true;
}

typedef struct request {
    batch_facts facts;
    wire_item items[NUMBERS];
} request;

static request request_make(const lineage *l, uint64_t first, uint64_t last, uint64_t low) {
    request r = {.facts = {.first_seq = first, .last_seq = last, .low = low}};
    r.facts.n_items = r.facts.n_events = (uint32_t)(last - first + 1);
    r.facts.chain = l->chains[first - 1];
    r.facts.chain_after = l->chains[last];
    for (uint64_t seq = first; seq <= last; seq++)
        r.items[seq - first].crc = l->crcs[seq];
    return r;
}

static dedup_state state_at(const lineage *l, uint64_t next) {
    dedup_state s = {.next_seq = next, .chain = l->chains[next - 1], .last_position = 7, .last_us = 50};
    s.sums.numbers = s.sums.delivered = next - 1;
    return s;
}

static dedup_decision decide(const dedup_state *state, const request *r, journal_past *past) {
    dedup_history history = {.chain_at = chain_at, .context = past};
    dedup_decision d;
    dedup_decide(state, &r->facts, r->items, &history, &d);
    return d;
}

static void assert_answer(dedup_decision d, wire_status status, uint64_t number) {
    assert_int_equal(d.status, status);
    bool by_next = status == WIRE_STATUS_REWIND || status == WIRE_STATUS_UNVERIFIED;
    assert_int_equal(by_next ? d.next_seq : d.agreed_through, number);
    if (status != WIRE_STATUS_OK)
        assert_int_equal(d.n_new, 0);
}

/* ---- row 1: first_seq > max(next_seq, low) ------------------------------------------------------- */

static void test_dedup_when_a_batch_is_ahead_then_rewinds_to_the_greater_of_next_and_low(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 0, 1, 0, 0};
    dedup_state known = state_at(&l, 10), unknown = {0};
    request r = request_make(&l, 12, 14, 3);
    assert_answer(decide(&known, &r, &past), WIRE_STATUS_REWIND, 10);
    r = request_make(&l, 15, 17, 13);
    assert_answer(decide(&known, &r, &past), WIRE_STATUS_REWIND, 13);
    assert_answer(decide(&unknown, &r, &past), WIRE_STATUS_REWIND, 13);
    assert_int_equal(past.asked, 0);
}

/* ---- row 2: first_seq == low > next_seq ---------------------------------------------------------- */

static void test_dedup_when_an_unknown_stream_begins_at_low_then_starts_there(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 0, 1, 0, 0};
    dedup_state s = {0};
    request r = request_make(&l, 5, 8, 5);
    dedup_decision d = decide(&s, &r, &past);
    assert_answer(d, WIRE_STATUS_OK, 8);
    assert_int_equal(d.n_new, 4);
    assert_int_equal(d.gap_first, 0);
    assert_true(dedup_apply(&s, &r.facts, r.items, &d, 9, 100));
    assert_int_equal(s.next_seq, 9);
    assert_int_equal(s.sums.numbers, 4);
    assert_int_equal(s.sums.streams, 1);
    assert_int_equal(s.chain, l.chains[8]);
}

static void test_dedup_when_a_known_stream_goes_on_above_then_records_the_gap(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 0, 1, 0, 0};
    dedup_state s = state_at(&l, 10);
    request r = request_make(&l, 13, 14, 13);
    dedup_decision d = decide(&s, &r, &past);
    assert_answer(d, WIRE_STATUS_OK, 14);
    assert_int_equal(d.gap_first, 10);
    assert_int_equal(d.n_new, 2);
    dedup_apply(&s, &r.facts, r.items, &d, 9, 100);
    assert_int_equal(s.sums.gap, 3);
    assert_int_equal(s.sums.numbers, 14);
    assert_int_equal(s.sums.delivered, 11);
    assert_true(ledger_balances(&s.sums));
}

/* ---- row 3: comparing --------------------------------------------------------------------------- */

static void test_dedup_when_the_batch_follows_directly_then_appends_without_the_journal(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 0, 1, 0, 0};
    dedup_state s = state_at(&l, 10);
    request r = request_make(&l, 10, 12, 4);
    dedup_decision d = decide(&s, &r, &past);
    assert_answer(d, WIRE_STATUS_OK, 12);
    assert_int_equal(d.known, 0);
    assert_int_equal(d.n_new, 3);
    r = request_make(&l, 7, 12, 4);
    d = decide(&s, &r, &past);
    assert_answer(d, WIRE_STATUS_OK, 12);
    assert_int_equal(d.known, 3);
    assert_int_equal(d.n_new, 3);
    assert_int_equal(past.asked, 0);
}

static void test_dedup_when_a_duplicate_is_known_then_agrees_and_appends_nothing(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 0, 1, 0, 0};
    dedup_state s = state_at(&l, 10), before = s;
    request r = request_make(&l, 4, 6, 4);
    dedup_decision d = decide(&s, &r, &past);
    assert_answer(d, WIRE_STATUS_OK, 6);
    assert_int_equal(d.n_new, 0);
    assert_true(dedup_apply(&s, &r.facts, r.items, &d, 99, 999));
    assert_int_equal(s.sums.duplicates, 3);
    assert_int_equal(s.next_seq, before.next_seq);
    assert_int_equal(s.last_position, before.last_position);
    assert_int_equal(s.last_us, before.last_us);
}

/* ---- row 4: the chain before disagrees or is unknown, and first_seq > low --------------------------- */

static void test_dedup_when_the_chain_before_differs_above_low_then_rewinds_to_low(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0), other = lineage_make(3, 1);
    journal_past past = {&l, 0, 1, 0, 0};
    dedup_state s = state_at(&l, 10);
    request r = request_make(&other, 6, 12, 2);
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_REWIND, 2);
    r = request_make(&other, 10, 12, 2); /* directly behind: only the chain before can be compared */
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_REWIND, 2);
}

static void test_dedup_when_the_past_is_unknown_above_low_then_rewinds_to_low(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 9, 1, 0, 0};
    dedup_state s = state_at(&l, 10);
    request r = request_make(&l, 4, 6, 2);
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_REWIND, 2);
}

/* An agreement further up settles what the journal has let go: the chain covers all that came before. */
static void test_dedup_when_the_start_is_unknown_but_the_end_agrees_then_appends(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 9, 1, 0, 0};
    dedup_state s = state_at(&l, 10);
    request r = request_make(&l, 4, 11, 2);
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_OK, 11);
}

/* ---- row 6: one disagrees ------------------------------------------------------------------------ */

static void test_dedup_when_lineages_part_then_forks_behind_the_last_that_agrees(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    dedup_state s = state_at(&l, 20);
    for (uint32_t split = 11; split <= 18; split++) {
        lineage other = lineage_make(split, 1);
        journal_past past = {&l, 0, 1, 0, 0};
        request r = request_make(&other, 10, 18, 5);
        dedup_decision d = decide(&s, &r, &past);
        assert_answer(d, WIRE_STATUS_FORK, split - 1);
        assert_int_equal(d.known, split - 10);
        r = request_make(&other, 10, 25, 5); /* beyond the end of what is known */
        assert_answer(decide(&s, &r, &past), WIRE_STATUS_FORK, split - 1);
    }
}

static void test_dedup_when_lineages_part_at_low_then_forks_before_low(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    dedup_state s = state_at(&l, 20);
    lineage long_ago = lineage_make(3, 1), at_low = lineage_make(10, 1);
    journal_past past = {&l, 0, 1, 0, 0};
    request r = request_make(&long_ago, 10, 14, 10);
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_FORK, 9);
    r = request_make(&at_low, 10, 14, 10);
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_FORK, 9);
    r = request_make(&at_low, 20, 22, 20);
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_FORK, 19);
}

static void test_dedup_when_a_hole_was_settled_elsewhere_then_compares_around_it(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0), other = lineage_make(12, 1);
    journal_past past = {&l, 0, 10, 13, 0};
    dedup_state s = state_at(&l, 20);
    request r = request_make(&other, 8, 16, 8);
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_FORK, 9);
    r = request_make(&l, 8, 16, 8);
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_OK, 16);
}

/* ---- row 7: the end cannot be compared any more --------------------------------------------------- */

static void test_dedup_when_the_end_is_unknown_then_unverified_with_next_and_chain(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 18, 1, 0, 0};
    dedup_state s = state_at(&l, 20), before = s;
    request r = request_make(&l, 10, 14, 10);
    dedup_decision d = decide(&s, &r, &past);
    assert_answer(d, WIRE_STATUS_UNVERIFIED, 20);
    assert_int_equal(d.chain, l.chains[19]);
    assert_false(dedup_apply(&s, &r.facts, r.items, &d, 9, 9));
    assert_memory_equal(&s, &before, sizeof s);
    past = (journal_past){&l, 0, 12, 15, 0}; /* some agree, the end lies in a hole */
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_UNVERIFIED, 20);
}

/* Two that parted somewhere in what the journal has let go: a plain fork would repeat what they share and say
 * nothing about it. */
static void test_dedup_when_lineages_part_in_the_unknown_then_unverified(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0), other = lineage_make(12, 1);
    journal_past past = {&l, 14, 1, 0, 0};
    dedup_state s = state_at(&l, 20);
    request r = request_make(&other, 10, 18, 10);
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_UNVERIFIED, 20);
    past.known_from = 11; /* they part right above the last that is known to agree */
    assert_answer(decide(&s, &r, &past), WIRE_STATUS_FORK, 11);
}

/* ---- state -------------------------------------------------------------------------------------- */

static void test_dedup_when_applied_then_counts_by_fate(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 0, 1, 0, 0};
    dedup_state s = state_at(&l, 10);
    request r = request_make(&l, 8, 13, 8);
    r.items[0].flags = r.items[3].flags = r.items[4].flags = WIRE_ITEM_DROPPED;
    r.items[0].reason = r.items[3].reason = 1;
    r.items[4].reason = 200; /* of a later wire */
    r.facts.resent_through = 10;
    r.facts.pending = 17;
    r.facts.refused = 4;
    dedup_decision d = decide(&s, &r, &past);
    assert_true(dedup_apply(&s, &r.facts, r.items, &d, 30, 60));
    assert_int_equal(s.sums.delivered, 9 + 2);
    assert_int_equal(s.sums.dropped[1], 1);
    assert_int_equal(s.sums.dropped[0], 1);
    assert_int_equal(s.sums.resent, 1);
    assert_int_equal(s.sums.duplicates, 2);
    assert_int_equal(s.sums.pending, 17);
    assert_int_equal(s.sums.refused, 4);
    assert_int_equal(s.last_position, 30);
    assert_int_equal(s.last_us, 60);
    assert_true(ledger_balances(&s.sums));
}

static void test_dedup_when_an_old_batch_comes_late_then_its_announcements_are_ignored(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    journal_past past = {&l, 0, 1, 0, 0};
    dedup_state s = state_at(&l, 10);
    s.sums.pending = 3;
    request r = request_make(&l, 4, 6, 4);
    r.facts.pending = 1000;
    dedup_decision d = decide(&s, &r, &past);
    dedup_apply(&s, &r.facts, r.items, &d, 0, 0);
    assert_int_equal(s.sums.pending, 3);
}

static void test_dedup_when_numbers_cannot_be_then_not_acceptable(void **unused) {
    (void)unused;
    lineage l = lineage_make(NUMBERS, 0);
    const request good = request_make(&l, 4, 6, 4);
    assert_true(dedup_acceptable(&good.facts));
    const batch_facts bad[] = {
        {.first_seq = 4, .last_seq = 3, .low = 4, .n_items = 0},
        {.first_seq = 0, .last_seq = 2, .low = 0, .n_items = 3},
        {.first_seq = 4, .last_seq = 6, .low = 5, .n_items = 3},
        {.first_seq = 4, .last_seq = 6, .low = 0, .n_items = 3},
        {.first_seq = 4, .last_seq = 7, .low = 4, .n_items = 3},
        {.first_seq = UINT64_MAX, .last_seq = UINT64_MAX, .low = 1, .n_items = 1},
        {.first_seq = 4,
         .last_seq = 4 + WIRE_BATCH_NUMBERS_MAX,
         .low = 1,
         .n_items = WIRE_BATCH_NUMBERS_MAX + 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(dedup_acceptable(&bad[i]));
}

static void test_dedup_when_entries_add_up_then_every_64th_is_a_milestone(void **unused) {
    (void)unused;
    dedup_state s = {0};
    uint64_t chain = 0;
    for (uint64_t seq = 1; seq <= 3 * DEDUP_MILE; seq++) {
        wire_item item = {.crc = (uint32_t)seq};
        batch_facts f = {.first_seq = seq, .last_seq = seq, .low = seq, .n_items = 1, .chain = chain};
        f.chain_after = chain = wire_chain(chain, item.crc);
        dedup_decision d;
        dedup_decide(&s, &f, &item, NULL, &d);
        dedup_apply(&s, &f, &item, &d, 1000 + seq, 0);
        assert_int_equal(s.mile_position, 1001 + (seq - 1) / DEDUP_MILE * DEDUP_MILE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dedup_when_a_batch_is_ahead_then_rewinds_to_the_greater_of_next_and_low),
        cmocka_unit_test(test_dedup_when_an_unknown_stream_begins_at_low_then_starts_there),
        cmocka_unit_test(test_dedup_when_a_known_stream_goes_on_above_then_records_the_gap),
        cmocka_unit_test(test_dedup_when_the_batch_follows_directly_then_appends_without_the_journal),
        cmocka_unit_test(test_dedup_when_a_duplicate_is_known_then_agrees_and_appends_nothing),
        cmocka_unit_test(test_dedup_when_the_chain_before_differs_above_low_then_rewinds_to_low),
        cmocka_unit_test(test_dedup_when_the_past_is_unknown_above_low_then_rewinds_to_low),
        cmocka_unit_test(test_dedup_when_the_start_is_unknown_but_the_end_agrees_then_appends),
        cmocka_unit_test(test_dedup_when_lineages_part_then_forks_behind_the_last_that_agrees),
        cmocka_unit_test(test_dedup_when_lineages_part_at_low_then_forks_before_low),
        cmocka_unit_test(test_dedup_when_a_hole_was_settled_elsewhere_then_compares_around_it),
        cmocka_unit_test(test_dedup_when_the_end_is_unknown_then_unverified_with_next_and_chain),
        cmocka_unit_test(test_dedup_when_lineages_part_in_the_unknown_then_unverified),
        cmocka_unit_test(test_dedup_when_applied_then_counts_by_fate),
        cmocka_unit_test(test_dedup_when_an_old_batch_comes_late_then_its_announcements_are_ignored),
        cmocka_unit_test(test_dedup_when_numbers_cannot_be_then_not_acceptable),
        cmocka_unit_test(test_dedup_when_entries_add_up_then_every_64th_is_a_milestone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

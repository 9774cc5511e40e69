#include "dedup.h"

#include <assert.h>
#include <string.h>

static uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

bool dedup_acceptable(const batch_facts *facts) {
    return facts->n_items > 0 && facts->n_items <= WIRE_BATCH_NUMBERS_MAX && facts->first_seq > 0 &&
           facts->low > 0 && facts->low <= facts->first_seq &&
           facts->first_seq < UINT64_MAX - WIRE_BATCH_NUMBERS_MAX &&
           facts->last_seq == facts->first_seq + (facts->n_items - 1);
}

/* ---- answers ------------------------------------------------------------------------------------ */

static dedup_decision answer_rewind(uint64_t next_seq) {
    return (dedup_decision){.status = WIRE_STATUS_REWIND, .next_seq = next_seq};
}

static dedup_decision answer_unverified(const dedup_state *state) {
    return (dedup_decision){
        .status = WIRE_STATUS_UNVERIFIED, .next_seq = state->next_seq, .chain = state->chain};
}

static dedup_decision answer_fork(const batch_facts *facts, uint64_t agreed_through) {
    return (dedup_decision){.status = WIRE_STATUS_FORK,
                            .agreed_through = agreed_through,
                            .known = (uint32_t)(agreed_through - (facts->first_seq - 1))};
}

static dedup_decision answer_ok(const batch_facts *facts, uint64_t known_through) {
    uint32_t known = (uint32_t)(known_through - (facts->first_seq - 1));
    return (dedup_decision){.status = WIRE_STATUS_OK,
                            .agreed_through = facts->last_seq,
                            .known = known,
                            .n_new = facts->n_items - known};
}

/* ---- comparing chains ----------------------------------------------------------------------------- */

typedef enum verdict { UNKNOWN, AGREES, DIFFERS } verdict;

/* The chains of a batch and of the journal over the numbers that both may know. */
typedef struct comparison {
    const dedup_state *state;
    const batch_facts *facts;
    const wire_item *items;
    const dedup_history *history;
    uint64_t end;                                /* last number of the overlap */
    uint64_t chains[WIRE_BATCH_NUMBERS_MAX + 1]; /* the batch's, from first_seq-1 to end */
} comparison;

static void comparison_fill(comparison *c) {
    uint64_t chain = c->chains[0] = c->facts->chain;
    uint64_t n = c->end - (c->facts->first_seq - 1);
    for (uint64_t i = 0; i < n; i++)
        c->chains[i + 1] = chain = wire_chain(chain, c->items[i].crc);
}

static verdict compare_at(const comparison *c, uint64_t seq) {
    uint64_t own = c->state->chain;
    if (seq != c->state->next_seq - 1 && !c->history->chain_at(c->history->context, seq, &own))
        return UNKNOWN;
    return own == c->chains[seq - (c->facts->first_seq - 1)] ? AGREES : DIFFERS;
}

#define NOWHERE UINT64_MAX

/* What differs where an entry begins differs all through it: only an entry in which the two went apart has
 * to be opened. */
static bool differs_from_start(const comparison *c, uint64_t seq, uint64_t *ret_start) {
    uint64_t before = c->facts->first_seq - 1;
    *ret_start = c->history->start_below(c->history->context, seq);
    return *ret_start > before && *ret_start + 1 < seq && compare_at(c, *ret_start) == DIFFERS;
}

/* From `*seq`, which does not agree, down to the greatest number that does, or to the one before the batch.
 */
static verdict walk_down(const comparison *c, uint64_t *seq, uint64_t *differs_at) {
    verdict found = UNKNOWN;
    uint64_t start = c->history->start_below != NULL ? *seq : 0; /* at and below it nothing was asked yet */
    while (found != AGREES && *seq > c->facts->first_seq - 1) {
        if (*seq <= start && differs_from_start(c, *seq, &start)) {
            *seq = *differs_at = start;
            continue;
        }
        found = compare_at(c, --*seq);
        if (found == DIFFERS)
            *differs_at = *seq;
    }
    return found;
}

/* The chain is a hash of all that came before it: where it agrees, every earlier number agrees, and where
 * it differs, every later one does. So the journal is read back only when the end alone does not decide. */
static dedup_decision compare(const comparison *c) {
    uint64_t before = c->facts->first_seq - 1, seq = c->end;
    verdict found = compare_at(c, seq);
    if (found == AGREES)
        return answer_ok(c->facts, c->end);

    uint64_t differs_at = found == DIFFERS ? seq : NOWHERE;
    if (seq > before && compare_at(c, before) == DIFFERS) /* spares the way down */
        seq = differs_at = before;
    else
        found = walk_down(c, &seq, &differs_at);
    if (found == AGREES)
        return differs_at == NOWHERE ? answer_unverified(c->state) : answer_fork(c->facts, seq);
    if (c->facts->first_seq > c->facts->low)
        return answer_rewind(c->facts->low);
    /* What differs above numbers that the journal has let go tells that the two went apart, not where: some
     * of those numbers may be here already. The device must know that, so it is no plain fork. */
    return differs_at > c->facts->first_seq ? answer_unverified(c->state) : answer_fork(c->facts, before);
}

void dedup_decide(const dedup_state *state, const batch_facts *facts, const wire_item *items,
                  const dedup_history *history, dedup_decision *ret_decision) {
    assert(dedup_acceptable(facts));
    uint64_t next = state->next_seq;
    if (facts->first_seq > max_u64(next, facts->low)) {
        *ret_decision = answer_rewind(max_u64(next, facts->low));
    } else if (facts->first_seq > next) { /* == low: all before it is settled, here or elsewhere */
        *ret_decision = answer_ok(facts, facts->first_seq - 1);
        ret_decision->gap_first = next;
    } else {
        comparison c;
        c.state = state;
        c.facts = facts;
        c.items = items;
        c.history = history;
        c.end = facts->last_seq < next ? facts->last_seq : next - 1;
        comparison_fill(&c);
        *ret_decision = compare(&c);
    }
}

/* ---- state ---------------------------------------------------------------------------------------- */

static void count_new(ledger *sums, const batch_facts *facts, const wire_item *items,
                      const dedup_decision *decision) {
    for (uint32_t i = decision->known; i < facts->n_items; i++) {
        if (items[i].flags & WIRE_ITEM_DROPPED) {
            sums->dropped[items[i].reason < LEDGER_REASONS ? items[i].reason : 0]++;
            continue;
        }
        sums->delivered++;
        sums->resent += facts->first_seq + i <= facts->resent_through;
    }
}

static void append(dedup_state *state, const batch_facts *facts, const wire_item *items,
                   const dedup_decision *decision, uint64_t position) {
    if (state->next_seq == 0) {
        memcpy(state->installation, facts->installation, sizeof state->installation);
        state->sums.streams = 1;
    } else if (decision->gap_first != 0) {
        state->sums.gap += facts->first_seq - decision->gap_first;
        state->sums.numbers += facts->first_seq - decision->gap_first;
    }
    count_new(&state->sums, facts, items, decision);
    state->sums.numbers += decision->n_new;
    state->next_seq = facts->last_seq + 1;
    state->chain = facts->chain_after;
    state->last_position = position;
    if (state->entries % DEDUP_MILE == 0)
        state->mile_position = position;
    state->entries++;
}

bool dedup_apply(dedup_state *state, const batch_facts *facts, const wire_item *items,
                 const dedup_decision *decision, uint64_t position, int64_t last_us) {
    if (decision->n_new > 0) {
        append(state, facts, items, decision, position);
        state->last_us = last_us;
    }
    state->sums.duplicates += decision->known;
    /* An old batch that arrives late knows nothing of what waits now. */
    bool newest = decision->status == WIRE_STATUS_OK && facts->last_seq + 1 == state->next_seq;
    if (newest) {
        state->sums.pending = facts->pending;
        state->sums.refused = facts->refused;
    }
    assert(ledger_balances(&state->sums));
    return decision->known > 0 || newest;
}

/* The collector: the project's own dedup, a database with transactions, and the oracle beside it. */
#include "dedup_world.h"

#include <assert.h>
#include <string.h>

static tracked *stream_of(database *db, uint64_t stream) {
    for (uint32_t i = 0; i < db->n_streams; i++)
        if (db->streams[i].stream == stream)
            return &db->streams[i];
    return NULL;
}

static tracked *stream_make(database *db, uint64_t stream) {
    tracked *t = stream_of(db, stream);
    if (t != NULL)
        return t;
    assert(db->n_streams < LINES_MAX);
    t = &db->streams[db->n_streams++];
    memset(t, 0, sizeof *t);
    t->stream = stream;
    return t;
}

/* ---- what the journal remembers ------------------------------------------------------------------- */

static bool known_at(const tracked *t, uint64_t seq, uint64_t *ret_chain) {
    for (uint32_t i = 0; t != NULL && i < t->n_known; i++) {
        if (t->known[i].seq == seq) {
            *ret_chain = t->known[i].chain;
            return true;
        }
    }
    return false;
}

typedef struct lookup {
    const tracked *t;
    const batch *blind; /* the clause left out: every chain is taken for right */
} lookup;

static bool chain_at(void *context, uint64_t seq, uint64_t *ret_chain) {
    const lookup *l = context;
    if (l->blind == NULL)
        return known_at(l->t, seq, ret_chain);
    *ret_chain = l->blind->facts.chain;
    for (uint32_t i = 0; l->blind->facts.first_seq + i <= seq; i++)
        *ret_chain = wire_chain(*ret_chain, l->blind->items[i].crc);
    return true;
}

/* Any number below will do; entries of three here. */
static uint64_t start_below(void *context, uint64_t seq) {
    (void)context;
    return (seq - 1) / 3 * 3;
}

static void known_add(tracked *t, uint64_t seq, uint64_t chain) {
    uint64_t before;
    if (known_at(t, seq, &before))
        return;
    assert(t->n_known < sizeof t->known / sizeof t->known[0]);
    t->known[t->n_known++] = (past){seq, chain};
}

static void known_extend(tracked *t, const batch *b) {
    uint64_t chain = b->facts.chain;
    uint64_t next = t->state.next_seq;
    if (b->facts.first_seq >= next)
        known_add(t, b->facts.first_seq - 1, chain);
    for (uint32_t i = 0; i < b->facts.n_items; i++) {
        chain = wire_chain(chain, b->items[i].crc);
        if (b->facts.first_seq + i >= next)
            known_add(t, b->facts.first_seq + i, chain);
    }
}

/* ---- the oracle's own reading of the table -------------------------------------------------------- */

/* Upwards over every number that both know, with no thought for cost. */
static dedup_decision expect_overlap(const tracked *t, const batch_facts *f, const wire_item *items) {
    uint64_t next = t->state.next_seq, end = f->last_seq < next - 1 ? f->last_seq : next - 1;
    uint64_t chain = f->chain, agreed = 0, own;
    bool any = false, differs = false;
    uint64_t differs_at = 0;
    for (uint64_t seq = f->first_seq - 1; seq <= end && !differs; seq++) {
        if (seq >= f->first_seq)
            chain = wire_chain(chain, items[seq - f->first_seq].crc);
        if (seq == next - 1)
            own = t->state.chain;
        else if (!known_at(t, seq, &own))
            continue;
        differs = own != chain;
        differs_at = seq;
        if (!differs) {
            agreed = seq;
            any = true;
        }
    }
    if (!any && f->first_seq > f->low)
        return (dedup_decision){.status = WIRE_STATUS_REWIND, .next_seq = f->low};
    bool somewhere_below = !any && differs_at > f->first_seq; /* not said by the table: see dedup.c */
    if (differs && !somewhere_below)
        return (dedup_decision){.status = WIRE_STATUS_FORK,
                                .agreed_through = any ? agreed : f->first_seq - 1};
    if (!any || agreed < end || differs)
        return (dedup_decision){.status = WIRE_STATUS_UNVERIFIED, .next_seq = next, .chain = t->state.chain};
    return (dedup_decision){
        .status = WIRE_STATUS_OK, .agreed_through = f->last_seq, .n_new = (uint32_t)(f->last_seq - end)};
}

static dedup_decision expect(const tracked *t, const batch_facts *f, const wire_item *items) {
    uint64_t next = t != NULL ? t->state.next_seq : 0;
    uint64_t from = next > f->low ? next : f->low;
    if (f->first_seq > from)
        return (dedup_decision){.status = WIRE_STATUS_REWIND, .next_seq = from};
    if (f->first_seq == f->low && f->low > next)
        return (dedup_decision){
            .status = WIRE_STATUS_OK, .agreed_through = f->last_seq, .n_new = f->n_items, .gap_first = next};
    return expect_overlap(t, f, items);
}

static bool same(const dedup_decision *a, const dedup_decision *b) {
    return a->status == b->status && a->agreed_through == b->agreed_through && a->next_seq == b->next_seq &&
           a->chain == b->chain && a->n_new == b->n_new && a->gap_first == b->gap_first;
}

/* ---- requests ----------------------------------------------------------------------------------- */

static void append(world *w, const batch *b, const dedup_decision *decision) {
    collector *c = &w->collector;
    for (uint32_t i = decision->known; i < b->facts.n_items; i++) {
        assert(c->n_appended < sizeof c->appended / sizeof c->appended[0]);
        c->appended[c->n_appended++] =
            (appended){.event = b->events[i],
                       .dropped = b->items[i].flags & WIRE_ITEM_DROPPED,
                       .resent = b->facts.first_seq + i <= b->facts.resent_through};
    }
}

static void answer_put(world *w, answer a) {
    if (w->n_answers < NET_MAX)
        w->answers[w->n_answers++] = a;
}

void collector_receive(world *w, const batch *sent) {
    collector *c = &w->collector;
    batch b = *sent;
    if (w->without == WITHOUT_LOW)
        b.facts.low = b.facts.first_seq;
    static const dedup_state unknown;
    tracked *t = stream_of(&c->now, b.stream);
    lookup l = {t, w->without == WITHOUT_CHAIN ? &b : NULL};
    dedup_history history = {.chain_at = chain_at, .start_below = start_below, .context = &l};
    dedup_decision decision;
    dedup_decide(t != NULL ? &t->state : &unknown, &b.facts, b.items, &history, &decision);
    dedup_decision expected = expect(t, &b.facts, b.items);
    if (w->without == WITHOUT_NOTHING && !same(&decision, &expected))
        world_violate(w, "TABLE: the decision is not the one of the table");
    w->decided[decision.gap_first != 0 ? WIRE_STATUS_NONE : decision.status]++;

    if (decision.n_new > 0) {
        t = stream_make(&c->now, b.stream);
        known_extend(t, &b);
        append(w, &b, &decision);
        c->now.position++;
    }
    if (t != NULL)
        dedup_apply(&t->state, &b.facts, b.items, &decision, c->now.position, 0);
    answer a = {.to = b, .decision = decision};
    if (w->without == WITHOUT_COMMIT)
        answer_put(w, a);
    else if (c->n_waiting < NET_MAX)
        c->waiting[c->n_waiting++] = a;
}

void collector_commit(world *w) {
    collector *c = &w->collector;
    for (uint32_t i = 0; i < c->n_appended; i++) {
        fate *f = &w->fates[c->appended[i].event];
        if (c->appended[i].dropped)
            f->dropped++;
        else if (c->appended[i].resent)
            f->possible++;
        else if (f->delivered++ > 0 && !w->restored)
            world_violate(w, "DUPLICATE: an event stands in the journal twice");
    }
    for (uint32_t i = 0; i < c->n_waiting; i++)
        answer_put(w, c->waiting[i]);
    c->n_appended = c->n_waiting = 0;
    c->durable = c->now;
}

/* ---- faults ------------------------------------------------------------------------------------- */

void collector_crash(world *w) {
    collector *c = &w->collector;
    c->now = c->durable;
    c->n_appended = c->n_waiting = 0;
}

/* The journal lets old entries go; durable at once, as nothing waits for it. */
void collector_trim(world *w) {
    database *db = &w->collector.now;
    if (db->n_streams == 0)
        return;
    tracked *t = &db->streams[world_below(w, db->n_streams)];
    uint32_t n = world_below(w, t->n_known + 1);
    memmove(t->known, t->known + n, (t->n_known - n) * sizeof t->known[0]);
    t->n_known -= n;
    collector_commit(w);
}

void collector_backup(world *w) {
    uint32_t slots = sizeof w->backups / sizeof w->backups[0];
    w->backups[w->n_backups < slots ? w->n_backups++ : world_below(w, slots)] = w->collector.durable;
}

void collector_restore(world *w) {
    if (w->n_backups == 0)
        return;
    w->collector.durable = w->backups[world_below(w, w->n_backups)];
    collector_crash(w);
    w->restored = true;
}

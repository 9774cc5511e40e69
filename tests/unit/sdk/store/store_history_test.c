/* Random histories of all that can happen to a store, held against a table of numbers in memory.
 * WADI_TEST_SEED repeats one history. */
#include "tests/unit/sdk/store/store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdk/src/base/sha256.h"

#define NUMBERS_MAX 4000u
#define STEPS 120u
#define HISTORIES 400u
#define MOVE_WAIT 40u
#define DISK_BYTES_EMPTY (16u * 4096u) /* mostly LMDB's list of free pages */

typedef struct item {
    uint64_t serial; /* of its event */
    size_t padding;
    wadi_priority priority;
    uint32_t crc, run, nonce;
    wadi_drop reason; /* 0: alive */
} item;

typedef struct range {
    uint8_t id[16];
    bool id_known;
    uint64_t low, end, sent, resent, cursor, moved; /* end 0: open */
    char home;
} range;

typedef struct oracle {
    rig *r;
    item numbers[NUMBERS_MAX];   /* by number */
    uint64_t chain[NUMBERS_MAX]; /* before it */
    uint64_t next, now;
    uint32_t run;
    size_t n_ranges;
    range ranges[WDI_STREAMS_MAX + 2];
    uint64_t acked, dropped[WADI_DROP_COUNT], forks, resent;
} oracle;

static uint64_t pick(oracle *o, uint64_t below) { return rig_random(o->r, below); }

static uint64_t range_end(const oracle *o, const range *g) { return g->end != 0 ? g->end : o->next; }

/* ---- what happens, in the table ----------------------------------------------------------------- */

static void range_remove(oracle *o, range *g) {
    memmove(g, g + 1, (size_t)(o->ranges + o->n_ranges - (g + 1)) * sizeof *g);
    o->n_ranges--;
}

/* False: nothing is left of it. */
static bool range_settle(oracle *o, range *g, uint64_t through) {
    uint64_t end = range_end(o, g);
    through = through > g->sent ? g->sent : through;
    for (; g->low <= through && g->low < end; g->low++) {
        wadi_drop reason = o->numbers[g->low].reason;
        if (reason == 0)
            o->acked++;
        else
            o->dropped[reason]++;
    }
    if (g->cursor < g->low)
        g->cursor = g->low;
    if (g->end == 0 || g->low < g->end)
        return true;
    range_remove(o, g);
    return false;
}

static void range_fork(oracle *o, range *g, uint64_t agreed) {
    uint8_t in[32], digest[32];
    agreed = agreed > g->sent ? g->sent : agreed;
    agreed = agreed < g->low - 1 ? g->low - 1 : agreed;
    uint64_t number = agreed + 1;
    uint64_t chain = number < range_end(o, g) ? o->chain[number + 1] : o->r->nonce;
    if (!range_settle(o, g, agreed))
        return;
    memcpy(in, g->id, 16);
    memcpy(in + 16, &number, 8);
    memcpy(in + 24, &chain, 8);
    assert_true(base_sha256(in, sizeof in, digest));
    memcpy(g->id, digest, 16);
    g->sent = agreed;
    g->home = 0;
    g->moved = 0;
    g->cursor = g->low;
    o->forks++;
}

static void ranges_move(oracle *o, char collector) {
    for (size_t i = o->n_ranges; i-- > 0;) {
        range *g = &o->ranges[i];
        if (g->home == 0 || g->home == collector) {
            g->moved = 0;
        } else if (g->moved != 0 && o->now - g->moved >= MOVE_WAIT) {
            if (g->sent >= g->low) {
                g->resent = g->sent;
                o->resent += g->sent - g->low + 1;
            }
            g->home = collector;
            g->moved = 0;
            g->cursor = g->low;
        } else {
            uint64_t cut = g->sent + 1 > g->low ? g->sent + 1 : g->low;
            g->moved = g->moved == 0 ? o->now : g->moved;
            if (cut == g->end || o->n_ranges == WDI_STREAMS_MAX)
                continue;
            memmove(g + 2, g + 1, (o->n_ranges - i - 1) * sizeof *g);
            g[1] = (range){.low = cut, .end = g->end, .sent = cut - 1, .cursor = cut};
            g->end = cut;
            o->n_ranges++;
            if (g->low == cut)
                range_remove(o, g);
        }
    }
}

/* ---- the same, in the store --------------------------------------------------------------------- */

static void do_fill(oracle *o) {
    bool keep = pick(o, 5) != 0;
    uint64_t n = pick(o, 40), serial = o->r->serial, ring_pos = o->r->ring_pos, next = o->next;
    assert_int_equal(wdi_store_begin(o->r->store), WADI_OK);
    for (uint64_t i = 0; i < n && next + 1 < NUMBERS_MAX; i++) {
        item *q = &o->numbers[next];
        *q = (item){.serial = o->r->serial,
                    .padding = pick(o, 1500),
                    .priority = (wadi_priority)pick(o, 4),
                    .run = o->run,
                    .nonce = o->r->nonce};
        assert_int_equal(rig_put(o->r, q->padding, q->priority, &q->crc), WADI_OK);
        o->chain[next + 1] = wire_chain(o->chain[next], q->crc);
        next++;
    }
    if (keep) {
        assert_int_equal(wdi_store_commit(o->r->store, o->r->ring_pos), WADI_OK);
        o->next = next;
    } else {
        wdi_store_abort(o->r->store);
        o->r->serial = serial;
        o->r->ring_pos = ring_pos;
    }
}

static void check_numbers(oracle *o, const wdi_store_batch *b) {
    const uint8_t *at = o->r->out;
    size_t d = 0;
    for (uint64_t q = b->head.first_seq; q <= b->last_seq; q++) {
        const item *n = &o->numbers[q];
        uint8_t event[RIG_EVENT_MAX], frame[8];
        assert_int_equal(n->run, b->head.run.ordinal);
        if (n->reason != 0) {
            while (b->head.dropped[d].first_seq + b->head.dropped[d].n <= q)
                d++;
            assert_true(d < b->head.n_dropped && b->head.dropped[d].first_seq <= q);
            assert_int_equal(b->head.dropped[d].reason, n->reason);
            assert_int_equal(b->head.dropped[d].crcs[q - b->head.dropped[d].first_seq], n->crc);
            continue;
        }
        size_t size = rig_event(n->serial, n->padding, n->priority, event);
        size_t framed = wire_frame_put(frame, size);
        assert_memory_equal(at, frame, framed);
        assert_memory_equal(at + framed, event, size);
        at += framed + size;
    }
    assert_int_equal(at - o->r->out, b->events_bytes);
}

static range *range_to_send(oracle *o, char collector) {
    for (size_t i = 0; i < o->n_ranges; i++) {
        range *g = &o->ranges[i];
        if (g->cursor < range_end(o, g) && (collector == 0 || g->home == 0 || g->home == collector))
            return g;
    }
    return NULL;
}

static void do_send(oracle *o, char collector) {
    const char id[2] = {collector, 0};
    uint32_t numbers_max = (uint32_t)pick(o, 50);
    const wdi_store_want want = {.collector = id,
                                 .now_us = o->now,
                                 .numbers_max = numbers_max,
                                 .out = o->r->out,
                                 .cap = RIG_OUT_BYTES};
    wdi_store_batch b;
    bool any = false;
    if (collector != 0)
        ranges_move(o, collector);
    assert_int_equal(wdi_store_peek(o->r->store, &want, &b, &any), WADI_OK);
    range *g = range_to_send(o, collector);
    assert_int_equal(any, g != NULL);
    if (!any)
        return;
    if (!g->id_known)
        memcpy(g->id, b.head.stream, sizeof g->id);
    g->id_known = true;
    assert_memory_equal(b.head.stream, g->id, sizeof g->id);
    assert_int_equal(b.head.first_seq, g->cursor);
    assert_int_equal(b.head.low, g->low);
    assert_int_equal(b.head.chain, o->chain[g->cursor]);
    assert_int_equal(b.head.resent_through, g->resent >= g->cursor ? g->resent : 0);
    assert_in_range(b.last_seq, g->cursor, range_end(o, g) - 1);
    check_numbers(o, &b);
    if (pick(o, 4) == 0)
        return; /* the process changed its mind */
    assert_int_equal(wdi_store_sending(o->r->store, g->id, b.last_seq), WADI_OK);
    g->cursor = b.last_seq + 1;
    g->sent = g->sent > b.last_seq ? g->sent : b.last_seq;
}

/* A stream whose id is known, as answers need it. */
static range *range_known(oracle *o) {
    range *g = &o->ranges[pick(o, o->n_ranges)];
    return g->id_known ? g : NULL;
}

static uint64_t number_near(oracle *o, const range *g) {
    uint64_t low = g->low > 3 ? g->low - 3 : 1;
    return low + pick(o, range_end(o, g) + 4 - low);
}

static void do_answer(oracle *o) {
    range *g = range_known(o);
    if (g == NULL)
        return;
    uint64_t number = number_near(o, g);
    uint8_t id[16];
    memcpy(id, g->id, sizeof id);
    switch (pick(o, 6)) {
    case 0:
    case 1:
    case 2:
        assert_int_equal(wdi_store_settle(o->r->store, id, number), WADI_OK);
        range_settle(o, g, number);
        break;
    case 3:
        assert_int_equal(wdi_store_fork(o->r->store, id, number), WADI_OK);
        range_fork(o, g, number);
        break;
    default:
        wdi_store_rewind(o->r->store, id, number);
        g->cursor = number < g->low ? g->low : number > range_end(o, g) ? range_end(o, g) : number;
    }
}

static void do_unverified(oracle *o) {
    range *g = range_known(o);
    if (g == NULL)
        return;
    uint64_t number = number_near(o, g), end = range_end(o, g), low = g->low;
    bool wrong = pick(o, 2) == 0 || number > end;
    uint64_t chain = number <= end ? o->chain[number] : 1;
    assert_int_equal(wdi_store_unverified(o->r->store, g->id, number, chain ^ wrong), WADI_OK);
    g->cursor = low;
    if (number < low || low == end)
        return;
    if (!wrong) {
        range_settle(o, g, number - 1);
        return;
    }
    g->resent = end - 1;
    o->resent += end - low;
    range_fork(o, g, low - 1);
}

static void do_drop(oracle *o) {
    range *g = range_known(o);
    if (g == NULL)
        return;
    uint64_t first = number_near(o, g), last = first + pick(o, 60);
    wadi_drop reason = pick(o, 2) == 0 ? WADI_DROP_REFUSED : WADI_DROP_AGE;
    assert_int_equal(wdi_store_drop(o->r->store, g->id, first, last, reason), WADI_OK);
    for (uint64_t q = first < g->low ? g->low : first; q <= last && q < range_end(o, g); q++)
        if (o->numbers[q].reason == 0)
            o->numbers[q].reason = reason;
}

static void do_home(oracle *o) {
    const char id[2] = {pick(o, 2) == 0 ? 'a' : 'b', 0};
    range *g = range_known(o);
    bool answered = g != NULL && pick(o, 2) == 0;
    assert_int_equal(wdi_store_home(o->r->store, id, answered ? g->id : NULL, o->now), WADI_OK);
    if (answered && g->home == 0)
        g->home = id[0];
    ranges_move(o, id[0]);
}

static void do_restart(oracle *o) {
    rig_reopen(o->r);
    for (size_t i = 0; i < o->n_ranges; i++)
        o->ranges[i].cursor = o->ranges[i].low;
    if (pick(o, 2) == 0) {
        rig_run(o->r, (uint8_t)(1 + pick(o, 3)), o->now);
        o->run++;
    }
}

/* ---- histories ---------------------------------------------------------------------------------- */

static void check_state(const oracle *o) {
    wadi_stats stats = rig_stats(o->r);
    uint64_t pending = 0;
    for (size_t i = 0; i < o->n_ranges; i++)
        pending += range_end(o, &o->ranges[i]) - o->ranges[i].low;
    assert_int_equal(stats.assigned, o->next - 1);
    assert_int_equal(stats.pending, pending);
    assert_int_equal(stats.acked, o->acked);
    assert_memory_equal(stats.dropped, o->dropped, sizeof o->dropped);
    assert_int_equal(stats.forks, o->forks);
    assert_int_equal(stats.resent, o->resent);
    rig_check_ledger(o->r);
}

static void history_step(oracle *o) {
    o->now += pick(o, 5);
    switch (pick(o, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        do_fill(o);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        do_send(o, 0);
        break;
    case 8:
        do_send(o, pick(o, 2) == 0 ? 'a' : 'b');
        break;
    case 9:
    case 10:
    case 11:
        do_answer(o);
        break;
    case 12:
        do_unverified(o);
        break;
    case 13:
        do_drop(o);
        break;
    case 14:
        do_home(o);
        break;
    default:
        do_restart(o);
    }
    check_state(o);
}

/* At the end every number can still be had, and when all is settled nothing is left. */
static void history_drain(oracle *o) {
    wdi_store_batch b;
    wdi_store_rewind(o->r->store, NULL, 0);
    for (size_t i = 0; i < o->n_ranges; i++)
        o->ranges[i].cursor = o->ranges[i].low;
    while (rig_send(o->r, 0, &b)) {
        range *g = range_to_send(o, 0);
        assert_non_null(g);
        assert_int_equal(b.head.first_seq, g->cursor);
        check_numbers(o, &b);
        g->sent = g->sent > b.last_seq ? g->sent : b.last_seq;
        g->cursor = b.last_seq + 1;
        assert_int_equal(wdi_store_settle(o->r->store, b.head.stream, b.last_seq), WADI_OK);
        range_settle(o, g, b.last_seq);
        check_state(o);
    }
    assert_int_equal(wdi_store_pending(o->r->store), 0);
    rig_reopen(o->r);
    assert_true(rig_stats(o->r).disk_bytes <= DISK_BYTES_EMPTY);
}

static void history_run(uint64_t seed) {
    static oracle o;
    memset(&o, 0, sizeof o);
    o.r = rig_new(16 << 20, seed);
    wdi_store_close(o.r->store);
    o.r->move_wait_us = MOVE_WAIT;
    rig_open(o.r);
    o.next = o.now = o.run = 1;
    o.n_ranges = 1;
    o.ranges[0] = (range){.low = 1, .cursor = 1};
    for (uint32_t i = 0; i < STEPS; i++)
        history_step(&o);
    history_drain(&o);
    rig_free(o.r);
}

static uint64_t seed_running;

static int seed_report(void **state) {
    (void)state;
    if (seed_running != 0)
        fprintf(stderr, "failed: WADI_TEST_SEED=%llu\n", (unsigned long long)seed_running);
    return 0;
}

static void test_random_histories_agree_with_the_table(void **state) {
    (void)state;
    const char *given = getenv("WADI_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)getpid() * 1000;
    uint32_t histories = given != NULL ? 1 : HISTORIES;
    fprintf(stderr, "seeds %llu and the next %u\n", (unsigned long long)seed, histories - 1);
    for (uint32_t i = 0; i < histories; i++) {
        seed_running = seed + i;
        history_run(seed_running);
    }
    seed_running = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_random_histories_agree_with_the_table, seed_report),
    };
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); /* what a sync does is another test's matter */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

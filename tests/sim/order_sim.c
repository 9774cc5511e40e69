/* order_sim: the real order stage, epochs and JSON lines under random histories: collectors that die in the
 * middle of any call to the store, settings that change, journals restored from older copies, late events
 * held for no time, for a while or for good; into a store, and, in a quarter of them, a target that commits
 * in one step. An oracle of its own judges what stands in the store at the end:
 *   - every event of the journal once, none twice, none of them in two objects;
 *   - no object that no commit names, no commit whose object is missing or of another size;
 *   - times rise within an object; no event that is not late is earlier than one before it in its partition;
 *   - of one stream's own times with equal lateness, numbers rise;
 *   - exactly those events are late that a plain, slow restatement of the rule calls late;
 *   - late events are held all or none.
 * A twin is a second collector with the same id, which starts before any call of the first one to the store,
 * with the journal or an older copy of it, while the first one finishes what it is about.
 *
 * usage: order_sim [--seed N] [--count N] [--steps N] [--fault basic|cfg|ties|restore|window0|twin|all]
 *                  [--without lateness|late-mark|late-low|late-settings|late-until|supersede]
 *
 * With --without, one clause is left out, and the program succeeds if the oracle notices: `lateness` judges
 * by a wrong rule; `late-mark`: a checkpoint forgets that it holds late events; `late-low`: the journal is
 * trimmed without regard to them; `late-settings`: they are looked for with new settings; `late-until`: also
 * in what a restored journal has instead of what it lost; `supersede`: an intent that cannot be repeated is
 * removed before its epoch has another commit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "epochs.h"
#include "mem_journal.h"
#include "mem_store.h"
#include "object_target.h"
#include "oracle.h"
#include "step_target.h"

typedef struct faults {
    const char *name;
    bool settings, restore, ties, window0, twin;
} faults;

static const faults all_faults[] = {
    {"basic", false, false, false, false, false},  {"cfg", true, false, false, false, false},
    {"ties", false, false, true, false, false},    {"restore", true, true, false, false, false},
    {"window0", false, false, false, true, false}, {"twin", true, true, false, false, true},
};

typedef enum without {
    WITHOUT_NOTHING,
    WITHOUT_LATENESS,
    WITHOUT_LATE_MARK,
    WITHOUT_LATE_LOW,
    WITHOUT_LATE_SETTINGS,
    WITHOUT_LATE_UNTIL,
    WITHOUT_SUPERSEDE,
} without;

typedef struct snapshot {
    uint64_t n, base;
} snapshot;

/* A collector, and the journal as it sees it: until there is a twin. */
typedef struct sim_collector {
    struct world *world;
    entry_source journal;
    uint64_t generation;
    sink_target target;
    epochs *epochs;
} sim_collector;

typedef struct world {
    sim_random random;
    faults faults;
    without clause;
    bool one_step; /* a target that commits in one step */
    bool is_twin;  /* what happens is the twin's */
    mem_journal journal;
    mem_store store;
    sim_collector *collector; /* NULL: dead */
    uint64_t generation;      /* of collectors: one more with each twin */
    epochs_options opt;
    uint64_t clock_us, confirmed;
    snapshot snapshots[8];
    size_t n_snapshots;
    oracle oracle;
} world;

/* ---- the collector ------------------------------------------------------------------------------------ */

static order_options order_choose(world *w) {
    static const int64_t windows_us[] = {0, 1000000, 2000000, 5000000};
    static const uint64_t pendings[] = {300, 700, 2000, 1 << 20};
    static const uint64_t open[] = {1, 400, 1 << 20};
    order_options opt = {2000000, 1 << 20, open[sim_below(&w->random, 3)]};
    if (w->faults.settings) {
        opt.window_us = windows_us[sim_below(&w->random, 4)];
        opt.pending_bytes_max = pendings[sim_below(&w->random, 4)];
    }
    if (w->faults.ties)
        opt.pending_bytes_max = 250;
    if (w->faults.window0)
        opt.window_us = 0;
    return opt;
}

static bool journal_get(void *context, uint64_t position, const journal_entry **ret_entry,
                        wire_span *ret_body) {
    const sim_collector *c = context;
    return c->generation == c->world->generation &&
           c->journal.get(c->journal.context, position, ret_entry, ret_body);
}

static void journal_range(void *context, uint64_t *ret_first, uint64_t *ret_last) {
    const sim_collector *c = context;
    c->journal.range(c->journal.context, ret_first, ret_last);
}

static uint64_t journal_last_start(void *context) {
    const sim_collector *c = context;
    return c->journal.last_start(c->journal.context);
}

static void journal_release(void *context) { (void)context; }

static sim_collector *collector_new(world *w) {
    static const object_target_options objects = {.collector = "c", .sink = "s"};
    sim_collector *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->world = w;
    c->journal = mem_journal_source(&w->journal);
    c->generation = w->generation;
    if (w->one_step)
        c->target = step_target_open(&w->store);
    else if (object_target_open(&objects, mem_store_of(&w->store), &c->target) != SINK_OK)
        abort();
    return c;
}

static void collector_free(sim_collector *c) {
    if (!c)
        return;
    epochs_close(c->epochs);
    c->target.ops->close(c->target.self);
    free(c);
}

static void collector_kill(world *w) {
    collector_free(w->collector);
    w->collector = NULL;
}

/* Nothing before it is needed any more. */
static uint64_t confirmed_low(world *w) {
    CLEANUP(manifest_fini) manifest last = {0};
    if (w->clause == WITHOUT_LATE_LOW && mem_store_last(&w->store, &last))
        return last.to.mark.low;
    return epochs_stats_get(w->collector->epochs).low;
}

/* For mem_store: a clause less. */
static void commit_change(void *context, manifest *commit) {
    const world *w = context;
    if (w->clause == WITHOUT_LATE_MARK)
        commit->to.holds_late = false;
    if (w->clause == WITHOUT_LATE_SETTINGS)
        commit->order = w->opt.order;
    if (w->clause == WITHOUT_LATE_UNTIL)
        commit->to.late_until = 0;
}

/* What `c` was about is done. If a twin has come meanwhile, it is what the world goes on with. */
static void collector_settle(world *w, sim_collector *c, sink_err err) {
    if (w->collector != c) {
        collector_free(c);
        mem_store_swap(&w->store);
    } else if (err != SINK_OK)
        collector_kill(w);
    else
        w->confirmed = confirmed_low(w);
}

static void collector_open(world *w) {
    collector_kill(w);
    sim_collector *c = w->collector = collector_new(w);
    entry_source source = {journal_get, journal_range, journal_last_start, journal_release, c};
    collector_settle(w, c, epochs_open(&w->opt, c->target, &source, &c->epochs));
}

/* A start appends to the journal and then recovers; it may die while it does. */
static void collector_start(world *w) {
    collector_kill(w);
    mem_journal_start(&w->journal, w->opt.start_id);
    w->opt.order = order_choose(w);
    w->opt.codec = w->faults.settings && sim_chance(&w->random, 20) ? OUTPUT_ZSTD : OUTPUT_PLAIN;
    w->store.calls_left = sim_chance(&w->random, 30) ? 1 + (int32_t)sim_below(&w->random, 8) : -1;
    if (w->faults.twin && !w->one_step && !w->is_twin && sim_chance(&w->random, 30))
        w->store.twin_left = 1 + (int32_t)sim_below(&w->random, 60);
    collector_open(w);
}

static void collector_step(world *w) {
    sim_collector *c = w->collector;
    if (!c) {
        collector_start(w);
        return;
    }
    if (w->store.calls_left < 0 && sim_chance(&w->random, 10))
        w->store.calls_left = 1 + (int32_t)sim_below(&w->random, 12);
    w->clock_us += sim_below(&w->random, 200000);
    bool more;
    sink_err err = epochs_step(c->epochs, w->clock_us, 1 + sim_below(&w->random, 4), &more);
    if (err == SINK_OK && sim_chance(&w->random, 30))
        err = epochs_flush(c->epochs);
    collector_settle(w, c, err);
}

/* ---- the world ---------------------------------------------------------------------------------------- */

static void journal_trim(world *w) {
    uint64_t upto = w->confirmed > 0 ? w->confirmed - 1 : 0;
    if (upto > w->journal.base && upto < w->journal.n)
        w->journal.base += sim_below(&w->random, (uint32_t)(upto - w->journal.base) + 1);
}

static void journal_restore(world *w) {
    if (w->n_snapshots == 0)
        return;
    snapshot s = w->snapshots[sim_below(&w->random, (uint32_t)w->n_snapshots)];
    oracle_lost(&w->oracle, &w->journal, s.n);
    collector_kill(w);
    mem_journal_restore(&w->journal, s.n, s.base);
    w->n_snapshots = 0;
    w->confirmed = 0;
    collector_start(w);
}

/* For mem_store: somebody starts a second collector, which sees the last `lost` entries not, or all of them.
 * The first one finishes its call; the journal that it goes on reading is not this one. */
static void twin_start(void *context) {
    world *w = context;
    uint64_t lost = sim_below(&w->random, (uint32_t)(w->journal.n - w->journal.base));
    w->collector = NULL;
    w->is_twin = true;
    w->generation++;
    mem_store_swap(&w->store);
    if (lost > 0 && sim_chance(&w->random, 70)) {
        uint64_t n = w->journal.n - lost;
        oracle_lost(&w->oracle, &w->journal, n);
        mem_journal_restore(&w->journal, n, w->journal.base);
        w->n_snapshots = 0;
        w->confirmed = 0;
    }
    collector_start(w);
    for (uint32_t i = sim_below(&w->random, 6); i > 0; i--)
        collector_step(w);
    w->is_twin = false;
    w->store.calls_left = -1; /* of the first one */
    mem_store_swap(&w->store);
}

static void time_pass(world *w) {
    static const int64_t steps_us[] = {0, 1000, 250000, 1000000, 1500000, 700000000};
    w->journal.now_us += steps_us[sim_below(&w->random, 6)];
}

static void world_step(world *w) {
    uint32_t x = sim_below(&w->random, 100);
    time_pass(w);
    if (x < 30)
        mem_journal_batch(&w->journal);
    else if (x < 40)
        mem_journal_tick(&w->journal);
    else if (x < 80)
        collector_step(w);
    else if (x < 86)
        journal_trim(w);
    else if (x < 92)
        collector_start(w);
    else if (w->faults.restore && x < 96 && w->n_snapshots < 8)
        w->snapshots[w->n_snapshots++] = (snapshot){w->journal.n, w->journal.base};
    else if (w->faults.restore && sim_chance(&w->random, 40))
        journal_restore(w);
}

/* Until everything that was journaled is committed. */
static void world_drain(world *w) {
    w->store.calls_left = -1;
    w->store.twin_left = 0;
    w->is_twin = true; /* and there is no other */
    collector_start(w);
    w->store.calls_left = -1;
    if (!w->collector)
        collector_open(w);
    if (!w->collector)
        return;
    for (int i = 0; i < 4; i++) {
        w->journal.now_us += 10000000;
        mem_journal_tick(&w->journal);
        bool more = true;
        while (more) {
            w->clock_us += 100000;
            if (epochs_step(w->collector->epochs, w->clock_us, 64, &more) != SINK_OK)
                return;
        }
    }
    if (epochs_finish(w->collector->epochs) == SINK_OK)
        w->oracle.drained = true;
}

/* *holding: how many commits held late events. */
static const char *history_run(uint64_t seed, const faults *f, uint32_t steps, without clause,
                               uint64_t *holding) {
    static const uint64_t late_roll_us[] = {0, 900000, 3000000, UINT64_MAX / 2};
    static const uint64_t held_bytes[] = {4000, 1 << 20}, held_journal_bytes[] = {1200, 1 << 20};
    world w = {.random = {seed}, .faults = *f, .clause = clause, .store = {.calls_left = -1}};
    w.store.random = &w.random;
    w.store.change = clause != WITHOUT_NOTHING ? commit_change : NULL;
    w.store.change_context = &w;
    w.store.unsuperseded = clause == WITHOUT_SUPERSEDE;
    w.store.twin = twin_start;
    w.store.twin_context = &w;
    w.one_step = sim_chance(&w.random, 25);
    mem_journal_init(&w.journal, &w.random);
    w.journal.explicit_times = sim_chance(&w.random, 50);
    w.opt = (epochs_options){.format = "jsonl",
                             .roll_bytes = 600,
                             .roll_interval_us = 500000,
                             .late_roll_interval_us = late_roll_us[sim_below(&w.random, 4)],
                             .held_bytes_max = held_bytes[sim_below(&w.random, 2)],
                             .held_journal_bytes_max = held_journal_bytes[sim_below(&w.random, 2)]};
    collector_start(&w);
    for (uint32_t i = 0; i < steps; i++)
        world_step(&w);
    world_drain(&w);
    w.oracle.break_lateness = clause == WITHOUT_LATENESS;
    w.oracle.lateness_known = !f->settings && !f->ties;
    w.oracle.window_us = f->window0 ? 0 : 2000000;
    w.oracle.restored = f->restore;
    w.oracle.as_they_leave = w.one_step;
    const char *fault = oracle_judge(&w.oracle, &w.journal, &w.store);
    *holding += w.oracle.commits_holding;
    oracle_fini(&w.oracle);
    collector_kill(&w);
    mem_store_fini(&w.store);
    mem_journal_fini(&w.journal);
    return fault;
}

/* ---- the program --------------------------------------------------------------------------------------- */

typedef struct arguments {
    uint64_t seed, count;
    uint32_t steps;
    const char *fault;
    without clause;
} arguments;

static bool clause_parse(const char *name, without *ret) {
    static const char *const names[] = {"",           "lateness", "late-mark", "late-low", "late-settings",
                                        "late-until", "supersede"};
    for (unsigned c = WITHOUT_LATENESS; c <= WITHOUT_SUPERSEDE; c++)
        if (strcmp(name, names[c]) == 0) {
            *ret = (without)c;
            return true;
        }
    return false;
}

static bool arguments_parse(int argc, char **argv, arguments *a) {
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            a->seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0)
            a->count = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--steps") == 0)
            a->steps = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--fault") == 0)
            a->fault = argv[i + 1];
        else if (strcmp(argv[i], "--without") != 0 || !clause_parse(argv[i + 1], &a->clause))
            return false;
    }
    return argc % 2 == 1;
}

int main(int argc, char **argv) {
    arguments a = {.seed = 1, .count = 200, .steps = 60, .fault = "all"};
    if (!arguments_parse(argc, argv, &a)) {
        fprintf(stderr,
                "usage: order_sim [--seed N] [--count N] [--steps N] [--fault NAME] [--without CLAUSE]\n");
        return 64;
    }
    uint64_t failed = 0, run = 0, holding = 0;
    for (size_t f = 0; f < sizeof all_faults / sizeof *all_faults; f++) {
        if (strcmp(a.fault, "all") != 0 && strcmp(a.fault, all_faults[f].name) != 0)
            continue;
        for (uint64_t i = 0; i < a.count; i++, run++) {
            const char *fault = history_run(a.seed + i, &all_faults[f], a.steps, a.clause, &holding);
            if (fault && failed++ < 10)
                printf("order_sim: seed %" PRIu64 " fault %s: %s\n", a.seed + i, all_faults[f].name, fault);
        }
    }
    printf("order_sim: %" PRIu64 " histories from seed %" PRIu64 ", %u steps each, %" PRIu64
           " commits that held late events: %" PRIu64 " failed\n",
           run, a.seed, a.steps, holding, failed);
    return run == 0 || (failed > 0) != (a.clause != WITHOUT_NOTHING);
}

/* order_sim: the real order stage, epochs and JSON lines under random histories: collectors that die in the
 * middle of any call to the store, settings that change, journals restored from older copies. An oracle of
 * its own judges what stands in the store at the end:
 *   - every event of the journal once, none twice, none of them in two objects;
 *   - no object that no commit names, no commit whose object is missing or of another size;
 *   - times rise within an object; no event that is not late is earlier than one before it in its partition;
 *   - of one stream's own times with equal lateness, numbers rise;
 *   - exactly those events are late that a plain, slow restatement of the rule calls late.
 *
 * usage: order_sim [--seed N] [--count N] [--steps N] [--fault basic|cfg|ties|restore|window0|all] [--break
 * lateness]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "epochs.h"
#include "mem_journal.h"
#include "mem_store.h"
#include "oracle.h"

typedef struct faults {
    const char *name;
    bool settings, restore, ties, window0;
} faults;

static const faults all_faults[] = {
    {"basic", false, false, false, false},  {"cfg", true, false, false, false},
    {"ties", false, false, true, false},    {"restore", true, true, false, false},
    {"window0", false, false, false, true},
};

typedef struct snapshot {
    uint64_t n, base;
} snapshot;

typedef struct world {
    sim_random random;
    faults faults;
    mem_journal journal;
    mem_store store;
    entry_source source;
    epochs *epochs;
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

static void collector_kill(world *w) {
    epochs_close(w->epochs);
    w->epochs = NULL;
}

/* A start appends to the journal and then recovers; it may die while it does. */
static void collector_start(world *w) {
    collector_kill(w);
    mem_journal_start(&w->journal, w->opt.start_id);
    w->opt.order = order_choose(w);
    w->opt.codec = w->faults.settings && sim_chance(&w->random, 20) ? OUTPUT_ZSTD : OUTPUT_PLAIN;
    w->store.calls_left = sim_chance(&w->random, 30) ? 1 + (int32_t)sim_below(&w->random, 8) : -1;
    if (epochs_open(&w->opt, mem_store_of(&w->store), &w->source, &w->epochs) != SINK_OK)
        w->epochs = NULL;
    else
        w->confirmed = epochs_stats_get(w->epochs).low;
}

static void collector_step(world *w) {
    if (!w->epochs) {
        collector_start(w);
        return;
    }
    if (w->store.calls_left < 0 && sim_chance(&w->random, 10))
        w->store.calls_left = 1 + (int32_t)sim_below(&w->random, 12);
    w->clock_us += sim_below(&w->random, 200000);
    bool more;
    sink_err err = epochs_step(w->epochs, w->clock_us, 1 + sim_below(&w->random, 4), &more);
    if (err == SINK_OK && sim_chance(&w->random, 30))
        err = epochs_flush(w->epochs);
    if (err == SINK_OK)
        w->confirmed = epochs_stats_get(w->epochs).low;
    else
        collector_kill(w);
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
    collector_start(w);
    w->store.calls_left = -1;
    if (!w->epochs && epochs_open(&w->opt, mem_store_of(&w->store), &w->source, &w->epochs) != SINK_OK)
        return;
    for (int i = 0; i < 4; i++) {
        w->journal.now_us += 10000000;
        mem_journal_tick(&w->journal);
        bool more = true;
        while (more) {
            w->clock_us += 100000;
            if (epochs_step(w->epochs, w->clock_us, 64, &more) != SINK_OK)
                return;
        }
    }
    if (epochs_flush(w->epochs) == SINK_OK)
        w->oracle.drained = true;
}

static const char *history_run(uint64_t seed, const faults *f, uint32_t steps, bool break_lateness) {
    world w = {.random = {seed}, .faults = *f, .store = {.calls_left = -1}};
    w.store.random = &w.random;
    mem_journal_init(&w.journal, &w.random);
    w.journal.explicit_times = sim_chance(&w.random, 50);
    w.source = mem_journal_source(&w.journal);
    w.opt = (epochs_options){
        .collector = "c", .sink = "s", .roll_bytes = 600, .roll_interval_us = 500000, .held_bytes_max = 4000};
    collector_start(&w);
    for (uint32_t i = 0; i < steps; i++)
        world_step(&w);
    world_drain(&w);
    w.oracle.break_lateness = break_lateness;
    w.oracle.lateness_known = !f->settings && !f->ties;
    w.oracle.window_us = f->window0 ? 0 : 2000000;
    w.oracle.restored = f->restore;
    const char *fault = oracle_judge(&w.oracle, &w.journal, &w.store);
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
    bool break_lateness;
} arguments;

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
        else if (strcmp(argv[i], "--break") == 0)
            a->break_lateness = true;
        else
            return false;
    }
    return argc % 2 == 1;
}

int main(int argc, char **argv) {
    arguments a = {.seed = 1, .count = 200, .steps = 60, .fault = "all"};
    if (!arguments_parse(argc, argv, &a)) {
        fprintf(stderr,
                "usage: order_sim [--seed N] [--count N] [--steps N] [--fault NAME] [--break lateness]\n");
        return 64;
    }
    uint64_t failed = 0, run = 0;
    for (size_t f = 0; f < sizeof all_faults / sizeof *all_faults; f++) {
        if (strcmp(a.fault, "all") != 0 && strcmp(a.fault, all_faults[f].name) != 0)
            continue;
        for (uint64_t i = 0; i < a.count; i++, run++) {
            const char *fault = history_run(a.seed + i, &all_faults[f], a.steps, a.break_lateness);
            if (fault && failed++ < 10)
                printf("order_sim: seed %" PRIu64 " fault %s: %s\n", a.seed + i, all_faults[f].name, fault);
        }
    }
    printf("order_sim: %" PRIu64 " histories from seed %" PRIu64 ", %u steps each: %" PRIu64 " failed\n", run,
           a.seed, a.steps, failed);
    return run == 0 || failed > 0;
}

/* Random histories of devices, network and collector against the dedup code.
 *
 *     dedup_sim [--seed N] [--count N] [--faults NAME] [--without low|chain|commit]
 *
 * No event may stand in the journal twice, none be forgotten by a device that the journal does not have,
 * every decision must be the table's, and at the end everything is drained. With --without, one clause of the
 * contract is left out, and the program succeeds if the oracle notices. */
#include "dedup_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAIN_ROUNDS_MAX = 400 };

/* ---- randomness --------------------------------------------------------------------------------- */

uint64_t world_random(world *w) {
    uint64_t x = w->random += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

uint32_t world_below(world *w, uint32_t n) { return (uint32_t)(world_random(w) % n); }

bool world_chance(world *w, double p) { return (double)(world_random(w) >> 11) < p * 9007199254740992.0; }

void world_violate(world *w, const char *what) {
    if (w->violation == NULL)
        w->violation = what;
}

uint32_t event_crc(uint32_t event) { return event * UINT32_C(2654435761) ^ UINT32_C(0x5bd1e995); }

/* ---- sets of faults ----------------------------------------------------------------------------- */

typedef struct fault_set {
    const char *name;
    uint32_t n;
    fault faults[FAULT_COUNT];
} fault_set;

static const fault_set fault_sets[] = {
    {"basic", 2, {FAULT_KILL, FAULT_COLLECTOR_CRASH}},
    {"power", 3, {FAULT_KILL, FAULT_POWER, FAULT_COLLECTOR_CRASH}},
    {"quota", 4, {FAULT_KILL, FAULT_QUOTA, FAULT_COLLECTOR_CRASH, FAULT_QUOTA}},
    {"rollback", 4, {FAULT_KILL, FAULT_VM_SNAPSHOT, FAULT_ROLLBACK, FAULT_COLLECTOR_CRASH}},
    {"backup", 4, {FAULT_KILL, FAULT_BACKUP, FAULT_ROLLBACK, FAULT_COLLECTOR_CRASH}},
    {"clone", 3, {FAULT_KILL, FAULT_CLONE, FAULT_COLLECTOR_CRASH}},
    {"all",
     8,
     {FAULT_KILL, FAULT_POWER, FAULT_QUOTA, FAULT_VM_SNAPSHOT, FAULT_BACKUP, FAULT_ROLLBACK, FAULT_CLONE,
      FAULT_COLLECTOR_CRASH}},
    {"trim",
     7,
     {FAULT_KILL, FAULT_POWER, FAULT_VM_SNAPSHOT, FAULT_ROLLBACK, FAULT_CLONE, FAULT_TRIM,
      FAULT_COLLECTOR_CRASH}},
    {"restore", 4, {FAULT_KILL, FAULT_COLLECTOR_SNAPSHOT, FAULT_COLLECTOR_RESTORE, FAULT_COLLECTOR_CRASH}},
};
enum { FAULT_SETS = sizeof fault_sets / sizeof fault_sets[0] };

static void snapshot_take(world *w, const device *d) {
    if (w->n_snapshots < SNAPSHOTS_MAX)
        device_copy(w, d, &w->snapshots[w->n_snapshots++]);
}

static void roll_back(world *w, device *d) {
    for (uint32_t tries = 0; tries < w->n_snapshots; tries++) {
        const snapshot *s = &w->snapshots[world_below(w, w->n_snapshots)];
        if (s->of.index == d->index) {
            device_load(w, d, s);
            return;
        }
    }
}

static void clone(world *w, const device *d) {
    if (w->n_devices == DEVICES_MAX || world_chance(w, .5))
        return;
    snapshot s;
    device_copy(w, d, &s);
    device *twin = &w->devices[w->n_devices];
    twin->index = w->n_devices++;
    device_load(w, twin, &s);
}

static void fault_happen(world *w, device *d, fault f) {
    switch (f) {
    case FAULT_KILL:
        d->alive = false;
        break;
    case FAULT_COLLECTOR_CRASH:
        collector_crash(w);
        break;
    case FAULT_POWER:
        device_power_cut(w, d);
        break;
    case FAULT_QUOTA:
        if (d->alive)
            device_quota(w, d);
        break;
    case FAULT_VM_SNAPSHOT:
    case FAULT_BACKUP:
        snapshot_take(w, d);
        break;
    case FAULT_ROLLBACK:
        roll_back(w, d);
        break;
    case FAULT_CLONE:
        clone(w, d);
        break;
    case FAULT_TRIM:
        collector_trim(w);
        break;
    case FAULT_COLLECTOR_SNAPSHOT:
        collector_backup(w);
        break;
    case FAULT_COLLECTOR_RESTORE:
        collector_restore(w);
        break;
    case FAULT_COUNT:
        break;
    }
}

/* ---- steps -------------------------------------------------------------------------------------- */

static void request_arrives(world *w) {
    if (w->n_requests == 0)
        return;
    uint32_t i = world_chance(w, .5) ? world_below(w, w->n_requests) : 0;
    batch b = w->requests[i];
    bool lost = world_chance(w, .12), doubled = !lost && world_chance(w, .1);
    if (!doubled)
        memmove(&w->requests[i], &w->requests[i + 1], (--w->n_requests - i) * sizeof b);
    if (!lost)
        collector_receive(w, &b);
}

static void answer_arrives(world *w) {
    if (w->n_answers == 0)
        return;
    uint32_t i = world_below(w, w->n_answers);
    answer a = w->answers[i];
    memmove(&w->answers[i], &w->answers[i + 1], (--w->n_answers - i) * sizeof a);
    if (!world_chance(w, .25))
        device_answer(w, &w->devices[a.to.device], &a);
}

/* A whole good exchange, cut after any of its steps. */
static void exchange(world *w, device *d) {
    uint32_t cut = world_below(w, 8);
    device_pump(w, d, EVENTS_MAX);
    if (cut > 0)
        device_sync(d);
    if (cut <= 1)
        return;
    uint32_t before = w->n_requests;
    device_send(w, d);
    if (cut == 2 || w->n_requests == before)
        return;
    batch b = w->requests[--w->n_requests];
    collector_receive(w, &b);
    if (cut == 3)
        return;
    collector_commit(w);
    if (cut > 4 && w->n_answers > 0) {
        answer a = w->answers[--w->n_answers];
        device_answer(w, d, &a);
    }
}

static void step(world *w) {
    device *d = &w->devices[world_below(w, w->n_devices)];
    if (!d->alive && world_chance(w, .3))
        device_open(w, d);
    if (d->alive && world_chance(w, .1)) {
        exchange(w, d);
        return;
    }
    uint32_t x = world_below(w, 100);
    if (x >= 52 && x < 72)
        request_arrives(w);
    else if (x >= 72 && x < 80)
        answer_arrives(w);
    else if (x >= 80 && x < 88)
        collector_commit(w);
    else if (x >= 91)
        fault_happen(w, d, w->faults[world_below(w, w->n_faults)]);
    else if (!d->alive)
        return;
    else if (x < 20)
        device_track(w, d);
    else if (x < 32)
        device_pump(w, d, 1 + world_below(w, 4));
    else if (x < 38)
        device_sync(d);
    else if (x < 52)
        device_send(w, d);
    else
        device_timeout(w, d);
}

/* Faults end: everything that a device still holds must leave it. */
static void drain(world *w) {
    for (uint32_t round = 0; round < DRAIN_ROUNDS_MAX && w->violation == NULL; round++) {
        bool busy = false;
        for (uint32_t i = 0; i < w->n_devices; i++) {
            device *d = &w->devices[i];
            if (!d->alive)
                device_open(w, d);
            device_pump(w, d, EVENTS_MAX);
            device_sync(d);
            busy |= d->now.n_records > 0;
            d->n_in_flight = w->n_requests = 0;
            device_send(w, d);
            for (; w->n_requests > 0; w->n_requests--)
                collector_receive(w, &w->requests[w->n_requests - 1]);
        }
        collector_commit(w);
        for (uint32_t i = 0; i < w->n_answers; i++)
            device_answer(w, &w->devices[w->answers[i].to.device], &w->answers[i]);
        w->n_answers = 0;
        if (!busy)
            return;
    }
    world_violate(w, "STUCK: not drained");
}

static void history_run(world *w, uint64_t seed, const fault_set *set, without clause) {
    uint64_t decided[sizeof w->decided / sizeof w->decided[0]];
    memcpy(decided, w->decided, sizeof decided);
    memset(w, 0, sizeof *w);
    memcpy(w->decided, decided, sizeof decided);
    w->seed = w->random = seed;
    w->without = clause;
    w->n_faults = set->n;
    for (uint32_t i = 0; i < set->n; i++)
        w->faults[i] = set->faults[i];
    w->n_devices = 1;
    device_init(w, &w->devices[0]);
    device_open(w, &w->devices[0]);
    for (uint32_t i = 0; i < STEPS && w->violation == NULL; i++)
        step(w);
    drain(w);
}

/* ---- command line ------------------------------------------------------------------------------- */

typedef struct options {
    uint64_t seed, count;
    const char *faults; /* NULL: each set in turn */
    without clause;
} options;

static bool options_parse(options *o, int argc, char **argv) {
    static const char *const clauses[] = {"", "low", "chain", "commit"};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--seed") == 0)
            o->seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--count") == 0)
            o->count = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--faults") == 0)
            o->faults = value;
        else if (strcmp(argv[i], "--without") == 0)
            for (unsigned c = 1; c < sizeof clauses / sizeof clauses[0]; c++)
                o->clause = strcmp(value, clauses[c]) == 0 ? (without)c : o->clause;
        else
            return false;
    }
    return argc % 2 == 1;
}

/* How many of the histories of one set went wrong. */
static uint64_t set_run(world *w, const options *o, const fault_set *set, uint64_t count) {
    uint64_t failed = 0;
    for (uint64_t i = 0; i < count; i++) {
        history_run(w, o->seed + i, set, o->clause);
        if (w->violation == NULL)
            continue;
        if (failed++ < 3)
            printf("  %s seed %" PRIu64 ": %s\n", set->name, o->seed + i, w->violation);
    }
    return failed;
}

int main(int argc, char **argv) {
    options o = {.seed = 1, .count = 20000};
    if (!options_parse(&o, argc, argv)) {
        fprintf(stderr, "usage: %s [--seed N] [--count N] [--faults NAME] [--without low|chain|commit]\n",
                argv[0]);
        return 2;
    }
    world *w = calloc(1, sizeof *w);
    if (w == NULL)
        return 2;
    uint64_t failed = 0;
    for (size_t i = 0; i < FAULT_SETS; i++)
        if (o.faults == NULL || strcmp(o.faults, fault_sets[i].name) == 0)
            failed += set_run(w, &o, &fault_sets[i], o.faults != NULL ? o.count : o.count / FAULT_SETS + 1);
    printf("dedup_sim: seed=%" PRIu64 " histories=%" PRIu64 " failed=%" PRIu64 " ok=%" PRIu64 " gap=%" PRIu64
           " rewind=%" PRIu64 " fork=%" PRIu64 " unverified=%" PRIu64 "\n",
           o.seed, o.count, failed, w->decided[WIRE_STATUS_OK], w->decided[WIRE_STATUS_NONE],
           w->decided[WIRE_STATUS_REWIND], w->decided[WIRE_STATUS_FORK], w->decided[WIRE_STATUS_UNVERIFIED]);
    free(w);
    return (failed > 0) != (o.clause != WITHOUT_NOTHING);
}

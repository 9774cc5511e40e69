/* store_storm_test [DAMAGED UNDAMAGED]: lanes of killed processes, as many times damaged (400) and as many
 * times only killed (150), opened by wadi_open in a process of its own. Nothing ends that process; what comes
 * out has the bytes that were recorded, once; of what stands on pages that the damage left alone at least 95
 * of 100 come out; and every number is delivered or dropped. */
#include "tests/unit/sdk/store/storm_lane.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sdk/src/store/store.h"

#define DAMAGES_A_LANE 25u
#define NEW_EVENTS 20u

static uint64_t seed;
static unsigned long n_damaged = 400, n_undamaged = 150;

/* ---- damage ------------------------------------------------------------------------------------- */

static void file_replace(history *h, image *i) {
    static const char text[] = "SQLite format 3";
    for (size_t at = 0; at < i->n; at++)
        i->bytes[at] = (uint8_t)history_random(h, 256);
    memcpy(i->bytes, text, sizeof text);
}

static void file_narrow(history *h, image *i) {
    (void)h;
    image_narrow(i);
}

typedef struct kind_sum {
    const char *name;
    uint64_t tried, aside;
    uint64_t owed, out;            /* events */
    uint64_t near, near_out;       /* of these: their own bytes, table and leaf untouched */
    uint64_t strict, strict_out;   /* only their own bytes untouched */
    uint64_t tombstones, nowhere;  /* numbers of the store */
    uint64_t ring_owed, ring_lost; /* events of the ring */
    uint64_t ring_silent;          /* of these lost ones: the ring's own account does not know */
    uint64_t anew;
} kind_sum;

#define KINDS_MAX 24u
static kind_sum kinds[KINDS_MAX];

static kind_sum *kind_of(const char *name) {
    for (unsigned k = 0; k < KINDS_MAX; k++) {
        if (kinds[k].name == NULL)
            kinds[k].name = name;
        if (strcmp(kinds[k].name, name) == 0)
            return &kinds[k];
    }
    fail_msg("too many kinds");
    return NULL;
}

/* Within the pages in use: the rest of a preallocated file is nobody's. */
static const char *store_damage(const storm_lane *l, history *h, image *store) {
    image used = {store->bytes, ((size_t)l->last_page + 1) * HISTORY_PAGE_BYTES};
    switch (history_random(h, 13)) {
    case 0:
        used.n = store->n;
        file_narrow(h, &used);
        *store = used;
        return "of the other word size";
    case 1:
        file_replace(h, store);
        return "of another program";
    default:
        break;
    }
    size_t before = used.n;
    const char *name = image_damage(h, &used);
    store->bytes = used.bytes;
    if (used.n != before)
        store->n = used.n;
    return name;
}

static const char *ring_damage(history *h, image *ring) {
    static char name[64];
    snprintf(name, sizeof name, "ring: %s", image_damage(h, ring));
    for (unsigned k = 0; k < KINDS_MAX; k++)
        if (kinds[k].name != NULL && strcmp(kinds[k].name, name) == 0)
            return kinds[k].name;
    return strdup(name);
}

/* ---- a child that opens it ---------------------------------------------------------------------- */

/* Shared with the parent. */
typedef struct outcome {
    uint8_t out[STORM_EVENTS_MAX + NEW_EVENTS]; /* how often, by index */
    uint8_t number[2 * STORM_EVENTS_MAX];       /* 1 delivered, 2 a tombstone, by number */
    uint64_t assigned, ring_lost, quarantined;
    uint64_t wrong; /* index + 1 of an event of other bytes, or of one that was settled and is not marked */
} outcome;

static void event_note(const storm_lane *l, const wdi_store_batch *b, uint64_t number, const uint8_t *event,
                       size_t n, outcome *o) {
    uint64_t index = storm_index(event, n);
    if (index >= l->n_events + NEW_EVENTS) {
        o->wrong = UINT64_MAX;
        return;
    }
    o->out[index]++;
    if (number < sizeof o->number)
        o->number[number] |= 1;
    if (index >= l->n_events)
        return;
    const storm_event *e = &l->events[index];
    uint32_t crc = wire_crc_event(wire_crc_seed(b->head.run.nonce), event, n);
    if ((e->crc != 0 && crc != e->crc) || (!e->owed && number > b->head.resent_through))
        o->wrong = index + 1;
}

static void batch_note(const storm_lane *l, const wdi_store_batch *b, const uint8_t *at, outcome *o) {
    size_t d = 0;
    for (uint64_t number = b->head.first_seq; number <= b->last_seq; number++) {
        while (d < b->head.n_dropped && b->head.dropped[d].first_seq + b->head.dropped[d].n <= number)
            d++;
        if (d < b->head.n_dropped && b->head.dropped[d].first_seq <= number) {
            if (number < sizeof o->number)
                o->number[number] |= 2;
            continue;
        }
        size_t n = 0;
        unsigned shift = 0;
        for (at++; *at & 0x80; at++, shift += 7)
            n |= (size_t)(*at & 0x7f) << shift;
        n |= (size_t)*at++ << shift;
        event_note(l, b, number, at, n, o);
        at += n;
    }
}

static int all_settle(const storm_lane *l, outcome *o) {
    static uint8_t out[64 * 1024];
    char path[STORM_DIR_BYTES + 32], aside[STORM_DIR_BYTES + 32];
    wdi_store *store = NULL;
    bool any = true;
    snprintf(path, sizeof path, "%s/lanes/0/store.mdb", l->dir);
    snprintf(aside, sizeof aside, "%s/quarantine", l->dir);
    const wdi_store_options opt = {.path = path, .quarantine_dir = aside, .disk_bytes_max = STORM_DISK_BYTES};
    const wdi_store_want want = {.now_us = 1, .out = out, .cap = sizeof out};
    if (wdi_store_open(&opt, &store) != WADI_OK)
        return 10;
    while (any) {
        wdi_store_batch b;
        if (wdi_store_peek(store, &want, &b, &any) != WADI_OK)
            return 11;
        if (!any)
            break;
        batch_note(l, &b, out, o);
        if (wdi_store_sending(store, b.head.stream, b.last_seq) != WADI_OK ||
            wdi_store_settle(store, b.head.stream, b.last_seq) != WADI_OK)
            return 12;
    }
    wadi_stats stats = WADI_STATS_INIT;
    wdi_store_stats(store, &stats);
    uint64_t sum = stats.acked + stats.pending;
    for (unsigned i = 0; i < WADI_DROP_COUNT; i++)
        sum += stats.dropped[i];
    wdi_store_close(store);
    return sum == stats.assigned ? 0 : 13;
}

/* Opens, records, closes; then everything goes out. 0: as it should be. */
static int lane_use(const storm_lane *l, outcome *o) {
    wadi_ticket ticket = 0;
    wadi_stats stats = WADI_STATS_INIT;
    wadi *w = storm_open(l->dir);
    if (w == NULL)
        return 2;
    if (wadi_stats_get(w, &stats) != WADI_OK)
        return 3;
    o->assigned = stats.assigned;
    o->ring_lost = stats.ring_lost;
    o->quarantined = stats.quarantined;
    for (uint64_t i = 0; i < NEW_EVENTS; i++)
        if (storm_track(w, l->n_events + i, &ticket) != WADI_OK)
            return 4;
    if (wadi_wait(w, ticket, WADI_DISK, 60000) != WADI_OK)
        return 5;
    if (wadi_close(w, 60000) != WADI_OK)
        return 6;
    return all_settle(l, o);
}

static void in_child(const storm_lane *l, outcome *o, const char *what, uint64_t of) {
    int status = 0;
    (void)fflush(NULL);
    memset(o, 0, sizeof *o);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(lane_use(l, o));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("seed %llu: %s: status %x", (unsigned long long)of, what, (unsigned)status);
    if (o->wrong != 0)
        fail_msg("seed %llu: %s: event %lld came out wrong, or again", (unsigned long long)of, what,
                 (long long)o->wrong - 1);
}

/* ---- what it made of it ------------------------------------------------------------------------- */

static bool page_touched(const image *before, const image *after, uint32_t page) {
    size_t at = (size_t)page * HISTORY_PAGE_BYTES;
    return at + HISTORY_PAGE_BYTES > after->n ||
           memcmp(before->bytes + at, after->bytes + at, HISTORY_PAGE_BYTES) != 0;
}

static bool span_touched(const image *before, const image *after, page_span span) {
    for (uint32_t page = span.first; page <= span.last; page++)
        if (page_touched(before, after, page))
            return true;
    return false;
}

static void event_count(const storm_lane *l, const storm_event *e, bool out, const image *store,
                        const image *ring, kind_sum *sum) {
    const image *before = e->number != 0 ? &l->store : &l->ring, *after = e->number != 0 ? store : ring;
    sum->owed++;
    sum->out += out;
    sum->ring_owed += e->number == 0;
    sum->ring_lost += e->number == 0 && !out;
    if (span_touched(before, after, e->bytes))
        return;
    sum->strict++;
    sum->strict_out += out;
    if (span_touched(before, after, e->table) || (e->number != 0 && page_touched(before, after, e->leaf)))
        return;
    sum->near++;
    sum->near_out += out;
}

static void outcome_count(const storm_lane *l, const outcome *o, const image *store, const image *ring,
                          kind_sum *sum, const char *what, uint64_t of) {
    uint64_t ring_number = 0; /* how many of the ring's so far: they get their numbers in this order */
    sum->tried++;
    sum->aside += o->quarantined;
    sum->anew += o->assigned == 0 && l->next_seq > 1;
    for (uint32_t i = 0; i < l->n_events; i++) {
        const storm_event *e = &l->events[i];
        if (o->out[i] > 1)
            fail_msg("seed %llu: %s: event %u came out %u times", (unsigned long long)of, what, i, o->out[i]);
        if (!e->owed)
            continue;
        event_count(l, e, o->out[i] > 0, store, ring, sum);
        bool tombstone = e->number != 0 && o->number[e->number] == 2;
        sum->tombstones += tombstone;
        sum->nowhere += e->number != 0 && o->out[i] == 0 && !tombstone;
        ring_number += e->number == 0;
        bool dropped = e->number == 0 && o->number[l->next_seq - 1 + ring_number] == 2;
        sum->ring_silent += e->number == 0 && o->out[i] == 0 && o->ring_lost == 0 && !dropped;
    }
    for (uint32_t i = l->n_events; i < l->n_events + NEW_EVENTS; i++)
        if (o->out[i] != 1)
            fail_msg("seed %llu: %s: new event %u came out %u times", (unsigned long long)of, what, i,
                     o->out[i]);
}

static void damage_try(const storm_lane *l, history *chance, outcome *o, uint64_t of) {
    image store = image_copy(&l->store), ring = image_copy(&l->ring);
    bool in_ring = history_random(chance, 6) == 0;
    const char *what = in_ring ? ring_damage(chance, &ring) : store_damage(l, chance, &store);
    storm_lane_place(l, &store, &ring);
    in_child(l, o, what, of);
    outcome_count(l, o, &store, &ring, kind_of(what), what, of);
    image_free(&store);
    image_free(&ring);
}

static void kind_print(const kind_sum *k) {
    printf("%-28s %5llu tried %5llu aside; owed %7llu out %7llu; untouched %7llu out %7llu (own bytes alone "
           "%7llu out %7llu); tombstones %6llu nowhere %5llu; ring %6llu lost %5llu silent %llu; anew %llu\n",
           k->name, (unsigned long long)k->tried, (unsigned long long)k->aside, (unsigned long long)k->owed,
           (unsigned long long)k->out, (unsigned long long)k->near, (unsigned long long)k->near_out,
           (unsigned long long)k->strict, (unsigned long long)k->strict_out,
           (unsigned long long)k->tombstones, (unsigned long long)k->nowhere,
           (unsigned long long)k->ring_owed, (unsigned long long)k->ring_lost,
           (unsigned long long)k->ring_silent, (unsigned long long)k->anew);
}

static kind_sum kinds_print(void) {
    kind_sum all = {.name = "all"};
    for (unsigned k = 0; k < KINDS_MAX && kinds[k].name != NULL; k++) {
        const uint64_t *from = &kinds[k].tried;
        uint64_t *to = &all.tried;
        for (size_t i = 0; i < (sizeof all - offsetof(kind_sum, tried)) / sizeof *to; i++)
            to[i] += from[i];
        kind_print(&kinds[k]);
    }
    kind_print(&all);
    return all;
}

static void test_damaged_lanes(void **state) {
    (void)state;
    static storm_lane l;
    if (n_damaged == 0)
        skip();
    outcome *o = mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(o != MAP_FAILED);
    for (unsigned long n = 0; n < n_damaged; n++) {
        uint64_t of = seed + n / DAMAGES_A_LANE;
        history chance = {.random = (of * 1000 + n % DAMAGES_A_LANE) * 2654435761u + 1};
        if (n % DAMAGES_A_LANE == 0) {
            if (n > 0)
                storm_lane_free(&l);
            storm_lane_make(&l, of);
        }
        (void)history_random(&chance, 2);
        damage_try(&l, &chance, o, of * 1000 + n % DAMAGES_A_LANE);
    }
    storm_lane_free(&l);
    munmap(o, sizeof *o);
    kind_sum all = kinds_print();
    assert_int_equal(all.nowhere, 0);
    assert_true(all.near_out * 100 >= all.near * 95);
    /* What is around them may be gone: of a few stores more is lost by chance. */
    assert_true(all.strict_out * 100 >= all.strict * (n_damaged < 10000 ? 90 : 95));
}

/* ---- no damage at all --------------------------------------------------------------------------- */

typedef struct lives {
    uint64_t opened, recorded; /* by all of them, in one lane */
} lives;

static void life_of_random_length(const char *dir, lives *shared, uint64_t wait_us) {
    const uint64_t opened = shared->opened;
    int status = 0;
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        wadi *w = storm_open(dir);
        if (w == NULL)
            _exit(2);
        shared->opened++;
        for (;;) {
            wadi_ticket ticket = 0;
            if (storm_track(w, shared->recorded % 1000, &ticket) == WADI_OK)
                shared->recorded++;
            wadi_err err =
                ticket != 0 && shared->recorded % 7 == 0 ? wadi_wait(w, ticket, WADI_DISK, 60000) : WADI_OK;
            if (err != WADI_OK && err != WADI_ERR_DROPPED && err != WADI_ERR_DISK_FULL)
                _exit(3);
        }
    }
    const struct timespec pause = {.tv_nsec = (long)wait_us * 1000}, slice = {.tv_nsec = 100000};
    while (*(volatile uint64_t *)&shared->opened == opened && waitpid(pid, &status, WNOHANG) == 0)
        nanosleep(&slice, NULL);
    nanosleep(&pause, NULL);
    kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    if (WIFEXITED(status))
        fail_msg("a life ended by itself: %x", (unsigned)status);
}

static bool any_aside(const char *dir) {
    char path[STORM_DIR_BYTES + 32];
    snprintf(path, sizeof path, "%s/quarantine", dir);
    return access(path, F_OK) == 0;
}

static void test_killed_lanes_are_never_set_aside(void **state) {
    (void)state;
    char dir[STORM_DIR_BYTES] = "";
    history chance = {.random = seed * 77 + 1};
    if (n_undamaged == 0)
        skip();
    lives *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    for (unsigned long n = 0; n < n_undamaged; n++) {
        if (n % 40 == 0) {
            if (n > 0)
                storm_dir_remove(dir);
            storm_dir_make(dir);
        }
        life_of_random_length(dir, shared, history_random(&chance, 3000));
        if (any_aside(dir))
            fail_msg("seed %llu: open %lu set a sound store aside", (unsigned long long)seed, n);
    }
    storm_dir_remove(dir);
    printf("%llu unclean opens, none set aside; %llu events recorded between\n",
           (unsigned long long)shared->opened, (unsigned long long)shared->recorded);
    munmap(shared, sizeof *shared);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_lanes),
        cmocka_unit_test(test_killed_lanes_are_never_set_aside),
    };
    const char *text = getenv("WADI_TEST_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    if (argc == 3) {
        n_damaged = strtoul(argv[1], NULL, 10);
        n_undamaged = strtoul(argv[2], NULL, 10);
    }
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* what is tried here is not the disk */
    printf("WADI_TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

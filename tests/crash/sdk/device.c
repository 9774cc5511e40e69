#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/crash/sdk/scene.h"
#include "tests/sim/sim_random.h"

#define BURST_MAX 60u
#define WAIT_MS 200u
#define NAP_US 1000u
#define DELIVER_MS 60000u
#define DELIVERIES_MAX 3

typedef struct device {
    const device_plan *plan;
    wadi *w;
    uint32_t round;
    uint64_t index;     /* of the next event */
    wadi_ticket ticket; /* of the last */
    sim_random chance;
} device;

static void diag_print(void *context, wadi_diag_level level, const char *line) {
    (void)context;
    (void)level;
    fprintf(stderr, "  device: %s\n", line);
}

static void installation_note(const char *id) {
    memcpy(scene_now->installation, id, sizeof scene_now->installation);
    if (scene_changed != NULL)
        scene_changed(scene_now->n_rounds - 1);
}

wadi_err device_open(const device_plan *plan, bool aloud, wadi **ret_w) {
    char id[sizeof scene_now->installation];
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = plan->dir;
    opt.endpoint = "http://127.0.0.1:1";
    opt.flush_ms = plan->flush_ms != 0 ? plan->flush_ms : 10;
    opt.ring_bytes = 64 * 1024;
    opt.disk_bytes_max = plan->disk_bytes_max;
    opt.retry_min_ms = 1;
    opt.retry_max_ms = 4;
    opt.diag = aloud ? diag_print : NULL;
    wadi_err err = wadi_open(&opt, ret_w);
    if (err != WADI_OK)
        return err;
    if (wadi_installation(*ret_w, id) == WADI_OK) {
        if (scene_now->installation[0] == '\0')
            installation_note(id);
        else if (memcmp(scene_now->installation, id, sizeof id) != 0)
            scene_wrong("another installation");
    }
    return WADI_OK;
}

/* ---- a round
 * -------------------------------------------------------------------------------------------------- */

static void round_note(uint32_t round, uint64_t returned, uint64_t told) {
    scene_round *r = &scene_now->rounds[round];
    __atomic_store_n(&r->returned, returned, __ATOMIC_RELEASE);
    if (told > r->told)
        __atomic_store_n(&r->told, told, __ATOMIC_RELEASE);
    if (scene_changed != NULL)
        scene_changed(round);
}

/* The store is open and its run has begun: what earlier processes left in the ring is in the store. */
static void earlier_note(uint32_t round) {
    for (uint32_t r = scene_now->cut_from; r < round; r++)
        round_note(r, scene_now->rounds[r].returned, scene_now->rounds[r].returned);
}

wadi_err device_record(wadi *w, uint32_t round, const device_event *what, wadi_ticket *ret_ticket) {
    static char text[DEVICE_TEXT_BYTES];
    const uint64_t index = scene_now->rounds[round].returned;
    memset(text, 'x', sizeof text);
    const wadi_prop props[] = {WADI_INT("round", round), WADI_INT("index", (int64_t)index),
                               WADI_BIN("text", text, what->text_bytes)};
    wadi_event ev = WADI_EVENT_INIT;
    ev.name = what->name;
    ev.props = props;
    ev.n_props = sizeof props / sizeof *props;
    ev.priority = what->priority;
    wadi_err err = wadi_track_ex(w, &ev, ret_ticket);
    if (err != WADI_OK)
        return err;
    if (index == 0)
        earlier_note(round);
    round_note(round, index + 1, 0);
    return WADI_OK;
}

static device_event event_choose(sim_random *chance) {
    static const char *const names[] = {"page_view", "play", "stop", "search", "buy"};
    static const wadi_priority priorities[] = {WADI_LOW, WADI_HIGH, WADI_CRITICAL};
    device_event event = {.name = names[sim_below(chance, sizeof names / sizeof *names)], .text_bytes = 8};
    if (sim_chance(chance, 20))
        event.text_bytes = sim_below(chance, DEVICE_TEXT_BYTES);
    if (sim_chance(chance, 10))
        event.priority = priorities[sim_below(chance, 3)];
    return event;
}

static uint64_t recorded(const device *d) { return scene_now->rounds[d->round].returned; }

static void burst(device *d) {
    uint32_t n = 1 + sim_below(&d->chance, BURST_MAX);
    for (uint32_t i = 0; i < n && recorded(d) < d->plan->events_max; i++) {
        const device_event what = event_choose(&d->chance);
        wadi_err err = device_record(d->w, d->round, &what, &d->ticket);
        if (err == WADI_ERR_FULL)
            break;
        if (err != WADI_OK)
            _exit(3);
    }
}

static void promise(device *d) {
    if (d->ticket == 0)
        return;
    if (wadi_wait(d->w, d->ticket, WADI_DISK, WAIT_MS) == WADI_OK)
        round_note(d->round, recorded(d), recorded(d));
}

static _Noreturn void device_close(device *d) {
    wadi_err err = wadi_close(d->w, WAIT_MS);
    if (err == WADI_OK)
        round_note(d->round, recorded(d), recorded(d));
    _exit(err == WADI_OK || err == WADI_ERR_TIMEOUT ? 0 : 3);
}

_Noreturn void device_main(const device_plan *plan) {
    device d = {.plan = plan, .round = scene_now->n_rounds - 1};
    d.chance.state = scene_now->seed * 1000003 + d.round;
    if (device_open(plan, false, &d.w) != WADI_OK)
        _exit(3);
    while (recorded(&d) < plan->events_max) {
        burst(&d);
        uint32_t what = sim_below(&d.chance, 100);
        if (what < 40)
            promise(&d);
        else if (what < 60)
            (void)!wadi_flush(d.w);
        else if (what < 80)
            usleep(NAP_US);
        else if (what < 81 && !plan->stays)
            device_close(&d);
    }
    while (plan->stays)
        pause();
    device_close(&d);
}

/* ---- the audit
 * ------------------------------------------------------------------------------------------------ */

/* Where the numbers are known to be: event `next - 1` of `round` has number `at`. */
typedef struct anchor {
    uint64_t at, next;
    uint32_t round;
} anchor;

/* An event may be there although its call had not returned yet. */
static uint64_t most(uint32_t round) { return scene_now->rounds[round].returned + 1; }

/* Numbers between an anchor and event `index` of a later round, or behind all rounds: within what was
 * promised and what was recorded. */
static bool between_good(const anchor *a, uint32_t round, uint64_t index, uint64_t numbers) {
    uint64_t told = scene_now->rounds[a->round].told;
    uint64_t min = index + (told > a->next ? told - a->next : 0);
    uint64_t max = index + most(a->round) - a->next;
    for (uint32_t r = a->round + 1; r < round; r++) {
        min += scene_now->rounds[r].told;
        max += most(r);
    }
    return min <= numbers && numbers <= max;
}

static bool number_good(anchor *a, uint64_t number) {
    const scene_number *n = &scene_now->numbers[number];
    bool good = n->round < scene_now->n_rounds && n->round >= a->round && n->index < most(n->round);
    if (good && n->round == a->round)
        good = n->index >= a->next && n->index - a->next == number - a->at - 1;
    else if (good)
        good = between_good(a, n->round, n->index, number - a->at - 1);
    if (!good)
        scene_wrong("number %llu is event %u of round %u, number %llu was event %lld of round %u",
                    (unsigned long long)number, n->index, n->round, (unsigned long long)a->at,
                    (long long)a->next - 1, a->round);
    *a = (anchor){number, (uint64_t)n->index + 1, n->round};
    return good;
}

static void numbers_check(void) {
    anchor a = {.at = 0};
    for (uint64_t number = 1; number < scene_now->next_seq; number++)
        if (scene_now->numbers[number].index != SCENE_DROPPED && !number_good(&a, number))
            return;
    if (scene_now->n_rounds > 0 && !between_good(&a, scene_now->n_rounds, 0, scene_now->next_seq - 1 - a.at))
        scene_wrong("behind event %lld of round %u there are %llu numbers", (long long)a.next - 1, a.round,
                    (unsigned long long)(scene_now->next_seq - 1 - a.at));
}

static void ledger_check(const wadi_stats *s) {
    uint64_t dropped = s->dropped[WADI_DROP_DISK_QUOTA];
    if (s->quarantined != 0 || s->forks != 0 || s->resent != 0)
        scene_wrong("quarantined %llu, forks %llu, resent %llu", (unsigned long long)s->quarantined,
                    (unsigned long long)s->forks, (unsigned long long)s->resent);
    if (s->pending != 0 || s->assigned != scene_now->next_seq - 1 || s->acked + dropped != s->assigned)
        scene_wrong("assigned %llu, acked %llu, dropped %llu, pending %llu; the region has %llu",
                    (unsigned long long)s->assigned, (unsigned long long)s->acked,
                    (unsigned long long)dropped, (unsigned long long)s->pending,
                    (unsigned long long)scene_now->next_seq - 1);
}

static uint32_t patience_ms(const device_plan *plan) {
    return plan->deliver_ms != 0 ? plan->deliver_ms : DELIVER_MS;
}

/* A store that had no room opens without its ring's content, which comes once something was delivered. */
static bool all_deliver(const device_plan *plan) {
    wadi_err err = WADI_ERR_TIMEOUT;
    for (int i = 0; i < DELIVERIES_MAX && err == WADI_ERR_TIMEOUT; i++) {
        wadi *w = NULL;
        err = device_open(plan, true, &w);
        if (err == WADI_OK)
            err = wadi_close(w, patience_ms(plan));
    }
    return err == WADI_OK;
}

bool device_audit(const device_plan *plan) {
    wadi_stats stats = WADI_STATS_INIT;
    scene_now->region_away = false;
    scene_now->region_calm = true;
    if (all_deliver(plan))
        earlier_note(scene_now->n_rounds);
    else
        scene_wrong("it does not open, or does not deliver");
    wadi *w = NULL; /* what is counted is in the store */
    if (device_open(plan, true, &w) != WADI_OK || wadi_stats_get(w, &stats) != WADI_OK)
        scene_wrong("it does not open again");
    else
        ledger_check(&stats);
    if (w != NULL && wadi_close(w, patience_ms(plan)) != WADI_OK)
        scene_wrong("it does not close");
    numbers_check();
    if (scene_now->wrong[0] != '\0')
        printf("WRONG: %s\n", scene_now->wrong);
    fflush(stdout);
    return scene_now->wrong[0] == '\0';
}

#include "device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- chance: xorshift64*, so that a seed says what a device does ----------------------------------------
 */

typedef struct chance {
    uint64_t state;
} chance;

static uint64_t chance_next(chance *c) {
    c->state ^= c->state >> 12;
    c->state ^= c->state << 25;
    c->state ^= c->state >> 27;
    return c->state * 0x2545F4914F6CDD1Du;
}

static uint64_t chance_below(chance *c, uint64_t n) { return chance_next(c) % n; }

static const char *chance_of(chance *c, const char *const *texts, size_t n) {
    return texts[chance_below(c, n)];
}
#define CHANCE_OF(c, texts) chance_of((c), (texts), sizeof(texts) / sizeof *(texts))

/* ---- what people and machines do -------------------------------------------------------------------------
 */

static const char *const paths[] = {"/", "/pricing", "/caf\u00e9/men\u00fc", "/docs/getting-started",
                                    "/\u6771\u4eac"};
static const char *const searches[] = {"rain coat", "\u0645\u0637\u0631", "\u9632\u6c34 \U0001F327",
                                       "Regenjacke Gr\u00f6\u00dfe 42", "50% \"off\", today\n"};
static const char *const items[] = {"boots", "coat", "umbrella \u2602",
                                    "\u05de\u05d8\u05e8\u05d9\u05d9\u05d4"};
static const char *const currencies[] = {"EUR", "JPY", "USD"};
static const char *const screens[] = {"home", "cart", "profile"};

#define PROPS_MAX 8

typedef struct happening {
    const char *name;
    wadi_prop props[PROPS_MAX];
    size_t n;
} happening;

static void put(happening *h, wadi_prop prop) { h->props[h->n++] = prop; }

static void page_view(happening *h, chance *c) {
    put(h, WADI_STR("path", CHANCE_OF(c, paths)));
    put(h, WADI_INT("status", chance_below(c, 20) ? 200 : 404));
    put(h, WADI_F64("load_ms", (double)chance_below(c, 90000) / 32));
    put(h, WADI_BOOL("cached", (int)chance_below(c, 2)));
}

static void search(happening *h, chance *c) {
    put(h, WADI_STR("query", CHANCE_OF(c, searches)));
    put(h, WADI_INT("results", (int64_t)chance_below(c, 500)));
}

static void cart_add(happening *h, chance *c) {
    put(h, WADI_STR("item", CHANCE_OF(c, items)));
    put(h, WADI_INT("quantity", 1 + (int64_t)chance_below(c, 3)));
    put(h, WADI_F64("price", (double)chance_below(c, 20000) / 100));
    put(h, WADI_STR("currency", CHANCE_OF(c, currencies)));
}

static void purchase(happening *h, chance *c) {
    put(h, WADI_F64("total", (double)chance_below(c, 99999) / 100));
    put(h, WADI_STR("currency", CHANCE_OF(c, currencies)));
    put(h, WADI_BOOL("first", (int)chance_below(c, 2)));
}

static void video_progress(happening *h, chance *c) {
    put(h, WADI_INT("position_ms", (int64_t)chance_below(c, 3600000)));
    put(h, WADI_F64("volume", (double)chance_below(c, 101) / 100));
    put(h, WADI_BOOL("fullscreen", (int)chance_below(c, 2)));
}

static void sensor(happening *h, chance *c) {
    static const unsigned char reading[] = {0x00, 0xff, 0x7e, 0x81, 0x0a};
    put(h, WADI_F64("celsius", (double)chance_below(c, 600) / 10 - 20));
    put(h, WADI_INT("offset", -(int64_t)chance_below(c, 1000)));
    put(h, WADI_BIN("raw", reading, (uint32_t)(1 + chance_below(c, sizeof reading))));
}

static void screen(happening *h, chance *c) { put(h, WADI_STR("screen", CHANCE_OF(c, screens))); }

static const struct {
    const char *name;
    void (*fill)(happening *h, chance *c);
} kinds[] = {{"page_view", page_view}, {"search", search},      {"cart_add", cart_add},
             {"purchase", purchase},   {"sensor", sensor},      {"video_progress", video_progress},
             {"screen", screen},       {"page_view", page_view}};

/* ---- recording -------------------------------------------------------------------------------------------
 */

static wadi_err record_one(device *d, chance *c, unsigned counter) {
    char id[NOTES_ID_BYTES];
    snprintf(id, sizeof id, "%04u-%04u-%08u", d->number, d->launch, counter);
    size_t kind = chance_below(c, sizeof kinds / sizeof *kinds);
    happening h = {.name = kinds[kind].name};
    put(&h, WADI_STR("audit", id));
    kinds[kind].fill(&h, c);
    wadi_event event = WADI_EVENT_INIT;
    event.name = h.name;
    event.props = h.props;
    event.n_props = h.n;
    if (chance_below(c, 100) == 0)
        event.priority = WADI_CRITICAL;
    return track_noted(d, id, &event, false);
}

int record(device *d) {
    chance c = {(d->seed ^ (uint64_t)d->number << 40 ^ (uint64_t)d->launch << 20) * 2 + 1};
    char user[32];
    snprintf(user, sizeof user, "user-%u", d->number);
    if (wadi_identify(d->w, user) != WADI_OK)
        return EXIT_FAILURE;
    const uint64_t mean_us = (uint64_t)(1e6 / d->rate);
    for (unsigned counter = 1; now_us() < d->until_us; counter++) {
        record_one(d, &c, counter);
        sleep_us(mean_us / 2 + chance_below(&c, mean_us));
    }
    return EXIT_SUCCESS;
}

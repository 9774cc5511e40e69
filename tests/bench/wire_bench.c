/* The codec's hot paths on a 6-property event: one JSON line a case. */
#include "schemas/wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENTS = 400, ROUNDS = 400, REPEATS = 15, BODY_BYTES_MAX = 1 << 20 };

static const char *const paths[] = {"/pricing", "/", "/docs/install", "/blog/2026/10/a-year-of-rain",
                                    "/login"};
static const char *const titles[] = {"Pricing", "Start", "Install on Debian", "A year of rain", "Sign in"};

typedef struct bench_state {
    wire_prop props[EVENTS][6];
    wire_event events[EVENTS];
    uint8_t body[BODY_BYTES_MAX];
    size_t n;
    wire_item items[EVENTS];
    wire_dict dict;
    wire_batch batch;
} bench_state;

static wire_prop prop_text(uint32_t key_id, const char *text) {
    return (wire_prop){.key_id = key_id, .type = WIRE_STRING, .v.s = {text, strlen(text)}};
}

/* Two strings, two integers, a double and a truth value; values differ from event to event. */
static void events_fill(bench_state *bench) {
    for (uint32_t i = 0; i < EVENTS; i++) {
        const uint32_t mix = i * 2654435761u >> 7;
        wire_prop *const props = bench->props[i];
        props[0] = prop_text(1, paths[mix % 5]);
        props[1] = prop_text(2, titles[mix / 5 % 5]);
        props[2] = (wire_prop){.key_id = 3, .type = WIRE_INT, .v.i = 200 + mix % 300};
        props[3] = (wire_prop){.key_id = 4, .type = WIRE_INT, .v.i = mix};
        props[4] = (wire_prop){.key_id = 5, .type = WIRE_DOUBLE, .v.d = mix / 7.0};
        props[5] = (wire_prop){.key_id = 6, .type = mix & 1 ? WIRE_TRUE : WIRE_FALSE};
        bench->events[i] = (wire_event){
            .name_id = 7, .at_us = 1000000 + i * 997u, .context = 1, .props = props, .n_props = 6};
    }
}

static void batch_fill(bench_state *bench) {
    static const char *const names[] = {"path", "title", "status", "bytes", "seconds", "cached", "page_view"};
    wire_definition definitions[7];
    for (uint32_t i = 0; i < 7; i++)
        definitions[i] = (wire_definition){i + 1, {(const uint8_t *)names[i], strlen(names[i])}};
    const wire_attribute app = {{(const uint8_t *)"app", 3}, {(const uint8_t *)"bench", 5}};
    const wire_context context = {.id = 1, .attributes = &app, .n_attributes = 1};
    uint8_t encoded[128];
    wire_span contexts = {encoded, 0};
    const wire_batch_head head = {.first_seq = 1,
                                  .low = 1,
                                  .run = {.ordinal = 1, .nonce = 7},
                                  .definitions = definitions,
                                  .n_definitions = 7,
                                  .contexts = &contexts,
                                  .n_contexts = 1};
    if (wire_context_encode(&context, encoded, sizeof encoded, &contexts.n) != WIRE_OK ||
        wire_batch_head_encode(&head, bench->body, BODY_BYTES_MAX, &bench->n) != WIRE_OK)
        abort();
    for (uint32_t i = 0; i < EVENTS; i++) {
        bench->n += wire_frame_put(bench->body + bench->n, wire_event_size(&bench->events[i]));
        bench->n += wire_event_encode(bench->body + bench->n, &bench->events[i]);
    }
}

static void encode_round(bench_state *bench) {
    uint8_t out[512];
    for (uint32_t i = 0; i < EVENTS; i++) {
        const size_t n = wire_event_size(&bench->events[i]);
        if (n > sizeof out || wire_event_encode(out, &bench->events[i]) != n)
            abort();
        __asm__ volatile("" : : "r"(out) : "memory");
    }
}

static void event_scan_round(bench_state *bench) {
    for (uint32_t i = 0; i < EVENTS; i++) {
        wire_event_view view;
        if (wire_event_scan(bench->body + bench->items[i].off, bench->items[i].len, &view) != WIRE_OK)
            abort();
        __asm__ volatile("" : : "r"(&view) : "memory");
    }
}

static void scan_round(bench_state *bench) {
    if (wire_batch_scan(bench->body, bench->n, bench->items, EVENTS, &bench->dict, &bench->batch) != WIRE_OK)
        abort();
}

static void rescan_round(bench_state *bench) {
    if (wire_batch_rescan(bench->body, bench->n, bench->items, EVENTS, &bench->dict, &bench->batch) !=
        WIRE_OK)
        abort();
}

static double now_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* The best of some repeats: what the code costs when the machine does nothing else. */
static void bench_run(const char *name, bench_state *bench, void (*round)(bench_state *bench)) {
    double best = 1e18;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        const double begin = now_ns();
        for (int i = 0; i < ROUNDS; i++)
            round(bench);
        const double ns = (now_ns() - begin) / ((double)ROUNDS * EVENTS);
        if (ns < best)
            best = ns;
    }
    const double bytes = (double)bench->batch.events_bytes / EVENTS;
    printf("{\"bench\":\"wire.%s\",\"ns_per_event\":%.1f,\"event_bytes\":%.1f}\n", name, best, bytes);
}

int main(void) {
    static bench_state bench;
    events_fill(&bench);
    batch_fill(&bench);
    scan_round(&bench);
    bench_run("encode", &bench, encode_round);
    bench_run("event_scan", &bench, event_scan_round);
    bench_run("batch_scan", &bench, scan_round);
    bench_run("batch_rescan", &bench, rescan_round);
    return 0;
}

#include "load.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#define PROPS 6u
#define NAMES 20u
#define RAW_BYTES_MAX LOAD_BODY_BYTES_MAX
#define RUN_BOOT_US 5000000000u /* the devices' boot clocks when their runs began … */
#define RUN_AGE_US 3600000000   /* … an hour before the load */

typedef struct stream {
    uint64_t next_seq, chain;
    uint32_t nonce;
} stream;

struct load {
    load_options opt;
    uint64_t random;
    int64_t run_began_us; /* wall clock */
    stream *streams;
    ZSTD_CCtx *zstd;
    uint8_t *raw, *packed;
    uint64_t *at_us; /* of one batch's events, ascending */
};

uint64_t load_random(load *l) {
    uint64_t x = l->random += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

load *load_new(const load_options *opt) {
    load *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->opt = *opt;
    l->random = opt->seed;
    l->streams = calloc(opt->streams, sizeof *l->streams);
    l->raw = malloc(RAW_BYTES_MAX);
    l->packed = malloc(ZSTD_compressBound(RAW_BYTES_MAX));
    l->at_us = malloc(opt->batch_max * sizeof *l->at_us);
    l->zstd = ZSTD_createCCtx();
    if (!l->streams || !l->raw || !l->packed || !l->at_us || !l->zstd) {
        load_free(l);
        return NULL;
    }
    ZSTD_CCtx_setParameter(l->zstd, ZSTD_c_compressionLevel, 1);
    for (uint32_t s = 0; s < opt->streams; s++) {
        l->streams[s].next_seq = 1;
        l->streams[s].nonce = (uint32_t)load_random(l);
    }
    return l;
}

void load_free(load *l) {
    if (!l)
        return;
    ZSTD_freeCCtx(l->zstd);
    free(l->streams);
    free(l->raw);
    free(l->packed);
    free(l->at_us);
    free(l);
}

uint64_t load_next_seq(const load *l, uint32_t s) { return l->streams[s].next_seq; }

/* ---- one batch --------------------------------------------------------------------------------------- */

static const char *const texts[] = {"path", "status", "seconds", "signed_in", "referrer", "position"};
static const char *const paths[] = {"/pricing", "/docs/install", "/blog/2026/11", "/account/settings",
                                    "/search"};

static int moment_compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void moments_choose(load *l, uint32_t n, int64_t now_us) {
    for (uint32_t i = 0; i < n; i++)
        l->at_us[i] =
            (uint64_t)(now_us - l->run_began_us) - load_random(l) % (uint64_t)(l->opt.displaced_us + 1);
    qsort(l->at_us, n, sizeof *l->at_us, moment_compare);
}

/* A path with a number of its own, three numbers, a flag and a token: no two events are alike. */
static size_t event_put(load *l, uint8_t *out, uint64_t at_us, size_t *ret_frame) {
    char path[48], token[17];
    uint64_t r = load_random(l), q = load_random(l);
    const char *stem = paths[r % 5];
    size_t n = strlen(stem);
    memcpy(path, stem, n);
    path[n++] = '/';
    for (uint64_t id = r >> 40; id > 0; id /= 10)
        path[n++] = (char)('0' + id % 10);
    for (unsigned i = 0; i < 12; i++)
        token[i] = "0123456789abcdefghijklmnopqrstuv"[q >> (5 * i) & 31];
    wire_prop props[PROPS] = {
        {.key_id = NAMES + 1, .type = WIRE_STRING, .v.s = {path, n}},
        {.key_id = NAMES + 2, .type = WIRE_INT, .v.i = 200 + (int64_t)(r >> 8 & 3) * 100},
        {.key_id = NAMES + 3, .type = WIRE_DOUBLE, .v.d = (double)(q >> 44) / 100},
        {.key_id = NAMES + 4, .type = r >> 10 & 1 ? WIRE_TRUE : WIRE_FALSE},
        {.key_id = NAMES + 5, .type = WIRE_STRING, .v.s = {token, 12}},
        {.key_id = NAMES + 6, .type = WIRE_INT, .v.i = (int64_t)(r >> 16 & 0xFFFF)},
    };
    wire_event ev = {
        .name_id = 1 + (uint32_t)(r >> 12) % NAMES, .at_us = at_us, .props = props, .n_props = PROPS};
    size_t size = wire_event_size(&ev);
    *ret_frame = wire_frame_put(out, size);
    return wire_event_encode(out + *ret_frame, &ev);
}

static void id_fill(uint8_t id[WIRE_ID_BYTES], uint32_t s, uint8_t kind) {
    memset(id, 0xB5, WIRE_ID_BYTES);
    id[0] = kind;
    memcpy(id + 12, &s, sizeof s);
}

static size_t head_put(load *l, uint32_t s, const load_place *place, int64_t now_us) {
    char names[NAMES][16];
    wire_definition definitions[NAMES + PROPS];
    for (uint32_t i = 0; i < NAMES; i++) {
        memcpy(names[i], "event_", 6);
        names[i][6] = (char)('a' + i);
        definitions[i] = (wire_definition){i + 1, {(const uint8_t *)names[i], 7}};
    }
    for (uint32_t i = 0; i < PROPS; i++)
        definitions[NAMES + i] =
            (wire_definition){NAMES + 1 + i, {(const uint8_t *)texts[i], strlen(texts[i])}};
    wire_batch_head head = {.first_seq = place->first_seq,
                            .chain = place->chain,
                            .low = place->low,
                            .run = {.ordinal = 1,
                                    .nonce = l->streams[s].nonce,
                                    .boot_us = RUN_BOOT_US,
                                    .wall_us = l->run_began_us,
                                    .sdk = {(const uint8_t *)"bench", 5}},
                            .clock = {.boot_us = RUN_BOOT_US + (uint64_t)(now_us - l->run_began_us),
                                      .wall_us = now_us,
                                      .has_offset = true,
                                      .offset_us = l->run_began_us - (int64_t)RUN_BOOT_US,
                                      .offset_error_us = 500},
                            .definitions = definitions,
                            .n_definitions = NAMES + PROPS};
    id_fill(head.installation, s, 1);
    id_fill(head.stream, s, 2);
    size_t n = 0;
    return wire_batch_head_encode(&head, l->raw, RAW_BYTES_MAX, &n) == WIRE_OK ? n : 0;
}

static void run_begin(load *l, int64_t now_us) {
    if (l->run_began_us == 0)
        l->run_began_us = now_us - RUN_AGE_US;
}

/* The first n bytes of l->raw. */
static wire_span raw_pack(load *l, size_t n) {
    size_t packed = ZSTD_compress2(l->zstd, l->packed, ZSTD_compressBound(RAW_BYTES_MAX), l->raw, n);
    return (wire_span){l->packed, packed};
}

/* An event, framed; the chain goes on over it. */
static size_t framed_put(load *l, uint8_t *out, uint64_t at_us, uint32_t seed, uint64_t *chain) {
    size_t frame, size = event_put(l, out, at_us, &frame);
    *chain = wire_chain(*chain, wire_crc_event(seed, out + frame, size));
    return frame + size;
}

wire_span load_batch(load *l, uint32_t s, int64_t now_us, uint32_t *ret_events) {
    stream *st = &l->streams[s];
    run_begin(l, now_us);
    uint32_t events =
        l->opt.batch_min + (uint32_t)(load_random(l) % (l->opt.batch_max - l->opt.batch_min + 1));
    moments_choose(l, events, now_us);
    load_place place = {st->next_seq, st->chain, st->next_seq};
    size_t n = head_put(l, s, &place, now_us);
    uint32_t seed = wire_crc_seed(st->nonce);
    for (uint32_t i = 0; i < events; i++)
        n += framed_put(l, l->raw + n, l->at_us[i], seed, &st->chain);
    st->next_seq += events;
    *ret_events = events;
    return raw_pack(l, n);
}

/* Streams lie at different times behind, so that their events are interleaved. */
size_t load_event(load *l, uint32_t s, int64_t now_us, uint8_t *out, uint64_t *chain) {
    run_begin(l, now_us);
    uint64_t behind_us = s * UINT64_C(618033989) % (uint64_t)(l->opt.displaced_us + 1);
    return framed_put(l, out, (uint64_t)(now_us - l->run_began_us) - behind_us,
                      wire_crc_seed(l->streams[s].nonce), chain);
}

wire_span load_pack(load *l, uint32_t s, const load_place *place, int64_t now_us, wire_span events) {
    size_t n = head_put(l, s, place, now_us);
    memcpy(l->raw + n, events.data, events.n);
    return raw_pack(l, n + events.n);
}

uint32_t load_stream_of(const char *hex, size_t n) {
    if (n != 2 * WIRE_ID_BYTES || memcmp(hex, "02b5", 4) != 0)
        return UINT32_MAX;
    uint32_t s = 0;
    for (unsigned byte = 0; byte < 4; byte++) {
        char digits[3] = {hex[24 + 2 * byte], hex[25 + 2 * byte], 0};
        s |= (uint32_t)strtoul(digits, NULL, 16) << (8 * byte);
    }
    return s;
}

/* The sinks' encoders by themselves: events in time order, of many batches that overlap, become an object
 * that nobody keeps. One JSON line a case. */
#include "collector/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "encoder.h"
#include "sort.h"
#include "tests/unit/collector/sinks/nothing_store.h"

enum {
    STREAMS = 10000,
    BODIES = 64,
    BATCH_MIN = 100,
    BATCH_MAX = 400,
    ROUNDS = 40,
    EVENTS_MAX = BODIES * BATCH_MAX
};

#define BEGIN_US INT64_C(1700000000000000)
#define ROUND_US 1000000
#define RAW_BYTES_MAX LOAD_BODY_BYTES_MAX

typedef struct bench {
    load *load;
    body_reader *reader;
    uint64_t position;
    int64_t now_us;
    body *bodies[BODIES];
    order_event events[EVENTS_MAX], scratch[EVENTS_MAX];
    size_t n;
} bench;

static void must(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "encoder_bench: %s\n", what);
    exit(1);
}

static uint64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static body *body_next(bench *b) {
    uint32_t stream = (uint32_t)(load_random(b->load) % STREAMS), n_events;
    uint64_t first_seq = load_next_seq(b->load, stream);
    wire_span packed = load_batch(b->load, stream, b->now_us, &n_events);
    journal_entry entry = {.position = ++b->position,
                           .received_us = b->now_us,
                           .kind = ENTRY_BATCH,
                           .encoding = ENTRY_ZSTD,
                           .time_quality = 1,
                           .first_seq = first_seq,
                           .n_items = n_events,
                           .n_events = n_events,
                           .run_ordinal = 1,
                           .basis_us = BEGIN_US - INT64_C(3600000000), /* when the load's devices booted */
                           .floor_us = INT64_MIN,
                           .ceil_us = INT64_MAX,
                           .raw_bytes = RAW_BYTES_MAX,
                           .body_bytes = (uint32_t)packed.n,
                           .tenant = "default"};
    memcpy(entry.installation, &stream, sizeof stream);
    memcpy(entry.stream, &stream, sizeof stream);
    body *made = NULL;
    must(body_open(b->reader, &entry, packed, &made) == BODY_OK, "a body");
    return made;
}

static void round_make(bench *b) {
    b->n = 0;
    b->now_us += ROUND_US;
    for (size_t i = 0; i < BODIES; i++) {
        body_unref(b->bodies[i]);
        b->bodies[i] = body_next(b);
        for (uint32_t k = 0; k < b->bodies[i]->n_items; k++)
            b->events[b->n++] = order_event_of(b->bodies[i], k);
    }
    order_sort(b->events, b->scratch, b->n); /* by position and place already */
}

/* ---- cases ------------------------------------------------------------------------------------------- */

static void bench_init(bench *b) {
    load_options opt = {.streams = STREAMS,
                        .batch_min = BATCH_MIN,
                        .batch_max = BATCH_MAX,
                        .displaced_us = ROUND_US,
                        .seed = 1};
    *b = (bench){.load = load_new(&opt), .reader = body_reader_new(), .now_us = BEGIN_US};
    must(b->load && b->reader, "no memory");
}

static void bench_fini(bench *b) {
    for (size_t i = 0; i < BODIES; i++)
        body_unref(b->bodies[i]);
    body_reader_free(b->reader);
    load_free(b->load);
}

static void case_run(const encoder_ops *ops, output_codec codec) {
    static bench b;
    encoder_options opt = {.codec = codec};
    bench_init(&b);
    void *encoder = ops->create(&opt, (sink_store){&nothing, NULL});
    must(encoder && ops->begin(encoder, 0, "bench") == SINK_OK, "begin");
    uint64_t ns = 0, events = 0, rows, bytes;
    uint32_t crc;
    for (int round = 0; round < ROUNDS; round++) {
        round_make(&b);
        uint64_t from = cpu_ns();
        must(ops->put(encoder, b.events, b.n, false, &rows) == SINK_OK, "put");
        ns += cpu_ns() - from;
        events += rows;
    }
    uint64_t from = cpu_ns();
    must(ops->finish(encoder, &bytes, &crc) == SINK_OK, "finish");
    ns += cpu_ns() - from;
    printf("{\"case\": \"rows.%s.%s\", \"ns_per_event\": %.0f, \"bytes_per_event\": %.1f}\n", ops->format,
           output_codec_name(codec), (double)ns / (double)events, (double)bytes / (double)events);
    ops->destroy(encoder);
    bench_fini(&b);
}

int main(int argc, char **argv) {
    static const encoder_ops *const all[] = {&encoder_jsonl, &encoder_record, &encoder_parquet};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (output_codec codec = OUTPUT_PLAIN; codec <= OUTPUT_ZSTD; codec++)
            if (codec != OUTPUT_GZIP && (argc < 2 || strcmp(argv[1], all[i]->format) == 0))
                case_run(all[i], codec);
    return 0;
}

/* load: 10,000 devices in one process, as far as a collector can tell: every stream numbers its own events,
 * and no two events are the same. One thread. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "schemas/wire/wire.h"

#define LOAD_BODY_BYTES_MAX (1u << 20)

typedef struct load_options {
    uint32_t streams;
    uint32_t batch_min, batch_max; /* events a batch */
    int64_t displaced_us;          /* an event is up to that much older than its batch */
    uint64_t seed;
} load_options;

typedef struct load load;

/* NULL: out of memory. */
load *load_new(const load_options *opt);
void load_free(load *l);

/* The next batch of a stream, zstd-compressed; lent until the next call. `now_us` is the wall clock. */
wire_span load_batch(load *l, uint32_t stream, int64_t now_us, uint32_t *ret_events);

/* The number after the last one that load_batch gave out. */
uint64_t load_next_seq(const load *l, uint32_t stream);

/* ---- the same by pieces, for a device that sends again what was not acknowledged ---- */

#define LOAD_EVENT_BYTES_MAX 256u

/* Where in its stream a batch begins, and the chain before it. */
typedef struct load_place {
    uint64_t first_seq, chain, low;
} load_place;

/* An event of the stream, framed, for LOAD_EVENT_BYTES_MAX of `out`; *chain goes on over it. */
size_t load_event(load *l, uint32_t stream, int64_t now_us, uint8_t *out, uint64_t *chain);

/* A batch of such events, zstd-compressed; lent until the next call. */
wire_span load_pack(load *l, uint32_t stream, const load_place *place, int64_t now_us, wire_span events);

/* Any number. */
uint64_t load_random(load *l);

/* The stream's id in hex and back: the audit reads it from the output. UINT32_MAX: none of ours. */
uint32_t load_stream_of(const char *hex, size_t n);

#endif

/* fleet: connections to a collector, each with one batch on the way at a time, in one thread. */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"

typedef struct fleet_options {
    const char *host, *port, *ca_file;
    uint32_t connections;
    uint64_t events; /* stops sending after at least so many */
    uint64_t rate;   /* events a second that are offered; 0: as many as are answered */
} fleet_options;

typedef struct fleet_result {
    uint64_t events, batches, body_bytes;
    uint64_t answered_503;
    uint64_t elapsed_us; /* from the first byte to the last acknowledgement */
    uint64_t ack_p50_us, ack_p99_us;
} fleet_result;

typedef struct fleet fleet;

/* Connects all and shakes hands. NULL: it said why. */
fleet *fleet_connect(const fleet_options *opt);

/* Sends until enough events are acknowledged. false: a connection or an answer failed, and it said how. */
bool fleet_run(fleet *f, load *l, uint32_t streams, fleet_result *ret_result);

void fleet_close(fleet *f);

#endif

/* The region of the tests of orphaned lanes: stands where libwadi opens its transport (the linker's --wrap),
 * takes every batch and counts. */
#ifndef TESTS_ORPHAN_REGION_H
#define TESTS_ORPHAN_REGION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schemas/wire/wire.h"

#define ORPHAN_STREAMS_MAX 8

typedef struct orphan_region {
    atomic_bool away;
    atomic_uint opens;
    atomic_uint events; /* delivered, of all streams */
    atomic_bool silent; /* no answer comes */
    pthread_mutex_t lock;
    size_t n_streams;
    uint8_t streams[ORPHAN_STREAMS_MAX][WIRE_ID_BYTES];
    uint64_t next[ORPHAN_STREAMS_MAX];
} orphan_region;

extern orphan_region region;
extern uint8_t boot; /* the last byte of the machine's boot id */

#endif

/* What the device's crash tests record, and how they read it back from a lane's store. */
#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "sdk/include/wadi/wadi.h"

#define LANE_DIR_BYTES 64u

/* A directory of its own, and its end. */
void lane_dir_make(char dir[LANE_DIR_BYTES]);
void lane_dir_remove(const char *dir);

wadi *lane_open(const char *dir, uint32_t flush_ms);

/* Records event `index` of `round`. */
wadi_err lane_track(wadi *w, uint64_t round, uint64_t index, wadi_ticket *ret_ticket);

/* Called for every number of the store, in order. */
typedef void (*lane_visit)(void *context, uint64_t round, uint64_t index);
/* Events from … from + n - 1 of round 0, each of which must be taken. ret_ticket may be NULL. */
void lane_record(wadi *w, uint64_t from, uint64_t n, wadi_ticket *ret_ticket);
wadi_stats lane_stats(wadi *w);

/* Visits and settles all of them, in lane 0 or another one; nobody holds the lane. Returns how many there
 * were; a tombstone fails the test. */
uint64_t lane_settle(const char *dir, lane_visit visit, void *context);
uint64_t lane_settle_number(const char *dir, uint32_t lane, lane_visit visit, void *context);

/* A visit that wants round 0's indexes in order; its context is the next one, a uint64_t. */
void lane_visit_in_order(void *context, uint64_t round, uint64_t index);

/* One that takes anything. */
void lane_visit_any(void *context, uint64_t round, uint64_t index);

#endif

/* A lane as a killed process leaves it, and all that is true of it before anything is damaged. */
#ifndef STORM_LANE_H
#define STORM_LANE_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "sdk/include/wadi/wadi.h"
#include "tests/unit/sdk/base/lmdb_check/histories.h"

#define STORM_EVENTS_MAX 4096u
#define STORM_DIR_BYTES 64u
#define STORM_DISK_BYTES (1u << 20)

/* Pages [first, last] of a file. */
typedef struct page_span {
    uint32_t first, last;
} page_span;

typedef struct storm_event {
    uint64_t number; /* 0: in the ring */
    uint32_t crc;
    bool owed;
    page_span bytes; /* its own, of the store or of the ring */
    page_span table; /* of the record around it */
    uint32_t leaf;   /* on which the record's key is */
} storm_event;

typedef struct storm_lane {
    char dir[STORM_DIR_BYTES];
    image store, ring;
    uint64_t next_seq;
    uint32_t last_page;
    uint32_t n_events;
    storm_event events[STORM_EVENTS_MAX]; /* by their index */
} storm_lane;

/* Makes one at random: several opens, each killed, some of it delivered. */
void storm_lane_make(storm_lane *l, uint64_t seed);
/* A fresh directory with these files in the lane's place; the lane's own id and lock. */
void storm_lane_place(const storm_lane *l, const image *store, const image *ring);
void storm_lane_free(storm_lane *l);

/* Opens as an application does. */
wadi *storm_open(const char *dir);
/* Records event `index`, of a size that follows from it. */
wadi_err storm_track(wadi *w, uint64_t index, wadi_ticket *ret_ticket);
/* Index of an event's bytes; UINT64_MAX: not one of ours. */
uint64_t storm_index(const uint8_t *event, size_t n);
void storm_dir_make(char dir[STORM_DIR_BYTES]);
void storm_dir_remove(const char *dir);

#endif

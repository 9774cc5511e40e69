/* What the store's tests share: a store in a directory of its own, and events to put into it. */
#ifndef STORE_RIG_H
#define STORE_RIG_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "sdk/src/store/store.h"

#define RIG_RING_RECORD 64u /* distance of two tickets */
#define RIG_EVENT_MAX 2048u
#define RIG_OUT_BYTES (256u * 1024u)

typedef struct rig {
    char dir[64];
    char path[96];
    char quarantine[96];
    uint64_t disk_bytes_max;
    uint64_t move_wait_us;
    uint64_t max_age_us;
    wdi_store *store;
    uint64_t ring_pos;
    uint32_t nonce;  /* of the run */
    uint64_t serial; /* of the next event */
    uint64_t random; /* xorshift */
    uint8_t out[RIG_OUT_BYTES];
} rig;

rig *rig_new(uint64_t disk_bytes_max, uint64_t seed);
void rig_free(rig *r); /* with the directory */
void rig_open(rig *r);
void rig_reopen(rig *r);
void rig_run(rig *r, uint8_t boot, uint64_t boot_us);
uint64_t rig_random(rig *r, uint64_t below);

/* Encodes event `serial`: name 1, key 2 with `padding` bytes of text. Returns its size. */
size_t rig_event(uint64_t serial, size_t padding, wadi_priority priority, uint8_t out[RIG_EVENT_MAX]);
/* Within a transaction. Returns the outcome. *ret_crc may be NULL. */
wadi_err rig_put(rig *r, size_t padding, wadi_priority priority, uint32_t *ret_crc);
/* n events in one transaction. */
void rig_fill(rig *r, size_t n, wadi_priority priority);

/* The next batch, of at most numbers_max; false: none. */
bool rig_peek(rig *r, const char *collector, uint32_t numbers_max, wdi_store_batch *ret_batch);
/* Peeks and notes it as sent. */
bool rig_send(rig *r, uint32_t numbers_max, wdi_store_batch *ret_batch);
wadi_stats rig_stats(const rig *r);
/* assigned = acked + dropped + pending */
void rig_check_ledger(const rig *r);

#endif

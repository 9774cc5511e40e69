/* device: one stream of a device that obeys the protocol: it keeps what was not acknowledged and sends it
 * again, cut into other batches each time; it forgets what was, and never sends that again. Pure but for the
 * notes. One thread. */
#ifndef CRASH_DEVICE_H
#define CRASH_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "notes.h"
#include "schemas/wire/wire.h"
#include "tests/bench/collector/load.h"

#define DEVICE_PENDING_MAX 256u

typedef struct device {
    uint32_t stream;
    uint64_t low, chain;                 /* the first number that is pending, and the chain before it */
    uint64_t from;                       /* the number that the next batch begins with */
    uint32_t n;                          /* pending */
    uint32_t ends[DEVICE_PENDING_MAX];   /* of their frames */
    uint64_t chains[DEVICE_PENDING_MAX]; /* after them */
    uint8_t frames[DEVICE_PENDING_MAX * LOAD_EVENT_BYTES_MAX];
} device;

void device_init(device *d, uint32_t stream);

/* Up to `events` new ones, as many as there is room for. */
void device_track(device *d, load *l, notes *n, uint32_t events, int64_t now_us);

/* The next batch; lent until the load's next one. *ret_through: the number that it ends with. */
wire_span device_batch(device *d, load *l, int64_t now_us, uint64_t *ret_through);

/* The connection broke before the answer: what the collector has of it, nobody knows. It goes on at the
 * first pending number, or, as a device with several batches on the way would, behind it. */
void device_unanswered(device *d, load *l);

/* Takes an Ack. false: it is one that a collector which has lost nothing does not give. */
bool device_answered(device *d, notes *n, const wire_ack *ack);

#endif

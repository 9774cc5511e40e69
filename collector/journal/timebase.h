/* timebase: the collector's time for what a device stamped with its boot clock.
 *
 * Pure. What comes out is fixed in the journal's entry, so that replay sees the same times. Numbers from the
 * wire may be absurd: they are cut to what can be, and move nothing but the streams of the same boot and
 * tenant. */
#ifndef JOURNAL_TIMEBASE_H
#define JOURNAL_TIMEBASE_H

#include <stdint.h>

#include "submission.h"

/* As TIME_QUALITY_… of record.proto. */
typedef enum timebase_quality {
    TIMEBASE_EXACT = 1,
    TIMEBASE_ESTIMATED = 2,
    TIMEBASE_BOUNDED = 3,
} timebase_quality;

typedef struct timebase {
    int64_t basis_us; /* event time = Event.at_us + basis_us … */
    int64_t ceil_us;  /* … and never later than this */
    timebase_quality quality;
    uint64_t error_us; /* uncertainty of basis_us; 0: not known */
} timebase;

/* How far beside `basis_us` and its error an event may be put and its time still be called exact. */
#define TIMEBASE_MOVED_US INT64_C(50000)

#define TIMEBASE_BOOTS_MAX 4096u

/* The smallest transit seen in each boot, as the least `arrived - sent by the boot clock`. A bounded memory
 * by hash: a boot that is pushed out begins anew and is a little less tight. About 400 KB. */
typedef struct timebase_boots {
    struct timebase_boot {
        uint8_t boot_id[WIRE_ID_BYTES];
        char tenant[SUBMISSION_TENANT_MAX];
        int64_t least_us;
        int64_t noted_us; /* when it was: the two clocks drift apart, and the collector's may be slewed */
    } slots[TIMEBASE_BOOTS_MAX];
} timebase_boots;

/* Whose batch, and when it arrived, for the journal and for the batch itself. */
typedef struct timebase_moment {
    const char *tenant;  /* whose batch */
    int64_t received_us; /* the entry's: nothing is later */
    int64_t arrived_us;  /* when the request was complete; at most received_us */
    int64_t floor_us;    /* the stream's last event time */
    int64_t last_at_us;  /* Event.at_us of the last event that is added */
} timebase_moment;

/* The basis of a batch's events; takes its sample of transit into `boots`. */
timebase timebase_fix(timebase_boots *boots, const batch_facts *facts, const timebase_moment *moment);

#endif

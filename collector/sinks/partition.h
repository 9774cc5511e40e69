/* partition: the hour in which an event lies, UTC, counted from Unix time 0. */
#ifndef SINKS_PARTITION_H
#define SINKS_PARTITION_H

#include <stdint.h>

#define PARTITION_US INT64_C(3600000000)

static inline int64_t partition_of(int64_t us) {
    int64_t hour = us / PARTITION_US;
    return us % PARTITION_US < 0 ? hour - 1 : hour;
}

#endif

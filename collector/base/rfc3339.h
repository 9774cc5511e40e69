/* Time as text. Pure; any thread. */
#ifndef COLLECTOR_BASE_RFC3339_H
#define COLLECTOR_BASE_RFC3339_H

#include <stdint.h>

enum { RFC3339_US_SIZE = 28 }; /* "2026-11-20T08:52:38.000000Z" and its NUL */

/* Writes the UTC moment `unix_us` (Unix time, microseconds). Moments before year 0000 and after year
 * 9999, which the format cannot name, are written as the first and the last one that it can.
 * By hand, since gmtime and snprintf cost more than the rest of a JSON line. */
void base_rfc3339_us(char ret_text[RFC3339_US_SIZE], int64_t unix_us);

/* The calendar's parts of the same moment, clamped alike: for partitions by date and hour. */
struct civil_time {
    unsigned year, month, day, hour, minute, second, microsecond;
};

struct civil_time civil_time_of(int64_t unix_us);

#endif

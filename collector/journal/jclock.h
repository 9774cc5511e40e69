/* jclock: the collector's clock, which stamps received_at.
 *
 * It never goes back. It follows the monotonic clock and slews towards the wall clock at 0.5 to 2 times real
 * time, so that a step of the wall clock neither reorders nor freezes the journal. Pure: both clocks are
 * arguments. */
#ifndef JOURNAL_JCLOCK_H
#define JOURNAL_JCLOCK_H

#include <stdint.h>

typedef struct jclock {
    int64_t half_us;  /* the clock in half microseconds: at half speed, one microsecond still counts */
    uint64_t mono_us; /* when it was read last */
    int64_t ahead_us; /* of the wall clock, then */
} jclock;

/* Starts at max(last, wall): `last_us` is the received_us of the journal's last entry, 0 for none. */
void jclock_init(jclock *c, int64_t last_us, uint64_t mono_us, int64_t wall_us);

/* The time now, Unix microseconds. */
int64_t jclock_read(jclock *c, uint64_t mono_us, int64_t wall_us);

/* How far it was from the wall clock when it was read last: beyond clock.step_max, something stepped. */
uint64_t jclock_distance_us(const jclock *c);

#endif

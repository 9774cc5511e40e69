#include "jclock.h"

/* Beyond the year 9999 or before 1970 a wall clock tells nothing; the bounds keep the arithmetic exact. */
#define WALL_MAX_US INT64_C(253402300799000000)

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    if (value < low)
        return low;
    return value > high ? high : value;
}

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

void jclock_init(jclock *c, int64_t last_us, uint64_t mono_us, int64_t wall_us) {
    int64_t wall = clamp(wall_us, 0, WALL_MAX_US);
    int64_t now = max_i64(clamp(last_us, 0, WALL_MAX_US), wall);
    *c = (jclock){.half_us = 2 * now, .mono_us = mono_us, .ahead_us = now - wall};
}

int64_t jclock_read(jclock *c, uint64_t mono_us, int64_t wall_us) {
    int64_t wall = clamp(wall_us, 0, WALL_MAX_US);
    uint64_t passed_us = mono_us > c->mono_us ? mono_us - c->mono_us : 0;
    int64_t passed = passed_us < WALL_MAX_US ? (int64_t)passed_us : WALL_MAX_US;
    c->half_us = clamp(2 * wall, c->half_us + passed, c->half_us + 4 * passed);
    c->half_us = clamp(c->half_us, 0, 2 * WALL_MAX_US);
    c->mono_us = mono_us > c->mono_us ? mono_us : c->mono_us;
    int64_t now = c->half_us / 2;
    c->ahead_us = now - wall;
    return now;
}

uint64_t jclock_distance_us(const jclock *c) {
    return (uint64_t)(c->ahead_us < 0 ? -c->ahead_us : c->ahead_us);
}

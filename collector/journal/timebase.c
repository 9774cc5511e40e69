#include "timebase.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
/* No clock or span that is meant earnestly is beyond this, about 73,000 years; sums of three stay exact. */
#define SANE_US (INT64_C(1) << 61)
/* A device that believes it is earlier was never told the time: 2020-01-01. */
#define WALL_SANE_US (INT64_C(1577836800) * SECOND_US)
/* What no batch takes from the moment that it is made to its arrival: devices give up sooner. */
#define TRANSIT_MAX_US (60 * SECOND_US)
#define DRIFT_PPM 100
/* As much as a wall clock that was never set may run ahead in weeks. */
#define WALL_AHEAD_US (60 * SECOND_US)
/* After this the least transit begins anew: at 100 ppm of drift it is worth 0.1 s. */
#define LEAST_AGE_US (1000 * SECOND_US)

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    if (value < low)
        return low;
    return value > high ? high : value;
}

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t sane(int64_t us) { return clamp(us, -SANE_US, SANE_US); }

static int64_t sane_unsigned(uint64_t us) { return us < (uint64_t)SANE_US ? (int64_t)us : SANE_US; }

/* ---- boots ------------------------------------------------------------------------------------------ */

static bool boot_is_known(const uint8_t boot_id[WIRE_ID_BYTES]) {
    static const uint8_t none[WIRE_ID_BYTES];
    return memcmp(boot_id, none, sizeof none) != 0;
}

/* Takes a sample in and hands out the least of its boot. Boot ids are random, so two bytes are a hash. */
static int64_t boots_least(timebase_boots *boots, const uint8_t boot_id[WIRE_ID_BYTES], int64_t sample_us,
                           const timebase_moment *m) {
    struct timebase_boot *slot = &boots->slots[(boot_id[0] | (unsigned)boot_id[1] << 8) % TIMEBASE_BOOTS_MAX];
    bool kept = memcmp(slot->boot_id, boot_id, WIRE_ID_BYTES) == 0 && strcmp(slot->tenant, m->tenant) == 0 &&
                m->received_us - slot->noted_us < LEAST_AGE_US;
    if (!kept || sample_us < slot->least_us) {
        memcpy(slot->boot_id, boot_id, WIRE_ID_BYTES);
        snprintf(slot->tenant, sizeof slot->tenant, "%s", m->tenant);
        slot->least_us = sample_us;
        slot->noted_us = m->received_us;
    }
    return slot->least_us;
}

/* ---- the device's offset ---------------------------------------------------------------------------- */

/* Whether sending, by the offset that the device claims, was before arriving, and not long before. If not, it
 * is old: the collector's clock was set since it was measured, or the device was put back to an earlier
 * state, in which its boot clock stood still. The answer to this batch shows it the new one. */
static bool offset_fits(const batch_facts *facts, const timebase_moment *m) {
    const wire_clock *clock = &facts->clock;
    if (memcmp(clock->boot_id, facts->run_boot_id, WIRE_ID_BYTES) != 0)
        return true; /* of an earlier boot: there is nothing to compare it with */
    int64_t sent_boot = sane_unsigned(clock->boot_us);
    int64_t age = sent_boot - sane_unsigned(facts->run_boot_us) - sane(m->last_at_us);
    int64_t slack = sane_unsigned(clock->offset_error_us) + (age > 0 ? age / (1000000 / DRIFT_PPM) : 0) +
                    TIMEBASE_MOVED_US;
    int64_t transit = sane(m->arrived_us) - sane(clock->offset_us) - sent_boot;
    return transit >= -slack && transit <= TRANSIT_MAX_US + slack;
}

/* ---- basis ------------------------------------------------------------------------------------------ */

/* What an earlier boot's wall clock says, by the error that the wall clock shows now. False: the device did
 * not know the time when it recorded this, for it was before 2020, before what the stream already has, or
 * after `ceil_us`. */
static bool basis_by_wall(const batch_facts *facts, const timebase_moment *m, int64_t ceil_us,
                          int64_t *ret_basis_us) {
    int64_t wall_then = sane(facts->run_wall_us), wall_now = sane(facts->clock.wall_us);
    if (wall_then < WALL_SANE_US)
        return false;
    /* A clock that fell back to its birth in between says nothing about its error then. */
    int64_t skew = wall_now >= WALL_SANE_US ? sane(m->arrived_us) - wall_now : 0;
    int64_t basis = wall_then + skew, last_at = sane(m->last_at_us);
    if (basis + last_at > ceil_us + WALL_AHEAD_US || basis + last_at < m->floor_us - WALL_AHEAD_US)
        return false;
    *ret_basis_us = min_i64(basis, ceil_us - last_at);
    return true;
}

timebase timebase_fix(timebase_boots *boots, const batch_facts *facts, const timebase_moment *m) {
    const wire_clock *clock = &facts->clock;
    int64_t run_boot = sane_unsigned(facts->run_boot_us), sent_boot = sane_unsigned(clock->boot_us);
    int64_t least = 0;
    if (boot_is_known(clock->boot_id))
        least = boots_least(boots, clock->boot_id, sane(m->arrived_us) - sent_boot, m);

    timebase t = {.ceil_us = m->received_us};
    if (clock->has_offset && offset_fits(facts, m)) {
        t.quality = TIMEBASE_EXACT;
        t.basis_us = run_boot + sane(clock->offset_us);
        t.error_us = clock->offset_error_us;
        return t;
    }
    if (boot_is_known(clock->boot_id) && memcmp(clock->boot_id, facts->run_boot_id, WIRE_ID_BYTES) == 0) {
        t.quality = TIMEBASE_ESTIMATED;
        t.basis_us = run_boot + least;
        return t;
    }
    if (clock->has_not_after)
        t.ceil_us = min_i64(t.ceil_us, clock->not_after_us);
    if (basis_by_wall(facts, m, sane(t.ceil_us), &t.basis_us)) {
        t.quality = TIMEBASE_ESTIMATED;
        return t;
    }
    /* Only the neighbours are known: the batch ends at the upper bound, its events as far apart as they were.
     */
    t.quality = TIMEBASE_BOUNDED;
    t.basis_us = sane(t.ceil_us) - sane(m->last_at_us);
    if (m->floor_us > 0 && m->floor_us < t.ceil_us)
        t.error_us = (uint64_t)(t.ceil_us - m->floor_us);
    return t;
}

/* What is known of a boot's clock: collector clock minus boot clock, from the exchanges with the collector.
 *
 * Two samples are kept: the last one, and one before it, some time earlier. Between them the offset is
 * interpolated, so that what was recorded in weeks offline gets its time from both ends; outside of them the
 * uncertainty grows with what clocks may drift. A sample that cannot be true together with the last one, and
 * one whose boot clock went back (a machine that was put back to an earlier state), begins anew: somebody set
 * a clock. Pure. */
#include "sdk/src/store/inside.h"

#include <string.h>

#define SPAN_US UINT64_C(100000000) /* the two samples are at least so far apart: 10 ms of drift */
#define SANE_US (INT64_C(1) << 60)
#define STALE_US UINT64_C(500000000) /* after this, drift may be 50 ms: worth a question */

static uint64_t apart(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

static uint64_t drift_us(uint64_t a_us, uint64_t b_us) {
    return apart(a_us, b_us) / (1000000 / WDI_DRIFT_PPM);
}

static bool samples_clash(const wdi_clock_sample *last, const wdi_clock_sample *sample) {
    uint64_t between = last->offset_us > sample->offset_us
                           ? (uint64_t)last->offset_us - (uint64_t)sample->offset_us
                           : (uint64_t)sample->offset_us - (uint64_t)last->offset_us;
    return sample->at_us < last->at_us ||
           between > last->error_us + sample->error_us + drift_us(last->at_us, sample->at_us);
}

/* What the wire lets through may be absurd; the bound keeps all sums exact. */
static bool sample_sane(const wdi_clock_sample *sample) {
    return sample->offset_us > -SANE_US && sample->offset_us < SANE_US && sample->error_us > 0 &&
           sample->error_us < (uint64_t)SANE_US && sample->at_us < (uint64_t)SANE_US;
}

bool wdi_clock_take(wdi_boot_record *boot, const wdi_clock_sample *sample) {
    const wdi_clock_sample last = boot->last;
    if (!sample_sane(sample))
        return false;
    if (last.error_us == 0 || samples_clash(&last, sample)) {
        *boot = (wdi_boot_record){.last = *sample};
        return true;
    }
    if (sample->at_us - last.at_us < SPAN_US) {
        if (sample->error_us >= last.error_us)
            return false;
        boot->last = *sample;
        return true;
    }
    if (sample->error_us > last.error_us + drift_us(last.at_us, sample->at_us))
        return false;
    *boot = (wdi_boot_record){.last = *sample, .before = last};
    return true;
}

bool wdi_clock_stale(const wdi_boot_record *boot, uint64_t now_us) {
    return boot->last.error_us == 0 || apart(now_us, boot->last.at_us) > STALE_US;
}

/* Where the offset was at a moment, as far as one sample tells. */
typedef struct span {
    int64_t low, high;
} span;

static span span_of(const wdi_clock_sample *sample, uint64_t boot_us) {
    int64_t reach = (int64_t)(sample->error_us + drift_us(sample->at_us, boot_us));
    return (span){sample->offset_us - reach, sample->offset_us + reach};
}

static int64_t interpolate(const wdi_boot_record *boot, uint64_t boot_us) {
    const wdi_clock_sample *last = &boot->last, *before = &boot->before;
    if (boot_us <= before->at_us)
        return before->offset_us;
    if (boot_us >= last->at_us)
        return last->offset_us;
    /* They do not clash, so what is between them is small against their span. */
    double share = (double)(boot_us - before->at_us) / (double)(last->at_us - before->at_us);
    return before->offset_us + (int64_t)((double)(last->offset_us - before->offset_us) * share);
}

/* The truth is where both spans are, and they do meet; a straight line between two rough samples may leave
 * that. */
void wdi_clock_at(const wdi_boot_record *boot, uint64_t boot_us, int64_t *ret_offset_us,
                  uint64_t *ret_error_us) {
    span both = span_of(&boot->last, boot_us);
    int64_t offset_us = boot->last.offset_us;
    *ret_offset_us = 0;
    *ret_error_us = 0;
    if (boot->last.error_us == 0)
        return;
    if (boot->before.error_us != 0) {
        span other = span_of(&boot->before, boot_us);
        both.low = both.low > other.low ? both.low : other.low;
        both.high = both.high < other.high ? both.high : other.high;
        offset_us = interpolate(boot, boot_us);
        offset_us = offset_us < both.low ? both.low : offset_us > both.high ? both.high : offset_us;
    }
    *ret_offset_us = offset_us;
    *ret_error_us = (uint64_t)(both.high - offset_us > offset_us - both.low ? both.high - offset_us
                                                                            : offset_us - both.low);
}

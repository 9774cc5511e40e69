#include "rfc3339.h"

#include <stddef.h>
#include <string.h>

static const int64_t second_us = 1000000;
static const int64_t day_s = 86400;
static const int64_t year_0000_s = -62167219200;
static const int64_t year_9999_end_s = 253402300799;

static int64_t clamp_us(int64_t unix_us) {
    int64_t least = year_0000_s * second_us;
    int64_t most = year_9999_end_s * second_us + second_us - 1;
    if (unix_us < least)
        return least;
    return unix_us > most ? most : unix_us;
}

/* Gregorian date of a day counted from 0000-03-01. Years that begin in March end with the leap day, so
 * months have lengths of one pattern: 153 days every 5 months. */
static void civil_date(uint32_t days, struct civil_time *ret_time) {
    uint32_t era = days / 146097;
    uint32_t day_of_era = days % 146097;
    uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    ret_time->day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    ret_time->month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    ret_time->year = era * 400 + year_of_era + (ret_time->month <= 2);
}

struct civil_time civil_time_of(int64_t unix_us) {
    /* One era (400 years) before 0000-03-01, so that January and February of year 0 are positive. */
    static const int64_t era_start_s = -62162035200 - 146097 * 86400LL;
    uint64_t us = (uint64_t)(clamp_us(unix_us) - era_start_s * second_us);
    uint64_t seconds = us / (uint64_t)second_us;
    uint32_t of_day = (uint32_t)(seconds % (uint64_t)day_s);
    struct civil_time t = {
        .hour = of_day / 3600,
        .minute = of_day / 60 % 60,
        .second = of_day % 60,
        .microsecond = (unsigned)(us % (uint64_t)second_us),
    };
    civil_date((uint32_t)(seconds / (uint64_t)day_s), &t);
    t.year -= 400;
    return t;
}

/* Two digits at a time from a table: this is on the way of every event, twice. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

static char *put_pair(char *out, unsigned value, char after) {
    memcpy(out, pairs + (size_t)value * 2, 2);
    out[2] = after;
    return out + 3;
}

void base_rfc3339_us(char ret_text[RFC3339_US_SIZE], int64_t unix_us) {
    struct civil_time t = civil_time_of(unix_us);
    char *out = ret_text;
    /* What each pair puts after itself is overwritten by the next one where none belongs there. */
    out = put_pair(out, t.year / 100, '-') - 1;
    out = put_pair(out, t.year % 100, '-');
    out = put_pair(out, t.month, '-');
    out = put_pair(out, t.day, 'T');
    out = put_pair(out, t.hour, ':');
    out = put_pair(out, t.minute, ':');
    out = put_pair(out, t.second, '.');
    out = put_pair(out, t.microsecond / 10000, '0') - 1;
    out = put_pair(out, t.microsecond / 100 % 100, '0') - 1;
    out = put_pair(out, t.microsecond % 100, 'Z');
    *out = '\0';
}

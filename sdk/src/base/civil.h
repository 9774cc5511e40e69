/* Days of the civil (Gregorian) calendar, without the C library's locale and time zones. Pure. */
#ifndef BASE_CIVIL_H
#define BASE_CIVIL_H

#include <stdint.h>

/* Days since 1970-01-01 of a date from year 0 on; negative before. Years are counted from March, so that the
 * leap day comes last. */
static inline int64_t base_days_from_civil(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static inline int base_days_in_month(int64_t year, int64_t month) {
    int64_t next_year = month == 12 ? year + 1 : year, next_month = month == 12 ? 1 : month + 1;
    return (int)(base_days_from_civil(next_year, next_month, 1) - base_days_from_civil(year, month, 1));
}

#endif

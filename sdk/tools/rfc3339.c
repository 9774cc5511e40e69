#include "sdk/tools/rfc3339.h"

#include "sdk/src/base/civil.h"

#include <string.h>

/* Text that is being taken apart; `bad` sticks. */
typedef struct cursor {
    const char *at, *end;
    bool bad;
} cursor;

static int64_t digits_take(cursor *c, int n, int64_t least, int64_t most) {
    int64_t value = 0;
    for (int i = 0; i < n && !c->bad; i++) {
        c->bad = c->at == c->end || *c->at < '0' || *c->at > '9';
        if (!c->bad)
            value = value * 10 + (*c->at++ - '0');
    }
    c->bad = c->bad || value < least || value > most;
    return value;
}

/* One of `set`; '\0' with `bad` otherwise. */
static char one_take(cursor *c, const char *set) {
    c->bad = c->bad || c->at == c->end || *c->at == '\0' || strchr(set, *c->at) == NULL;
    return c->bad ? '\0' : *c->at++;
}

static int64_t fraction_us_take(cursor *c) {
    int64_t us = 0, unit = 100000;
    if (c->bad || c->at == c->end || *c->at != '.')
        return 0;
    c->at++;
    c->bad = c->at == c->end || *c->at < '0' || *c->at > '9';
    for (; c->at != c->end && *c->at >= '0' && *c->at <= '9'; c->at++, unit /= 10)
        us += (*c->at - '0') * unit;
    return us;
}

static int64_t zone_minutes_take(cursor *c) {
    char sign = one_take(c, "Zz+-");
    if (c->bad || sign == 'Z' || sign == 'z')
        return 0;
    int64_t hours = digits_take(c, 2, 0, 23);
    (void)one_take(c, ":");
    int64_t minutes = hours * 60 + digits_take(c, 2, 0, 59);
    return sign == '-' ? -minutes : minutes;
}

bool rfc3339_parse(const char *text, size_t n, int64_t *ret_us) {
    cursor c = {.at = text, .end = text + n};
    int64_t year = digits_take(&c, 4, 0, 9999);
    (void)one_take(&c, "-");
    int64_t month = digits_take(&c, 2, 1, 12);
    (void)one_take(&c, "-");
    int64_t day = digits_take(&c, 2, 1, c.bad ? 1 : base_days_in_month(year, month));
    (void)one_take(&c, "Tt ");
    int64_t hour = digits_take(&c, 2, 0, 23);
    (void)one_take(&c, ":");
    int64_t minute = digits_take(&c, 2, 0, 59);
    (void)one_take(&c, ":");
    int64_t second = digits_take(&c, 2, 0, 60); /* a leap second is the next second's first */
    int64_t us = fraction_us_take(&c), zone_minutes = zone_minutes_take(&c);
    if (c.bad || c.at != c.end)
        return false;
    int64_t minutes = (base_days_from_civil(year, month, day) * 24 + hour) * 60 + minute - zone_minutes;
    *ret_us = (minutes * 60 + second) * 1000000 + us;
    return true;
}

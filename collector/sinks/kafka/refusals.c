#include "refusals.h"

#include <stdio.h>
#include <string.h>

/* The topic's place; r->n: it has none. */
static size_t place_of(const refusals *r, const char *topic) {
    size_t i = 0;
    while (i < r->n && strcmp(r->all[i].topic, topic) != 0)
        i++;
    return i;
}

void refusals_add(refusals *r, const char *topic, uint64_t now_us) {
    size_t i = place_of(r, topic);
    if (i == REFUSALS_MAX) {
        i = 0;
        for (size_t j = 1; j < r->n; j++)
            i = r->all[j].until_us < r->all[i].until_us ? j : i;
    }
    if (i == r->n)
        r->n++;
    snprintf(r->all[i].topic, sizeof r->all[i].topic, "%s", topic);
    r->all[i].until_us = now_us + REFUSALS_US;
}

bool refusals_has(refusals *r, const char *topic, uint64_t now_us) {
    size_t i = place_of(r, topic);
    if (i == r->n)
        return false;
    if (now_us < r->all[i].until_us)
        return true;
    r->all[i] = r->all[--r->n];
    return false;
}

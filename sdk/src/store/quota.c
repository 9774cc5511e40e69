/* The disk quota: the oldest events of the lowest priority become tombstones while the map is too full. */
#include "sdk/src/store/inside.h"

#define START_PERCENT 75u
#define TOMBSTONES_PERCENT_MAX 40u
#define CHUNKS_AT_ONCE 8u /* of one transaction, which must find room itself */

static uint64_t used_percent(const wdi_store *s) { return s->used_bytes * 100 / s->map_bytes; }

static bool quota_wanted(wdi_store *s) {
    uint64_t percent = used_percent(s);
    if (percent >= START_PERCENT)
        s->quota_acting = true;
    if (percent < s->quota_percent)
        s->quota_acting = false;
    return s->quota_acting;
}

typedef struct victims {
    const wdi_state *state;
    wadi_priority priority;
} victims;

static bool entry_is_victim(const void *context, uint64_t number, const wdi_chunk_entry *e) {
    const victims *v = context;
    return e->priority == v->priority && !wdi_number_sent(v->state, number);
}

/* The next chunk, from `from` on, with an event of the priority. */
static wadi_err victim_seek(wdi_store *s, uint64_t from, wadi_priority victim, wdi_chunk *ret_chunk,
                            bool *ret_found) {
    wadi_err err = wdi_chunk_seek(s, from, ret_chunk, ret_found);
    while (err == WADI_OK && *ret_found && !(ret_chunk->head.priorities & 1u << victim))
        err = wdi_chunk_next(s, ret_chunk, ret_found);
    return err;
}

static wadi_err victims_bury(wdi_store *s, wadi_priority victim, uint32_t chunks, uint64_t *ret_from) {
    const victims context = {&s->state, victim};
    uint64_t from = s->quota_from[victim];
    for (uint32_t i = 0; i < chunks; i++) {
        wdi_chunk chunk;
        bool found = false;
        uint32_t n = 0;
        wadi_err err = victim_seek(s, from, victim, &chunk, &found);
        if (err != WADI_OK || !found)
            return err;
        from = wdi_chunk_last(&chunk) + 1;
        err = wdi_chunk_bury(s, &chunk, entry_is_victim, &context, WADI_DROP_DISK_QUOTA, &n);
        if (err != WADI_OK)
            return err;
        *ret_from = from;
    }
    return WADI_OK;
}

static wadi_err victims_drop(wdi_store *s, wadi_priority victim, uint32_t chunks, uint64_t *ret_from) {
    *ret_from = s->quota_from[victim];
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK)
        err = victims_bury(s, victim, chunks, ret_from);
    return wdi_txn_end(s, err);
}

/* What nobody needs goes before any event. */
static wadi_err pairs_drop(wdi_store *s, bool *ret_any) {
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK)
        err = wdi_pairs_reclaim(s, ret_any);
    return wdi_txn_end(s, err);
}

/* *ret_more: chunks were passed, and there may be others. */
static wadi_err priority_drop(wdi_store *s, wadi_priority victim, bool *ret_more) {
    uint64_t from = 0;
    wadi_err err = victims_drop(s, victim, CHUNKS_AT_ONCE, &from);
    if (err == WADI_ERR_DISK_FULL && wdi_store_touch(s) == WADI_OK) { /* with the pages freed just now */
        s->scattered = true;
        err = victims_drop(s, victim, 1, &from);
        s->scattered = false;
    }
    if (err != WADI_OK)
        return err;
    *ret_more = from != s->quota_from[victim];
    s->quota_from[victim] = from;
    return WADI_OK;
}

/* The more numbers are dropped, the more of the map their tombstones take. Before they take the place of the
 * last events, those stay, and new ones are refused. */
static bool tombstones_crowd(const wdi_store *s) {
    uint64_t numbers = wdi_store_pending(s);
    for (size_t i = 0; i < WDI_PRIORITIES; i++)
        numbers -= s->state.live[i];
    return numbers * sizeof(wdi_chunk_entry) > s->map_bytes / 100 * TOMBSTONES_PERCENT_MAX;
}

wadi_err wdi_store_quota_step(wdi_store *s, bool *ret_more) {
    static const wadi_priority order[] = {WADI_LOW, WADI_NORMAL, WADI_HIGH, WADI_CRITICAL};
    *ret_more = false;
    if (!quota_wanted(s))
        return WADI_OK;
    wadi_err err = pairs_drop(s, ret_more);
    if ((err == WADI_OK && *ret_more) || (err != WADI_OK && err != WADI_ERR_DISK_FULL))
        return err;
    *ret_more = false;
    if (s->keep_all || tombstones_crowd(s))
        return WADI_OK;
    for (size_t i = 0; i < sizeof order / sizeof order[0] && !*ret_more; i++) {
        if (s->state.live[order[i]] == 0)
            continue;
        err = priority_drop(s, order[i], ret_more);
        if (err == WADI_ERR_DISK_FULL)
            return WADI_OK; /* no room to make room: settling has to */
        if (err != WADI_OK)
            return err;
    }
    *ret_more = *ret_more && quota_wanted(s);
    return WADI_OK;
}

/* How old an event is, and the end of those that are too old.
 *
 * An age is what can be proven, so that no clock that is wrong throws anything away: in the event's own boot
 * the boot clock; over boots, the larger of the time for which the store is known to have been in use since,
 * and of the collector's time where its offset is known in both boots, less both errors. The wall clock, and
 * the time in which the device was off, count for nothing by themselves. So an event may be kept for longer
 * than max_age, never for less. */
#include "sdk/src/store/inside.h"

#include <string.h>

#define CHUNKS_AT_ONCE 8u /* of one transaction */

_Static_assert(sizeof(wdi_boots) <= WDI_NOTE_BYTES_MAX, "a note");

/* ---- moments ------------------------------------------------------------------------------------- */

/* By the last boot that had begun when the run did. Of older ones nothing is known but that they were before.
 */
static uint64_t on_us_of(const wdi_boots *boots, uint64_t run, uint64_t boot_us) {
    for (uint64_t i = boots->n; i-- > 0;) {
        const struct wdi_boot_seen *boot = &boots->seen[i];
        if (boot->first_run <= run)
            return boot->on_us + (boot_us > boot->boot_us ? boot_us - boot->boot_us : 0);
    }
    return boots->n > 0 ? boots->seen[0].on_us : 0;
}

wdi_moment wdi_store_moment(const wdi_store *s, uint64_t boot_us) {
    wdi_moment moment = {.on_us = on_us_of(&s->state.boots, s->state.meta.run, boot_us)};
    int64_t offset_us = 0;
    wdi_clock_at(&s->clock, boot_us, &offset_us, &moment.collector_error_us);
    moment.collector_us = offset_us + (int64_t)boot_us;
    return moment;
}

/* The beginning of a run. In the reader. */
static wadi_err run_moment(wdi_store *s, const wdi_run_record *run, wdi_moment *ret_moment) {
    wire_clock clock = {.has_offset = false};
    wadi_err err = wdi_clock_fill(s, run, 0, 0, &clock);
    if (err == WADI_OK)
        *ret_moment = (wdi_moment){.on_us = on_us_of(&s->state.boots, run->ordinal, run->boot_us),
                                   .collector_us = clock.offset_us + (int64_t)run->boot_us,
                                   .collector_error_us = clock.has_offset ? clock.offset_error_us : 0};
    return err;
}

/* ---- boots --------------------------------------------------------------------------------------- */

/* When an event was recorded, counted from its run's beginning; false: it cannot be read. */
static bool event_at(const wdi_run_record *run, const wdi_chunk_entry *e, const uint8_t *event,
                     uint64_t *ret_at_us) {
    wire_event_view view;
    if (wire_crc_event(wire_crc_seed(run->nonce), event, e->n) != e->crc ||
        wire_event_scan(event, e->n, &view) != WIRE_OK)
        return false;
    *ret_at_us = view.at_us;
    return true;
}

/* The latest that the store knows of the boot of s->run: that run's beginning, or its last event. */
static wadi_err boot_last_us(wdi_store *s, uint64_t *ret_boot_us) {
    wdi_chunk chunk;
    bool found = false;
    *ret_boot_us = s->run.boot_us;
    wadi_err err = wdi_chunk_seek(s, s->state.meta.next_seq - 1, &chunk, &found);
    if (err == WADI_OK && found && chunk.head.run == s->run.ordinal) {
        const uint8_t *payload = chunk.payload;
        for (uint32_t i = 0; i < chunk.head.count; i++) {
            wdi_chunk_entry e = wdi_chunk_get(&chunk, i);
            uint64_t at_us = 0;
            if (e.reason != 0)
                continue;
            payload += wire_frame_size(e.n);
            if (event_at(&s->run, &e, payload, &at_us) && s->run.boot_us + at_us > *ret_boot_us)
                *ret_boot_us = s->run.boot_us + at_us;
            payload += e.n;
        }
    }
    wdi_chunk_walk_end(s);
    return err;
}

/* Also where the boot clock went back: a machine that was rolled back. */
static bool boot_is_another(const wdi_store *s, const wdi_run_record *run, uint64_t last_us) {
    static const uint8_t unknown[WIRE_ID_BYTES];
    return s->state.boots.n == 0 || memcmp(run->boot_id, s->run.boot_id, sizeof run->boot_id) != 0 ||
           memcmp(run->boot_id, unknown, sizeof unknown) == 0 || run->boot_us < last_us;
}

wadi_err wdi_boots_note(wdi_store *s, const wdi_run_record *run) {
    wdi_boots *boots = &s->state.boots;
    uint64_t last_us = 0;
    wdi_key key = wdi_key_number(WDI_KEY_NOTE, WDI_NOTE_BOOTS);
    wadi_err err = boot_last_us(s, &last_us);
    if (err != WADI_OK || !boot_is_another(s, run, last_us))
        return err;
    uint64_t on_us = boots->n > 0 ? on_us_of(boots, s->run.ordinal, last_us) : 0;
    if (boots->n == WDI_BOOTS_MAX)
        memmove(&boots->seen[0], &boots->seen[1], --boots->n * sizeof boots->seen[0]);
    boots->seen[boots->n++] = (struct wdi_boot_seen){run->ordinal, run->boot_us, on_us};
    return wdi_record_put(s, &key, boots, sizeof *boots);
}

wadi_err wdi_boots_load(wdi_store *s) {
    wdi_boots *boots = &s->state.boots;
    wdi_key key = wdi_key_number(WDI_KEY_NOTE, WDI_NOTE_BOOTS);
    wire_span record;
    bool found = false;
    wadi_err err = wdi_record_get(s, &key, &record, &found);
    if (err != WADI_OK || !found || record.n != sizeof *boots)
        return err;
    memcpy(boots, record.data, sizeof *boots);
    if (boots->n > WDI_BOOTS_MAX)
        boots->n = 0;
    return WADI_OK;
}

/* ---- what is too old ----------------------------------------------------------------------------- */

typedef struct old_search {
    wdi_moment now;
    wdi_run_record run;   /* of the chunk at hand; ordinal 0: none yet */
    uint64_t at_us_end;   /* of its events those before are too old */
    uint64_t first, last; /* found; last 0: none */
    bool young;           /* an event that is not too old: all behind it are younger */
} old_search;

static wadi_err search_run(wdi_store *s, old_search *o, uint64_t ordinal) {
    wdi_moment began;
    if (o->run.ordinal == ordinal)
        return WADI_OK;
    wadi_err err = wdi_run_load(s, ordinal, &o->run);
    if (err == WADI_OK)
        err = run_moment(s, &o->run, &began);
    if (err != WADI_OK)
        return err;
    uint64_t elapsed_us = wdi_moment_elapsed(&began, &o->now);
    o->at_us_end = elapsed_us > s->max_age_us ? elapsed_us - s->max_age_us : 0;
    return WADI_OK;
}

/* One that cannot be read has no age; it goes along with those around it. */
static void search_chunk(const wdi_store *s, old_search *o, const wdi_chunk *chunk) {
    const uint8_t *payload = chunk->payload;
    for (uint32_t i = 0; i < chunk->head.count; i++) {
        wdi_chunk_entry e = wdi_chunk_get(chunk, i);
        uint64_t number = chunk->first + i, at_us = 0;
        if (e.reason != 0)
            continue;
        payload += wire_frame_size(e.n);
        bool known = event_at(&o->run, &e, payload, &at_us);
        payload += e.n;
        if (!known || !wdi_number_owed(&s->state, number) || wdi_number_sent(&s->state, number))
            continue;
        o->young = at_us >= o->at_us_end;
        if (o->young)
            return;
        o->first = o->last == 0 ? number : o->first;
        o->last = number;
    }
}

static wadi_err search(wdi_store *s, old_search *o, bool *ret_more) {
    wdi_chunk chunk;
    bool found = false;
    uint32_t chunks = 0;
    wadi_err err = wdi_chunk_seek(s, s->state.events_from, &chunk, &found);
    while (err == WADI_OK && found && !o->young && chunks < CHUNKS_AT_ONCE) {
        if (chunk.head.priorities != 0) {
            err = search_run(s, o, chunk.head.run);
            if (err != WADI_OK)
                break;
            search_chunk(s, o, &chunk);
            chunks += o->last != 0;
        }
        err = wdi_chunk_next(s, &chunk, &found);
    }
    *ret_more = found && !o->young;
    wdi_chunk_walk_end(s);
    return err;
}

typedef struct old_range {
    const wdi_state *state;
    uint64_t first, last;
} old_range;

static bool entry_is_old(const void *context, uint64_t number, const wdi_chunk_entry *e) {
    const old_range *range = context;
    (void)e;
    return number >= range->first && number <= range->last && !wdi_number_sent(range->state, number);
}

/* The range may hold numbers that were sent, of streams that wait for another collector. */
static wadi_err old_bury(wdi_store *s, const old_search *o) {
    const old_range range = {&s->state, o->first, o->last};
    wadi_err err = wdi_txn_begin(s);
    if (err == WADI_OK)
        err = wdi_drop_matching(s, o->first, o->last, entry_is_old, &range, WADI_DROP_AGE);
    return wdi_txn_end(s, err);
}

wadi_err wdi_store_age_step(wdi_store *s, uint64_t boot_us, bool *ret_more) {
    old_search o = {.now = wdi_store_moment(s, boot_us)};
    bool more = false;
    *ret_more = false;
    if (s->max_age_us == 0 || wdi_store_pending(s) == 0)
        return WADI_OK;
    wadi_err err = wdi_reader_begin(s);
    if (err == WADI_OK)
        err = search(s, &o, &more);
    wdi_reader_end(s);
    if (err != WADI_OK || o.last == 0)
        return err;
    err = old_bury(s, &o);
    if (err == WADI_ERR_DISK_FULL)
        return WADI_OK; /* no room to make room: settling has to */
    if (err == WADI_OK)
        *ret_more = more;
    return err;
}

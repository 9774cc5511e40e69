#include "tests/unit/sdk/upload/fake_store.h"

#include "sdk/src/base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const uint8_t fake_stream[WIRE_ID_BYTES] = "stream of tests";

void fake_store_init(wdi_store *s, uint64_t last) {
    memset(s, 0, sizeof *s);
    s->low = s->cursor = 1;
    s->last = last;
}

void fake_store_fini(wdi_store *s) { memset(s, 0, sizeof *s); }

void wdi_diagf(const wdi_diag *diag, wadi_diag_level level, const char *format, ...) {
    char line[WDI_DIAG_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (diag->fn != NULL && level <= diag->level)
        diag->fn(diag->context, level, line);
}

const char *wadi_strerror(wadi_err err) { return err == WADI_OK ? "ok" : "an error of the store"; }

static size_t event_put(uint8_t *out, uint64_t seq) {
    wire_prop prop = {.key = "k", .key_len = 1, .type = WIRE_TRUE};
    wire_event event = {.name = "e", .name_len = 1, .at_us = seq, .props = &prop, .n_props = 1};
    size_t n = wire_event_size(&event), frame = wire_frame_put(out, n);
    return frame + wire_event_encode(out + frame, &event);
}

wadi_err wdi_store_peek(wdi_store *s, const wdi_store_want *want, wdi_store_batch *ret_batch, bool *ret_any) {
    static wire_dropped tombstones[FAKE_NUMBERS_MAX];
    static const uint32_t crc = 7;
    snprintf(s->want_collector, sizeof s->want_collector, "%s", want->collector);
    *ret_any = !s->held && s->cursor <= s->last;
    if (!*ret_any)
        return WADI_OK;
    uint64_t numbers = want->numbers_max > 0 ? want->numbers_max : 500, seq = s->cursor;
    *ret_batch = (wdi_store_batch){.head = {.first_seq = seq, .low = s->low, .dropped = tombstones}};
    memcpy(ret_batch->head.stream, fake_stream, WIRE_ID_BYTES);
    for (; seq <= s->last && numbers > 0; seq++, numbers--) {
        if (s->dropped[seq] != 0)
            tombstones[ret_batch->head.n_dropped++] =
                (wire_dropped){.first_seq = seq, .reason = s->dropped[seq], .crcs = &crc, .n = 1};
        else
            ret_batch->events_bytes += event_put(want->out + ret_batch->events_bytes, seq);
    }
    ret_batch->last_seq = seq - 1;
    return WADI_OK;
}

wadi_err wdi_store_sending(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES], uint64_t last_seq) {
    (void)stream;
    if (s->sending_err != WADI_OK)
        return s->sending_err;
    uint64_t until_us = base_boot_us() + s->sending_us;
    while (last_seq > s->noted && base_boot_us() < until_us)
        continue;
    s->noted = last_seq > s->noted ? last_seq : s->noted;
    s->cursor = last_seq + 1;
    return WADI_OK;
}

wadi_err wdi_store_home(wdi_store *s, const char *collector, const uint8_t stream[WIRE_ID_BYTES],
                        uint64_t now_us) {
    (void)now_us;
    s->homes++;
    s->home_of_stream = stream != NULL;
    snprintf(s->home, sizeof s->home, "%s", collector);
    return WADI_OK;
}

bool wdi_store_wants_home(const wdi_store *s) { return s->wants_home; }

bool wdi_store_clock(const wdi_store *s, uint64_t boot_us, int64_t *ret_offset_us) {
    (void)boot_us;
    *ret_offset_us = s->offset_us;
    return s->samples > 0;
}

bool wdi_store_wants_clock(const wdi_store *s, uint64_t now_us) { return s->wants_clock && now_us > 0; }

wadi_err wdi_store_settle(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES], uint64_t through) {
    if (s->settle_err != WADI_OK)
        return s->settle_err;
    if (memcmp(stream, fake_stream, WIRE_ID_BYTES) == 0 && through >= s->low && through <= s->noted)
        s->low = through + 1;
    return WADI_OK;
}

wadi_err wdi_store_fork(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES], uint64_t agreed_through) {
    (void)stream;
    s->forks++;
    s->fork_through = agreed_through;
    s->low = s->cursor = agreed_through + 1;
    return WADI_OK;
}

wadi_err wdi_store_unverified(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES], uint64_t next_seq,
                              uint64_t chain) {
    (void)stream;
    (void)next_seq;
    (void)chain;
    s->unverified++;
    s->cursor = s->low;
    return WADI_OK;
}

void wdi_store_rewind(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES], uint64_t to) {
    (void)stream;
    s->cursor = to < s->low ? s->low : to;
}

wadi_err wdi_store_drop(wdi_store *s, const uint8_t stream[WIRE_ID_BYTES], uint64_t first, uint64_t last,
                        wadi_drop reason) {
    (void)stream;
    for (uint64_t seq = first; seq <= last; seq++)
        s->dropped[seq] = reason;
    return WADI_OK;
}

wadi_err wdi_store_clock_sample(wdi_store *s, int64_t offset_us, uint64_t error_us, uint64_t at_us,
                                bool *ret_kept) {
    (void)at_us;
    (void)ret_kept;
    s->samples++;
    s->offset_us = offset_us;
    s->error_us = error_us;
    return WADI_OK;
}

wadi_err wdi_store_note_put(wdi_store *s, wdi_store_note note, const void *data, size_t n) {
    if (note == WDI_NOTE_UPLOAD_BUDGET) {
        memcpy(s->budget_note, data, n);
        s->budget_note_n = n;
        return WADI_OK;
    }
    memcpy(s->note, data, n);
    s->note_n = n;
    return WADI_OK;
}

wadi_err wdi_store_note_get(wdi_store *s, wdi_store_note note, void *out, size_t cap, size_t *ret_n) {
    if (note == WDI_NOTE_UPLOAD_BUDGET) {
        *ret_n = s->budget_note_n <= cap ? s->budget_note_n : 0;
        memcpy(out, s->budget_note, *ret_n);
        return WADI_OK;
    }
    *ret_n = s->note_n <= cap ? s->note_n : 0;
    memcpy(out, s->note, *ret_n);
    return WADI_OK;
}

wdi_moment wdi_store_moment(const wdi_store *s, uint64_t boot_us) {
    (void)boot_us;
    return s->moment;
}

void wdi_store_run(const wdi_store *s, wire_run *ret_run) {
    (void)s;
    *ret_run = (wire_run){.ordinal = 1};
    base_boot_id(ret_run->boot_id);
}

uint64_t wdi_store_pending(const wdi_store *s) { return s->last + 1 - s->low; }

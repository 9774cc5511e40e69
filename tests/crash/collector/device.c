#include "device.h"

#include <string.h>

void device_init(device *d, uint32_t stream) {
    memset(d, 0, sizeof *d);
    d->stream = stream;
    d->low = d->from = 1;
}

static uint64_t next_of(const device *d) { return d->low + d->n; }

static uint32_t frames_end(const device *d, uint64_t seq) { return seq < d->low ? 0 : d->ends[seq - d->low]; }

static uint64_t chain_at(const device *d, uint64_t seq) {
    return seq < d->low ? d->chain : d->chains[seq - d->low];
}

void device_track(device *d, load *l, notes *n, uint32_t events, int64_t now_us) {
    uint64_t chain = chain_at(d, next_of(d) - 1);
    uint32_t end = frames_end(d, next_of(d) - 1);
    for (; events > 0 && d->n < DEVICE_PENDING_MAX; events--, d->n++) {
        end += (uint32_t)load_event(l, d->stream, now_us, d->frames + end, &chain);
        d->ends[d->n] = end;
        d->chains[d->n] = chain;
    }
    notes_assigned(n, d->stream, next_of(d) - 1);
}

wire_span device_batch(device *d, load *l, int64_t now_us, uint64_t *ret_through) {
    uint64_t through = d->from + load_random(l) % (next_of(d) - d->from);
    uint32_t begin = frames_end(d, d->from - 1), end = frames_end(d, through);
    load_place place = {.first_seq = d->from, .chain = chain_at(d, d->from - 1), .low = d->low};
    *ret_through = through;
    return load_pack(l, d->stream, &place, now_us, (wire_span){d->frames + begin, end - begin});
}

void device_unanswered(device *d, load *l) {
    d->from = d->low;
    if (d->n > 0 && load_random(l) % 4 == 0)
        d->from += load_random(l) % d->n;
}

/* Everything through `seq` is the collector's now. */
static void forget(device *d, notes *n, uint64_t seq) {
    if (seq < d->low)
        return;
    notes_acked(n, d->stream, seq);
    uint32_t gone = (uint32_t)(seq - d->low + 1), end = frames_end(d, seq);
    d->chain = chain_at(d, seq);
    d->n -= gone;
    memmove(d->frames, d->frames + end, frames_end(d, d->low + gone + d->n - 1) - end);
    for (uint32_t i = 0; i < d->n; i++) {
        d->ends[i] = d->ends[i + gone] - end;
        d->chains[i] = d->chains[i + gone];
    }
    d->low = seq + 1;
}

static bool rewind_take(device *d, uint64_t seq) {
    if (seq < d->low || seq > next_of(d))
        return false;
    d->from = seq < next_of(d) ? seq : d->low;
    return true;
}

/* The collector can no longer compare, but says where it stands. */
static bool unverified_take(device *d, notes *n, const wire_ack *ack) {
    d->from = d->low;
    if (ack->next_seq < d->low)
        return true;
    if (ack->next_seq > next_of(d) || chain_at(d, ack->next_seq - 1) != ack->chain)
        return false;
    forget(d, n, ack->next_seq - 1);
    d->from = d->low;
    return true;
}

bool device_answered(device *d, notes *n, const wire_ack *ack) {
    switch (ack->status) {
    case WIRE_STATUS_OK:
        if (ack->agreed_through >= next_of(d))
            return false;
        forget(d, n, ack->agreed_through);
        d->from = d->low;
        return true;
    case WIRE_STATUS_REWIND:
        return rewind_take(d, ack->next_seq);
    case WIRE_STATUS_UNVERIFIED:
        return unverified_take(d, n, ack);
    case WIRE_STATUS_RETRY:
        return true;
    case WIRE_STATUS_NONE:
    case WIRE_STATUS_FORK:
    case WIRE_STATUS_REFUSED:
    case WIRE_STATUS_TOO_LARGE:
    case WIRE_STATUS_UNAUTHORIZED:
        break;
    }
    return false;
}

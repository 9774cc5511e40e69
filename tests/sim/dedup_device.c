/* A device as the contract wants it: ring, store, numbers, chains, tombstones, forks. */
#include "dedup_world.h"

#include <assert.h>
#include <string.h>

static line *line_of(store *s, uint64_t stream) {
    for (uint32_t i = 0; i < s->n_lines; i++)
        if (s->lines[i].stream == stream)
            return &s->lines[i];
    return NULL;
}

static void line_add(store *s, line added) {
    assert(s->n_lines < LINES_MAX);
    s->lines[s->n_lines++] = added;
}

static const record *first_of(const store *s, uint64_t stream, uint64_t from) {
    for (uint32_t i = 0; i < s->n_records; i++)
        if (s->records[i].stream == stream && s->records[i].seq >= from)
            return &s->records[i];
    return NULL;
}

static uint64_t chain_after(const record *r) { return wire_chain(r->chain_before, event_crc(r->event)); }

void device_init(world *w, device *d) {
    *d = (device){.now.stream = world_random(w)};
    line_add(&d->now, (line){d->now.stream, 1, 0});
    d->synced = d->now;
}

/* What the ring still holds goes under the run that recorded it; then a new run begins. */
void device_open(world *w, device *d) {
    d->alive = true;
    d->generation = ++w->generations;
    d->n_in_flight = 0;
    device_pump(w, d, EVENTS_MAX);
    d->now.run = (uint32_t)world_random(w);
}

void device_track(world *w, device *d) {
    uint32_t event = w->n_events++;
    assert(event < EVENTS_MAX && d->ring.tail < EVENTS_MAX);
    d->ring.slots[d->ring.tail].present = true;
    d->ring.slots[d->ring.tail].event = event;
    d->ring.slots[d->ring.tail].run = d->now.run;
    d->ring.tail++;
}

/* Ring to store, which is when an event gets its number. What lies behind a hole is lost. */
void device_pump(world *w, device *d, uint32_t n) {
    store *s = &d->now;
    for (; n > 0 && s->ring_position < d->ring.tail; n--, s->ring_position++) {
        uint32_t at = s->ring_position;
        if (!d->ring.slots[at].present) {
            memset(d->ring.slots, 0, sizeof d->ring.slots);
            s->ring_position = d->ring.tail;
            return;
        }
        line *l = line_of(s, s->stream);
        assert(s->n_records < EVENTS_MAX);
        record *r = &s->records[s->n_records++];
        *r = (record){.stream = s->stream,
                      .seq = l->next_seq++,
                      .chain_before = l->chain,
                      .event = d->ring.slots[at].event,
                      .run = d->ring.slots[at].run};
        l->chain = chain_after(r);
        if (world_chance(w, .5))
            d->ring.slots[at].present = false;
    }
}

void device_sync(device *d) { d->synced = d->now; }

/* Some neighbours become tombstones: they keep number and CRC. */
void device_quota(world *w, device *d) {
    store *s = &d->now;
    if (s->n_records == 0)
        return;
    uint32_t at = world_chance(w, .5) ? 0 : world_below(w, s->n_records);
    for (uint32_t n = 1 + world_below(w, 3); n > 0 && at < s->n_records; n--, at++)
        s->records[at].dropped = true;
}

/* ---- sending ------------------------------------------------------------------------------------ */

static bool is_synced(const device *d, const record *r) {
    for (uint32_t i = 0; i < d->synced.n_records; i++) {
        const record *kept = &d->synced.records[i];
        if (kept->stream == r->stream && kept->seq == r->seq)
            return kept->dropped == r->dropped;
    }
    return false;
}

/* Where the next batch begins: behind what is in flight. n_records: nowhere. */
static uint32_t send_from(const device *d) {
    const store *s = &d->now;
    if (d->n_in_flight == 0)
        return 0;
    const batch *last = &d->in_flight[d->n_in_flight - 1];
    for (uint32_t i = 0; i < s->n_records; i++)
        if (s->records[i].stream == last->stream && s->records[i].seq > last->facts.last_seq)
            return i;
    return s->n_records;
}

static void batch_take(batch *b, const record *r) {
    uint32_t i = b->facts.n_items++;
    b->events[i] = r->event;
    b->items[i] = (wire_item){.crc = event_crc(r->event), .flags = r->dropped ? WIRE_ITEM_DROPPED : 0};
    b->facts.n_events += !r->dropped;
    b->facts.last_seq = r->seq;
    b->facts.chain_after = chain_after(r);
    if (r->resent)
        b->facts.resent_through = r->seq;
}

void device_send(world *w, device *d) {
    store *s = &d->now;
    uint32_t from = send_from(d), n = 1 + world_below(w, BATCH_MAX);
    if (d->n_in_flight == PIPE_MAX || from >= s->n_records)
        return;
    const record *first = &s->records[from];
    batch b = {
        .stream = first->stream, .id = world_random(w), .device = d->index, .generation = d->generation};
    memcpy(b.facts.stream, &first->stream, sizeof first->stream);
    b.facts.first_seq = first->seq;
    b.facts.chain = first->chain_before;
    b.facts.low = first_of(s, first->stream, 0)->seq;
    for (const record *r = first; r < s->records + s->n_records && b.facts.n_items < n; r++) {
        if (r->stream != first->stream || r->run != first->run || r->seq != first->seq + b.facts.n_items ||
            !is_synced(d, r))
            break;
        batch_take(&b, r);
    }
    if (b.facts.n_items == 0 || w->n_requests == NET_MAX)
        return;
    d->in_flight[d->n_in_flight++] = b;
    w->requests[w->n_requests++] = b;
}

void device_timeout(world *w, device *d) {
    if (d->n_in_flight > 0)
        d->in_flight[world_below(w, d->n_in_flight)] = d->in_flight[d->n_in_flight - 1], d->n_in_flight--;
}

/* ---- answers ------------------------------------------------------------------------------------ */

/* Forgets what the collector said it has; here a loss would show. */
static void trim(world *w, device *d, uint64_t stream, uint64_t through) {
    store *s = &d->now;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->n_records; i++) {
        const record *r = &s->records[i];
        if (r->stream != stream || r->seq > through) {
            s->records[kept++] = *r;
            continue;
        }
        const fate *f = &w->fates[r->event];
        if (!r->dropped && f->delivered + f->possible + f->dropped == 0)
            world_violate(w, "LOSS: the device forgot an event that is not in the journal");
    }
    s->n_records = kept;
}

static uint64_t derive(uint64_t stream, uint64_t seq, uint64_t chain) {
    return wire_chain(wire_chain(wire_chain(stream, (uint32_t)seq), (uint32_t)chain),
                      (uint32_t)(chain >> 32));
}

/* Every number from `from` on moves to the derived stream; numbers and chains stay. */
static void fork_stream(device *d, uint64_t stream, uint64_t from, bool resent) {
    store *s = &d->now;
    const record *first = first_of(s, stream, from);
    d->n_in_flight = 0;
    if (first == NULL && s->stream != stream)
        return;
    uint64_t to = derive(stream, from, first != NULL ? chain_after(first) : s->run);
    if (line_of(s, to) == NULL) {
        line moved = *line_of(s, stream);
        moved.stream = to;
        line_add(s, moved);
    }
    for (uint32_t i = 0; i < s->n_records; i++) {
        record *r = &s->records[i];
        if (r->stream != stream || r->seq < from)
            continue;
        r->stream = to;
        r->resent |= resent;
    }
    if (s->stream == stream)
        s->stream = to;
}

/* Whether the device's own chain before `next_seq` is known, and which it is. */
static bool own_chain(device *d, uint64_t stream, uint64_t next_seq, uint64_t *ret_chain) {
    store *s = &d->now;
    const record *at = first_of(s, stream, next_seq);
    const record *before = first_of(s, stream, next_seq - 1);
    const line *l = line_of(s, stream);
    if (at != NULL && at->seq == next_seq)
        *ret_chain = at->chain_before;
    else if (before != NULL && before->seq == next_seq - 1)
        *ret_chain = chain_after(before);
    else if (l != NULL && l->next_seq == next_seq && s->stream == stream)
        *ret_chain = l->chain;
    else
        return false;
    return true;
}

static void take_unverified(world *w, device *d, uint64_t stream, const dedup_decision *decision) {
    const record *first = first_of(&d->now, stream, 0);
    uint64_t chain = 0;
    if (first == NULL || decision->next_seq < first->seq) {
        d->n_in_flight = 0;
        return;
    }
    if (own_chain(d, stream, decision->next_seq, &chain) && chain == decision->chain) {
        trim(w, d, stream, decision->next_seq - 1);
    } else {
        device_pump(
            w, d, EVENTS_MAX); /* what waits in the ring may be in a twin's ring too: it is marked as well */
        fork_stream(d, stream, first->seq, true);
    }
}

void device_answer(world *w, device *d, const answer *a) {
    uint32_t i = 0;
    while (i < d->n_in_flight && d->in_flight[i].id != a->to.id)
        i++;
    if (!d->alive || d->generation != a->to.generation || i == d->n_in_flight)
        return;
    memmove(&d->in_flight[i], &d->in_flight[i + 1], (--d->n_in_flight - i) * sizeof(batch));
    const dedup_decision *decision = &a->decision;
    if (decision->status == WIRE_STATUS_OK || decision->status == WIRE_STATUS_FORK)
        trim(w, d, a->to.stream, decision->agreed_through);
    if (decision->status == WIRE_STATUS_FORK)
        fork_stream(d, a->to.stream, decision->agreed_through + 1, false);
    else if (decision->status == WIRE_STATUS_UNVERIFIED)
        take_unverified(w, d, a->to.stream, decision);
    else if (decision->status == WIRE_STATUS_REWIND)
        d->n_in_flight = 0;
}

/* ---- faults ------------------------------------------------------------------------------------- */

static void ring_lose(world *w, ring *r) {
    for (uint32_t i = 0; i < r->tail; i++)
        if (world_chance(w, .3))
            r->slots[i].present = false;
}

void device_power_cut(world *w, device *d) {
    d->now = d->synced;
    ring_lose(w, &d->ring);
    d->alive = false;
    d->n_in_flight = 0;
    d->generation = ++w->generations;
}

/* A running machine with its memory, or a copy of what its disk has. */
void device_copy(world *w, const device *d, snapshot *ret_snapshot) {
    ret_snapshot->of = *d;
    ret_snapshot->running = world_chance(w, .5);
    if (ret_snapshot->running)
        return;
    ret_snapshot->of.now = d->synced;
    ring_lose(w, &ret_snapshot->of.ring);
    ret_snapshot->of.alive = false;
}

void device_load(world *w, device *d, const snapshot *s) {
    uint32_t index = d->index;
    *d = s->of;
    d->index = index;
    d->n_in_flight = 0;
    d->generation = ++w->generations;
}

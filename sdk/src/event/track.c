#include "sdk/src/event/track.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schemas/wire/wire.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/event/small.h"
#include "sdk/src/event/text.h"
#include "sdk/src/ring/put.h"

/* Signal handlers may run on 8 KiB of stack: only events with many properties take more than half of it. */
_Static_assert(sizeof(wire_prop) <= 32, "the stack that an event takes is documented");
_Static_assert(sizeof(wdi_small) <= 1536, "the stack that an event takes is documented");
_Static_assert(sizeof(wdi_small) <= WDI_RING_BYTES_MIN / 4, "a small event fits into every ring");

/* ---- the tracker ------------------------------------------------------------------------------------- */

static size_t page_bytes(void) {
    long page = sysconf(_SC_PAGESIZE);
    return page > 0 ? (size_t)page : 4096u;
}

wadi_err wdi_tracker_init(wdi_tracker *tracker, uint64_t boot_us) {
    atomic_init(&tracker->bell.state, WDI_AWAKE);
    atomic_init(&tracker->refusal, WADI_OK);
    atomic_init(&tracker->context, 0);
    atomic_init(&tracker->refused_full, 0);
    atomic_init(&tracker->refused_invalid, 0);
    atomic_init(&tracker->refused_io, 0);
    tracker->intern.table = NULL;
    tracker->process = NULL;
    tracker->reopen = NULL;
    tracker->boot_us = boot_us;
    uint32_t *page = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return WADI_ERR_NO_MEMORY;
    tracker->process = page;
    tracker->process_asked = madvise(page, page_bytes(), MADV_WIPEONFORK) != 0; /* before Linux 4.14 */
    *page = (uint32_t)getpid();
    wadi_err err = wdi_intern_init(&tracker->intern);
    if (err != WADI_OK)
        wdi_tracker_fini(tracker);
    return err;
}

void wdi_tracker_fini(wdi_tracker *tracker) {
    if (tracker == NULL)
        return;
    wdi_intern_fini(&tracker->intern);
    if (tracker->process != NULL)
        munmap((void *)(uintptr_t)tracker->process, page_bytes());
    tracker->process = NULL;
}

wadi_err wdi_tracker_renew(wdi_tracker *tracker) {
    atomic_store(&tracker->bell.state, WDI_AWAKE);
    atomic_store(&tracker->context, 0);
    wdi_tracker_refuse(tracker, WADI_ERR_FULL);
    wdi_intern_fini(&tracker->intern);
    return wdi_intern_init(&tracker->intern);
}

void wdi_tracker_own(wdi_tracker *tracker) {
    __atomic_store_n((uint32_t *)(uintptr_t)tracker->process, (uint32_t)getpid(), __ATOMIC_RELEASE);
}

void wdi_tracker_refuse(wdi_tracker *tracker, wadi_err err) {
    atomic_store(&tracker->refusal, (uint32_t)err);
}

bool wdi_tracker_forked(const wdi_tracker *tracker) {
    uint32_t process = __atomic_load_n(tracker->process, __ATOMIC_ACQUIRE);
    if (__builtin_expect(!tracker->process_asked, 1))
        return process == 0;
    return process != (uint32_t)getpid();
}

#define REFUSAL_COLD UINT32_MAX /* none, but the ring has to be asked first */

static void refusal_change(wdi_tracker *tracker, uint32_t from, uint32_t to) {
    (void)atomic_compare_exchange_strong(&tracker->refusal, &from, to);
}

void wdi_tracker_chill(wdi_tracker *tracker) { refusal_change(tracker, WADI_OK, REFUSAL_COLD); }

bool wdi_tracker_ready(wdi_tracker *tracker) {
    bool ready = wdi_ring_ready(&tracker->ring);
    refusal_change(tracker, REFUSAL_COLD, ready ? WADI_OK : WADI_ERR_IO);
    refusal_change(tracker, ready ? WADI_ERR_IO : WADI_OK, ready ? WADI_OK : WADI_ERR_IO);
    return ready;
}

wadi_err wdi_tracker_refusal(wdi_tracker *tracker) {
    uint32_t refusal = atomic_load_explicit(&tracker->refusal, memory_order_acquire);
    if (__builtin_expect(refusal != REFUSAL_COLD, 1))
        return (wadi_err)refusal;
    if (!wdi_tracker_ready(tracker))
        wdi_bell_ring(&tracker->bell, WDI_DOZING); /* the thread goes on asking */
    refusal = atomic_load_explicit(&tracker->refusal, memory_order_acquire);
    return refusal == REFUSAL_COLD ? WADI_OK : (wadi_err)refusal; /* cold again: it was asked just now */
}

/* Wakes the background thread if it sleeps too deeply for what was just recorded. While it dozes, which is
 * most of the time, only what is urgent does. */
static inline void tracker_ring_bell(wdi_tracker *tracker, wadi_priority priority) {
    uint32_t state = atomic_load_explicit(&tracker->bell.state, memory_order_seq_cst);
    if (state == WDI_AWAKE)
        return;
    bool urgent = priority == WADI_CRITICAL || wdi_ring_used(&tracker->ring) > tracker->ring.mask / 2;
    if (__builtin_expect(state == WDI_ASLEEP || urgent, 0))
        wdi_bell_wake(&tracker->bell);
}

wadi_err wdi_tracker_set_context(wdi_tracker *tracker, uint32_t id, const void *context, uint32_t n) {
    wadi_err err = wdi_ring_put(&tracker->ring, WDI_RECORD_CONTEXT, WADI_NORMAL, context, n, NULL);
    if (err != WADI_OK)
        return err;
    atomic_store_explicit(&tracker->context, id, memory_order_release);
    tracker_ring_bell(tracker, WADI_NORMAL);
    return WADI_OK;
}

/* ---- any event --------------------------------------------------------------------------------------- */

/* The general way, for what is not small, and to find out what is wrong: converts, measures, and encodes
 * straight into the ring. */

/* The length of a value; more than an event can hold is cut, and refused by its size. */
static size_t value_bytes(const wadi_prop *prop) {
    return prop->size != 0 ? prop->size : strnlen(prop->value.string, WIRE_EVENT_BYTES_MAX + 1);
}

static bool prop_value(const wadi_prop *prop, wire_prop *out) {
    switch (prop->type) {
    case WADI_TYPE_STRING:
        if (prop->value.string == NULL)
            return false;
        out->type = WIRE_STRING;
        out->v.s.data = prop->value.string;
        out->v.s.n = value_bytes(prop);
        return true;
    case WADI_TYPE_INT:
        out->type = WIRE_INT;
        out->v.i = prop->value.integer;
        return true;
    case WADI_TYPE_DOUBLE:
        out->type = WIRE_DOUBLE;
        out->v.d = prop->value.number;
        return true;
    case WADI_TYPE_BOOL:
        out->type = prop->value.boolean != 0 ? WIRE_TRUE : WIRE_FALSE;
        return true;
    case WADI_TYPE_BYTES:
        if (prop->value.bytes == NULL && prop->size != 0)
            return false;
        out->type = WIRE_BYTES;
        out->v.s.data = prop->value.bytes;
        out->v.s.n = prop->size;
        return true;
    }
    return false; /* a number that is no type */
}

/* A name or key: its number, or its length for going inline. */
static bool text_intern(wdi_tracker *tracker, const char *string, uint32_t *ret_id, uint8_t *ret_n) {
    wdi_interned found = wdi_intern_get(&tracker->intern, &tracker->ring, string);
    *ret_id = found.id;
    *ret_n = (uint8_t)found.n;
    return found.n != 0 && found.n <= WIRE_TEXT_BYTES_MAX; /* 0: NULL too */
}

static bool props_convert(wdi_tracker *tracker, const wdi_recorded *ev, wire_prop *out) {
    for (size_t i = 0; i < ev->n_props; i++, out++) { /* by index: nothing may be added to a NULL list */
        const wadi_prop *prop = &ev->props[i];
        out->key = prop->key;
        if (!prop_value(prop, out) || !text_intern(tracker, prop->key, &out->key_id, &out->key_len))
            return false;
    }
    return true;
}

static wadi_err event_write(wdi_tracker *tracker, const wire_event *event, wadi_ticket *ret_ticket) {
    size_t n = wire_event_size(event);
    if (n == 0 || n > tracker->ring.payload_max)
        return WADI_ERR_TOO_LARGE;
    uint64_t pos = 0;
    uint8_t *payload = wdi_ring_claim(&tracker->ring, (uint32_t)n, &pos);
    if (payload == NULL)
        return WADI_ERR_FULL;
    wire_event_encode(payload, event);
    wadi_ticket ticket =
        wdi_ring_commit(&tracker->ring, pos, WDI_RECORD_EVENT, (wadi_priority)event->priority, (uint32_t)n);
    if (ret_ticket != NULL)
        *ret_ticket = ticket;
    return WADI_OK;
}

static inline wadi_priority priority_of(const wdi_recorded *ev) {
    return ev->more != NULL ? ev->more->priority : WADI_NORMAL;
}

static inline wadi_err event_record(wdi_tracker *tracker, const wdi_recorded *ev, wire_prop *props,
                                    wadi_ticket *ret_ticket) {
    wire_event event = {
        .name = ev->name,
        .at_us = ev->at_us,
        .context = ev->context,
        .priority = (uint32_t)priority_of(ev),
        .has_time = ev->more != NULL && ev->more->has_time != 0,
        .time_us = ev->more != NULL ? ev->more->time_us : 0,
        .props = props,
        .n_props = ev->n_props,
    };
    if (!text_intern(tracker, ev->name, &event.name_id, &event.name_len) ||
        !props_convert(tracker, ev, props))
        return WADI_ERR_INVALID;
    return event_write(tracker, &event, ret_ticket);
}

__attribute__((noinline)) static wadi_err record_few(wdi_tracker *tracker, const wdi_recorded *ev,
                                                     wadi_ticket *ret_ticket) {
    wire_prop props[WDI_SMALL_PROPS_MAX];
    return event_record(tracker, ev, props, ret_ticket);
}

__attribute__((noinline)) static wadi_err record_many(wdi_tracker *tracker, const wdi_recorded *ev,
                                                      wadi_ticket *ret_ticket) {
    wire_prop props[WIRE_PROPS_MAX];
    return event_record(tracker, ev, props, ret_ticket);
}

static inline bool more_valid(const wadi_event *more) {
    return (uint32_t)more->priority <= WADI_CRITICAL &&
           (!more->has_time || (more->time_us >= WIRE_US_MIN && more->time_us <= WIRE_US_MAX));
}

/* By value: the address of a copy, so that the caller's own may stay in registers. */
__attribute__((noinline)) static wadi_err record_any(wdi_tracker *tracker, wdi_recorded ev,
                                                     wadi_ticket *ret_ticket) {
    if ((ev.more != NULL && !more_valid(ev.more)) || ev.n_props > WIRE_PROPS_MAX ||
        (ev.props == NULL && ev.n_props != 0))
        return WADI_ERR_INVALID;
    return ev.n_props > WDI_SMALL_PROPS_MAX ? record_many(tracker, &ev, ret_ticket)
                                            : record_few(tracker, &ev, ret_ticket);
}

/* ---- one event --------------------------------------------------------------------------------------- */

static void count_refusal(wdi_tracker *tracker, wadi_err err) {
    if (err == WADI_ERR_FULL)
        atomic_fetch_add_explicit(&tracker->refused_full, 1, memory_order_relaxed);
    else if (err == WADI_ERR_IO)
        atomic_fetch_add_explicit(&tracker->refused_io, 1, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&tracker->refused_invalid, 1, memory_order_relaxed);
}

__attribute__((noinline)) static wadi_err refused(wdi_tracker *tracker) {
    wadi_err err = wdi_tracker_refusal(tracker);
    if (err == WADI_ERR_FULL || err == WADI_ERR_IO)
        count_refusal(tracker, err);
    return err;
}

static inline bool may_be_small(const wdi_recorded *ev) {
    return ev->n_props <= WDI_SMALL_PROPS_MAX && (ev->props != NULL || ev->n_props == 0) &&
           (ev->more == NULL || more_valid(ev->more));
}

/* Most events: encoded on the stack and copied, which is quicker than to measure first, and the slot is open
 * for a shorter time. */
__attribute__((always_inline)) static inline wadi_err record(wdi_tracker *tracker, const wdi_recorded *ev,
                                                             wadi_ticket *ret_ticket) {
    wdi_small small;
    uint32_t n = 0;
    const uint8_t *bytes = NULL;
    if (__builtin_expect(may_be_small(ev), 1))
        bytes = wdi_small_encode(&tracker->intern, &tracker->ring, ev, &small, &n);
    if (__builtin_expect(bytes != NULL, 1))
        return wdi_slot_put(&tracker->ring, WDI_RECORD_EVENT, priority_of(ev), bytes, n, ret_ticket);
    const wdi_recorded copy = {.name = ev->name,
                               .props = ev->props,
                               .n_props = ev->n_props,
                               .more = ev->more,
                               .at_us = ev->at_us,
                               .context = ev->context};
    return record_any(tracker, copy, ret_ticket);
}

static wadi_err track_ex(wdi_tracker *tracker, const char *name, const wadi_prop *props, size_t n,
                         const wadi_event *more, wadi_ticket *ret_ticket);

/* The first event of a child. An event that finds no ring counts as one that finds no room. */
__attribute__((noinline)) static wadi_err track_forked(wdi_tracker *tracker, const char *name,
                                                       const wadi_prop *props, size_t n,
                                                       const wadi_event *more, wadi_ticket *ret_ticket) {
    wadi_err err = tracker->reopen != NULL ? tracker->reopen(tracker) : WADI_ERR_FORKED;
    if (err == WADI_OK)
        return track_ex(tracker, name, props, n, more, ret_ticket);
    count_refusal(tracker, WADI_ERR_FULL);
    return err;
}

/* `more`: time and priority, or NULL. Inline, since what most calls lack costs registers. */
__attribute__((always_inline)) static inline wadi_err tracker_track(wdi_tracker *tracker, const char *name,
                                                                    const wadi_prop *props, size_t n,
                                                                    const wadi_event *more,
                                                                    wadi_ticket *ret_ticket) {
    if (__builtin_expect(wdi_tracker_forked(tracker), 0))
        return track_forked(tracker, name, props, n, more, ret_ticket);
    wadi_err err = WADI_OK;
    if (__builtin_expect(atomic_load_explicit(&tracker->refusal, memory_order_acquire) != WADI_OK, 0)) {
        err = refused(tracker);
        if (err != WADI_OK)
            return err;
    }
    uint64_t now_us = base_boot_us(); /* first: reading the clock waits for all work that is under way */
    wdi_recorded ev = {
        .name = name,
        .props = props,
        .n_props = n,
        .more = more,
        .at_us = now_us > tracker->boot_us ? now_us - tracker->boot_us : 0,
        .context = atomic_load_explicit(&tracker->context, memory_order_acquire),
    };
    err = record(tracker, &ev, ret_ticket);
    if (__builtin_expect(err != WADI_OK, 0)) {
        count_refusal(tracker, err);
        return err;
    }
    tracker_ring_bell(tracker, priority_of(&ev));
    return WADI_OK;
}

__attribute__((noinline)) static wadi_err track_ex(wdi_tracker *tracker, const char *name,
                                                   const wadi_prop *props, size_t n, const wadi_event *more,
                                                   wadi_ticket *ret_ticket) {
    return tracker_track(tracker, name, props, n, more, ret_ticket);
}

/* ---- the public face --------------------------------------------------------------------------------- */

wadi_err wadi_track(wadi *w, const char *name, const wadi_prop *props, size_t n) {
    if (w == NULL)
        return WADI_ERR_INVALID;
    return tracker_track((wdi_tracker *)(void *)w, name, props, n, NULL, NULL);
}

wadi_err wadi_track_ex(wadi *w, const wadi_event *ev, wadi_ticket *ret_ticket) {
    if (w == NULL || ev == NULL || ev->struct_size < sizeof *ev)
        return WADI_ERR_INVALID;
    return track_ex((wdi_tracker *)(void *)w, ev->name, ev->props, ev->n_props, ev, ret_ticket);
}

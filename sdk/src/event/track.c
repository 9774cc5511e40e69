#include "sdk/src/event/track.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schemas/wire/wire.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/event/text.h"

/* Signal handlers may run on 8 KiB of stack: only events with many properties take more than half of it. */
#define PROPS_FEW 24u
#define SMALL_BYTES_MAX 768u
/* More than anything but texts and blobs takes: keys, lengths and numbers with their tags. */
#define HEAD_BYTES_MAX 96u
#define PROP_BYTES_MAX 24u

_Static_assert(sizeof(wire_prop) <= 32, "the stack that an event takes is documented");

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
    tracker->intern.slots = NULL;
    tracker->process = NULL;
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

void wdi_tracker_refuse(wdi_tracker *tracker, wadi_err err) {
    atomic_store(&tracker->refusal, (uint32_t)err);
}

bool wdi_tracker_forked(const wdi_tracker *tracker) {
    uint32_t process =
        *(const volatile uint32_t *)tracker->process; /* to the compiler nobody ever clears it */
    if (__builtin_expect(tracker->process_asked, 0))
        return process != (uint32_t)getpid();
    return process == 0;
}

wadi_err wdi_tracker_refusal(const wdi_tracker *tracker) {
    return (wadi_err)atomic_load_explicit(&tracker->refusal, memory_order_acquire);
}

/* Wakes the background thread if it sleeps too deeply for what was just recorded. */
static inline void tracker_ring_bell(wdi_tracker *tracker, wadi_priority priority) {
    uint32_t state = atomic_load_explicit(&tracker->bell.state, memory_order_seq_cst);
    if (__builtin_expect(state == WDI_AWAKE, 1))
        return;
    bool urgent = priority == WADI_CRITICAL || wdi_ring_used(&tracker->ring) > tracker->ring.mask / 2;
    if (state == WDI_ASLEEP || urgent)
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

/* ---- one event --------------------------------------------------------------------------------------- */

/* The length of a value; more than an event can hold is cut, and refused by its size. */
static inline size_t value_bytes(const char *string) {
    uint32_t n = wdi_text_read(string).n;
    return n < WDI_TEXT_BLOCK ? n : n + strnlen(string + n, WIRE_EVENT_BYTES_MAX);
}

/* The value, and how many bytes of text or blob it brings. */
static inline bool prop_value(const wadi_prop *prop, wire_prop *out, size_t *bytes) {
    switch (prop->type) {
    case WADI_TYPE_STRING:
        if (prop->value.string == NULL)
            return false;
        out->type = WIRE_STRING;
        out->v.s.data = prop->value.string;
        *bytes += out->v.s.n = prop->size != 0 ? prop->size : value_bytes(prop->value.string);
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
        *bytes += out->v.s.n = prop->size;
        return true;
    }
    return false; /* a number that is no type */
}

/* A name or key: its number, or its length for going inline. */
static inline bool text_intern(wdi_tracker *tracker, const char *string, uint32_t *ret_id, uint8_t *ret_n) {
    if (string == NULL)
        return false;
    wdi_interned found = wdi_intern_get(&tracker->intern, &tracker->ring, string);
    *ret_id = found.id;
    *ret_n = (uint8_t)found.n;
    return found.n != 0 && found.n <= WIRE_TEXT_BYTES_MAX;
}

/* `bytes_max` grows by what the properties take at most. 256 of them, of at most 4 GiB, fit its 64 bits. */
static inline bool props_convert(wdi_tracker *tracker, const wadi_event *ev, wire_prop *out,
                                 uint64_t *bytes_max) {
    uint64_t sum = 0;
    for (size_t i = 0; i < ev->n_props; i++, out++) { /* by index: nothing may be added to a NULL list */
        const wadi_prop *prop = &ev->props[i];
        size_t bytes = 0;
        out->key = prop->key;
        if (!prop_value(prop, out, &bytes) || !text_intern(tracker, prop->key, &out->key_id, &out->key_len))
            return false;
        sum += PROP_BYTES_MAX + out->key_len + (uint64_t)bytes;
    }
    *bytes_max += sum;
    return true;
}

/* Most events: encoded here and copied, which is quicker than to measure first, and the slot is open for a
 * shorter time. */
static inline wadi_err write_small(wdi_tracker *tracker, const wire_event *event, wadi_ticket *ret_ticket) {
    uint8_t bytes[SMALL_BYTES_MAX];
    size_t n = wire_event_encode(bytes, event);
    return wdi_ring_put(&tracker->ring, WDI_RECORD_EVENT, (wadi_priority)event->priority, bytes, (uint32_t)n,
                        ret_ticket);
}

/* Encodes straight into the ring. */
static wadi_err write_large(wdi_tracker *tracker, const wire_event *event, wadi_ticket *ret_ticket) {
    size_t n = wire_event_size(event);
    if (n == 0 || n > tracker->ring.payload_max)
        return WADI_ERR_TOO_LARGE;
    uint64_t pos = 0;
    uint8_t *payload = wdi_ring_claim(&tracker->ring, (uint32_t)n, &pos);
    if (payload == NULL)
        return WADI_ERR_FULL;
    wire_event_encode(payload, event);
    *ret_ticket =
        wdi_ring_commit(&tracker->ring, pos, WDI_RECORD_EVENT, (wadi_priority)event->priority, (uint32_t)n);
    return WADI_OK;
}

static inline wadi_err event_record(wdi_tracker *tracker, const wadi_event *ev, wire_prop *props,
                                    wadi_ticket *ret_ticket) {
    uint64_t now_us = base_boot_us(); /* first: reading the clock waits for all work that is under way */
    wire_event event = {
        .name = ev->name,
        .at_us = now_us > tracker->boot_us ? now_us - tracker->boot_us : 0,
        .context = atomic_load_explicit(&tracker->context, memory_order_acquire),
        .priority = (uint32_t)ev->priority,
        .has_time = ev->has_time != 0,
        .time_us = ev->time_us,
        .props = props,
        .n_props = ev->n_props,
    };
    uint64_t bytes_max = HEAD_BYTES_MAX;
    if (!text_intern(tracker, ev->name, &event.name_id, &event.name_len) ||
        !props_convert(tracker, ev, props, &bytes_max))
        return WADI_ERR_INVALID;
    if (bytes_max + event.name_len <= SMALL_BYTES_MAX)
        return write_small(tracker, &event, ret_ticket);
    return write_large(tracker, &event, ret_ticket);
}

static wadi_err record_few(wdi_tracker *tracker, const wadi_event *ev, wadi_ticket *ret_ticket) {
    wire_prop props[PROPS_FEW];
    return event_record(tracker, ev, props, ret_ticket);
}

__attribute__((noinline)) static wadi_err record_many(wdi_tracker *tracker, const wadi_event *ev,
                                                      wadi_ticket *ret_ticket) {
    wire_prop props[WIRE_PROPS_MAX];
    return event_record(tracker, ev, props, ret_ticket);
}

static void count_refusal(wdi_tracker *tracker, wadi_err err) {
    if (err == WADI_ERR_FULL)
        atomic_fetch_add_explicit(&tracker->refused_full, 1, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&tracker->refused_invalid, 1, memory_order_relaxed);
}

__attribute__((noinline)) static wadi_err refused(wdi_tracker *tracker, wadi_err err) {
    if (err == WADI_ERR_FULL)
        count_refusal(tracker, err);
    return err;
}

static inline bool event_valid(const wadi_event *ev) {
    bool timed = !ev->has_time || (ev->time_us >= WIRE_US_MIN && ev->time_us <= WIRE_US_MAX);
    return timed && ev->n_props <= WIRE_PROPS_MAX && (ev->props != NULL || ev->n_props == 0) &&
           (uint32_t)ev->priority <= WADI_CRITICAL;
}

static inline wadi_err tracker_track(wdi_tracker *tracker, const wadi_event *ev, wadi_ticket *ret_ticket) {
    if (wdi_tracker_forked(tracker))
        return WADI_ERR_FORKED;
    wadi_err err = (wadi_err)atomic_load_explicit(&tracker->refusal, memory_order_acquire);
    if (__builtin_expect(err != WADI_OK, 0))
        return refused(tracker, err);
    err = WADI_ERR_INVALID;
    wadi_ticket ticket = 0;
    if (event_valid(ev))
        err = ev->n_props <= PROPS_FEW ? record_few(tracker, ev, &ticket) : record_many(tracker, ev, &ticket);
    if (__builtin_expect(err != WADI_OK, 0)) {
        count_refusal(tracker, err);
        return err;
    }
    tracker_ring_bell(tracker, ev->priority);
    if (ret_ticket != NULL)
        *ret_ticket = ticket;
    return WADI_OK;
}

/* ---- the public face --------------------------------------------------------------------------------- */

wadi_err wadi_track(wadi *w, const char *name, const wadi_prop *props, size_t n) {
    if (w == NULL)
        return WADI_ERR_INVALID;
    wadi_event ev = WADI_EVENT_INIT;
    ev.name = name;
    ev.props = props;
    ev.n_props = n;
    return tracker_track((wdi_tracker *)(void *)w, &ev, NULL);
}

wadi_err wadi_track_ex(wadi *w, const wadi_event *ev, wadi_ticket *ret_ticket) {
    if (w == NULL || ev == NULL || ev->struct_size < sizeof *ev)
        return WADI_ERR_INVALID;
    return tracker_track((wdi_tracker *)(void *)w, ev, ret_ticket);
}

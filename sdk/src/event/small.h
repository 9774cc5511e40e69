/* Small events, nearly all: encoded in one walk over the properties, straight from what the caller gave.
 *
 * The fields of an Event stand in order, so the values are collected by type while the keys are written, each
 * kind in a lane of its own, and put together at the end. The texts, the most bytes, are where they stay: the
 * head comes before them, numbers behind them. Lanes are written and moved in blocks of 16 bytes, which may
 * go beyond what counts. What does not fit here (many properties, long texts, blobs, keys that travel inline)
 * or is wrong is left to the general way in track.c. Both write the same bytes; a test holds this one, too,
 * against nanopb.
 */
#ifndef WDI_SMALL_H
#define WDI_SMALL_H

#include <endian.h>
#include <string.h>

#include "schemas/wire/put.h"
#include "schemas/wire/tags.h"
#include "schemas/wire/wire.h"
#include "sdk/src/event/intern.h"
#include "sdk/src/event/text.h"

#define WDI_SMALL_PROPS_MAX WDI_INTERN_KEYS_MAX
#define WDI_SMALL_BLOCK WDI_TEXT_BLOCK
#define WDI_SMALL_LONG_BYTES_MAX 384u /* texts of more than a block, together */
/* name, at_us, context; tag and length of the keys; keys */
#define WDI_SMALL_HEAD_MAX (3u + 10u + 6u + 2u + 2u * WDI_SMALL_PROPS_MAX)
#define WDI_SMALL_HEAD_ROOM ((WDI_SMALL_HEAD_MAX + WDI_SMALL_BLOCK - 1) / WDI_SMALL_BLOCK * WDI_SMALL_BLOCK)
/* A property is a text with tag and length, or a number, which is shorter. Then tags and lengths of two
 * lists, time, priority. */
#define WDI_SMALL_TAIL_MAX \
    (WDI_SMALL_PROPS_MAX * (2u + WDI_SMALL_BLOCK) + WDI_SMALL_LONG_BYTES_MAX + 2u * 3u + 11u + 2u)

/* An event as it is recorded: what the caller gave, and what was added. */
typedef struct wdi_recorded {
    const char *name;
    const wadi_prop *props;
    size_t n_props;
    const wadi_event *more; /* time and priority; NULL: none */
    uint64_t at_us;
    uint32_t context;
} wdi_recorded;

typedef struct wdi_small {
    uint8_t head[WDI_SMALL_BLOCK + WDI_SMALL_HEAD_ROOM];
    uint8_t ints[WDI_SMALL_PROPS_MAX * 10u + WDI_SMALL_BLOCK];
    uint8_t doubles[WDI_SMALL_PROPS_MAX * 8u + WDI_SMALL_BLOCK];
    uint8_t bytes[WDI_SMALL_HEAD_ROOM + WDI_SMALL_TAIL_MAX + 2u * WDI_SMALL_BLOCK];
    uint32_t long_bytes; /* of texts of more than a block, so far */
} wdi_small;

/* Where each lane goes on. */
typedef struct wdi_lanes {
    uint8_t *head, *texts, *ints, *doubles;
} wdi_lanes;

/* A text of more than a block, or of a length that the caller gave. NULL: too long. */
__attribute__((noinline)) static uint8_t *wdi_small_long(uint8_t *p, const wadi_prop *prop,
                                                         wdi_small *small) {
    size_t n = prop->size != 0 ? prop->size : strnlen(prop->value.string, WDI_SMALL_LONG_BYTES_MAX);
    if (n > WDI_SMALL_LONG_BYTES_MAX || n + 4 > WDI_SMALL_LONG_BYTES_MAX - small->long_bytes)
        return NULL;
    small->long_bytes += (uint32_t)n + 4;
    *p++ = TAG_STRINGS;
    p = wire_varint_put(p, n);
    memcpy(p, prop->value.string, n);
    return p + n;
}

static inline uint8_t *wdi_small_text(uint8_t *p, const wadi_prop *prop, wdi_small *small) {
    const char *string = wdi_text_unknown(prop->value.string);
    if (string == NULL)
        return NULL;
    if (__builtin_expect(prop->size != 0, 0)) /* before the load: no terminator, it would read on */
        return wdi_small_long(p, prop, small);
    wdi_text_raw raw = wdi_text_load(string);
    uint32_t n = wdi_text_length(raw);
    if (__builtin_expect(n == WDI_TEXT_BLOCK, 0))
        return wdi_small_long(p, prop, small);
    p[0] = TAG_STRINGS;
    p[1] = (uint8_t)n;
    wdi_text_store(p + 2, raw);
    return p + 2 + n;
}

static inline uint8_t *wdi_small_double(uint8_t *p, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = htole64(bits);
    memcpy(p, &bits, sizeof bits);
    return p + sizeof bits;
}

/* A guess that failed. It is replaced once in some times: threads whose events differ must not fight for its
 * cache line. */
__attribute__((noinline)) static uint32_t wdi_small_key(wdi_intern *intern, wdi_ring *ring, const char *key,
                                                        _Atomic uint16_t *guess, uint64_t at_us) {
    uint32_t id = wdi_intern_get(intern, ring, key).id;
    if (at_us % 16 == 0 || atomic_load_explicit(guess, memory_order_relaxed) == WDI_INTERN_EMPTY)
        atomic_store_explicit(guess, (uint16_t)(id * sizeof(wdi_intern_text)), memory_order_release);
    return id;
}

/* Keys to the head's lane, values to theirs. False: not here. */
__attribute__((always_inline)) static inline bool wdi_small_props(wdi_intern *intern, wdi_ring *ring,
                                                                  const wdi_recorded *ev,
                                                                  _Atomic uint16_t *guess, wdi_small *small,
                                                                  wdi_lanes *ret_lanes) {
    const wdi_intern_table *const table = intern->table;
    wdi_lanes lanes = *ret_lanes;
    const wadi_prop *prop = ev->props;
    for (const wadi_prop *end = prop + ev->n_props; prop != end; prop++, guess++) {
        const wdi_intern_text *text = wdi_intern_guessed(table, guess);
        const char *key = wdi_text_unknown(prop->key);
        if (__builtin_expect(!wdi_intern_is(text, wdi_text_load(key)), 0)) {
            uint32_t id = wdi_small_key(intern, ring, key, guess, ev->at_us);
            if (id == 0)
                return false;
            text = wdi_intern_at(table, id);
        }
        uint32_t type;
        if (prop->type == WADI_TYPE_STRING) {
            type = WIRE_STRING;
            lanes.texts = wdi_small_text(lanes.texts, prop, small);
            if (lanes.texts == NULL)
                return false;
        } else if (prop->type == WADI_TYPE_INT) {
            type = WIRE_INT;
            lanes.ints = wire_varint_put(lanes.ints, wire_zigzag(prop->value.integer));
        } else if (prop->type == WADI_TYPE_BOOL) {
            type = prop->value.boolean != 0 ? WIRE_TRUE : WIRE_FALSE;
        } else if (prop->type == WADI_TYPE_DOUBLE) {
            type = WIRE_DOUBLE;
            lanes.doubles = wdi_small_double(lanes.doubles, prop->value.number);
        } else {
            return false;
        }
        uint16_t tag = (uint16_t)(text->key | htole16((uint16_t)type));
        memcpy(lanes.head, &tag, sizeof tag);
        lanes.head += text->key_bytes;
    }
    *ret_lanes = lanes;
    return true;
}

/* Copies whole blocks: up to 15 bytes more. */
static inline uint8_t *wdi_small_append(uint8_t *p, const uint8_t *begin, const uint8_t *end) {
    const ptrdiff_t n = end - begin;
    memcpy(p, begin, WDI_SMALL_BLOCK);
    for (ptrdiff_t at = WDI_SMALL_BLOCK; __builtin_expect(at < n, 0); at += WDI_SMALL_BLOCK)
        memcpy(p + at, begin + at, WDI_SMALL_BLOCK);
    return p + n;
}

/* The same, to before p; up to 15 bytes more of what lies in front. */
static inline uint8_t *wdi_small_prepend(uint8_t *p, const uint8_t *begin, const uint8_t *end) {
    uint8_t *first = p - (end - begin);
    do {
        p -= WDI_SMALL_BLOCK;
        end -= WDI_SMALL_BLOCK;
        memcpy(p, end, WDI_SMALL_BLOCK);
    } while (end > begin);
    return first;
}

static inline uint8_t *wdi_small_scalar(uint8_t *p, uint8_t tag, uint64_t value) {
    if (value == 0)
        return p;
    *p++ = tag;
    return wire_varint_put(p, value);
}

static inline uint8_t *wdi_small_list(uint8_t *p, uint8_t tag, const uint8_t *begin, const uint8_t *end) {
    if (begin == end)
        return p;
    *p++ = tag;
    return wdi_small_append(wire_varint_put(p, (uint64_t)(end - begin)), begin, end);
}

static inline uint8_t *wdi_small_more(uint8_t *p, const wadi_event *more) {
    if (more->has_time) {
        *p++ = TAG_TIME_US;
        p = wire_varint_put(p, wire_zigzag(more->time_us));
    }
    return wdi_small_scalar(p, TAG_PRIORITY, (uint32_t)more->priority);
}

/* What stands behind the texts. */
__attribute__((always_inline)) static inline uint8_t *wdi_small_tail(wdi_small *small, const wdi_lanes *lanes,
                                                                     const wadi_event *more) {
    uint8_t *p = wdi_small_list(lanes->texts, TAG_INTS, small->ints, lanes->ints);
    p = wdi_small_list(p, TAG_DOUBLES, small->doubles, lanes->doubles);
    return more == NULL ? p : wdi_small_more(p, more);
}

/* Encodes an event of at most WDI_SMALL_PROPS_MAX properties, else sound in form. Returns where it begins in
 * `small`; NULL: not here. */
__attribute__((always_inline)) static inline const uint8_t *
wdi_small_encode(wdi_intern *intern, wdi_ring *ring, const wdi_recorded *ev, wdi_small *small,
                 uint32_t *ret_n) {
    uint32_t name_id = wdi_intern_get(intern, ring, ev->name).id;
    if (__builtin_expect(name_id == 0, 0))
        return NULL;
    uint8_t *const head = small->head + WDI_SMALL_BLOCK, *const tail = small->bytes + WDI_SMALL_HEAD_ROOM;
    wdi_lanes lanes = {.head = head, .texts = tail, .ints = small->ints, .doubles = small->doubles};
    lanes.head = wdi_small_scalar(lanes.head, TAG_NAME, name_id);
    lanes.head = wdi_small_scalar(lanes.head, TAG_AT_US, ev->at_us);
    lanes.head = wdi_small_scalar(lanes.head, TAG_CONTEXT, ev->context);
    if (ev->n_props != 0) {
        uint8_t *const keys = lanes.head += 2;
        small->long_bytes = 0;
        if (!wdi_small_props(intern, ring, ev, wdi_intern_guesses(intern, name_id), small, &lanes))
            return NULL;
        keys[-2] = TAG_KEYS;
        keys[-1] = (uint8_t)(lanes.head - keys);
    }
    const uint8_t *begin = wdi_small_prepend(tail, head, lanes.head);
    *ret_n = (uint32_t)(wdi_small_tail(small, &lanes, ev->more) - begin);
    return begin;
}

#endif

/* An Event written by hand. The order of writing is the order of the fields, so values are grouped by type:
 * one walk over the properties writes the keys and sorts the properties' indices by type, without a branch
 * that depends on the data; then each type's values follow. */
#include "schemas/wire/put.h"
#include "schemas/wire/tags.h"
#include "schemas/wire/wire.h"

#include <endian.h>
#include <string.h>

/* Seven bits a byte, without a branch: 9 / 64 is close enough to 1 / 7 for 1 to 64 bits. */
static inline size_t varint_size(uint64_t value) {
    const unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    return (bits * 9u + 64u) >> 6;
}

/* For what is nearly always below 128: a branch that the CPU foresees. */
static inline size_t small_size(uint64_t value) {
    return __builtin_expect(value < 0x80, 1) ? 1 : varint_size(value);
}

static inline size_t text_size(size_t n) { return 1 + small_size(n) + n; }

/* Both ends of n bytes as words that overlap. */
static inline void ends_put(uint8_t *p, const uint8_t *data, size_t n, size_t word) {
    memcpy(p, data, word);
    memcpy(p + n - word, data + n - word, word);
}

/* Short texts are the rule: two overlapping words cost less than the call of memcpy. */
static inline uint8_t *bytes_put(uint8_t *p, const void *data, size_t n) {
    if (n >= 8 && n <= 16)
        ends_put(p, data, n, 8);
    else if (n > 16 && n <= 32)
        ends_put(p, data, n, 16);
    else if (n >= 4 && n < 8)
        ends_put(p, data, n, 4);
    else if (n > 0)
        memcpy(p, data, n);
    return p + n;
}

static inline uint8_t *text_put(uint8_t *p, uint8_t tag, const void *data, size_t n) {
    *p++ = tag;
    return bytes_put(wire_varint_put(p, n), data, n);
}

static inline uint8_t *scalar_put(uint8_t *p, uint8_t tag, uint64_t value) {
    if (value == 0)
        return p;
    *p++ = tag;
    return wire_varint_put(p, value);
}

/* A packed list whose contents stand at begin … end, with two bytes kept before them for tag and length.
 * Longer than 127 bytes, they move up by one to make room for the second byte of the length. */
static inline uint8_t *packed_close(uint8_t *begin, uint8_t *end, uint8_t tag) {
    const size_t n = (size_t)(end - begin);
    begin[-2] = tag;
    if (__builtin_expect(n < 0x80, 1)) {
        begin[-1] = (uint8_t)n;
        return end;
    }
    memmove(begin + 1, begin, n);
    wire_varint_put(begin - 1, n);
    return end + 1;
}

static inline size_t packed_size(size_t n) { return n == 0 ? 0 : 1 + small_size(n) + n; }

/* ---- size ------------------------------------------------------------------------------------- */

static bool head_valid(const wire_event *ev) {
    const bool named = ev->name_id != 0 ? ev->name_id <= WIRE_NAME_ID_MAX : ev->name_len != 0;
    const bool timed = !ev->has_time || (ev->time_us >= WIRE_US_MIN && ev->time_us <= WIRE_US_MAX);
    return named && timed && ev->n_props <= WIRE_PROPS_MAX && ev->at_us <= (uint64_t)WIRE_US_MAX;
}

static size_t scalar_size(uint64_t value) { return value == 0 ? 0 : 1 + varint_size(value); }

size_t wire_event_size(const wire_event *ev) {
    if (!head_valid(ev))
        return 0;
    size_t keys = 0, ints = 0, doubles = 0, texts = 0;
    bool bad = false;
    for (size_t i = 0; i < ev->n_props; i++) { /* by index: nothing may be added to a NULL list */
        const wire_prop *prop = &ev->props[i];
        keys += small_size(prop->key_id << 3 | prop->type);
        if (prop->key_id == 0) {
            texts += text_size(prop->key_len);
            bad |= prop->key_len == 0;
        }
        bad |= prop->key_id > WIRE_NAME_ID_MAX;
        switch ((wire_type)prop->type) {
        case WIRE_STRING:
        case WIRE_BYTES:
            bad |= prop->v.s.n > WIRE_EVENT_BYTES_MAX;
            texts += text_size(prop->v.s.n);
            break;
        case WIRE_INT:
            ints += varint_size(wire_zigzag(prop->v.i));
            break;
        case WIRE_DOUBLE:
            doubles += 8;
            break;
        case WIRE_FALSE:
        case WIRE_TRUE:
            break;
        default:
            bad = true;
        }
    }
    size_t n = scalar_size(ev->name_id) + scalar_size(ev->at_us) + scalar_size(ev->context) +
               scalar_size(ev->priority) + packed_size(keys) + packed_size(ints) + packed_size(doubles) +
               texts;
    if (ev->name_id == 0)
        n += text_size(ev->name_len);
    if (ev->has_time)
        n += 1 + varint_size(wire_zigzag(ev->time_us));
    return bad || n > WIRE_EVENT_BYTES_MAX ? 0 : n;
}

/* ---- encode ----------------------------------------------------------------------------------- */

/* Indices of the properties of each type, in order. */
typedef struct typed_lists {
    uint32_t n[8];
    uint32_t n_inlined;
    uint8_t index[8][WIRE_PROPS_MAX];
} typed_lists;

static inline uint8_t *keys_put(uint8_t *p, const wire_event *ev, typed_lists *lists) {
    memset(lists->n, 0, sizeof lists->n);
    lists->n_inlined = 0;
    if (ev->n_props == 0)
        return p;
    p += 2;
    uint8_t *const begin = p;
    for (size_t i = 0; i < ev->n_props; i++) {
        const wire_prop *prop = &ev->props[i];
        p = wire_varint_put(p, prop->key_id << 3 | prop->type);
        lists->index[prop->type][lists->n[prop->type]++] = (uint8_t)i;
        lists->n_inlined += prop->key_id == 0;
    }
    return packed_close(begin, p, TAG_KEYS);
}

static inline uint8_t *texts_put(uint8_t *p, const wire_event *ev, const typed_lists *lists, wire_type type,
                                 uint8_t tag) {
    for (uint32_t i = 0; i < lists->n[type]; i++) {
        const wire_prop *prop = &ev->props[lists->index[type][i]];
        p = text_put(p, tag, prop->v.s.data, prop->v.s.n);
    }
    return p;
}

static inline uint8_t *ints_put(uint8_t *p, const wire_event *ev, const typed_lists *lists) {
    if (lists->n[WIRE_INT] == 0)
        return p;
    p += 2;
    uint8_t *const begin = p;
    for (uint32_t i = 0; i < lists->n[WIRE_INT]; i++)
        p = wire_varint_put(p, wire_zigzag(ev->props[lists->index[WIRE_INT][i]].v.i));
    return packed_close(begin, p, TAG_INTS);
}

static inline uint8_t *doubles_put(uint8_t *p, const wire_event *ev, const typed_lists *lists) {
    const uint32_t n = lists->n[WIRE_DOUBLE];
    if (n == 0)
        return p;
    *p++ = TAG_DOUBLES;
    p = wire_varint_put(p, (uint64_t)n * 8);
    for (uint32_t i = 0; i < n; i++, p += 8) {
        uint64_t bits;
        memcpy(&bits, &ev->props[lists->index[WIRE_DOUBLE][i]].v.d, 8);
        bits = htole64(bits);
        memcpy(p, &bits, 8);
    }
    return p;
}

static uint8_t *inlined_put(uint8_t *p, const wire_event *ev) {
    if (ev->name_id == 0)
        p = text_put(p, TAG_INLINED, ev->name, ev->name_len);
    for (size_t i = 0; i < ev->n_props; i++) {
        const wire_prop *prop = &ev->props[i];
        if (prop->key_id == 0)
            p = text_put(p, TAG_INLINED, prop->key, prop->key_len);
    }
    return p;
}

size_t wire_event_encode(uint8_t *out, const wire_event *ev) {
    typed_lists lists;
    uint8_t *p = scalar_put(out, TAG_NAME, ev->name_id);
    p = scalar_put(p, TAG_AT_US, ev->at_us);
    p = scalar_put(p, TAG_CONTEXT, ev->context);
    p = keys_put(p, ev, &lists);
    p = texts_put(p, ev, &lists, WIRE_STRING, TAG_STRINGS);
    p = ints_put(p, ev, &lists);
    p = doubles_put(p, ev, &lists);
    p = texts_put(p, ev, &lists, WIRE_BYTES, TAG_BLOBS);
    if (ev->name_id == 0 || lists.n_inlined != 0)
        p = inlined_put(p, ev);
    if (ev->has_time) {
        *p++ = TAG_TIME_US;
        p = wire_varint_put(p, wire_zigzag(ev->time_us));
    }
    p = scalar_put(p, TAG_PRIORITY, ev->priority);
    return (size_t)(p - out);
}

size_t wire_frame_size(size_t n) { return 1 + varint_size(n); }

size_t wire_frame_put(uint8_t *out, size_t n) {
    out[0] = TAG_BATCH_EVENT;
    return (size_t)(wire_varint_put(out + 1, n) - out);
}

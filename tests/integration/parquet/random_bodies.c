#include "random_bodies.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sort.h"

#define BODIES 8u /* whose events are mixed */
#define EVENTS_MAX 200u
#define PROPS_MAX 40u
#define DEFINITIONS 20u
#define CONTEXTS 3u
#define RAW_BYTES_MAX (8u << 20)
#define STREAMS 500u
#define BEGIN_US INT64_C(1760000000000000)

struct random_bodies {
    uint64_t random;
    body_shape shape;
    int64_t now_us;
    uint64_t position;
    uint64_t next_seq[STREAMS];
    body_reader *reader;
    body *bodies[BODIES];
    order_event events[BODIES * EVENTS_MAX], scratch[BODIES * EVENTS_MAX];
    uint8_t raw[RAW_BYTES_MAX];
    char text[32768];
};

static void must(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "random_bodies: %s\n", what);
    exit(1);
}

static uint64_t draw(random_bodies *r, uint64_t n) {
    uint64_t x = r->random += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (x ^ (x >> 31)) % n;
}

static bool one_in(random_bodies *r, uint64_t n) { return draw(r, n) == 0; }

random_bodies *random_bodies_new(uint64_t seed, body_shape shape) {
    random_bodies *r = calloc(1, sizeof *r);
    must(r != NULL, "no memory");
    r->random = seed;
    r->shape = shape;
    r->now_us = BEGIN_US;
    r->reader = body_reader_new();
    must(r->reader != NULL, "no memory");
    return r;
}

static void bodies_forget(random_bodies *r) {
    for (size_t i = 0; i < BODIES; i++) {
        body_unref(r->bodies[i]);
        r->bodies[i] = NULL;
    }
}

void random_bodies_free(random_bodies *r) {
    bodies_forget(r);
    body_reader_free(r->reader);
    free(r);
}

/* ---- texts ------------------------------------------------------------------------------------------- */

static wire_span span_of(const char *text) { return (wire_span){(const uint8_t *)text, strlen(text)}; }

static const char *const keys[DEFINITIONS] = {"price",
                                              "count",
                                              "ok",
                                              "label",
                                              "path",
                                              "price",
                                              "\xC3\xA9t\xC3\xA9",
                                              "\xE6\x97\xA5\xE6\x9C\xAC",
                                              "a b",
                                              "quote\"",
                                              "back\\slash",
                                              "new\nline",
                                              "\xFF",
                                              "\xFE",
                                              "k",
                                              "kk",
                                              "a.b",
                                              "\xF0\x9F\x98\x80",
                                              "K",
                                              "longest"};

static const char *const values[] = {"",
                                     "a",
                                     "/pricing",
                                     "\303\274ber",
                                     "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E",
                                     "\xF0\x9F\x98\x80\xF0\x9F\x8C\x8A",
                                     "\"quoted\" \\ \n\r\t\x01",
                                     "null",
                                     "NaN",
                                     "\xFF\xFE broken",
                                     "cut \xE6\x97",
                                     "\xED\xA0\x80 surrogate",
                                     "\xC0\xAF",
                                     "\xF4\x90\x80\x80",
                                     "0",
                                     "true"};

/* From a small set, a made-up one, or a long one; in r->text where it is not constant. */
static wire_span text_draw(random_bodies *r, size_t long_max) {
    uint64_t kind = draw(r, 10);
    if (kind < 5)
        return span_of(values[draw(r, sizeof values / sizeof *values)]);
    size_t n = kind < 9 ? 1 + draw(r, 20) : draw(r, long_max);
    for (size_t i = 0; i < n; i++)
        r->text[i] = (char)(one_in(r, 40) ? 128 + draw(r, 128) : ' ' + draw(r, 95));
    return (wire_span){(const uint8_t *)r->text, n};
}

static double double_draw(random_bodies *r) {
    static const double special[] = {0.0, -0.0, 1.0, 0.1, 1e300, -1e-300, 5e-324, 1.7976931348623157e308};
    switch (draw(r, 6)) {
    case 0:
        return NAN;
    case 1:
        return one_in(r, 2) ? INFINITY : -INFINITY;
    case 2:
        return special[draw(r, sizeof special / sizeof *special)];
    case 3:
        return (double)draw(r, 100000) / 100;
    default:
        return (double)(int64_t)(draw(r, UINT64_MAX)) / 1e7;
    }
}

static int64_t int_draw(random_bodies *r) {
    static const int64_t special[] = {0, -1, INT64_MIN, INT64_MAX, (INT64_C(1) << 53) + 1};
    if (one_in(r, 4))
        return special[draw(r, sizeof special / sizeof *special)];
    return (int64_t)draw(r, UINT64_C(1) << (1 + draw(r, 62))) * (one_in(r, 3) ? -1 : 1);
}

/* ---- events ------------------------------------------------------------------------------------------ */

/* Texts must outlive the drawing of others: each gets its own place in `store`. */
static wire_prop prop_draw(random_bodies *r, char **store, size_t long_max) {
    wire_prop p = {.type = (uint8_t)draw(r, 6)};
    if (one_in(r, 5)) {
        p.key = keys[draw(r, DEFINITIONS)];
        p.key_len = (uint8_t)strlen(p.key);
    } else {
        p.key_id = 1 + (uint32_t)draw(r, DEFINITIONS);
    }
    switch ((wire_type)p.type) {
    case WIRE_STRING:
    case WIRE_BYTES: {
        wire_span text = text_draw(r, long_max);
        memcpy(*store, text.data, text.n);
        p.v.s.data = *store;
        p.v.s.n = text.n;
        *store += text.n;
        break;
    }
    case WIRE_INT:
        p.v.i = int_draw(r);
        break;
    case WIRE_DOUBLE:
        p.v.d = double_draw(r);
        break;
    case WIRE_TRUE:
    case WIRE_FALSE:
        break;
    }
    return p;
}

static size_t event_put(random_bodies *r, uint8_t *out, const wire_event *ev) {
    size_t n = wire_event_size(ev);
    must(n > 0, "an event breaks a limit");
    size_t frame = wire_frame_put(out, n);
    (void)r;
    return frame + wire_event_encode(out + frame, ev);
}

static size_t mixed_put(random_bodies *r, uint8_t *out, uint64_t at_us) {
    char texts[32768], *store = texts;
    wire_prop props[PROPS_MAX];
    size_t n = one_in(r, 20) ? draw(r, PROPS_MAX + 1) : draw(r, 7);
    size_t long_max = r->shape == SHAPE_HUGE ? 30000 / (n + 1) : 400;
    for (size_t i = 0; i < n; i++)
        props[i] = prop_draw(r, &store, long_max);
    wire_event ev = {.name_id = (uint32_t)draw(r, 8),
                     .name = "inline \xC3\xA9",
                     .name_len = 9,
                     .at_us = at_us,
                     .context = (uint32_t)draw(r, CONTEXTS + 1),
                     .props = props,
                     .n_props = n};
    if (one_in(r, 50)) {
        ev.has_time = true;
        ev.time_us = r->now_us + (int64_t)at_us;
    }
    return event_put(r, out, &ev);
}

static size_t plain_put(random_bodies *r, uint8_t *out, uint64_t at_us) {
    char path[48], token[13];
    size_t n = (size_t)snprintf(path, sizeof path, "/docs/%u", (unsigned)draw(r, 1u << 24));
    for (size_t i = 0; i < 12; i++)
        token[i] = "0123456789abcdefghijklmnopqrstuv"[draw(r, 32)];
    const wire_prop props[] = {
        {.key_id = 1, .type = WIRE_STRING, .v.s = {path, n}},
        {.key_id = 2, .type = WIRE_INT, .v.i = 200 + (int64_t)draw(r, 4) * 100},
        {.key_id = 3, .type = WIRE_DOUBLE, .v.d = (double)draw(r, 1u << 20) / 100},
        {.key_id = 4, .type = one_in(r, 2) ? WIRE_TRUE : WIRE_FALSE},
        {.key_id = 5, .type = WIRE_STRING, .v.s = {token, 12}},
        {.key_id = 15, .type = WIRE_INT, .v.i = (int64_t)draw(r, 65536)},
    };
    wire_event ev = {.name_id = 1 + (uint32_t)draw(r, 8), .at_us = at_us, .props = props, .n_props = 6};
    return event_put(r, out, &ev);
}

/* ---- batches ----------------------------------------------------------------------------------------- */

static size_t context_put(random_bodies *r, uint32_t id, uint8_t *out, size_t cap) {
    char user[64], session[64];
    snprintf(user, sizeof user, "user-%u \xC3\xBC", (unsigned)draw(r, 1000));
    snprintf(session, sizeof session, "s%u", (unsigned)draw(r, 100000));
    wire_attribute attributes[4];
    size_t n = draw(r, 5);
    for (size_t i = 0; i < n; i++)
        attributes[i] =
            (wire_attribute){span_of(keys[(i * 7 + id) % DEFINITIONS]), span_of(values[1 + draw(r, 15)])};
    wire_context context = {.id = id, .attributes = attributes, .n_attributes = n};
    if (!one_in(r, 4))
        context.user = span_of(user);
    if (one_in(r, 2))
        context.session = span_of(session);
    must(wire_context_encode(&context, out, cap, &n) == WIRE_OK, "a context");
    return n;
}

static size_t head_put(random_bodies *r, uint64_t first_seq, wire_dropped *dropped) {
    wire_definition definitions[DEFINITIONS];
    for (uint32_t i = 0; i < DEFINITIONS; i++) /* ids beyond the small ones too */
        definitions[i] = (wire_definition){i + 1, span_of(keys[i])};
    uint8_t encoded[CONTEXTS][4096];
    wire_span contexts[CONTEXTS];
    for (uint32_t i = 0; i < CONTEXTS; i++)
        contexts[i] = (wire_span){encoded[i], context_put(r, i + 1, encoded[i], sizeof encoded[i])};
    wire_batch_head head = {.first_seq = first_seq,
                            .low = first_seq,
                            .run = {.ordinal = 1 + draw(r, 3), .sdk = span_of("test")},
                            .definitions = definitions,
                            .n_definitions = DEFINITIONS,
                            .contexts = contexts,
                            .n_contexts = CONTEXTS,
                            .dropped = dropped,
                            .n_dropped = dropped->n > 0};
    size_t n = 0;
    must(wire_batch_head_encode(&head, r->raw, sizeof r->raw, &n) == WIRE_OK, "a batch");
    return n;
}

static void ids_set(journal_entry *entry, uint32_t stream) {
    memset(entry->installation, 0xA0, sizeof entry->installation);
    memset(entry->stream, 0xB0, sizeof entry->stream);
    memcpy(entry->installation, &stream, sizeof stream);
    memcpy(entry->stream + 8, &stream, sizeof stream);
}

static body *body_make(random_bodies *r) {
    static const uint32_t crcs[8] = {0};
    uint32_t stream = (uint32_t)draw(r, STREAMS), n_events = 1 + (uint32_t)draw(r, EVENTS_MAX - 8);
    uint64_t first_seq = r->next_seq[stream] + 1;
    bool mixed = r->shape != SHAPE_PLAIN, gap = mixed && one_in(r, 10);
    first_seq += gap ? 3 : 0;
    wire_dropped dropped = {
        .first_seq = first_seq + draw(r, 2), .reason = 1 + (uint32_t)draw(r, 3), .crcs = crcs};
    dropped.n = mixed && one_in(r, 5) ? 1 + draw(r, 8) : 0;
    size_t n = head_put(r, first_seq, &dropped);
    for (uint32_t i = 0; i < n_events; i++)
        n += (mixed ? mixed_put : plain_put)(r, r->raw + n, i * 1000 + draw(r, 1000));
    uint32_t n_items = n_events + (uint32_t)dropped.n;
    r->next_seq[stream] = first_seq + n_items - 1;
    journal_entry entry = {.position = ++r->position,
                           .kind = ENTRY_BATCH,
                           .received_us = r->now_us + 1000000,
                           .time_quality = (uint8_t)(1 + draw(r, 3)),
                           .first_seq = first_seq,
                           .n_items = n_items,
                           .n_events = n_events,
                           .gap_first = gap ? first_seq - 3 : 0,
                           .resent_through = one_in(r, 10) ? first_seq + 2 : 0,
                           .run_ordinal = 1 + stream % 3,
                           .basis_us = r->now_us,
                           .floor_us = r->now_us,
                           .ceil_us = INT64_MAX,
                           .raw_bytes = (uint32_t)n,
                           .body_bytes = (uint32_t)n};
    ids_set(&entry, stream);
    strcpy(entry.tenant, mixed && one_in(r, 3) ? "acme" : "default");
    body *b = NULL;
    must(body_open(r->reader, &entry, (wire_span){r->raw, n}, &b) == BODY_OK, "a body that cannot be read");
    return b;
}

size_t random_bodies_next(random_bodies *r, const order_event **ret_events) {
    bodies_forget(r);
    size_t n = 0;
    for (size_t i = 0; i < BODIES; i++) {
        body *b = r->bodies[i] = body_make(r);
        for (uint32_t k = 0; k < b->n_items; k = body_item_end(b, k))
            r->events[n++] = order_event_of(b, k);
    }
    order_sort(r->events, r->scratch, n); /* by position and place already */
    r->now_us += 1000 * (int64_t)EVENTS_MAX;
    *ret_events = r->events;
    return n;
}

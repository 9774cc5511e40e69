#include "jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "rfc3339.h"
#include "text.h"
#include "wire.h"

#define ID_BYTES 16u
#define LUT_IDS_MAX 4096u    /* ids below are looked up by index, as the SDK's all are */
#define FIXED_BYTES_MAX 512u /* of a line: punctuation, names of members, numbers, times, ids, a stride */
#define TIME_QUALITY_EXPLICIT 4u
#define SECOND_BYTES 20u /* "2026-11-20T08:52:38." */
#define STRIDE 16u       /* pieces are copied in strides: what is behind them must be readable and writable */

typedef struct piece {
    uint32_t off, n;
} piece;

/* One a body. A line is: {"name": name ,"time":… source seq run late context properties }} */
typedef struct shared {
    char *blob;
    size_t n, cap;
    piece source;           /* ,"received_at":…,"installation":…,"stream":…,"seq": */
    piece run;              /* ,"run":N,"late": */
    uint32_t ids_max;       /* lut has ids_max entries */
    uint16_t *lut;          /* id -> index into texts + 1 */
    piece *texts;           /* quoted and escaped, one a definition */
    piece *contexts;        /* ,"user":…,"properties":{ ; the last one is for events without a context */
    uint32_t context_n_max; /* longest of them */
    int64_t second;         /* whose text is `second_text`: a batch spans few */
    char second_text[SECOND_BYTES];
} shared;

static void shared_free(void *cache) {
    shared *s = cache;
    if (!s)
        return;
    free(s->blob);
    free(s->lut);
    free(s->texts);
    free(s->contexts);
    free(s);
}

/* ---- rendering what is shared --------------------------------------------------------------------- */

static char *blob_reserve(shared *s, size_t more) {
    more += STRIDE;
    if (s->n + more > s->cap) {
        size_t cap = s->cap * 2 > s->n + more ? s->cap * 2 : s->n + more;
        char *grown = realloc(s->blob, cap);
        if (!grown)
            return NULL;
        s->blob = grown;
        s->cap = cap;
    }
    return s->blob + s->n;
}

static bool blob_put(shared *s, const char *text) {
    size_t n = strlen(text);
    char *at = blob_reserve(s, n);
    if (!at)
        return false;
    memcpy(at, text, n);
    s->n += n;
    return true;
}

static bool blob_put_string(shared *s, wire_span text) {
    char *at = blob_reserve(s, JSON_STRING_MAX(text.n));
    if (!at)
        return false;
    s->n += json_put_string(at, text.data, text.n);
    return true;
}

static bool blob_put_uint(shared *s, uint64_t value) {
    char *at = blob_reserve(s, JSON_NUMBER_MAX);
    if (!at)
        return false;
    s->n += json_put_uint(at, value);
    return true;
}

static piece piece_from(const shared *s, size_t from) {
    return (piece){(uint32_t)from, (uint32_t)(s->n - from)};
}

static bool render_source(shared *s, const journal_entry *entry) {
    char received[RFC3339_US_SIZE], installation[2 * ID_BYTES + 1], stream[2 * ID_BYTES + 1];
    base_rfc3339_us(received, entry->received_us);
    hex_encode(installation, entry->installation, ID_BYTES);
    hex_encode(stream, entry->stream, ID_BYTES);
    size_t from = s->n;
    bool ok = blob_put(s, "\",\"received_at\":\"") && blob_put(s, received) &&
              blob_put(s, "\",\"installation\":\"") && blob_put(s, installation) &&
              blob_put(s, "\",\"stream\":\"") && blob_put(s, stream) && blob_put(s, "\",\"seq\":");
    s->source = piece_from(s, from);
    from = s->n;
    ok = ok && blob_put(s, ",\"run\":") && blob_put_uint(s, entry->run_ordinal);
    if (strcmp(entry->tenant, "default") != 0)
        ok = ok && blob_put(s, ",\"tenant\":") &&
             blob_put_string(s, (wire_span){(const uint8_t *)entry->tenant, strlen(entry->tenant)});
    ok = ok && blob_put(s, ",\"late\":");
    s->run = piece_from(s, from);
    return ok;
}

static bool render_named(shared *s, const char *member, wire_span text) {
    return blob_put(s, member) && (text.n > 0 ? blob_put_string(s, text) : blob_put(s, "null"));
}

static bool render_context(shared *s, const wire_context_view *view, piece *ret_piece) {
    size_t from = s->n;
    bool ok = render_named(s, ",\"user\":", view->user) && render_named(s, ",\"session\":", view->session) &&
              blob_put(s, ",\"context\":{");
    for (uint32_t i = 0; ok && i < view->n_attributes; i++)
        ok = (i == 0 || blob_put(s, ",")) && blob_put_string(s, view->attributes[i].key) &&
             blob_put(s, ":") && blob_put_string(s, view->attributes[i].value);
    ok = ok && blob_put(s, "},\"properties\":{");
    *ret_piece = piece_from(s, from);
    if (ret_piece->n > s->context_n_max)
        s->context_n_max = ret_piece->n;
    return ok;
}

static bool render_contexts(shared *s, const body *b) {
    wire_context_view view;
    for (uint32_t i = 0; i < b->n_contexts; i++)
        if (wire_context_scan(b->contexts[i], &view) != WIRE_OK || !render_context(s, &view, &s->contexts[i]))
            return false;
    memset(&view, 0, sizeof view);
    return render_context(s, &view, &s->contexts[b->n_contexts]);
}

static bool render_texts(shared *s, const body *b) {
    for (uint32_t i = 0; i < b->n_definitions; i++) {
        size_t from = s->n;
        if (!blob_put_string(s, b->definitions[i].text))
            return false;
        s->texts[i] = piece_from(s, from);
        if (b->definitions[i].id < s->ids_max)
            s->lut[b->definitions[i].id] = (uint16_t)(i + 1);
    }
    return true;
}

bool jsonl_prepare(body *b) {
    if (b->cache)
        return true;
    shared *s = calloc(1, sizeof *s);
    if (!s)
        return false;
    uint32_t last_id = b->n_definitions > 0 ? b->definitions[b->n_definitions - 1].id : 0;
    s->ids_max = last_id < LUT_IDS_MAX ? last_id + 1 : LUT_IDS_MAX;
    s->cap = 1024;
    s->blob = malloc(s->cap);
    s->lut = calloc(s->ids_max, sizeof *s->lut);
    s->texts = calloc(b->n_definitions + 1u, sizeof *s->texts);
    s->contexts = calloc(b->n_contexts + 1u, sizeof *s->contexts);
    if (!s->blob || !s->lut || !s->texts || !s->contexts || !render_source(s, &b->entry) ||
        !render_contexts(s, b) || !render_texts(s, b)) {
        shared_free(s);
        return false;
    }
    s->second = INT64_MIN; /* none yet */
    b->cache = s;
    b->cache_free = shared_free;
    return true;
}

/* ---- one line -------------------------------------------------------------------------------------- */

/* Most pieces are shorter than a call of memcpy is long. */
static inline char *put_bytes(char *at, const char *from, size_t n) {
    for (size_t i = 0; i < n; i += STRIDE)
        memcpy(at + i, from + i, STRIDE);
    return at + n;
}

static inline char *put_piece(char *at, const shared *s, piece p) {
    return put_bytes(at, s->blob + p.off, p.n);
}

#define PUT_LITERAL(at, literal) ((char *)memcpy((at), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

static char *put_time(char *at, shared *s, int64_t us) {
    int64_t second = us / 1000000 - (us % 1000000 < 0);
    if (second != s->second) {
        char text[RFC3339_US_SIZE];
        base_rfc3339_us(text, second * 1000000);
        memcpy(s->second_text, text, SECOND_BYTES);
        s->second = second;
    }
    memcpy(at, s->second_text, SECOND_BYTES);
    return json_put_digits6(at + SECOND_BYTES, (uint32_t)(us - second * 1000000));
}

static const piece *text_of(const shared *s, const body *b, uint32_t id) {
    if (id < s->ids_max)
        return s->lut[id] ? &s->texts[s->lut[id] - 1] : NULL;
    const wire_span *text = body_text(b, id);
    return text ? &s->texts[(const wire_definition *)(const void *)((const char *)text -
                                                                    offsetof(wire_definition, text)) -
                            b->definitions]
                : NULL;
}

static char *put_name(char *at, const shared *s, const body *b, uint32_t id, wire_span inlined) {
    const piece *text = id ? text_of(s, b, id) : NULL;
    if (text)
        return put_piece(at, s, *text);
    return at + json_put_string(at, inlined.data, inlined.n);
}

static char *put_value(char *at, const wire_prop_view *prop) {
    switch (prop->type) {
    case WIRE_STRING:
        return at + json_put_string(at, prop->s.data, prop->s.n);
    case WIRE_INT:
        return at + json_put_int(at, prop->i);
    case WIRE_DOUBLE:
        return at + json_put_double(at, prop->d);
    case WIRE_FALSE:
        return PUT_LITERAL(at, "false");
    case WIRE_TRUE:
        return PUT_LITERAL(at, "true");
    case WIRE_BYTES:
        return at + json_put_base64(at, prop->s.data, prop->s.n);
    }
    return PUT_LITERAL(at, "null");
}

/* From the name's end to the opening brace of the properties. */
static char *put_middle(char *at, const body *b, int64_t us, const char *quality, uint64_t seq, bool late,
                        piece context) {
    shared *s = b->cache;
    at = PUT_LITERAL(at, ",\"time\":\"");
    at = put_time(at, s, us);
    at = PUT_LITERAL(at, "Z\",\"time_quality\":\"");
    size_t n = strlen(quality);
    memcpy(at, quality, n);
    at = put_piece(at + n, s, s->source);
    at += json_put_uint(at, seq);
    at = put_piece(at, s, s->run);
    at = late ? PUT_LITERAL(at, "true") : PUT_LITERAL(at, "false");
    if (seq <= b->entry.resent_through)
        at = PUT_LITERAL(at, ",\"resent\":true");
    return put_piece(at, s, context);
}

static piece context_of(const body *b, uint32_t id) {
    const shared *s = b->cache;
    uint32_t i = 0;
    while (i < b->n_contexts && b->context_ids[i] != id)
        i++;
    return s->contexts[i];
}

static char *put_event(char *at, const order_event *event, bool late) {
    const body *b = event->body;
    const shared *s = b->cache;
    const wire_item *item = &b->items[event->index];
    wire_event_view view;
    if (wire_event_scan(b->raw + item->off, item->len, &view) != WIRE_OK)
        return at; /* cannot be: ingress checked these bytes, and the journal their checksum */
    const char *quality =
        wire_time_quality_name(view.has_time ? TIME_QUALITY_EXPLICIT : b->entry.time_quality);
    wire_props props;
    wire_span name = wire_props_begin(&props, &view);
    at = PUT_LITERAL(at, "{\"name\":");
    at = put_name(at, s, b, view.name, name);
    at = put_middle(at, b, event->us, quality, b->entry.first_seq + event->index, late,
                    context_of(b, view.context));
    wire_prop_view prop;
    for (bool first = true; wire_props_next(&props, &prop); first = false) {
        if (!first)
            *at++ = ',';
        at = put_name(at, s, b, prop.key_id, prop.key);
        *at++ = ':';
        at = put_value(at, &prop);
    }
    return PUT_LITERAL(at, "}}\n");
}

/* What the system itself says of a range of numbers. */
static char *put_range(char *at, const order_event *event, bool late, const char *name, uint64_t first,
                       uint64_t last, const char *reason) {
    const body *b = event->body;
    const shared *s = b->cache;
    at = PUT_LITERAL(at, "{\"name\":\"");
    size_t n = strlen(name);
    memcpy(at, name, n);
    at += n;
    *at++ = '"';
    at = put_middle(at, b, event->us, wire_time_quality_name(b->entry.time_quality), first, late,
                    s->contexts[b->n_contexts]);
    at = PUT_LITERAL(at, "\"first_seq\":");
    at += json_put_uint(at, first);
    at = PUT_LITERAL(at, ",\"last_seq\":");
    at += json_put_uint(at, last);
    at = PUT_LITERAL(at, ",\"count\":");
    at += json_put_uint(at, last - first + 1);
    at = PUT_LITERAL(at, ",\"reason\":\"");
    n = strlen(reason);
    memcpy(at, reason, n);
    return PUT_LITERAL(at + n, "\"}}\n");
}

size_t jsonl_bytes_max(const order_event *event) {
    const body *b = event->body;
    const shared *s = b->cache;
    const wire_item *item = &b->items[event->index];
    size_t line = FIXED_BYTES_MAX + s->source.n + s->run.n + s->context_n_max;
    if (event->index == 0 && b->entry.gap_first)
        line *= 2; /* the gap's line before it */
    /* A byte of an event becomes at most six of a string; a key's number stands for a whole escaped text, and
     * a packed number for at most JSON_NUMBER_MAX. */
    size_t keys = item->len < WIRE_PROPS_MAX + 1u ? item->len : WIRE_PROPS_MAX + 1u;
    return line + 6u * (size_t)item->len +
           keys * (JSON_STRING_MAX(WIRE_TEXT_BYTES_MAX) + JSON_NUMBER_MAX + 4u);
}

size_t jsonl_put(char *out, const order_event *event, bool late, unsigned *ret_lines) {
    const body *b = event->body;
    const journal_entry *entry = &b->entry;
    const wire_item *item = &b->items[event->index];
    char *at = out;
    unsigned lines = 1;
    if (event->index == 0 && entry->gap_first) {
        at = put_range(at, event, late, "_wadi.gap", entry->gap_first, entry->first_seq - 1,
                       "settled_elsewhere");
        lines++;
    }
    if (item->flags & WIRE_ITEM_DROPPED)
        at = put_range(at, event, late, "_wadi.dropped", entry->first_seq + event->index,
                       entry->first_seq + body_item_end(b, event->index) - 1,
                       wire_drop_reason_name(item->reason));
    else
        at = put_event(at, event, late);
    *ret_lines = lines;
    return (size_t)(at - out);
}

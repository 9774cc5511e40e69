#include "jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "rfc3339.h"
#include "text.h"
#include "vocabulary.h"
#include "wire.h"

#define ID_BYTES 16u
#define FIXED_BYTES_MAX 512u /* of a line: punctuation, names of members, numbers, times, ids, a stride */
#define TIME_QUALITY_EXPLICIT 4u
#define SECOND_BYTES 20u /* "2026-11-20T08:52:38." */
#define ORIGIN_BYTES_MAX 1024u

/* A line is: {"name": name ,"time":… source seq run late context properties }} */
typedef struct origin {
    vocabulary *vocabulary;
    uint64_t first_seq, resent_through; /* the entry's, in reach of its text */
    uint32_t time_quality;
    uint32_t source_n; /* ,"received_at":…,"installation":…,"stream":…,"seq": */
    uint32_t run_n;    /* ,"run":N,"late": */
    char text[];       /* one behind the other, and a stride */
} origin;

struct jsonl {
    vocabularies *vocabularies;
    int64_t second; /* whose text is `second_text`: events come in time order */
    char second_text[SECOND_BYTES];
};

jsonl *jsonl_new(void) {
    jsonl *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->second = INT64_MIN; /* none yet */
    j->vocabularies = vocabularies_new();
    if (!j->vocabularies) {
        free(j);
        return NULL;
    }
    return j;
}

void jsonl_free(jsonl *j) {
    if (!j)
        return;
    vocabularies_free(j->vocabularies);
    free(j);
}

/* ---- what a batch's events share --------------------------------------------------------------------- */

static void origin_free(void *cache) {
    origin *o = cache;
    if (!o)
        return;
    vocabulary_unref(o->vocabulary);
    free(o);
}

static void source_render(struct text *out, const journal_entry *entry) {
    char received[RFC3339_US_SIZE];
    base_rfc3339_us(received, entry->received_us);
    text_put(out, "\",\"received_at\":\"");
    text_put(out, received);
    text_put(out, "\",\"installation\":\"");
    text_put_hex(out, entry->installation, ID_BYTES);
    text_put(out, "\",\"stream\":\"");
    text_put_hex(out, entry->stream, ID_BYTES);
    text_put(out, "\",\"seq\":");
}

static void run_render(struct text *out, const journal_entry *entry) {
    char value[JSON_STRING_MAX(ENTRY_TENANT_MAX)];
    text_put(out, ",\"run\":");
    text_append(out, value, json_put_uint(value, entry->run_ordinal));
    if (strcmp(entry->tenant, "default") != 0) {
        text_put(out, ",\"tenant\":");
        text_append(out, value,
                    json_put_string(value, (const uint8_t *)entry->tenant, strlen(entry->tenant)));
    }
    text_put(out, ",\"late\":");
}

bool jsonl_prepare(jsonl *j, body *b) {
    if (b->cache)
        return true;
    char buffer[ORIGIN_BYTES_MAX];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    source_render(&text, &b->entry);
    size_t source_n = text.length;
    run_render(&text, &b->entry);
    origin *o = malloc(sizeof *o + text.length + VOCABULARY_STRIDE);
    if (!o)
        return false;
    memcpy(o->text, buffer, text.length);
    memset(o->text + text.length, 0, VOCABULARY_STRIDE);
    o->first_seq = b->entry.first_seq;
    o->resent_through = b->entry.resent_through;
    o->time_quality = b->entry.time_quality;
    o->source_n = (uint32_t)source_n;
    o->run_n = (uint32_t)(text.length - source_n);
    o->vocabulary = vocabulary_of(j->vocabularies, b);
    if (!o->vocabulary) {
        free(o);
        return false;
    }
    b->cache = o;
    b->cache_free = origin_free;
    return true;
}

/* ---- one line -------------------------------------------------------------------------------------- */

/* Most pieces are shorter than a call of memcpy is long. */
static inline char *put_bytes(char *at, const char *from, size_t n) {
    for (size_t i = 0; i < n; i += VOCABULARY_STRIDE)
        memcpy(at + i, from + i, VOCABULARY_STRIDE);
    return at + n;
}

#define PUT_LITERAL(at, literal) ((char *)memcpy((at), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

static char *put_time(char *at, jsonl *j, int64_t us) {
    int64_t second = us / 1000000 - (us % 1000000 < 0);
    if (second != j->second) {
        char text[RFC3339_US_SIZE];
        base_rfc3339_us(text, second * 1000000);
        memcpy(j->second_text, text, SECOND_BYTES);
        j->second = second;
    }
    memcpy(at, j->second_text, SECOND_BYTES);
    return json_put_digits6(at + SECOND_BYTES, (uint32_t)(us - second * 1000000));
}

static inline char *put_name(char *at, const vocabulary *v, uint32_t id, wire_span inlined) {
    if (id == 0)
        return at + json_put_string(at, inlined.data, inlined.n);
    if (id < v->ids_max && v->slots[id].n > 0) {
        memcpy(at, v->slots[id].text, sizeof v->slots[id].text);
        return at + v->slots[id].n;
    }
    vocabulary_piece text = vocabulary_long(v, id);
    return put_bytes(at, v->blob + text.off, text.n);
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
static char *put_middle(jsonl *j, char *at, const body *b, int64_t us, const char *quality, uint64_t seq,
                        bool late, uint32_t context) {
    const origin *o = b->cache;
    at = PUT_LITERAL(at, ",\"time\":\"");
    at = put_time(at, j, us);
    at = PUT_LITERAL(at, "Z\",\"time_quality\":\"");
    size_t n = strlen(quality);
    memcpy(at, quality, n);
    at = put_bytes(at + n, o->text, o->source_n);
    at += json_put_uint(at, seq);
    at = put_bytes(at, o->text + o->source_n, o->run_n);
    at = late ? PUT_LITERAL(at, "true") : PUT_LITERAL(at, "false");
    if (seq <= o->resent_through)
        at = PUT_LITERAL(at, ",\"resent\":true");
    vocabulary_piece piece = vocabulary_context(o->vocabulary, context);
    return put_bytes(at, o->vocabulary->blob + piece.off, piece.n);
}

/* NULL if the bytes are no event: ingress checked them, so the memory or the disk has changed them. */
static char *put_event(jsonl *j, char *at, const order_event *event, bool late) {
    const body *b = event->body;
    const origin *o = b->cache;
    const vocabulary *v = o->vocabulary;
    const wire_item *item = &b->items[event->index];
    wire_event_view view;
    if (!wire_event_rescan(b->raw + item->off, item->len, &view))
        return NULL;
    const char *quality = wire_time_quality_name(view.has_time ? TIME_QUALITY_EXPLICIT : o->time_quality);
    wire_props props;
    wire_span name = wire_props_begin(&props, &view);
    at = PUT_LITERAL(at, "{\"name\":");
    at = put_name(at, v, view.name, name);
    at = put_middle(j, at, b, event->us, quality, o->first_seq + event->index, late, view.context);
    wire_prop_view prop;
    for (bool first = true; wire_props_next(&props, &prop); first = false) {
        if (!first)
            *at++ = ',';
        at = put_name(at, v, prop.key_id, prop.key);
        *at++ = ':';
        at = put_value(at, &prop);
    }
    return PUT_LITERAL(at, "}}\n");
}

/* What the system itself says of a range of numbers. */
static char *put_range(jsonl *j, char *at, const order_event *event, bool late, const char *name,
                       uint64_t first, uint64_t last, const char *reason) {
    const body *b = event->body;
    at = PUT_LITERAL(at, "{\"name\":\"");
    size_t n = strlen(name);
    memcpy(at, name, n);
    at += n;
    *at++ = '"';
    bool explicit_time = b->items[event->index].flags & WIRE_ITEM_EXPLICIT;
    uint32_t quality = explicit_time ? TIME_QUALITY_EXPLICIT : b->entry.time_quality;
    at = put_middle(j, at, b, event->us, wire_time_quality_name(quality), first, late, 0);
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
    const origin *o = b->cache;
    const wire_item *item = &b->items[event->index];
    size_t line = FIXED_BYTES_MAX + o->source_n + o->run_n + o->vocabulary->context_n_max;
    if (event->index == 0 && b->entry.gap_first)
        line *= 2; /* the gap's line before it */
    /* A byte of an event becomes at most six of a string; a key's number stands for a whole escaped text, and
     * a packed number for at most JSON_NUMBER_MAX. */
    size_t keys = item->len < WIRE_PROPS_MAX + 1u ? item->len : WIRE_PROPS_MAX + 1u;
    return line + 6u * (size_t)item->len +
           keys * (JSON_STRING_MAX(WIRE_TEXT_BYTES_MAX) + JSON_NUMBER_MAX + 4u);
}

size_t jsonl_put(jsonl *j, char *out, const order_event *event, bool late, unsigned *ret_lines) {
    const body *b = event->body;
    const journal_entry *entry = &b->entry;
    const wire_item *item = &b->items[event->index];
    char *at = out;
    unsigned lines = 1;
    if (event->index == 0 && entry->gap_first) {
        at = put_range(j, at, event, late, "_wadi.gap", entry->gap_first, entry->first_seq - 1,
                       "settled_elsewhere");
        lines++;
    }
    if (item->flags & WIRE_ITEM_DROPPED)
        at = put_range(j, at, event, late, "_wadi.dropped", entry->first_seq + event->index,
                       entry->first_seq + body_item_end(b, event->index) - 1,
                       wire_drop_reason_name(item->reason));
    else
        at = put_event(j, at, event, late);
    *ret_lines = lines;
    return at ? (size_t)(at - out) : 0;
}

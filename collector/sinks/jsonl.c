/* row_format_jsonl: rows as JSON objects, by the field list of schemas/README.md. What is the same for all
 * events of a batch is rendered once and hangs on the body. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "origin.h"
#include "rfc3339.h"
#include "row.h"
#include "schemas/wire/props.h"
#include "text.h"

#define ID_BYTES 16u
#define FIXED_BYTES_MAX 512u /* of a line: punctuation, names of members, numbers, times, ids, a stride */
#define SECOND_BYTES 20u     /* "2026-11-20T08:52:38." */
#define ORIGIN_BYTES_MAX 1024u

/* A line is: {"name": name ,"time":… source seq run late context properties }} */
enum {
    SOURCE, /* ,"received_at":…,"installation":…,"stream":…,"seq": */
    RUN,    /* ,"run":N,"late": */
};

typedef struct jsonl {
    vocabularies *vocabularies;
    int64_t second; /* whose text is `second_text`: events come in time order */
    char second_text[SECOND_BYTES];
} jsonl;

/* ---- what a batch's events share --------------------------------------------------------------------- */

#define PUT_LITERAL(at, literal) ((char *)memcpy((at), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

static size_t string_max(size_t n) { return JSON_STRING_MAX(n); }
static size_t string_put(char *out, wire_span text) { return json_put_string(out, text.data, text.n); }

static size_t context_max(const wire_context_view *view) {
    size_t n = FIXED_BYTES_MAX + JSON_STRING_MAX(view->user.n) + JSON_STRING_MAX(view->session.n);
    for (uint32_t i = 0; i < view->n_attributes; i++)
        n += JSON_STRING_MAX(view->attributes[i].key.n) + JSON_STRING_MAX(view->attributes[i].value.n) + 2;
    return n;
}

static char *put_text_or_null(char *at, wire_span text) {
    return text.n > 0 ? at + string_put(at, text) : PUT_LITERAL(at, "null");
}

static size_t context_put(char *out, const wire_context_view *view) {
    char *at = PUT_LITERAL(out, ",\"user\":");
    at = put_text_or_null(at, view->user);
    at = PUT_LITERAL(at, ",\"session\":");
    at = put_text_or_null(at, view->session);
    at = PUT_LITERAL(at, ",\"context\":{");
    for (uint32_t i = 0; i < view->n_attributes; i++) {
        if (i > 0)
            *at++ = ',';
        at += string_put(at, view->attributes[i].key);
        *at++ = ':';
        at += string_put(at, view->attributes[i].value);
    }
    at = PUT_LITERAL(at, "},\"properties\":{");
    return (size_t)(at - out);
}

static const vocabulary_format vocabulary_json = {string_max, string_put, context_max, context_put};

static void *jsonl_create(void) {
    jsonl *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->second = INT64_MIN; /* none yet */
    j->vocabularies = vocabularies_new(&vocabulary_json);
    if (!j->vocabularies) {
        free(j);
        return NULL;
    }
    return j;
}

static void jsonl_destroy(void *self) {
    jsonl *j = self;
    if (!j)
        return;
    vocabularies_free(j->vocabularies);
    free(j);
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

static bool jsonl_prepare(void *self, body *b) {
    const jsonl *j = self;
    if (b->cache)
        return true;
    char buffer[ORIGIN_BYTES_MAX];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    source_render(&text, &b->entry);
    uint32_t n[ORIGIN_PIECES] = {[SOURCE] = (uint32_t)text.length};
    run_render(&text, &b->entry);
    n[RUN] = (uint32_t)text.length - n[SOURCE];
    return origin_attach(b, j->vocabularies, buffer, n);
}

/* ---- one row --------------------------------------------------------------------------------------- */

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
        return at + string_put(at, inlined);
    size_t n;
    const char *text = vocabulary_text(v, id, &n);
    return vocabulary_copy(at, text, n);
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
static char *put_middle(jsonl *j, char *at, const row *r, uint32_t context) {
    const origin *o = origin_of(r->body);
    at = PUT_LITERAL(at, ",\"time\":\"");
    at = put_time(at, j, r->us);
    at = PUT_LITERAL(at, "Z\",\"time_quality\":\"");
    const char *quality = wire_time_quality_name(r->time_quality);
    size_t n = strlen(quality);
    memcpy(at, quality, n);
    at = vocabulary_copy(at + n, o->text, o->n[SOURCE]);
    at += json_put_uint(at, r->seq);
    at = vocabulary_copy(at, o->text + o->n[SOURCE], o->n[RUN]);
    at = r->late ? PUT_LITERAL(at, "true") : PUT_LITERAL(at, "false");
    if (r->resent)
        at = PUT_LITERAL(at, ",\"resent\":true");
    return vocabulary_put_context(at, o->vocabulary, context);
}

static char *put_event(jsonl *j, char *at, const row *r) {
    const vocabulary *v = origin_of(r->body)->vocabulary;
    wire_props props;
    wire_span name = props_begin(&props, &r->view);
    at = PUT_LITERAL(at, "{\"name\":");
    at = put_name(at, v, r->view.name, name);
    at = put_middle(j, at, r, r->view.context);
    wire_prop_view prop = {.key_id = 0};
    for (bool first = true; props_next(&props, &prop); first = false) {
        if (!first)
            *at++ = ',';
        at = put_name(at, v, prop.key_id, prop.key);
        *at++ = ':';
        at = put_value(at, &prop);
    }
    return PUT_LITERAL(at, "}}");
}

/* What the system itself says of a range of numbers. */
static char *put_range(jsonl *j, char *at, const row *r) {
    wire_span name = row_name(r);
    at = PUT_LITERAL(at, "{\"name\":");
    at += json_put_string(at, name.data, name.n);
    at = put_middle(j, at, r, 0);
    at = PUT_LITERAL(at, "\"first_seq\":");
    at += json_put_uint(at, r->seq);
    at = PUT_LITERAL(at, ",\"last_seq\":");
    at += json_put_uint(at, r->last);
    at = PUT_LITERAL(at, ",\"count\":");
    at += json_put_uint(at, r->last - r->seq + 1);
    at = PUT_LITERAL(at, ",\"reason\":");
    at += json_put_string(at, (const uint8_t *)r->reason, strlen(r->reason));
    return PUT_LITERAL(at, "}}");
}

static size_t jsonl_bytes_max(const void *self, const row *r) {
    (void)self;
    size_t fixed = FIXED_BYTES_MAX + origin_bytes_max(origin_of(r->body));
    if (r->kind != ROW_EVENT)
        return fixed;
    /* A byte of an event becomes at most six of a string; a key's number stands for a whole escaped text, and
     * a packed number for at most JSON_NUMBER_MAX. */
    size_t n = r->event_bytes, keys = n < WIRE_PROPS_MAX + 1u ? n : WIRE_PROPS_MAX + 1u;
    return fixed + 6u * n + keys * (JSON_STRING_MAX(WIRE_TEXT_BYTES_MAX) + JSON_NUMBER_MAX + 4u);
}

static size_t jsonl_put(void *self, char *out, const row *r) {
    jsonl *j = self;
    char *end = r->kind == ROW_EVENT ? put_event(j, out, r) : put_range(j, out, r);
    return (size_t)(end - out);
}

const row_format row_format_jsonl = {
    .name = "jsonl",
    .suffix = ".jsonl",
    .framing = ROW_FRAMING_LINE,
    .version = JSONL_VERSION,
    .create = jsonl_create,
    .destroy = jsonl_destroy,
    .prepare = jsonl_prepare,
    .bytes_max = jsonl_bytes_max,
    .put = jsonl_put,
};

/* row_format_record: rows as wadi.v1.Record, written in the order of field numbers, as every protobuf library
 * does. What is the same for all events of a batch is rendered once and hangs on the body. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "origin.h"
#include "row.h"
#include "schemas/wire/props.h"
#include "utf8.h"
#include "varint.h"

/* What every property goes through is inlined, and what few need is kept out of its way: it is what the time
 * of a record depends on. */
#define hot inline __attribute__((always_inline))
#define cold __attribute__((noinline))

/* Field numbers and wire types of record.proto. A Record's name and a Field's key have the same tag, so that
 * one rendered text serves as both. */
#define TAG(number, type) ((number) << 3 | (type))
enum { VARINT = 0, FIXED64 = 1, LEN = 2 };
enum {
    TAG_NAME = TAG(1, LEN),
    TAG_TIME = TAG(2, VARINT),
    TAG_TIME_QUALITY = TAG(3, VARINT),
    TAG_RECEIVED = TAG(4, VARINT),
    TAG_INSTALLATION = TAG(5, LEN),
    TAG_STREAM = TAG(6, LEN),
    TAG_SEQ = TAG(7, VARINT),
    TAG_RUN = TAG(8, VARINT),
    TAG_LATE = TAG(9, VARINT),
    TAG_RESENT = TAG(10, VARINT),
    TAG_USER = TAG(11, LEN),
    TAG_SESSION = TAG(12, LEN),
    TAG_CONTEXT = TAG(13, LEN),
    TAG_PROPERTIES = TAG(14, LEN),
    TAG_TIME_ERROR = TAG(15, VARINT),
    TAG_TENANT = TAG(16, LEN),
};
enum {
    TAG_STRING = TAG(2, LEN),
    TAG_INT = TAG(3, VARINT),
    TAG_DOUBLE = TAG(4, FIXED64),
    TAG_BOOL = TAG(5, VARINT),
    TAG_BYTES = TAG(6, LEN),
};

#define ID_BYTES 16u
#define ONE_BYTE_MAX 127u /* the greatest length in one */
#define TEXT_MAX(n) (1u + VARINT_BYTES_MAX + UTF8_REPAIRED_MAX(n))
#define FIELD_BYTES_MAX (2u + 2u * VARINT_BYTES_MAX) /* tags, lengths and a number, besides key and text */
#define FIXED_BYTES_MAX 512u /* of a record: numbers, flags, what a range says of itself, a stride */
#define ORIGIN_BYTES_MAX 256u

/* name time quality | source seq run late resent | context | properties | error tenant */
enum {
    SOURCE, /* received_us, installation, stream, the tag of seq */
    RUN,
    TIME_ERROR,
    TENANT,
};

typedef struct record {
    vocabularies *vocabularies;
} record;

/* ---- texts and fields -------------------------------------------------------------------------------- */

/* Most texts are shorter than a call of memcpy is long. Reads nothing behind the text. */
static hot char *put_short(char *at, const uint8_t *text, size_t n) {
    if (n > 16) {
        memcpy(at, text, n);
    } else if (n >= 8) {
        memcpy(at, text, 8);
        memcpy(at + n - 8, text + n - 8, 8);
    } else if (n >= 4) {
        memcpy(at, text, 4);
        memcpy(at + n - 4, text + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            at[i] = (char)text[i];
    }
    return at + n;
}

static cold char *put_length_long(char *at, size_t n) { return varint_put(at, n); }

/* Of most texts and fields it is one byte. */
static hot char *put_length(char *at, size_t n) {
    if (n > ONE_BYTE_MAX)
        return put_length_long(at, n);
    *at = (char)n;
    return at + 1;
}

static hot size_t utf8_bytes(wire_span text) {
    return utf8_ascii(text.data, text.n) ? text.n : utf8_repaired_bytes(text.data, text.n);
}

/* n: what utf8_bytes says. */
static hot char *put_utf8(char *at, wire_span text, size_t n) {
    return n == text.n ? put_short(at, text.data, n) : at + utf8_repair(at, text.data, text.n);
}

static hot char *put_text(char *at, uint8_t tag, wire_span text) {
    size_t n = utf8_bytes(text);
    *at++ = (char)tag;
    at = put_length(at, n);
    return put_utf8(at, text, n);
}

static size_t string_max(size_t n) { return TEXT_MAX(n); }
static size_t string_put(char *out, wire_span text) { return (size_t)(put_text(out, TAG_NAME, text) - out); }

/* The head of a Field with `value_n` bytes behind its key. */
static cold char *put_key(char *at, uint8_t tag, wire_span key, size_t value_n) {
    size_t n = utf8_bytes(key);
    *at++ = (char)tag;
    at = put_length(at, 1 + varint_bytes(n) + n + value_n);
    *at++ = TAG_NAME;
    at = put_length(at, n);
    return put_utf8(at, key, n);
}

static size_t text_value_bytes(wire_span text) {
    size_t n = utf8_bytes(text);
    return 1 + varint_bytes(n) + n;
}

static char *put_string_field(char *at, uint8_t tag, wire_span key, wire_span value) {
    at = put_key(at, tag, key, text_value_bytes(value));
    return put_text(at, TAG_STRING, value);
}

/* ---- what a batch's events share --------------------------------------------------------------------- */

static size_t context_max(const wire_context_view *view) {
    size_t n = TEXT_MAX(view->user.n) + TEXT_MAX(view->session.n);
    for (uint32_t i = 0; i < view->n_attributes; i++)
        n += FIELD_BYTES_MAX + TEXT_MAX(view->attributes[i].key.n) + TEXT_MAX(view->attributes[i].value.n);
    return n;
}

static size_t context_put(char *out, const wire_context_view *view) {
    char *at = out;
    if (view->user.n > 0)
        at = put_text(at, TAG_USER, view->user);
    if (view->session.n > 0)
        at = put_text(at, TAG_SESSION, view->session);
    for (uint32_t i = 0; i < view->n_attributes; i++)
        at = put_string_field(at, TAG_CONTEXT, view->attributes[i].key, view->attributes[i].value);
    return (size_t)(at - out);
}

static const vocabulary_format vocabulary_record = {string_max, string_put, context_max, context_put};

static void *record_create(void) {
    record *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->vocabularies = vocabularies_new(&vocabulary_record);
    if (!self->vocabularies) {
        free(self);
        return NULL;
    }
    return self;
}

static void record_destroy(void *self) {
    record *r = self;
    if (!r)
        return;
    vocabularies_free(r->vocabularies);
    free(r);
}

static char *put_number(char *at, uint8_t tag, uint64_t value) {
    if (value == 0)
        return at; /* proto3 leaves it out */
    *at++ = (char)tag;
    return varint_put_wide(at, value);
}

static char *put_id(char *at, uint8_t tag, const uint8_t id[ID_BYTES]) {
    *at++ = (char)tag;
    *at++ = (char)ID_BYTES;
    memcpy(at, id, ID_BYTES);
    return at + ID_BYTES;
}

static char *put_source(char *at, const journal_entry *entry) {
    at = put_number(at, TAG_RECEIVED, varint_zigzag(entry->received_us));
    at = put_id(at, TAG_INSTALLATION, entry->installation);
    at = put_id(at, TAG_STREAM, entry->stream);
    *at++ = TAG_SEQ;
    return at;
}

static char *put_tenant(char *at, const char *tenant) {
    if (strcmp(tenant, "default") == 0)
        return at;
    wire_span text = {(const uint8_t *)tenant, strlen(tenant)};
    at = varint_put(at, TAG_TENANT);
    at = put_length(at, utf8_bytes(text));
    return put_utf8(at, text, utf8_bytes(text));
}

static bool record_prepare(void *self, body *b) {
    const record *r = self;
    if (b->cache)
        return true;
    char text[ORIGIN_BYTES_MAX];
    char *source_end = put_source(text, &b->entry);
    char *run_end = put_number(source_end, TAG_RUN, b->entry.run_ordinal);
    char *error_end = put_number(run_end, TAG_TIME_ERROR, b->entry.error_us);
    char *end = put_tenant(error_end, b->entry.tenant);
    const uint32_t n[ORIGIN_PIECES] = {[SOURCE] = (uint32_t)(source_end - text),
                                       [RUN] = (uint32_t)(run_end - source_end),
                                       [TIME_ERROR] = (uint32_t)(error_end - run_end),
                                       [TENANT] = (uint32_t)(end - error_end)};
    return origin_attach(b, r->vocabularies, text, n);
}

/* ---- one row ----------------------------------------------------------------------------------------- */

/* From the name's end to the properties. */
static inline char *put_middle(char *at, const row *r, uint32_t context) {
    const origin *o = origin_of(r->body);
    at = put_number(at, TAG_TIME, varint_zigzag(r->us));
    at = put_number(at, TAG_TIME_QUALITY, r->time_quality);
    at = vocabulary_copy(at, o->text, o->n[SOURCE]);
    at = varint_put_wide(at, r->seq);
    at = vocabulary_copy(at, o->text + o->n[SOURCE], o->n[RUN]);
    at = put_number(at, TAG_LATE, r->late);
    at = put_number(at, TAG_RESENT, r->resent);
    return vocabulary_put_context(at, o->vocabulary, context);
}

/* What stands behind the properties. */
static inline char *put_tail(char *at, const row *r) {
    const origin *o = origin_of(r->body);
    const char *tail = o->text + o->n[SOURCE] + o->n[RUN];
    if (r->time_quality != ROW_TIME_QUALITY_EXPLICIT)
        at = vocabulary_copy(at, tail, o->n[TIME_ERROR]);
    return vocabulary_copy(at, tail + o->n[TIME_ERROR], o->n[TENANT]);
}

/* The head of a property with `value_n` bytes behind its key: a long key or value, or a key that has no
 * number. */
static cold char *put_property_key_long(char *at, const vocabulary *v, const wire_prop_view *prop,
                                        size_t value_n) {
    if (prop->key_id == 0)
        return put_key(at, TAG_PROPERTIES, prop->key, value_n);
    size_t n;
    const char *text = vocabulary_text(v, prop->key_id, &n);
    *at++ = TAG_PROPERTIES;
    at = put_length(at, n + value_n);
    return vocabulary_copy(at, text, n);
}

static hot char *put_property_key(char *at, const vocabulary *v, const wire_prop_view *prop, size_t value_n) {
    const vocabulary_slot *slot = vocabulary_short(v, prop->key_id);
    if (!slot || slot->n + value_n > ONE_BYTE_MAX)
        return put_property_key_long(at, v, prop, value_n);
    *at++ = TAG_PROPERTIES;
    *at++ = (char)(slot->n + value_n);
    memcpy(at, slot, sizeof *slot);
    return at + slot->n;
}

static hot char *put_property(char *at, const vocabulary *v, const wire_prop_view *prop) {
    switch (prop->type) {
    case WIRE_STRING:
        at = put_property_key(at, v, prop, text_value_bytes(prop->s));
        return put_text(at, TAG_STRING, prop->s);
    case WIRE_INT: {
        uint64_t value = varint_zigzag(prop->i);
        at = put_property_key(at, v, prop, 1 + varint_bytes(value));
        *at++ = TAG_INT;
        return varint_put_wide(at, value);
    }
    case WIRE_DOUBLE: {
        uint64_t bits;
        memcpy(&bits, &prop->d, sizeof bits);
        bits = htole64(bits);
        at = put_property_key(at, v, prop, 1 + sizeof bits);
        *at++ = TAG_DOUBLE;
        memcpy(at, &bits, sizeof bits);
        return at + sizeof bits;
    }
    case WIRE_FALSE:
    case WIRE_TRUE:
        at = put_property_key(at, v, prop, 2);
        *at++ = TAG_BOOL;
        *at++ = prop->type == WIRE_TRUE;
        return at;
    case WIRE_BYTES:
        at = put_property_key(at, v, prop, 1 + varint_bytes(prop->s.n) + prop->s.n);
        *at++ = TAG_BYTES;
        at = put_length(at, prop->s.n);
        return put_short(at, prop->s.data, prop->s.n);
    }
    return put_property_key(at, v, prop, 0); /* a type of a later version */
}

static char *put_event(char *at, const row *r) {
    const vocabulary *v = origin_of(r->body)->vocabulary;
    wire_props props;
    wire_span name = props_begin(&props, &r->view);
    if (r->view.name == 0) {
        at = put_text(at, TAG_NAME, name);
    } else {
        size_t n;
        const char *text = vocabulary_text(v, r->view.name, &n);
        at = vocabulary_copy(at, text, n);
    }
    at = put_middle(at, r, r->view.context);
    wire_prop_view prop = {.key_id = 0};
    while (props_next(&props, &prop))
        at = put_property(at, v, &prop);
    return put_tail(at, r);
}

static wire_span span_of(const char *text) { return (wire_span){(const uint8_t *)text, strlen(text)}; }

static char *put_count(char *at, const char *key, uint64_t value) {
    uint64_t zigzag = varint_zigzag((int64_t)value);
    at = put_key(at, TAG_PROPERTIES, span_of(key), 1 + varint_bytes(zigzag));
    *at++ = TAG_INT;
    return varint_put_wide(at, zigzag);
}

/* What the system itself says of a range of numbers. */
static char *put_range(char *at, const row *r) {
    at = put_text(at, TAG_NAME, row_name(r));
    at = put_middle(at, r, 0);
    at = put_count(at, "first_seq", r->seq);
    at = put_count(at, "last_seq", r->last);
    at = put_count(at, "count", r->last - r->seq + 1);
    at = put_string_field(at, TAG_PROPERTIES, span_of("reason"), span_of(r->reason));
    return put_tail(at, r);
}

static size_t record_bytes_max(const void *self, const row *r) {
    (void)self;
    size_t fixed = FIXED_BYTES_MAX + origin_bytes_max(origin_of(r->body));
    if (r->kind != ROW_EVENT)
        return fixed;
    /* A byte of an event becomes at most three of a string; a key's number stands for a whole text. */
    size_t n = r->event_bytes, keys = n < WIRE_PROPS_MAX + 1u ? n : WIRE_PROPS_MAX + 1u;
    return fixed + UTF8_REPAIRED_MAX(n) + keys * (FIELD_BYTES_MAX + TEXT_MAX(WIRE_TEXT_BYTES_MAX));
}

static size_t record_put(void *self, char *out, const row *r) {
    (void)self;
    char *end = r->kind == ROW_EVENT ? put_event(out, r) : put_range(out, r);
    return (size_t)(end - out);
}

const row_format row_format_record = {
    .name = "record",
    .suffix = ".pb",
    .framing = ROW_FRAMING_LENGTH,
    .version = RECORD_VERSION,
    .create = record_create,
    .destroy = record_destroy,
    .prepare = record_prepare,
    .bytes_max = record_bytes_max,
    .put = record_put,
};

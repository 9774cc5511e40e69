#include "event_table.h"

#include <stdlib.h>

#include "schemas/wire/props.h"
#include "utf8.h"
#include "value.h"

#define DOUBLE_INTS_MAX (INT64_C(1) << 53) /* up to there a double has every integer */

#define ENVELOPE(name_, type_, role_, index_, dictionary_) \
    { .path = {name_}, .type = type_, .role = role_, .index = index_, .dictionary = dictionary_ }
#define MAP_HALF(name_, half_, role_, index_)                                                       \
    {                                                                                               \
        .path = {name_, "key_value", half_}, .type = COLUMN_STRING, .role = role_, .index = index_, \
        .dictionary = true                                                                          \
    }

static const column_spec envelope[EVENT_COLUMNS] = {
    [EVENT_NAME] = ENVELOPE("name", COLUMN_STRING, ROLE_REQUIRED, INDEX_PAGES, true),
    [EVENT_TIME] = {.path = {"time"}, .type = COLUMN_INT64, .index = INDEX_PAGES, .timestamp = true},
    [EVENT_TIME_QUALITY] = ENVELOPE("time_quality", COLUMN_STRING, ROLE_REQUIRED, INDEX_PAGES, true),
    [EVENT_RECEIVED_AT] = {.path = {"received_at"},
                           .type = COLUMN_INT64,
                           .index = INDEX_PAGES,
                           .timestamp = true,
                           .dictionary = true},
    [EVENT_INSTALLATION] = ENVELOPE("installation", COLUMN_STRING, ROLE_REQUIRED, INDEX_PAGES, true),
    [EVENT_STREAM] = ENVELOPE("stream", COLUMN_STRING, ROLE_REQUIRED, INDEX_PAGES, true),
    [EVENT_SEQ] = ENVELOPE("seq", COLUMN_INT64, ROLE_REQUIRED, INDEX_PAGES, false),
    [EVENT_RUN] = ENVELOPE("run", COLUMN_INT64, ROLE_REQUIRED, INDEX_PAGES, true),
    [EVENT_TENANT] = ENVELOPE("tenant", COLUMN_STRING, ROLE_NULLABLE, INDEX_PAGES, true),
    [EVENT_LATE] = ENVELOPE("late", COLUMN_BOOL, ROLE_REQUIRED, INDEX_PAGES, false),
    [EVENT_RESENT] = ENVELOPE("resent", COLUMN_BOOL, ROLE_REQUIRED, INDEX_PAGES, false),
    [EVENT_USER] = ENVELOPE("user", COLUMN_STRING, ROLE_NULLABLE, INDEX_PAGES, true),
    [EVENT_SESSION] = ENVELOPE("session", COLUMN_STRING, ROLE_NULLABLE, INDEX_PAGES, true),
    [EVENT_CONTEXT_KEY] = MAP_HALF("context", "key", ROLE_MAP_KEY, INDEX_CHUNK),
    [EVENT_CONTEXT_VALUE] = MAP_HALF("context", "value", ROLE_MAP_VALUE, INDEX_NONE),
    [EVENT_PROPERTY_KEY] = MAP_HALF("properties", "key", ROLE_MAP_KEY, INDEX_CHUNK),
    [EVENT_PROPERTY_VALUE] = MAP_HALF("properties", "value", ROLE_MAP_VALUE, INDEX_NONE),
};

/* ---- life -------------------------------------------------------------------------------------------- */

static bool specs_make(event_table *e) {
    e->n_columns = EVENT_COLUMNS + (uint32_t)e->opt->n_columns;
    e->specs = calloc(e->n_columns, sizeof *e->specs);
    e->typed = calloc(e->opt->n_columns + 1, sizeof *e->typed);
    if (!e->specs || !e->typed)
        return false;
    memcpy(e->specs, envelope, sizeof envelope);
    for (size_t i = 0; i < e->opt->n_columns; i++) {
        const encoder_column *c = &e->opt->columns[i];
        e->specs[EVENT_COLUMNS + i] =
            (column_spec){.path = {c->property},
                          .type = c->type,
                          .role = ROLE_NULLABLE,
                          .index = INDEX_PAGES,
                          .dictionary = c->type == COLUMN_STRING || c->type == COLUMN_INT64};
    }
    return true;
}

event_table *event_table_new(const encoder_options *opt, sink_store store) {
    event_table *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->opt = opt;
    e->owner = body_owner_new();
    /* Keys of a row must not move while there are more to come. */
    if (!specs_make(e) || !bytes_reserve(&e->keys, WIRE_PROPS_MAX * UTF8_REPAIRED_MAX(WIRE_TEXT_BYTES_MAX)) ||
        !parquet_file_init(&e->file, store, opt->codec, e->specs, e->n_columns, EVENT_TIME)) {
        event_table_free(e);
        return NULL;
    }
    return e;
}

void event_table_free(event_table *e) {
    if (!e)
        return;
    parquet_file_fini(&e->file);
    free(e->specs);
    free(e->typed);
    bytes_free(&e->keys);
    bytes_free(&e->scratch);
    free(e);
}

sink_err event_table_begin(event_table *e, uint32_t slot, const char *object) {
    bytes_clear(&e->scratch);
    return parquet_file_begin(&e->file, slot, object);
}

/* ---- properties -------------------------------------------------------------------------------------- */

static wire_span key_repaired(event_table *e, wire_span key) {
    if (utf8_ascii(key.data, key.n))
        return key;
    char *at = (char *)e->keys.data + e->keys.n; /* has room: see event_table_new */
    size_t n = utf8_repair(at, key.data, key.n);
    e->keys.n += n;
    return (wire_span){(const uint8_t *)at, n};
}

/* Of an earlier property with the key of the one behind the last; NULL: none. */
static event_property *property_twin(event_table *e) {
    wire_span key = e->properties[e->n_properties].key;
    for (uint32_t i = 0; i < e->n_properties; i++) {
        wire_span known = e->properties[i].key;
        if (known.n == key.n && memcmp(known.data, key.data, key.n) == 0)
            return &e->properties[i];
    }
    return NULL;
}

/* The one behind the last, of which prop is there, counts from now on; or it takes the place of an earlier
 * one with the same key. `seen` has the marks of the keys so far, so that most need no search. */
static inline void property_add(event_table *e, shared_term *term, uint64_t *seen) {
    event_property *p = &e->properties[e->n_properties];
    p->key = term ? term->text : key_repaired(e, p->prop.key);
    p->key_ref = term ? &term->key_ref : NULL;
    p->typed = term ? term->typed : shared_typed_of(e->opt, p->key);
    uint64_t mark = UINT64_C(1) << (term ? term->mark : shared_mark(p->key));
    event_property *twin = *seen & mark ? property_twin(e) : NULL;
    *seen |= mark;
    if (twin)
        *twin = *p;
    else
        e->n_properties++;
}

/* false: a key that the batch does not define. */
static bool event_properties(event_table *e, const row *r, shared *s, wire_span *ret_name) {
    uint64_t seen = 0;
    wire_props props;
    *ret_name = props_begin(&props, &r->view);
    for (wire_prop_view *prop; prop = &e->properties[e->n_properties].prop, props_next(&props, prop);) {
        shared_term *term = prop->key_id != 0 ? shared_term_of(s, r->body, prop->key_id) : NULL;
        if ((prop->key_id != 0 && !term) || e->n_properties == WIRE_PROPS_MAX)
            return false;
        property_add(e, term, &seen);
    }
    return true;
}

static wire_span span_of(const char *text) { return (wire_span){(const uint8_t *)text, strlen(text)}; }

/* The same as the JSON line of a range. */
static void range_properties(event_table *e, const row *r) {
    const wire_prop_view props[] = {
        {.key = span_of("first_seq"), .type = WIRE_INT, .i = (int64_t)r->seq},
        {.key = span_of("last_seq"), .type = WIRE_INT, .i = (int64_t)r->last},
        {.key = span_of("count"), .type = WIRE_INT, .i = (int64_t)(r->last - r->seq + 1)},
        {.key = span_of("reason"), .type = WIRE_STRING, .s = span_of(r->reason)},
    };
    uint64_t seen = 0;
    for (size_t i = 0; i < sizeof props / sizeof *props; i++) {
        e->properties[e->n_properties].prop = props[i];
        property_add(e, NULL, &seen);
    }
}

/* ---- columns ----------------------------------------------------------------------------------------- */

static inline column *column_at(event_table *e, uint32_t which) { return &e->file.columns[which]; }

/* A value whose number is looked up once a row group. */
static inline void put_known(column *c, uint32_t *ref, const void *data, size_t n) {
    if (*ref == SHARED_NO_REF && c->open)
        *ref = column_ref(c, data, n);
    column_put_ref(c, *ref, data, n);
}

static inline void put_shared(column *c, shared_text *text) {
    put_known(c, &text->ref, text->text.data, text->text.n);
}

static inline void put_optional(column *c, shared_text *text) {
    bool present = text && text->text.n > 0;
    levels_put(c->levels, present);
    if (present)
        put_shared(c, text);
}

static inline void put_number(column *c, shared_number *number) {
    put_known(c, &number->ref, &number->value, sizeof number->value);
}

static void put_quality(event_table *e, uint32_t quality) {
    if (e->generation != e->file.generation) {
        e->generation = e->file.generation;
        for (size_t i = 0; i < EVENT_TIME_QUALITIES; i++)
            e->quality_refs[i] = SHARED_NO_REF;
    }
    const char *name = wire_time_quality_name(quality);
    uint32_t other = SHARED_NO_REF,
             *ref = quality < EVENT_TIME_QUALITIES ? &e->quality_refs[quality] : &other;
    put_known(column_at(e, EVENT_TIME_QUALITY), ref, name, strlen(name));
}

static void put_context(event_table *e, shared_context *context) {
    put_optional(column_at(e, EVENT_USER), context ? &context->user : NULL);
    put_optional(column_at(e, EVENT_SESSION), context ? &context->session : NULL);
    column *keys = column_at(e, EVENT_CONTEXT_KEY), *values = column_at(e, EVENT_CONTEXT_VALUE);
    uint32_t n = context ? context->n_attributes : 0;
    levels_put_map(keys->levels, n);
    for (uint32_t i = 0; i < n; i++) {
        put_shared(keys, &context->attributes[i].key);
        put_shared(values, &context->attributes[i].value);
    }
}

static void put_properties(event_table *e) {
    column *keys = column_at(e, EVENT_PROPERTY_KEY), *values = column_at(e, EVENT_PROPERTY_VALUE);
    levels_put_map(keys->levels, e->n_properties);
    for (uint32_t i = 0; i < e->n_properties; i++) {
        event_property *p = &e->properties[i];
        if (p->key_ref)
            put_known(keys, p->key_ref, p->key.data, p->key.n);
        else
            column_put(keys, p->key.data, p->key.n);
        wire_span value = value_text(&p->prop, &e->scratch);
        column_put(values, value.data, value.n);
        if (p->typed > 0)
            e->typed[p->typed - 1] = &p->prop;
    }
}

/* False: the property is of another type, or not there. */
static bool typed_fits(column_type type, const wire_prop_view *prop) {
    if (!prop)
        return false;
    switch (type) {
    case COLUMN_STRING:
        return prop->type == WIRE_STRING;
    case COLUMN_INT64:
        return prop->type == WIRE_INT;
    case COLUMN_BOOL:
        return prop->type == WIRE_TRUE || prop->type == WIRE_FALSE;
    case COLUMN_DOUBLE: /* whole numbers come as integers from languages that have only one kind of number */
        return prop->type == WIRE_DOUBLE ||
               (prop->type == WIRE_INT && prop->i >= -DOUBLE_INTS_MAX && prop->i <= DOUBLE_INTS_MAX);
    }
    return false;
}

static void put_typed(event_table *e, column *c, const wire_prop_view *prop) {
    switch (c->spec->type) {
    case COLUMN_STRING: {
        wire_span text = value_repaired(prop->s, &e->scratch);
        column_put(c, text.data, text.n);
        break;
    }
    case COLUMN_INT64:
        column_put_int(c, prop->i);
        break;
    case COLUMN_BOOL:
        column_put_bool(c, prop->type == WIRE_TRUE);
        break;
    case COLUMN_DOUBLE:
        column_put_double(c, prop->type == WIRE_INT ? (double)prop->i : prop->d);
        break;
    }
}

static void put_typed_columns(event_table *e) {
    for (uint32_t i = 0; i < e->opt->n_columns; i++) {
        column *c = column_at(e, EVENT_COLUMNS + i);
        bool present = typed_fits(c->spec->type, e->typed[i]);
        levels_put(c->levels, present);
        if (present)
            put_typed(e, c, e->typed[i]);
        e->typed[i] = NULL;
    }
}

static void put_name(event_table *e, const row *r, shared_term *term, wire_span inlined) {
    column *c = column_at(e, EVENT_NAME);
    if (term) {
        put_known(c, &term->name_ref, term->text.data, term->text.n);
        return;
    }
    wire_span name = value_repaired(r->kind == ROW_EVENT ? inlined : row_name(r), &e->scratch);
    column_put(c, name.data, name.n);
}

static void put_envelope(event_table *e, const row *r, shared *s) {
    column_put_int(column_at(e, EVENT_TIME), r->us);
    put_quality(e, r->time_quality);
    put_number(column_at(e, EVENT_RECEIVED_AT), &s->received_us);
    put_shared(column_at(e, EVENT_INSTALLATION), &s->installation);
    put_shared(column_at(e, EVENT_STREAM), &s->stream);
    column_put_int(column_at(e, EVENT_SEQ), (int64_t)r->seq);
    put_number(column_at(e, EVENT_RUN), &s->run);
    put_optional(column_at(e, EVENT_TENANT), &s->tenant);
    column_put_bool(column_at(e, EVENT_LATE), r->late);
    column_put_bool(column_at(e, EVENT_RESENT), r->resent);
}

sink_err event_table_put(event_table *e, const row *r, shared *s) {
    if (s->generation != e->file.generation)
        shared_renew(s, e->file.generation);
    shared_term *term = NULL;
    wire_span inlined = {NULL, 0};
    uint32_t context = 0;
    e->n_properties = 0;
    e->keys.n = 0;
    if (r->kind == ROW_EVENT) {
        term = r->view.name != 0 ? shared_term_of(s, r->body, r->view.name) : NULL;
        if (!event_properties(e, r, s, &inlined) || (r->view.name != 0 && !term))
            return SINK_ERR_ENCODE;
        context = r->view.context;
    } else {
        range_properties(e, r);
    }
    put_name(e, r, term, inlined);
    put_envelope(e, r, s);
    put_context(e, context != 0 ? shared_context_of(s, context) : NULL);
    put_properties(e);
    put_typed_columns(e);
    return e->scratch.failed ? SINK_ERR_MEMORY : parquet_file_row(&e->file);
}

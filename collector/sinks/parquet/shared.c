#include "shared.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "utf8.h"

#define DIRECT_IDS_MAX 1024u

typedef struct shared_block {
    struct shared_block *next;
    max_align_t memory[];
} shared_block;

/* NULL: out of memory. Zeroed; lives as long as `s`. */
static void *memory_take(shared *s, size_t n) {
    shared_block *block = calloc(1, sizeof *block + n);
    if (!block)
        return NULL;
    block->next = s->blocks;
    s->blocks = block;
    return block->memory;
}

static void shared_free(void *cache) {
    shared *s = cache;
    while (s && s->blocks) {
        shared_block *block = s->blocks;
        s->blocks = block->next;
        free(block);
    }
    free(s);
}

/* The text where it lies, or repaired. */
static bool text_take(shared *s, wire_span text, wire_span *ret_text) {
    size_t n = utf8_ascii(text.data, text.n) ? text.n : utf8_repaired_bytes(text.data, text.n);
    *ret_text = text.n > 0 ? text : (wire_span){(const uint8_t *)"", 0};
    if (n == text.n)
        return true;
    char *repaired = memory_take(s, n);
    if (!repaired)
        return false;
    utf8_repair(repaired, text.data, text.n);
    *ret_text = (wire_span){(const uint8_t *)repaired, n};
    return true;
}

uint32_t shared_typed_of(const encoder_options *opt, wire_span property) {
    for (uint32_t i = 0; i < opt->n_columns; i++) {
        const char *name = opt->columns[i].property;
        if (strlen(name) == property.n && memcmp(name, property.data, property.n) == 0)
            return i + 1;
    }
    return 0;
}

/* ---- terms ------------------------------------------------------------------------------------------- */

static bool terms_make(shared *s, const body *b, const encoder_options *opt) {
    uint32_t last_id = b->n_definitions > 0 ? b->definitions[b->n_definitions - 1].id : 0;
    s->ids_max = last_id < DIRECT_IDS_MAX ? last_id + 1 : DIRECT_IDS_MAX;
    s->n_terms = b->n_definitions;
    s->terms = memory_take(s, s->n_terms * sizeof *s->terms);
    s->by_id = memory_take(s, s->ids_max * sizeof *s->by_id);
    if (!s->terms || !s->by_id)
        return false;
    for (uint32_t i = 0; i < s->n_terms; i++) {
        shared_term *term = &s->terms[i];
        if (!text_take(s, b->definitions[i].text, &term->text))
            return false;
        term->typed = shared_typed_of(opt, term->text);
        term->mark = shared_mark(term->text);
        if (b->definitions[i].id < s->ids_max)
            s->by_id[b->definitions[i].id] = (uint16_t)(i + 1);
    }
    return true;
}

shared_term *shared_term_search(shared *s, const body *b, uint32_t id) {
    uint32_t at = body_definition_find(b, id);
    return at < s->n_terms ? &s->terms[at] : NULL;
}

/* ---- contexts ---------------------------------------------------------------------------------------- */

/* The place of the key: of one that came before, whose value the later one replaces, or a new one. */
static shared_attribute *attribute_place(shared_context *context, wire_span key) {
    for (uint32_t i = 0; i < context->n_attributes; i++) {
        wire_span known = context->attributes[i].key.text;
        if (known.n == key.n && memcmp(known.data, key.data, key.n) == 0)
            return &context->attributes[i];
    }
    return &context->attributes[context->n_attributes++];
}

static bool context_make(shared *s, const wire_context_view *view, shared_context *context) {
    context->attributes = memory_take(s, view->n_attributes * sizeof *context->attributes);
    bool ok = context->attributes && text_take(s, view->user, &context->user.text) &&
              text_take(s, view->session, &context->session.text);
    for (uint32_t i = 0; ok && i < view->n_attributes; i++) {
        wire_span key, value;
        ok = text_take(s, view->attributes[i].key, &key) && text_take(s, view->attributes[i].value, &value);
        if (ok)
            *attribute_place(context, key) = (shared_attribute){{key, SHARED_NO_REF}, {value, SHARED_NO_REF}};
    }
    return ok;
}

static bool contexts_make(shared *s, const body *b) {
    s->n_contexts = b->n_contexts;
    s->contexts = memory_take(s, b->n_contexts * sizeof *s->contexts);
    if (!s->contexts)
        return false;
    wire_context_view view;
    for (uint32_t i = 0; i < b->n_contexts; i++) {
        s->contexts[i].id = b->context_ids[i];
        if (wire_context_scan(b->contexts[i], &view) != WIRE_OK || !context_make(s, &view, &s->contexts[i]))
            return false;
    }
    return true;
}

shared_context *shared_context_of(shared *s, uint32_t id) {
    for (uint32_t i = 0; i < s->n_contexts; i++)
        if (s->contexts[i].id == id)
            return &s->contexts[i];
    return NULL;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static shared_text id_make(char text[SHARED_ID_DIGITS + 1], const uint8_t *id) {
    hex_encode(text, id, SHARED_ID_DIGITS / 2);
    return (shared_text){{(const uint8_t *)text, SHARED_ID_DIGITS}, SHARED_NO_REF};
}

static bool shared_fill(shared *s, const body *b, const encoder_options *opt) {
    const journal_entry *entry = &b->entry;
    s->installation = id_make(s->installation_text, entry->installation);
    s->stream = id_make(s->stream_text, entry->stream);
    s->received_us.value = entry->received_us;
    s->run.value = (int64_t)entry->run_ordinal;
    wire_span tenant = {(const uint8_t *)entry->tenant, strlen(entry->tenant)};
    if (strcmp(entry->tenant, "default") == 0)
        tenant.n = 0;
    return text_take(s, tenant, &s->tenant.text) && terms_make(s, b, opt) && contexts_make(s, b);
}

shared *shared_of(body *b, uint32_t owner, const encoder_options *opt) {
    if (b->cache_owner != owner)
        body_cache_claim(b, owner);
    if (b->cache)
        return b->cache;
    shared *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (!shared_fill(s, b, opt)) {
        shared_free(s);
        return NULL;
    }
    b->cache = s;
    b->cache_free = shared_free;
    return s;
}

void shared_renew(shared *s, uint64_t generation) {
    s->generation = generation;
    s->installation.ref = s->stream.ref = s->tenant.ref = SHARED_NO_REF;
    s->received_us.ref = s->run.ref = SHARED_NO_REF;
    for (uint32_t i = 0; i < s->n_terms; i++)
        s->terms[i].name_ref = s->terms[i].key_ref = SHARED_NO_REF;
    for (uint32_t i = 0; i < s->n_contexts; i++) {
        shared_context *context = &s->contexts[i];
        context->user.ref = context->session.ref = SHARED_NO_REF;
        for (uint32_t k = 0; k < context->n_attributes; k++)
            context->attributes[k].key.ref = context->attributes[k].value.ref = SHARED_NO_REF;
    }
}

#include "mem_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void aside_forget(mem_aside *aside) {
    for (size_t i = 0; i < MEM_SLOTS_MAX; i++)
        free(aside[i].data);
    memset(aside, 0, MEM_SLOTS_MAX * sizeof *aside);
}

void mem_store_swap(mem_store *s) {
    mem_aside aside[MEM_SLOTS_MAX];
    uint32_t writing = s->writing;
    memcpy(aside, s->aside, sizeof aside);
    memcpy(s->aside, s->twin_aside, sizeof aside);
    memcpy(s->twin_aside, aside, sizeof aside);
    s->writing = s->twin_writing;
    s->twin_writing = writing;
}

/* Whether this call is the last one; *ret_effect: it still has its effect. */
static bool dies(mem_store *s, bool *ret_effect) {
    *ret_effect = true;
    if (s->twin_left > 0 && --s->twin_left == 0)
        s->twin(s->twin_context);
    if (s->calls_left < 0 || --s->calls_left > 0)
        return false;
    s->calls_left = 0; /* and everything after it fails too */
    *ret_effect = sim_chance(s->random, 50);
    return true;
}

bool mem_store_dies(mem_store *s) {
    bool effect;
    return dies(s, &effect);
}

static mem_text *text_find(mem_store *s, sink_manifest kind, uint64_t epoch) {
    for (size_t i = 0; i < s->n_texts; i++)
        if (s->texts[i].kind == kind && s->texts[i].epoch == epoch)
            return &s->texts[i];
    return NULL;
}

static void text_remove(mem_store *s, mem_text *t) {
    if (!t)
        return;
    free(t->text);
    *t = s->texts[--s->n_texts];
}

static char *copy_of(const void *data, size_t n) {
    char *copy = malloc(n + 1);
    if (!copy)
        abort();
    if (n > 0)
        memcpy(copy, data, n);
    copy[n] = '\0';
    return copy;
}

static void *grown(void *array, size_t n, size_t size) {
    void *larger = realloc(array, (n + 1) * size);
    if (!larger)
        abort();
    return larger;
}

static sink_err mem_last_commit(void *store, uint64_t *ret_epoch) {
    const mem_store *s = store;
    *ret_epoch = 0;
    for (size_t i = 0; i < s->n_texts; i++)
        if (s->texts[i].kind == SINK_COMMIT && s->texts[i].epoch > *ret_epoch)
            *ret_epoch = s->texts[i].epoch;
    return SINK_OK;
}

/* The text as s->change would have it. */
static char *changed(const mem_store *s, char *text, size_t *n) {
    manifest m = {0};
    if (manifest_decode(text, *n, &m) != SINK_OK)
        abort();
    s->change(s->change_context, &m);
    free(text);
    text = manifest_encode(&m, SINK_COMMIT, n);
    manifest_fini(&m);
    return text;
}

static sink_err mem_get(void *store, sink_manifest kind, uint64_t epoch, char **ret_text, size_t *ret_n) {
    mem_text *t = text_find(store, kind, epoch);
    *ret_text = t ? copy_of(t->text, t->n) : NULL;
    *ret_n = t ? t->n : 0;
    const mem_store *s = store;
    if (t && kind == SINK_COMMIT && s->change)
        *ret_text = changed(s, *ret_text, ret_n);
    return SINK_OK;
}

bool mem_store_last(mem_store *s, manifest *ret_commit) {
    uint64_t epoch;
    if (mem_last_commit(s, &epoch) != SINK_OK || epoch == 0)
        return false;
    const mem_text *t = text_find(s, SINK_COMMIT, epoch);
    return manifest_decode(t->text, t->n, ret_commit) == SINK_OK;
}

static void text_put(mem_store *s, sink_manifest kind, uint64_t epoch, const char *text, size_t n) {
    if (kind == SINK_COMMIT && text_find(s, kind, epoch))
        s->violation = "a commit was replaced";
    text_remove(s, text_find(s, kind, epoch));
    s->texts = grown(s->texts, s->n_texts, sizeof *s->texts);
    s->texts[s->n_texts++] = (mem_text){epoch, kind, copy_of(text, n), n};
}

/* There is one already: the same, or whose? */
static sink_err conflict(const mem_text *there, const char *text, size_t n) {
    manifest ours = {0}, theirs = {0};
    if (there->n == n && memcmp(there->text, text, n) == 0)
        return SINK_OK;
    if (manifest_decode(text, n, &ours) != SINK_OK ||
        manifest_decode(there->text, there->n, &theirs) != SINK_OK)
        abort();
    sink_err err = manifest_knows(&ours, &theirs) ? SINK_ERR_IO : SINK_ERR_FENCED;
    manifest_fini(&ours);
    manifest_fini(&theirs);
    return err;
}

static sink_err mem_put(void *store, sink_manifest kind, uint64_t epoch, const char *text, size_t n) {
    mem_store *s = store;
    bool effect, dead = dies(s, &effect);
    if (s->unsuperseded && kind == SINK_COMMIT && strstr(text, "\"objects\": []") &&
        text_find(s, SINK_INTENT, epoch))
        return SINK_OK;
    const mem_text *there = text_find(s, kind, epoch);
    sink_err err = there ? conflict(there, text, n) : SINK_OK;
    if (effect && !there)
        text_put(s, kind, epoch, text, n);
    return dead ? SINK_ERR_IO : err;
}

static void object_put(mem_store *s, const char *name, const char *data, size_t n) {
    s->objects = grown(s->objects, s->n_objects, sizeof *s->objects);
    mem_object *o = &s->objects[s->n_objects++];
    strcpy(o->name, name);
    o->n = n;
    o->data = copy_of(data, n);
}

sink_err mem_store_commit(mem_store *s, const manifest *m, const mem_object *objects, size_t n) {
    bool effect, dead = dies(s, &effect);
    size_t text_n;
    char *text = manifest_encode(m, SINK_COMMIT, &text_n);
    if (!text)
        abort();
    if (effect)
        text_put(s, SINK_COMMIT, m->epoch, text, text_n);
    for (size_t i = 0; effect && i < n; i++)
        if (objects[i].n > 0)
            object_put(s, objects[i].name, objects[i].data, objects[i].n);
    free(text);
    return dead ? SINK_ERR_IO : SINK_OK;
}

static sink_err mem_remove_intent(void *store, uint64_t epoch) {
    mem_store *s = store;
    bool effect, dead = dies(s, &effect);
    if (effect)
        text_remove(s, text_find(s, SINK_INTENT, epoch));
    return dead ? SINK_ERR_IO : SINK_OK;
}

static sink_err mem_aside_reset(void *store) {
    aside_forget(((mem_store *)store)->aside);
    return SINK_OK;
}

static sink_err mem_aside_begin(void *store, uint32_t slot, const char *name) {
    mem_store *s = store;
    if (slot >= MEM_SLOTS_MAX)
        abort();
    bool effect, dead = dies(s, &effect);
    free(s->aside[slot].data);
    s->aside[slot].data = NULL;
    s->aside[slot].n = 0;
    s->writing = slot;
    snprintf(s->aside[slot].name, sizeof s->aside[slot].name, "%s", name);
    return dead ? SINK_ERR_IO : SINK_OK;
}

static sink_err mem_aside_write(void *store, const void *data, size_t n) {
    mem_store *s = store;
    bool effect, dead = dies(s, &effect);
    size_t before = s->aside[s->writing].n;
    s->aside[s->writing].data = grown(s->aside[s->writing].data, before + n, 1);
    memcpy(s->aside[s->writing].data + before, data, n);
    s->aside[s->writing].n = before + n;
    return dead ? SINK_ERR_IO : SINK_OK;
}

static sink_err mem_aside_finish(void *store) {
    bool effect;
    return dies(store, &effect) ? SINK_ERR_IO : SINK_OK;
}

const mem_object *mem_store_find(const mem_store *s, const char *name) {
    for (size_t i = 0; i < s->n_objects; i++)
        if (strcmp(s->objects[i].name, name) == 0)
            return &s->objects[i];
    return NULL;
}

static sink_err mem_publish(void *store, uint32_t slot, const char *name) {
    mem_store *s = store;
    bool effect, dead = dies(s, &effect);
    const mem_object *old = mem_store_find(s, name);
    if (strcmp(s->aside[slot].name, name) != 0)
        s->violation = "an object was published under another name than it was begun with";
    if (old && (old->n != s->aside[slot].n || memcmp(old->data, s->aside[slot].data, old->n) != 0))
        s->violation = "an object was replaced by other bytes";
    if (effect && !old)
        object_put(s, name, s->aside[slot].data, s->aside[slot].n);
    return dead ? SINK_ERR_IO : SINK_OK;
}

static sink_err mem_remove_object(void *store, const char *name) {
    mem_store *s = store;
    bool effect, dead = dies(s, &effect);
    for (size_t i = 0; effect && i < s->n_objects; i++)
        if (strcmp(s->objects[i].name, name) == 0) {
            free(s->objects[i].data);
            s->objects[i] = s->objects[--s->n_objects];
            break;
        }
    return dead ? SINK_ERR_IO : SINK_OK;
}

static const sink_store_ops mem_store_ops = {
    .last_commit = mem_last_commit,
    .get = mem_get,
    .put = mem_put,
    .remove_intent = mem_remove_intent,
    .aside_reset = mem_aside_reset,
    .aside_begin = mem_aside_begin,
    .aside_write = mem_aside_write,
    .aside_finish = mem_aside_finish,
    .publish = mem_publish,
    .remove_object = mem_remove_object,
};

sink_store mem_store_of(mem_store *s) { return (sink_store){&mem_store_ops, s}; }

void mem_store_fini(mem_store *s) {
    aside_forget(s->aside);
    aside_forget(s->twin_aside);
    for (size_t i = 0; i < s->n_objects; i++)
        free(s->objects[i].data);
    for (size_t i = 0; i < s->n_texts; i++)
        free(s->texts[i].text);
    free(s->objects);
    free(s->texts);
}

#include "mem_store.h"

#include <stdlib.h>
#include <string.h>

/* Whether this call is the last one; *ret_effect: it still has its effect. */
static bool dies(mem_store *s, bool *ret_effect) {
    *ret_effect = true;
    if (s->calls_left < 0 || --s->calls_left > 0)
        return false;
    s->calls_left = 0; /* and everything after it fails too */
    *ret_effect = sim_chance(s->random, 50);
    return true;
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

static sink_err mem_get(void *store, sink_manifest kind, uint64_t epoch, char **ret_text, size_t *ret_n) {
    mem_text *t = text_find(store, kind, epoch);
    *ret_text = t ? copy_of(t->text, t->n) : NULL;
    *ret_n = t ? t->n : 0;
    return SINK_OK;
}

static sink_err mem_put(void *store, sink_manifest kind, uint64_t epoch, const char *text, size_t n) {
    mem_store *s = store;
    bool effect, dead = dies(s, &effect);
    if (effect) {
        if (kind == SINK_COMMIT && text_find(s, kind, epoch))
            s->violation = "a commit was replaced";
        text_remove(s, text_find(s, kind, epoch));
        s->texts = grown(s->texts, s->n_texts, sizeof *s->texts);
        s->texts[s->n_texts++] = (mem_text){epoch, kind, copy_of(text, n), n};
    }
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
    mem_store *s = store;
    for (size_t i = 0; i < MEM_SLOTS_MAX; i++) {
        free(s->aside[i].data);
        s->aside[i].data = NULL;
        s->aside[i].n = 0;
    }
    return SINK_OK;
}

static sink_err mem_aside_begin(void *store, uint32_t slot) {
    mem_store *s = store;
    if (slot >= MEM_SLOTS_MAX)
        abort();
    free(s->aside[slot].data);
    s->aside[slot].data = NULL;
    s->aside[slot].n = 0;
    s->writing = slot;
    bool effect;
    return dies(s, &effect) ? SINK_ERR_IO : SINK_OK;
}

static sink_err mem_aside_write(void *store, const void *data, size_t n) {
    mem_store *s = store;
    size_t before = s->aside[s->writing].n;
    s->aside[s->writing].data = grown(s->aside[s->writing].data, before + n, 1);
    memcpy(s->aside[s->writing].data + before, data, n);
    s->aside[s->writing].n = before + n;
    bool effect;
    return dies(s, &effect) ? SINK_ERR_IO : SINK_OK;
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
    if (old && (old->n != s->aside[slot].n || memcmp(old->data, s->aside[slot].data, old->n) != 0))
        s->violation = "an object was replaced by other bytes";
    if (effect && !old) {
        s->objects = grown(s->objects, s->n_objects, sizeof *s->objects);
        mem_object *o = &s->objects[s->n_objects++];
        strcpy(o->name, name);
        o->n = s->aside[slot].n;
        o->data = copy_of(s->aside[slot].data, o->n);
    }
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
    mem_aside_reset(s);
    for (size_t i = 0; i < s->n_objects; i++)
        free(s->objects[i].data);
    for (size_t i = 0; i < s->n_texts; i++)
        free(s->texts[i].text);
    free(s->objects);
    free(s->texts);
}

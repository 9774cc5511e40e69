#include "object_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "epoch_writer.h"

typedef struct object_target {
    object_target_options opt;
    encoder_options encoder; /* of the writer */
    sink_store store;
    epoch_writer *writer;
    manifest like;       /* the writer's codec, format and columns; nothing else */
    const char *message; /* of our own; NULL: ask the store */
} object_target;

/* ---- manifests -------------------------------------------------------------------------------------- */

static sink_err manifest_put(const object_target *t, const manifest *m, sink_manifest kind) {
    size_t n = 0;
    CLEANUP_FREE char *text = manifest_encode(m, kind, &n);
    return text ? t->store.ops->put(t->store.self, kind, m->epoch, text, n) : SINK_ERR_MEMORY;
}

static sink_err manifest_get(object_target *t, sink_manifest kind, uint64_t epoch, manifest *ret,
                             bool *ret_there) {
    CLEANUP_FREE char *text = NULL;
    size_t n = 0;
    t->message = NULL;
    sink_err err = t->store.ops->get(t->store.self, kind, epoch, &text, &n);
    *ret_there = err == SINK_OK && text != NULL;
    if (!*ret_there)
        return err;
    err = manifest_decode(text, n, ret);
    if (err == SINK_ERR_CHECKPOINT)
        t->message = kind == SINK_INTENT ? "an intent cannot be read" : "the last commit cannot be read";
    return err;
}

static sink_err target_intent_remove(void *self, const manifest *intent) {
    object_target *t = self;
    t->message = NULL;
    for (size_t i = 0; i < intent->n_objects; i++) {
        sink_err err = t->store.ops->remove_object(t->store.self, intent->objects[i].name);
        if (err != SINK_OK)
            return err;
    }
    return t->store.ops->remove_intent(t->store.self, intent->epoch);
}

/* Whoever stored the commit may have died before he removed the epoch's intent: his own, or one that his
 * commit came before. */
static sink_err settled_intent_remove(object_target *t, const manifest *commit) {
    CLEANUP(manifest_fini) manifest intent = {0};
    bool there = false;
    sink_err err = manifest_get(t, SINK_INTENT, commit->epoch, &intent, &there);
    if (err != SINK_OK || !there)
        return err;
    if (strcmp(intent.incarnation, commit->incarnation) != 0)
        return target_intent_remove(t, &intent);
    return t->store.ops->remove_intent(t->store.self, commit->epoch);
}

static sink_err target_recover(void *self, manifest *ret_last) {
    object_target *t = self;
    uint64_t epoch = 0;
    bool there = false;
    t->message = NULL;
    sink_err err = t->store.ops->aside_reset(t->store.self);
    if (err == SINK_OK)
        err = t->store.ops->last_commit(t->store.self, &epoch);
    *ret_last = (manifest){0};
    if (err != SINK_OK || epoch == 0)
        return err;
    err = manifest_get(t, SINK_COMMIT, epoch, ret_last, &there);
    if (err == SINK_OK && !there) {
        t->message = "the last commit is gone";
        err = SINK_ERR_CHECKPOINT;
    }
    return err == SINK_OK ? settled_intent_remove(t, ret_last) : err;
}

static sink_err target_intent_get(void *self, uint64_t epoch, manifest *ret_intent, bool *ret_there) {
    return manifest_get(self, SINK_INTENT, epoch, ret_intent, ret_there);
}

/* ---- one epoch -------------------------------------------------------------------------------------- */

/* A writer for the epoch's codec, format and columns: an intent may have others than the settings. */
static sink_err writer_choose(object_target *t, const manifest *m) {
    if (t->writer && manifest_encoding_equal(&t->like, m))
        return SINK_OK;
    const encoder_ops *encoder = encoder_find(m->format);
    if (!encoder) {
        t->message = "an intent has a format that this build lacks";
        return SINK_ERR_CHECKPOINT;
    }
    epoch_writer_free(t->writer);
    t->writer = NULL;
    if (!manifest_encoding_set(&t->like, m->codec, m->format, m->columns, m->n_columns))
        return SINK_ERR_MEMORY;
    t->encoder = (encoder_options){m->codec, t->like.columns, t->like.n_columns};
    t->writer =
        epoch_writer_new(t->store, (epoch_naming){t->opt.collector, t->opt.sink}, encoder, &t->encoder);
    return t->writer ? SINK_OK : SINK_ERR_MEMORY;
}

static sink_err target_begin(void *self, const manifest *m) {
    object_target *t = self;
    t->message = NULL;
    bool dirty = t->writer && !epoch_writer_progress(t->writer).empty;
    sink_err err = dirty ? t->store.ops->aside_reset(t->store.self) : SINK_OK;
    if (err == SINK_OK)
        err = writer_choose(t, m);
    if (err == SINK_OK)
        epoch_writer_begin(t->writer, m);
    return err;
}

static sink_err target_take(void *self, const order_event *events, size_t n, bool late) {
    return epoch_writer_take(((object_target *)self)->writer, events, n, late);
}

static target_progress target_progress_get(const void *self) {
    return epoch_writer_progress(((const object_target *)self)->writer);
}

static bool names_equal(const manifest *a, const manifest *b) {
    if (a->n_objects != b->n_objects)
        return false;
    for (size_t i = 0; i < a->n_objects; i++)
        if (strcmp(a->objects[i].name, b->objects[i].name) != 0)
            return false;
    return true;
}

/* From the objects aside to the commit. */
static sink_err epoch_publish(object_target *t, const manifest *m) {
    for (size_t i = 0; i < m->n_objects; i++) {
        sink_err err = t->store.ops->publish(t->store.self, (uint32_t)i, m->objects[i].name);
        if (err != SINK_OK)
            return err;
    }
    return manifest_put(t, m, SINK_COMMIT);
}

/* Somebody else has committed this epoch. If it is not our own intent that he has repeated, our objects would
 * be named by nobody. */
static void epoch_abandon(object_target *t, const manifest *m) {
    CLEANUP(manifest_fini) manifest theirs = {0};
    bool there;
    if (manifest_get(t, SINK_COMMIT, m->epoch, &theirs, &there) == SINK_OK && there &&
        strcmp(theirs.incarnation, m->incarnation) != 0)
        (void)target_intent_remove(t, m);
    t->message = "another collector with this id has committed the epoch";
}

static sink_err epoch_commit(object_target *t, manifest *m, const manifest *repeated) {
    sink_err err = epoch_writer_finish(t->writer, m);
    if (err != SINK_OK)
        return err;
    if (repeated && !names_equal(m, repeated)) {
        t->message = "an intent cannot be repeated: start the build that wrote it, and stop it cleanly";
        return SINK_ERR_CHECKPOINT;
    }
    bool intent = m->n_objects > 0;
    if (intent && !repeated)
        err = manifest_put(t, m, SINK_INTENT);
    if (err != SINK_OK)
        return err;
    err = epoch_publish(t, m);
    if (err == SINK_ERR_FENCED)
        epoch_abandon(t, m);
    if (err == SINK_OK && intent)
        err = t->store.ops->remove_intent(t->store.self, m->epoch);
    return err;
}

static sink_err target_commit(void *self, manifest *m, const manifest *repeated) {
    object_target *t = self;
    t->message = NULL;
    sink_err err = epoch_commit(t, m, repeated);
    if (err == SINK_ERR_FENCED && t->store.ops->aside_abandon) /* no start follows that would do it */
        t->store.ops->aside_abandon(t->store.self);
    return err;
}

/* ---- the ends --------------------------------------------------------------------------------------- */

static const char *target_message(void *self) {
    const object_target *t = self;
    if (t->message)
        return t->message;
    return t->store.ops->message ? t->store.ops->message(t->store.self) : NULL;
}

static void target_close(void *self) {
    object_target *t = self;
    epoch_writer_free(t->writer);
    manifest_fini(&t->like);
    if (t->store.ops->close)
        t->store.ops->close(t->store.self);
    free(t);
}

static const sink_target_ops object_target_ops = {
    .late_last = true,
    .recover = target_recover,
    .intent_get = target_intent_get,
    .intent_remove = target_intent_remove,
    .begin = target_begin,
    .take = target_take,
    .progress = target_progress_get,
    .commit = target_commit,
    .message = target_message,
    .close = target_close,
};

sink_err object_target_open(const object_target_options *opt, sink_store store, sink_target *ret_target) {
    object_target *t = calloc(1, sizeof *t);
    if (!t) {
        if (store.ops->close)
            store.ops->close(store.self);
        return SINK_ERR_MEMORY;
    }
    t->opt = *opt;
    t->store = store;
    *ret_target = (sink_target){&object_target_ops, t};
    return SINK_OK;
}

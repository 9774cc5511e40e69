/* store: where a sink's objects and manifests live. A backend is a `const struct sink_store_ops`; the epochs
 * above it are the same for all, and all pass the same tests.
 *
 * Objects are first written aside, under a slot, where nobody sees them; publishing gives one its final name.
 * Every call that says *durable* returns only when a power cut cannot take its effect back.
 * One thread. Blocks for the disk or the network.
 */
#ifndef SINKS_STORE_H
#define SINKS_STORE_H

#include <stddef.h>
#include <stdint.h>

typedef enum sink_err {
    SINK_OK = 0,
    SINK_ERR_IO,
    SINK_ERR_NO_SPACE,
    SINK_ERR_MEMORY,
    SINK_ERR_CHECKPOINT, /* a manifest that cannot be read, or that the journal contradicts */
    SINK_ERR_ENCODE,     /* what must be written does not read back */
    SINK_ERR_JOURNAL,    /* the journal cannot be read now */
    SINK_ERR_BUSY,       /* another process writes here */
    SINK_ERR_REPLAY,     /* the journal does not lead to what was held: another build ordered otherwise */
    SINK_ERR_FENCED,     /* another collector of our name has taken over: no retry, ever */
} sink_err;

/* A stable name for metrics and diagnostics. */
const char *sink_err_name(sink_err err);

typedef enum sink_manifest { SINK_INTENT, SINK_COMMIT } sink_manifest;

typedef struct sink_store_ops {
    /* The highest epoch that has a commit; 0: none. */
    sink_err (*last_commit)(void *store, uint64_t *ret_epoch);
    /* *ret_text: malloc'ed, the caller's; NULL when there is none. */
    sink_err (*get)(void *store, sink_manifest kind, uint64_t epoch, char **ret_text, size_t *ret_n);
    /* Durable and whole, or not there. SINK_ERR_FENCED: there is one already, and not the same. */
    sink_err (*put)(void *store, sink_manifest kind, uint64_t epoch, const char *text, size_t n);
    sink_err (*remove_intent)(void *store, uint64_t epoch);

    /* Forgets everything aside, of earlier processes too. */
    sink_err (*aside_reset)(void *store);
    /* The same with what this store has begun, and nothing of anybody else, as well as that works. NULL:
     * there can be nobody else, and the next aside_reset will do. */
    void (*aside_abandon)(void *store);
    /* Slots are 0, 1, 2 …; one is written at a time, and finished durably before it is published. `name`
     * ("dt=…/hr=…/…"; lent for the call) is what publish will say. */
    sink_err (*aside_begin)(void *store, uint32_t slot, const char *name);
    sink_err (*aside_write)(void *store, const void *data, size_t n);
    sink_err (*aside_finish)(void *store);
    /* Durable under `name` and replaces what was there: the same bytes, or those that another build of the
     * collector made of the same events. */
    sink_err (*publish)(void *store, uint32_t slot, const char *name);
    /* Durable; nothing to remove is no error. */
    sink_err (*remove_object)(void *store, const char *name);

    /* What went wrong last, for people: "s3: 503 SlowDown". Lent until the next call. May be NULL, and may
     * answer NULL. */
    const char *(*message)(void *store);
    void (*close)(void *store); /* may be NULL */
} sink_store_ops;

typedef struct sink_store {
    const sink_store_ops *ops;
    void *self;
} sink_store;

#endif

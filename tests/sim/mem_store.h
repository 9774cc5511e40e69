/* mem_store: a sink's store in memory that can die in the middle of any call. What is aside is lost then; the
 * call that died had its effect or not. It notices what must never happen: an object replaced by other bytes.
 * A manifest is put if there is none, as on a server that honours If-None-Match; before any call a twin may
 * come, which has things aside of its own.
 */
#ifndef SIM_MEM_STORE_H
#define SIM_MEM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manifest.h"
#include "sim_random.h"
#include "store.h"

#define MEM_SLOTS_MAX 64u

typedef struct mem_object {
    char name[MANIFEST_NAME_MAX];
    char *data;
    size_t n;
} mem_object;

typedef struct mem_text {
    uint64_t epoch;
    sink_manifest kind;
    char *text;
    size_t n;
} mem_text;

typedef struct mem_aside {
    char name[MANIFEST_NAME_MAX];
    char *data;
    size_t n;
} mem_aside;

typedef struct mem_store {
    sim_random *random;
    mem_object *objects;
    size_t n_objects;
    mem_text *texts;
    size_t n_texts;
    mem_aside aside[MEM_SLOTS_MAX];
    uint32_t writing;
    int32_t calls_left;    /* dies in the call that makes it 0; negative: never */
    const char *violation; /* NULL: none */
    /* What a commit says when it is read; NULL: what was put. Leaves a clause of the protocol out. */
    void (*change)(void *context, manifest *commit);
    bool unsuperseded; /* a commit of nothing is not put where an intent is: leaves out another clause */
    void *change_context;
    int32_t twin_left; /* `twin` comes before the call that makes it 0; 0: never */
    void (*twin)(void *context);
    void *twin_context;
    mem_aside twin_aside[MEM_SLOTS_MAX];
    uint32_t twin_writing;
} mem_store;

sink_store mem_store_of(mem_store *s);
void mem_store_fini(mem_store *s);
/* The last commit, as read; the caller's. false: there is none. */
bool mem_store_last(mem_store *s, manifest *ret_commit);
/* From here on the other one calls. */
void mem_store_swap(mem_store *s);
/* For targets that are no sink_store: whether this call is the last one. */
bool mem_store_dies(mem_store *s);
/* The commit and those of the objects that are not empty, in one step: all or nothing. */
sink_err mem_store_commit(mem_store *s, const manifest *m, const mem_object *objects, size_t n);
const mem_object *mem_store_find(const mem_store *s, const char *name);

#endif

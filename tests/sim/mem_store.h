/* mem_store: a sink's store in memory that can die in the middle of any call. What is aside is lost then; the
 * call that died had its effect or not. It notices what must never happen: an object replaced by other bytes.
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

typedef struct mem_store {
    sim_random *random;
    mem_object *objects;
    size_t n_objects;
    mem_text *texts;
    size_t n_texts;
    struct {
        char *data;
        size_t n;
    } aside[MEM_SLOTS_MAX];
    uint32_t writing;
    int32_t calls_left;    /* dies in the call that makes it 0; negative: never */
    const char *violation; /* NULL: none */
} mem_store;

sink_store mem_store_of(mem_store *s);
void mem_store_fini(mem_store *s);
const mem_object *mem_store_find(const mem_store *s, const char *name);

#endif

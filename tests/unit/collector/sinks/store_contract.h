/* store_contract: what every sink_store keeps, run on each of them. The rig says how to open one, and how its
 * objects are read without it. */
#ifndef TESTS_STORE_CONTRACT_H
#define TESTS_STORE_CONTRACT_H

#include "store.h"

typedef struct store_rig {
    /* The same store again each time, as after a crash: what was aside may still be there. */
    sink_store (*open)(void);
    void (*close)(sink_store s);
    /* Bytes of the object; SIZE_MAX: none. Writes at most `cap` of them. */
    size_t (*object_read)(const char *name, char *out, size_t cap);
    const size_t *sizes; /* of objects, around whatever limits it has; ends with SIZE_MAX */
} store_rig;

/* Name as the epochs make them, of collector "c" and sink "s". */
#define CONTRACT_NAME(n) "dt=2026-11-20/hr=08/c-0123456789abcdef-s-" n "-0.jsonl"

/* Runs all tests on a store that is new; the result of cmocka. */
int store_contract_run(const store_rig *rig);

/* begin, write and finish. */
void contract_aside(sink_store s, uint32_t slot, const char *name, const char *data, size_t n);

#endif

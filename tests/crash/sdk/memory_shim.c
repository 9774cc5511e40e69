/* As io_shim.c, for memory. Of its own, since most tests do not want to know. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/crash/sdk/io_shim.h"
#include "tests/crash/sdk/memory_shim.h"

bool (*memory_before)(const char *name);
_Atomic int64_t memory_live;

static bool refused(const char *name) {
    if (memory_before == NULL || memory_before(name))
        return false;
    errno = ENOMEM;
    return true;
}

static void *taken(void *memory) {
    if (memory != NULL)
        memory_live++;
    return memory;
}

#define WRAP(type, name, ...)        \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

WRAP(void *, malloc, size_t n) { return refused("malloc") ? NULL : taken(__real_malloc(n)); }
WRAP(void *, calloc, size_t n, size_t size) {
    return refused("calloc") ? NULL : taken(__real_calloc(n, size));
}
WRAP(char *, strdup, const char *text) { return refused("strdup") ? NULL : taken(__real_strdup(text)); }

WRAP(void *, aligned_alloc, size_t alignment, size_t n) {
    return refused("aligned_alloc") ? NULL : taken(__real_aligned_alloc(alignment, n));
}

WRAP(int, posix_memalign, void **ret_memory, size_t alignment, size_t n) {
    if (refused("posix_memalign"))
        return ENOMEM;
    int code = __real_posix_memalign(ret_memory, alignment, n);
    memory_live += code == 0;
    return code;
}

WRAP(void *, realloc, void *memory, size_t n) {
    if (refused("realloc"))
        return NULL;
    void *moved = __real_realloc(memory, n);
    memory_live += moved != NULL && memory == NULL;
    return moved;
}

WRAP(void, free, void *memory) {
    memory_live -= memory != NULL;
    __real_free(memory);
}

/* ---- what else may run out
 * ------------------------------------------------------------------------------------ */

WRAP(int, eventfd, unsigned count, int flags) {
    return refused("eventfd") ? -1 : __real_eventfd(count, flags);
}

WRAP(int, pthread_create, pthread_t *ret_thread, const pthread_attr_t *attr, void *(*start)(void *),
     void *arg) {
    return refused("pthread_create") ? EAGAIN : __real_pthread_create(ret_thread, attr, start, arg);
}

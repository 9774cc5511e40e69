/* A store that keeps nothing, for what measures or breaks the encoders alone. */
#ifndef NOTHING_STORE_H
#define NOTHING_STORE_H

#include "store.h"

static sink_err nothing_begin(void *store, uint32_t slot, const char *name) {
    (void)store, (void)slot, (void)name;
    return SINK_OK;
}

static sink_err nothing_write(void *store, const void *data, size_t n) {
    (void)store, (void)data, (void)n;
    return SINK_OK;
}

static sink_err nothing_finish(void *store) {
    (void)store;
    return SINK_OK;
}

static const sink_store_ops nothing = {
    .aside_begin = nothing_begin, .aside_write = nothing_write, .aside_finish = nothing_finish};

#endif

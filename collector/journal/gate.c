#include "gate.h"

#include <time.h>

void gate_init(gate *g) {
    *g = (gate){.inside = 0};
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&g->left, &attributes);
    pthread_condattr_destroy(&attributes);
}

void gate_fini(gate *g) {
    pthread_cond_destroy(&g->left);
    pthread_mutex_destroy(&g->lock);
}

bool gate_enter(gate *g) {
    pthread_mutex_lock(&g->lock);
    bool entered = !g->closed;
    g->inside += entered;
    pthread_mutex_unlock(&g->lock);
    return entered;
}

void gate_leave(gate *g) {
    pthread_mutex_lock(&g->lock);
    if (--g->inside == 0)
        pthread_cond_broadcast(&g->left);
    pthread_mutex_unlock(&g->lock);
}

bool gate_is_closed(gate *g) {
    pthread_mutex_lock(&g->lock);
    bool closed = g->closed;
    pthread_mutex_unlock(&g->lock);
    return closed;
}

static struct timespec moment_in(uint32_t wait_ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += wait_ms / 1000;
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

bool gate_close(gate *g, uint32_t wait_ms) {
    struct timespec until = moment_in(wait_ms);
    int waited = 0;
    pthread_mutex_lock(&g->lock);
    g->closed = true;
    while (g->inside > 0 && waited == 0)
        waited = pthread_cond_timedwait(&g->left, &g->lock, &until);
    bool empty = g->inside == 0;
    pthread_mutex_unlock(&g->lock);
    return empty;
}

void gate_open(gate *g) {
    pthread_mutex_lock(&g->lock);
    g->closed = false;
    pthread_mutex_unlock(&g->lock);
}

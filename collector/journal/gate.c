#include "gate.h"

void gate_init(gate *g) {
    *g = (gate){.inside = 0};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->left, NULL);
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

void gate_close(gate *g) {
    pthread_mutex_lock(&g->lock);
    g->closed = true;
    while (g->inside > 0)
        pthread_cond_wait(&g->left, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

void gate_open(gate *g) {
    pthread_mutex_lock(&g->lock);
    g->closed = false;
    pthread_mutex_unlock(&g->lock);
}

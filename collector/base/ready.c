#include "ready.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct condition {
    char component[32];
    char reason[128];
    bool ok;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct condition table[READY_COMPONENTS_MAX]; /* under table_lock, like its count */
static size_t table_count;

static struct condition *condition_of(const char *component) {
    for (size_t i = 0; i < table_count; i++)
        if (strncmp(table[i].component, component, sizeof table[i].component - 1) == 0)
            return &table[i];
    assert(table_count < READY_COMPONENTS_MAX);
    struct condition *added = &table[table_count++];
    snprintf(added->component, sizeof added->component, "%s", component);
    return added;
}

void ready_set(const char *component, bool ok, const char *reason) {
    pthread_mutex_lock(&table_lock);
    struct condition *condition = condition_of(component);
    condition->ok = ok;
    snprintf(condition->reason, sizeof condition->reason, "%s", ok ? "ok" : reason);
    pthread_mutex_unlock(&table_lock);
}

bool ready_check(struct text *out) {
    pthread_mutex_lock(&table_lock);
    bool all_ok = table_count > 0;
    if (table_count == 0)
        text_put(out, "collector: starting\n");
    for (size_t i = 0; i < table_count; i++) {
        all_ok = all_ok && table[i].ok;
        text_printf(out, "%s: %s\n", table[i].component, table[i].reason);
    }
    pthread_mutex_unlock(&table_lock);
    return all_ok;
}

void ready_reset(void) {
    pthread_mutex_lock(&table_lock);
    table_count = 0;
    memset(table, 0, sizeof table);
    pthread_mutex_unlock(&table_lock);
}

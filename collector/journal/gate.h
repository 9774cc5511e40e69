/* gate: lets readers into the database, and everybody out when it has to be opened anew.
 *
 * A failed sync makes the environment useless, but it can be closed only when no transaction stands in it.
 * Any thread. */
#ifndef JOURNAL_GATE_H
#define JOURNAL_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct gate {
    pthread_mutex_t lock; /* of both below */
    pthread_cond_t left;
    uint32_t inside;
    bool closed;
} gate;

void gate_init(gate *g);
void gate_fini(gate *g);

bool gate_enter(gate *g); /* false: closed; never blocks */
void gate_leave(gate *g);
/* Whether somebody waits for us to leave. */
bool gate_is_closed(gate *g);

/* Nobody enters from now on; waits until everybody has left, for so long. False: somebody is still inside. */
bool gate_close(gate *g, uint32_t wait_ms);
void gate_open(gate *g);

#endif

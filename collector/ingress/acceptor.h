/* acceptor: the listening socket, served by loop 0, which deals connections out to all loops in turn.
 * Belongs to loop 0's thread once that runs. */
#ifndef INGRESS_ACCEPTOR_H
#define INGRESS_ACCEPTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/ingress/loop.h"

struct acceptor {
    int fd;
    struct loop *loops;
    struct loop_shared *shared;
    uint32_t next; /* loop */
    struct event *event, *resume_event;
};

/* Binds and listens; false: it was logged why. Accepts nobody before the loop runs. */
bool acceptor_open(struct acceptor *a, struct loop_shared *shared);
uint16_t acceptor_port(const struct acceptor *a);

/* Has loops[0] serve it. */
bool acceptor_attach(struct acceptor *a, struct loop *loops);

/* Nobody new from now on. */
void acceptor_stop(struct acceptor *a);

/* Before loops[0] is freed. Accepts zeroed ones. */
void acceptor_fini(struct acceptor *a);

#endif

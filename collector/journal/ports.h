/* ports: the journal's ends of the sockets between stages. The only file of the journal that includes zmq.h.
 *
 * Opened by the thread that makes the journal, used afterwards by the writer thread alone. */
#ifndef JOURNAL_PORTS_H
#define JOURNAL_PORTS_H

#include <stdint.h>

#include "journal.h"

typedef struct ports ports;

/* Binds all endpoints of journal.h. NULL: errno says why. */
ports *ports_open(const journal_options *opt);
void ports_close(ports *p); /* accepts NULL; what is still queued is freed */

/* The next submission, waiting up to wait_ms for one or for ports_wake. NULL: none. */
submission *ports_receive(ports *p, uint32_t wait_ms);

/* Ends a wait early; any thread. */
void ports_wake(ports *p);

/* Back to its loop. A loop that is gone does not want it any more: then it is freed. */
void ports_answer(ports *p, submission *s);

/* Tells every sink; never blocks, and only the newest is kept. */
void ports_announce(ports *p, uint64_t position);

#endif

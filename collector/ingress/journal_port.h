/* journal_port: one loop's two sockets to the journal. The only file of ingress that includes zmq.h.
 *
 * Submissions travel as pointers and belong to who holds the pointer. One thread at a time.
 */
#ifndef INGRESS_JOURNAL_PORT_H
#define INGRESS_JOURNAL_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/base/submission.h"

struct journal_port;

/* `loop` names the answers' endpoint; `queue_max` bounds each direction. NULL: errno says why. */
struct journal_port *journal_port_open(void *zmq, uint32_t loop, uint32_t queue_max);
void journal_port_close(struct journal_port *port); /* accepts NULL */

/* Never blocks; false when the queue is full. */
bool journal_port_submit(struct journal_port *port, submission *sub);

/* The next answer, or NULL. Call it until NULL whenever the descriptor has been readable: it is
 * edge-triggered. */
submission *journal_port_receive(struct journal_port *port);
int journal_port_fd(const struct journal_port *port);

#endif

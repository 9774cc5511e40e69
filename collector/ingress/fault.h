/* fault: why a request is not taken, in the words of its answer. Pure; any thread. */
#ifndef INGRESS_FAULT_H
#define INGRESS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

struct fault {
    uint16_t status;      /* of HTTP; 0: none */
    bool unjudged;        /* broken on the way: that says nothing of the batch in it */
    const char *headers;  /* whole header lines that the answer needs, static; NULL: none */
    uint64_t refused_seq; /* the number of the event at fault; 0: the request as a whole */
    char message[160];    /* for people */
};

/* `format` and its arguments make the message; what does not fit is cut. */
void fault_set(struct fault *fault, uint16_t status, const char *headers, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What a device should conclude. It gives up events for a batch that is refused, so that is said of a batch
 * only that was looked at: something in between that garbles requests must not empty a fleet's queues. */
wire_status fault_wire_status(const struct fault *fault);

#endif

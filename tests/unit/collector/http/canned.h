/* canned: an HTTP server on loopback that answers from a table, bytes as they are, and closes the connection
 * after each. For tests of clients. */
#ifndef TESTS_CANNED_H
#define TESTS_CANNED_H

#include <stddef.h>
#include <stdint.h>

typedef struct canned_reply {
    const char *request; /* the request begins so: "GET /key" */
    const char *reply;   /* all bytes; NULL: says nothing until the client goes */
    unsigned times;      /* then the next one that fits counts; 0: always */
} canned_reply;

typedef struct canned canned;

/* The table is borrowed. A request that nothing fits gets no answer, and the connection is closed. */
canned *canned_start(const canned_reply *replies, size_t n);
void canned_stop(canned *c);

uint16_t canned_port(const canned *c);

/* All heads and bodies so far, one behind the other, up to the first NUL; when no request is under way. */
const char *canned_seen(const canned *c);

#endif

/* serve: what a connection's requests mean, and how they are answered. Belongs to the loop's thread. */
#ifndef INGRESS_SERVE_H
#define INGRESS_SERVE_H

#include <stddef.h>
#include <stdint.h>

#include "collector/ingress/connection.h"

/* While READING: takes input until it ends or the request is complete; returns how much. */
size_t serve_input(struct connection *c, const uint8_t *data, size_t n);

/* While READING: the peer will send no more. */
void serve_input_end(struct connection *c);

/* READING or WAITING for too long. */
void serve_expire(struct connection *c);

/* An answer of the journal, which is freed; its connection may be gone. */
void serve_answer(struct loop *loop, submission *sub);

#endif

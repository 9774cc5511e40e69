/* exchange: what a request of a device and its answer are on a connection, as bytes. */
#ifndef BENCH_EXCHANGE_H
#define BENCH_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "schemas/wire/wire.h"

#define EXCHANGE_HEAD_BYTES_MAX 512u
#define EXCHANGE_ANSWER_BYTES_MAX 2048u

/* A connected socket, blocking; -1: errno says why. */
int exchange_connect(const char *host, const char *port);

/* POST /v1/batches with a zstd body, for `out` with room for the body and EXCHANGE_HEAD_BYTES_MAX. */
size_t exchange_request_put(uint8_t *out, const char *host, wire_span body);

/* The answer at the beginning of `n` bytes. 1: whole; 0: more to come; -1: not an answer. */
int exchange_answer_parse(const uint8_t *answer, size_t n, int *ret_status, wire_span *ret_body);

#endif

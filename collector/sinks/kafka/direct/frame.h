/* frame: requests and answers of Kafka's protocol as bytes: a length, a header, and fields in network order,
 * in the versions before compact fields. Pure; one thread. */
#ifndef SINKS_KAFKA_FRAME_H
#define SINKS_KAFKA_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A request's number in the protocol. */
typedef enum api {
    API_PRODUCE = 0,
    API_METADATA = 3,
    API_FIND_COORDINATOR = 10,
    API_SASL_HANDSHAKE = 17,
    API_VERSIONS = 18,
    API_ADD_PARTITIONS = 24,
    API_END_TRANSACTION = 26,
    API_SASL_AUTHENTICATE = 36,
} api;

/* ---- writing ------------------------------------------------------------------------------------------ */

/* Grows. After `failed`, which is for want of memory, what is put is lost. */
typedef struct frame {
    uint8_t *data;
    size_t n, size;
    bool failed;
} frame;

void frame_fini(frame *f);
/* Forgets what is there. */
void frame_begin(frame *f, api what, int16_t version, int32_t correlation, const char *client);
/* Whole now: the length is written. false: out of memory. */
bool frame_end(frame *f);

/* Room for `n` bytes, at f->data + f->n; false: out of memory. */
bool frame_reserve(frame *f, size_t n);
void frame_put_i8(frame *f, int8_t value);
void frame_put_i16(frame *f, int16_t value);
void frame_put_i32(frame *f, int32_t value);
void frame_put_i64(frame *f, int64_t value);
void frame_put_string(frame *f, const char *text);
void frame_put_bytes(frame *f, const void *data, size_t n); /* with its length, of 4 bytes */
/* Writes over what was put at that offset. */
void frame_patch_i32(frame *f, size_t at, int32_t value);

/* ---- reading ------------------------------------------------------------------------------------------ */

/* After `bad`, which is an answer that ends too soon, every value is 0. */
typedef struct answer {
    const uint8_t *at, *end;
    bool bad;
} answer;

typedef struct answer_text {
    const char *data;
    size_t n;
} answer_text;

int8_t answer_i8(answer *a);
int16_t answer_i16(answer *a);
int32_t answer_i32(answer *a);
int64_t answer_i64(answer *a);
answer_text answer_string(answer *a); /* null: empty */
answer_text answer_bytes(answer *a);  /* of a length of 4 bytes */
/* How many elements follow, each at least so many bytes; null: 0. */
int32_t answer_count(answer *a, size_t bytes_least);
void answer_skip(answer *a, size_t n);

#endif

/* client: requests to one bucket: addressed, signed, repeated while that makes sense, counted, and what went
 * wrong in words. One thread. Blocks, for RUN_US_MAX and one request's deadlines at most. Logs once that a
 * server lacks conditional writes. */
#ifndef S3_CLIENT_H
#define S3_CLIENT_H

#include "address.h"
#include "credentials.h"
#include "http_client.h"
#include "s3_options.h"
#include "store.h"

typedef struct s3_client s3_client;

/* Everything but `call` and `answer` is what is asked; borrowed until s3_run returns. */
typedef struct s3_call {
    http_method method;
    const char *key;   /* whole; "" for the bucket itself */
    const char *query; /* of s3_query_put; NULL: none */
    const char *type;  /* of the content; NULL: none */
    const void *body;
    size_t body_bytes;
    size_t answer_bytes_max; /* 0: no more than an error needs */
    const char *expected;    /* the element without which a 2xx is not whole; NULL: any is */
    uint32_t silence_s_max;  /* 0: the client's */
    bool if_absent;          /* only if there is nothing under the key, as far as the server knows how */

    bool done;         /* 2xx; otherwise s3_failed says why not */
    bool repeated;     /* an attempt before the last may have been carried out, and its answer lost */
    char code[64];     /* of the answer's <Error>; empty: none */
    http_request http; /* and the last attempt's answer */
    struct text url;
    char payload[96];
} s3_call;

/* NULL: out of memory. No I/O. `opt` and what it points to is borrowed until s3_client_close. */
s3_client *s3_client_open(const s3_options *opt);
void s3_client_close(s3_client *c);

/* Runs the calls, as many at a time as the options allow, each until it is done, refused, or repeated often
 * enough. n <= HTTP_PARALLEL_MAX. Each call needs s3_call_fini, whatever came of it. */
void s3_run(s3_client *c, s3_call *calls, size_t n);
void s3_call_fini(s3_call *call);

/* Of a call that was answered. */
bool s3_status_is(const s3_call *call, unsigned status);

/* The answer says that there is no such key or upload; a bucket that is not there is an error. */
bool s3_absent(const s3_call *call);

/* Whether calls with if_absent are sent with their condition; and that they are no longer: said in the log.
 */
bool s3_client_conditional(const s3_client *c);
void s3_client_unconditional(s3_client *c);

/* The error of a call that is not done; s3_client_message says it in words: `what` the key. */
sink_err s3_failed(s3_client *c, const s3_call *call, const char *what);

/* Of the last failure. Never a secret. */
const char *s3_client_message(const s3_client *c);
void s3_client_message_set(s3_client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

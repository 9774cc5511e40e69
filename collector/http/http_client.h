/* http_client: HTTP/1.1 requests to other services, several at a time, each with its deadlines; signed as
 * Amazon's services want it (Signature Version 4), if asked for. The only file that includes curl.h.
 *
 *     http_request r = {.method = HTTP_GET, .url = "http://…", .answer_bytes_max = 65536};
 *     http_run(client, &(http_request *){&r}, 1);
 *     if (r.answer.failure == HTTP_ANSWERED && r.answer.status == 200) …
 *     http_answer_fini(&r.answer);
 *
 * Connections are kept between runs. Redirects are not followed: a signature is good for one host. No
 * retries: who calls knows what may be repeated. One thread for each client. Blocks. Does not log.
 *
 * What libcurl 7.88 and 8.14 sign wrongly is up to the caller: paths, without `.` and `..`, and queries come
 * percent-encoded, the parameters of a query in ascending order, each with its `=`; and
 * `x-amz-content-sha256` among the headers.
 */
#ifndef HTTP_HTTP_CLIENT_H
#define HTTP_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

typedef enum http_method { HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_POST, HTTP_DELETE } http_method;

typedef enum http_failure {
    HTTP_ANSWERED = 0, /* a whole answer, whatever its status */
    HTTP_ERR_RESOLVE,
    HTTP_ERR_CONNECT, /* the request was not sent */
    HTTP_ERR_TLS,     /* a certificate or a handshake that failed */
    HTTP_ERR_TIMEOUT, /* from here on the server may have done what it was asked */
    HTTP_ERR_CUT,
    HTTP_ERR_TOO_LARGE, /* the answer, beyond answer_bytes_max */
    HTTP_ERR_STOPPED,   /* http_options.stopping */
    HTTP_ERR_MEMORY,
    HTTP_ERR_OTHER,
} http_failure;

/* A stable name for metrics and diagnostics. */
const char *http_failure_name(http_failure failure);

/* Borrowed. */
typedef struct http_signing {
    const char *scope; /* "aws:amz:<region>:<service>" */
    const char *access_key_id, *secret_access_key;
} http_signing;

typedef struct http_answer {
    http_failure failure;
    unsigned status;
    struct text body;       /* bytes that grow, for http_answer_fini */
    uint64_t content_bytes; /* Content-Length, also of an answer to HEAD; 0 if it was not said */
    char etag[128];         /* with its quotes; empty: none */
    uint32_t retry_after_s; /* 0: not said */
    int64_t date_s;         /* the server's clock, Unix time; 0: not said */
    char detail[256];       /* what curl says of a failure: never a secret */
} http_answer;

void http_answer_fini(http_answer *a);

enum { HTTP_HEADERS_MAX = 8, HTTP_PARALLEL_MAX = 64 };

/* Everything that is asked is borrowed until http_run returns. */
typedef struct http_request {
    http_method method;
    const char *url;
    const char *headers[HTTP_HEADERS_MAX]; /* "name: value"; NULL: skipped */
    const void *body;                      /* of PUT and POST */
    size_t body_bytes;
    size_t answer_bytes_max;
    uint32_t silence_s_max;      /* 0: the client's */
    const http_signing *signing; /* NULL: not signed */
    http_answer answer;          /* written by http_run; anything there before is overwritten, not released */
} http_request;

typedef struct http_options {
    const char *ca_file;     /* borrowed until http_open returns; NULL: the system's authorities */
    uint32_t connect_ms_max; /* name, connection and handshake */
    uint32_t silence_s_max;  /* without a byte in either direction */
    uint32_t bytes_s_least;  /* a request takes silence_s_max and its body's time at this rate, at most */
    uint32_t parallel_max;   /* requests and connections at a time, at most HTTP_PARALLEL_MAX */
    bool direct;             /* no proxy, whatever the environment says: for link-local services */
    bool (*stopping)(void *context); /* asked several times a second while waiting; NULL: never */
    void *context;
} http_options;

typedef struct http_client http_client;

/* NULL: out of memory. The first one of a process initializes libcurl. */
http_client *http_open(const http_options *opt);
void http_close(http_client *c);

/* Runs all requests, at most parallel_max at a time, and returns when each has an answer. */
void http_run(http_client *c, http_request *const *requests, size_t n);

/* Waits, and returns early, with true, when http_options.stopping says so. */
bool http_pause(const http_client *c, uint64_t us);

#endif

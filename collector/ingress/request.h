/* request: one HTTP/1.x request, parsed strictly by llhttp, with the checks that llhttp leaves to its user,
 * and its body. The only file of ingress that includes llhttp.h. It knows HTTP and nothing of batches.
 *
 *     request_feed ─▶ MORE … ─▶ HEAD (decide: store or discard the body) ─▶ MORE … ─▶ COMPLETE ─▶
 * request_reset └─────────────┴──────────────────────────────▶ FAULTY: answer and close
 *
 * Pure but for malloc; a request belongs to one thread.
 */
#ifndef INGRESS_REQUEST_H
#define INGRESS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/ingress/fault.h"

struct request_limits {
    size_t head_bytes; /* request line and headers */
    size_t body_bytes;
};

enum request_progress {
    REQUEST_MORE,
    REQUEST_HEAD,     /* once a request: everything before the body is there */
    REQUEST_COMPLETE, /* the bytes behind it belong to the next request */
    REQUEST_FAULTY,   /* request_fault says why; nothing on this connection can be trusted any more */
};

/* The headers that are kept. Each may stand in a request once. */
enum request_header {
    REQUEST_HOST,
    REQUEST_CONTENT_TYPE,
    REQUEST_CONTENT_ENCODING,
    REQUEST_AUTHORIZATION,
    REQUEST_EXPECT,
    REQUEST_TRANSFER_ENCODING,
    REQUEST_HEADERS
};

struct request;

/* NULL: out of memory. Borrows `limits`. */
struct request *request_new(const struct request_limits *limits);
void request_free(struct request *r); /* accepts NULL */

/* Ready for the next request of the connection; gives its memory back. */
void request_reset(struct request *r);

/* Takes in bytes up to the next progress; *ret_used says how many. */
enum request_progress request_feed(struct request *r, const uint8_t *data, size_t n, size_t *ret_used);

/* When FAULTY. */
const struct fault *request_fault(const struct request *r);

/* Some byte of the request has arrived; all of its head has. */
bool request_begun(const struct request *r);
bool request_has_head(const struct request *r);

/* From HEAD on. The path is without the query; a header that is not there is NULL. Lent until reset. */
const char *request_path(const struct request *r);
bool request_is_post(const struct request *r);
bool request_is_head(const struct request *r);
const char *request_header(const struct request *r, enum request_header header);
bool request_expects_continue(const struct request *r);
bool request_has_body(const struct request *r); /* by Content-Length above 0, or chunked */
bool request_keep_alive(const struct request *r);
bool request_is_http_1_0(const struct request *r);

/* From HEAD on: the body is read past, and not kept. */
void request_body_discard(struct request *r);

/* Where the next bytes of the body may be read to, to be given to request_feed from there without a copy;
 * false when the next bytes are not known to be the body's. */
bool request_body_space(struct request *r, uint8_t **ret_space, size_t *ret_n);

/* When COMPLETE: the body, which is the caller's to free; NULL when it is empty or was discarded. */
uint8_t *request_body_take(struct request *r, size_t *ret_n);

size_t request_body_received(const struct request *r); /* bytes so far, discarded ones too */
size_t request_body_capacity(const struct request *r); /* memory that the body holds */

#endif

/* http_response: a strict parser for one HTTP/1.1 response, fed as the bytes come. Pure; no allocation.
 *
 * It knows the few headers that matter to an uploader. What is ambiguous (two lengths, a length beside
 * chunks, folded lines, bare line feeds) is an error, since a kept connection would lose step on it.
 */
#ifndef WDI_TRANSPORT_HTTP_RESPONSE_H
#define WDI_TRANSPORT_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WDI_HTTP_LINE_BYTES_MAX 256u   /* kept of a line; longer ones serve only if they do not matter */
#define WDI_HTTP_HEAD_BYTES_MAX 32768u /* of all heads and trailers of an answer */
#define WDI_HTTP_BODY_BYTES_MAX 65536u
#define WDI_HTTP_BODY_KEPT_BYTES_MAX 1024u /* an Ack is smaller; of anything else the beginning is enough */
#define WDI_HTTP_RETRY_AFTER_S_MAX 604800u /* a week; longer is taken as that */

typedef enum wdi_http_state {
    WDI_HTTP_STATUS_LINE = 0,
    WDI_HTTP_HEADER,
    WDI_HTTP_BODY_LENGTH,
    WDI_HTTP_BODY_TO_END,
    WDI_HTTP_CHUNK_SIZE,
    WDI_HTTP_CHUNK_DATA,
    WDI_HTTP_CHUNK_END,
    WDI_HTTP_TRAILER,
    WDI_HTTP_DONE,
    WDI_HTTP_ERROR, /* `error` says what */
} wdi_http_state;

typedef struct wdi_http_response {
    wdi_http_state state;
    const char *error; /* a literal */
    unsigned status;
    bool keep_alive;
    bool has_retry_after_s, has_retry_at, has_date;
    uint32_t retry_after_s;
    int64_t retry_at_s, date_s; /* Unix seconds */
    size_t body_n;              /* kept in `body` */
    uint64_t body_total;
    uint8_t body[WDI_HTTP_BODY_KEPT_BYTES_MAX];

    /* Of the parser alone. */
    bool has_length, chunked, seen_cr, started;
    uint64_t length, left; /* declared; of the body or chunk still to come */
    uint32_t head_total;
    size_t line_n, line_total;
    char line[WDI_HTTP_LINE_BYTES_MAX];
} wdi_http_response;

void wdi_http_init(wdi_http_response *r);

/* Takes bytes until DONE or ERROR, and returns how many it took. */
size_t wdi_http_feed(wdi_http_response *r, const uint8_t *data, size_t n);

/* The stream has ended: DONE if that ends the body, else ERROR. */
void wdi_http_end(wdi_http_response *r);

/* How long to wait, if the answer says so. A date counts from the answer's own Date, else from wall_s. */
bool wdi_http_retry_after_ms(const wdi_http_response *r, int64_t wall_s, uint64_t *ret_ms);

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form that may be sent since 1999. */
bool wdi_http_date_parse(const char *text, size_t n, int64_t *ret_s);

#endif

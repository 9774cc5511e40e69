#include "collector/ingress/request.h"

#include <llhttp.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_BYTES 20u          /* the longest header name that is looked for, and one more */
#define TEXT_BYTES 1024u        /* values of the headers that are kept */
#define TARGET_BYTES 256u       /* a longer one names nothing that is here */
#define BODY_FIRST_BYTES 32768u /* taken on the word of Content-Length; the rest when bytes come */
#define BODY_READ_BYTES 16384u  /* a TLS record: no read brings more */

struct request {
    llhttp_t parser;
    const struct request_limits *limits;
    struct fault fault;
    bool begun, head_done, chunked, keep_alive, discard;
    size_t head_bytes;
    uint64_t content_length; /* 0 when chunked */

    uint8_t name_n;
    char name[NAME_BYTES];
    enum request_header current;
    uint16_t value_at[REQUEST_HEADERS]; /* 1 + place in `text`; 0: not there */
    uint16_t text_n;
    char text[TEXT_BYTES];
    uint16_t target_n;
    char target[TARGET_BYTES];
    const char *path;

    uint8_t *body;
    size_t body_n, body_capacity;
    size_t body_wire_bytes; /* with the framing of chunks */
};

static const char *const header_names[REQUEST_HEADERS] = {
    [REQUEST_HOST] = "host",
    [REQUEST_CONTENT_TYPE] = "content-type",
    [REQUEST_CONTENT_ENCODING] = "content-encoding",
    [REQUEST_AUTHORIZATION] = "authorization",
    [REQUEST_EXPECT] = "expect",
    [REQUEST_TRANSFER_ENCODING] = "transfer-encoding",
};

#define FAIL(r, status, ...) (fault_set(&(r)->fault, (status), NULL, __VA_ARGS__), (int)HPE_USER)

/* ---- request line and headers ------------------------------------------------------------------- */

static int on_url(llhttp_t *parser, const char *at, size_t n) {
    struct request *r = parser->data;
    if (n >= TARGET_BYTES - r->target_n)
        return FAIL(r, 414, "the request target is longer than %u bytes", TARGET_BYTES - 1);
    memcpy(r->target + r->target_n, at, n);
    r->target_n = (uint16_t)(r->target_n + n);
    return 0;
}

/* The path of an origin form, or of an absolute one, which every server has to accept. */
static const char *target_path(char *target) {
    char *path = target;
    target[strcspn(target, "?")] = '\0';
    if (strncasecmp(path, "https://", 8) == 0 || strncasecmp(path, "http://", 7) == 0) {
        path = strchr(strchr(path, ':') + 3, '/');
        if (path == NULL)
            return "/";
    }
    return path;
}

static int on_url_complete(llhttp_t *parser) {
    struct request *r = parser->data;
    r->target[r->target_n] = '\0';
    if (strchr(r->target, '#') != NULL)
        return FAIL(r, 400, "the request target has a fragment");
    r->path = target_path(r->target);
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t n) {
    struct request *r = parser->data;
    size_t room = NAME_BYTES - r->name_n;
    n = n < room ? n : room; /* a name that fills the space is none that we know */
    memcpy(r->name + r->name_n, at, n);
    r->name_n = (uint8_t)(r->name_n + n);
    return 0;
}

static enum request_header header_find(const char *name, size_t n) {
    unsigned header = 0;
    while (header < REQUEST_HEADERS &&
           (strlen(header_names[header]) != n || strncasecmp(header_names[header], name, n) != 0))
        header++;
    return (enum request_header)header;
}

static int on_field_complete(llhttp_t *parser) {
    struct request *r = parser->data;
    /* Trailers are read past: what counts was said before the body. */
    r->current = r->head_done ? REQUEST_HEADERS : header_find(r->name, r->name_n);
    r->name_n = 0;
    if (r->current == REQUEST_HEADERS)
        return 0;
    if (r->value_at[r->current] != 0)
        return FAIL(r, 400, "the header %s is there twice", header_names[r->current]);
    r->value_at[r->current] = (uint16_t)(r->text_n + 1);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t n) {
    struct request *r = parser->data;
    if (r->current == REQUEST_HEADERS)
        return 0;
    if (n >= TEXT_BYTES - r->text_n)
        return FAIL(r, 431, "the headers that are read here are longer than %u bytes", TEXT_BYTES - 1);
    memcpy(r->text + r->text_n, at, n);
    r->text_n = (uint16_t)(r->text_n + n);
    return 0;
}

static int on_value_complete(llhttp_t *parser) {
    struct request *r = parser->data;
    if (r->current == REQUEST_HEADERS)
        return 0;
    if (r->text_n >= TEXT_BYTES - 1)
        return FAIL(r, 431, "the headers that are read here are longer than %u bytes", TEXT_BYTES - 1);
    size_t start = r->value_at[r->current] - 1u;
    while (r->text_n > start && (r->text[r->text_n - 1] == ' ' || r->text[r->text_n - 1] == '\t'))
        r->text_n--;
    r->text[r->text_n++] = '\0';
    return 0;
}

/* ---- what llhttp leaves to its user ------------------------------------------------------------- */

/* RFC 3986's authority without user information: what else stands there is an attempt at something. */
static bool host_is_valid(const char *host) {
    size_t n =
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~%!$&'()*+;=:[]");
    return n > 0 && host[n] == '\0';
}

static void host_check(struct request *r) {
    const char *host = request_header(r, REQUEST_HOST);
    if (host == NULL && !request_is_http_1_0(r))
        fault_set(&r->fault, 400, NULL, "the header host is missing");
    else if (host != NULL && !host_is_valid(host))
        fault_set(&r->fault, 400, NULL, "the header host holds no host");
}

static void framing_check(struct request *r) {
    const char *coding = request_header(r, REQUEST_TRANSFER_ENCODING);
    if (coding != NULL && request_is_http_1_0(r))
        fault_set(&r->fault, 400, NULL, "HTTP/1.0 has no transfer-encoding");
    else if (coding != NULL && (r->parser.flags & F_CONTENT_LENGTH))
        fault_set(&r->fault, 400, NULL, "transfer-encoding and content-length exclude each other");
    else if (coding != NULL && strcasecmp(coding, "chunked") != 0)
        fault_set(&r->fault, 501, NULL, "no transfer-encoding but chunked is spoken here");
    else if (r->content_length > r->limits->body_bytes)
        fault_set(&r->fault, 413, NULL, "the body is longer than %zu bytes", r->limits->body_bytes);
}

static void expect_check(struct request *r) {
    const char *expect = request_header(r, REQUEST_EXPECT);
    if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
        fault_set(&r->fault, 417, NULL, "no expectation but 100-continue is met here");
}

static bool version_is_spoken(const struct request *r) {
    return r->parser.http_major == 1 && r->parser.http_minor <= 1;
}

static void version_check(struct request *r) {
    if (!version_is_spoken(r))
        fault_set(&r->fault, 505, NULL, "HTTP/%u.%u is not spoken here, but HTTP/1.1", r->parser.http_major,
                  r->parser.http_minor);
}

static int on_headers_complete(llhttp_t *parser) {
    static void (*const checks[])(struct request *) = {version_check, host_check, framing_check,
                                                       expect_check};
    struct request *r = parser->data;
    r->head_done = true;
    r->keep_alive = llhttp_should_keep_alive(parser) != 0;
    r->chunked = (parser->flags & F_CHUNKED) != 0;
    r->content_length = r->chunked ? 0 : parser->content_length;
    parser->upgrade = 0; /* an offer, which nobody has to take up */
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        checks[i](r);
        if (r->fault.status != 0)
            return -1;
    }
    return HPE_PAUSED;
}

/* ---- body --------------------------------------------------------------------------------------- */

/* Room for `n` more bytes. A Content-Length is a promise: memory follows what has really come. */
static bool body_reserve(struct request *r, size_t n) {
    size_t need = r->body_n + n, capacity = r->body_capacity;
    if (need <= capacity)
        return true;
    size_t promised = r->content_length != 0 ? (size_t)r->content_length : r->limits->body_bytes;
    if (capacity == 0)
        capacity = r->content_length != 0 ? BODY_FIRST_BYTES : n;
    else
        capacity *= 2;
    capacity = capacity < promised ? capacity : promised;
    capacity = capacity > need ? capacity : need;
    uint8_t *body = realloc(r->body, capacity);
    if (body == NULL) {
        fault_set(&r->fault, 503, NULL, "out of memory");
        return false;
    }
    r->body = body;
    r->body_capacity = capacity;
    return true;
}

static int on_body(llhttp_t *parser, const char *at, size_t n) {
    struct request *r = parser->data;
    if (n > r->limits->body_bytes - r->body_n)
        return FAIL(r, 413, "the body is longer than %zu bytes", r->limits->body_bytes);
    if (!r->discard) {
        if (!body_reserve(r, n))
            return HPE_USER;
        if (r->body + r->body_n != (const uint8_t *)at) /* unless it was read to its place */
            memcpy(r->body + r->body_n, at, n);
    }
    r->body_n += n;
    return 0;
}

static int on_message_complete(llhttp_t *parser) {
    (void)parser;
    return HPE_PAUSED;
}

bool request_body_space(struct request *r, uint8_t **ret_space, size_t *ret_n) {
    if (!r->head_done || r->discard || r->content_length <= r->body_n)
        return false;
    uint64_t left = r->content_length - r->body_n;
    size_t n = left < BODY_READ_BYTES ? (size_t)left : BODY_READ_BYTES;
    if (!body_reserve(r, n))
        return false;
    *ret_space = r->body + r->body_n;
    *ret_n = n;
    return true;
}

uint8_t *request_body_take(struct request *r, size_t *ret_n) {
    uint8_t *body = r->body;
    *ret_n = body != NULL ? r->body_n : 0;
    r->body = NULL;
    r->body_capacity = 0;
    return body;
}

void request_body_discard(struct request *r) {
    free(r->body);
    r->body = NULL;
    r->body_capacity = 0;
    r->discard = true;
}

/* ---- feeding ------------------------------------------------------------------------------------ */

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static enum request_progress parser_fault(struct request *r, llhttp_errno_t err) {
    if (r->fault.status != 0)
        return REQUEST_FAULTY;
    if (err == HPE_PAUSED_H2_UPGRADE || (err == HPE_INVALID_VERSION && !version_is_spoken(r)))
        fault_set(&r->fault, 505, NULL, "HTTP/1.1 is spoken here");
    else
        fault_set(&r->fault, 400, NULL, "not HTTP/1.1: %s", llhttp_get_error_reason(&r->parser));
    return REQUEST_FAULTY;
}

/* Chunks, their extensions and trailers are bounded with the bytes that they frame. */
static size_t chunked_bytes_max(const struct request *r) {
    return r->limits->body_bytes + r->limits->head_bytes;
}

/* How much of the request may still come: no more is read, so that it does not matter how the bytes are cut.
 */
static size_t bytes_left(const struct request *r) {
    if (!r->head_done)
        return r->limits->head_bytes - r->head_bytes;
    return r->chunked ? chunked_bytes_max(r) - r->body_wire_bytes : SIZE_MAX;
}

static bool within_limits(struct request *r, size_t used) {
    if (!r->head_done) {
        r->head_bytes += used;
        if (r->head_bytes >= r->limits->head_bytes)
            fault_set(&r->fault, 431, NULL, "request line and headers are longer than %zu bytes",
                      r->limits->head_bytes);
    } else if (r->chunked) {
        r->body_wire_bytes += used;
        if (r->body_wire_bytes >= chunked_bytes_max(r))
            fault_set(&r->fault, 413, NULL, "the chunked body is longer than %zu bytes",
                      r->limits->body_bytes);
    }
    return r->fault.status == 0;
}

enum request_progress request_feed(struct request *r, const uint8_t *data, size_t n, size_t *ret_used) {
    bool had_head = r->head_done;
    size_t left = bytes_left(r);
    if (n > left)
        n = left;
    r->begun = r->begun || n > 0;
    llhttp_resume(&r->parser);
    llhttp_errno_t err = llhttp_execute(&r->parser, (const char *)data, n);
    size_t used = n;
    if (err != HPE_OK)
        used = (size_t)((const uint8_t *)llhttp_get_error_pos(&r->parser) - data);
    *ret_used = used;
    if (err != HPE_OK && err != HPE_PAUSED)
        return parser_fault(r, err);
    if (err == HPE_PAUSED)
        return had_head ? REQUEST_COMPLETE : REQUEST_HEAD;
    return within_limits(r, used) ? REQUEST_MORE : REQUEST_FAULTY;
}

/* ---- life --------------------------------------------------------------------------------------- */

struct request *request_new(const struct request_limits *limits) {
    struct request *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->limits = limits;
    request_reset(r);
    return r;
}

void request_free(struct request *r) {
    if (r == NULL)
        return;
    free(r->body);
    free(r);
}

void request_reset(struct request *r) {
    free(r->body);
    r->body = NULL;
    r->body_n = r->body_capacity = r->body_wire_bytes = 0;
    r->head_bytes = 0;
    r->content_length = 0;
    r->begun = r->head_done = r->chunked = r->keep_alive = r->discard = false;
    r->fault.status = 0;
    r->current = REQUEST_HEADERS;
    r->name_n = 0;
    r->text_n = r->target_n = 0;
    r->path = "";
    memset(r->value_at, 0, sizeof r->value_at);
    llhttp_init(&r->parser, HTTP_REQUEST, &settings);
    r->parser.data = r;
}

/* ---- questions ---------------------------------------------------------------------------------- */

const struct fault *request_fault(const struct request *r) { return &r->fault; }

bool request_begun(const struct request *r) { return r->begun; }

bool request_has_head(const struct request *r) { return r->head_done; }

const char *request_path(const struct request *r) { return r->path; }

bool request_is_post(const struct request *r) { return r->parser.method == HTTP_POST; }

bool request_is_head(const struct request *r) { return r->parser.method == HTTP_HEAD; }

const char *request_header(const struct request *r, enum request_header header) {
    assert(header < REQUEST_HEADERS);
    return r->value_at[header] != 0 ? r->text + r->value_at[header] - 1 : NULL;
}

bool request_expects_continue(const struct request *r) {
    return request_header(r, REQUEST_EXPECT) != NULL && request_has_body(r) && !request_is_http_1_0(r);
}

bool request_has_body(const struct request *r) { return r->content_length != 0 || r->chunked; }

bool request_keep_alive(const struct request *r) { return r->keep_alive; }

bool request_is_http_1_0(const struct request *r) { return r->parser.http_minor == 0; }

size_t request_body_received(const struct request *r) { return r->body_n; }

size_t request_body_capacity(const struct request *r) { return r->body_capacity; }

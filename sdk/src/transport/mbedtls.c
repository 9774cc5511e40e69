/* The default transport: HTTP/1.1 of our own over base/tls (mbedTLS), or in the clear to loopback.
 *
 * One connection, kept between exchanges; its TLS session is kept in memory for the next. The collector may
 * answer before it has read everything (413, 401), so reading goes on beside writing. */
#include "sdk/src/base/clock.h"
#include "sdk/src/transport/dial.h"
#include "sdk/src/transport/http_response.h"
#include "sdk/src/transport/link.h"
#include "sdk/src/transport/transport.h"
#include "sdk/src/transport/url.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API_KEY_BYTES_MAX 1024u
#define HEAD_BYTES_MAX 2048u
#define SESSION_BYTES_MAX 4096u /* with the certificate of a TLS 1.2 server; a longer one is not resumed */
#define KEPT_IDLE_US_MAX (60 * UINT64_C(1000000)) /* NATs forget idle connections silently after minutes */

typedef struct transport {
    wdi_transport_state state;
    wdi_url url;
    uint64_t connect_timeout_us, request_timeout_us;
    base_tls *tls; /* NULL: in the clear */
    wdi_dial dial;
    wdi_link link;
    short events; /* what the link waits for */
    uint64_t now_us, until_us, idle_since_us;
    bool kept;          /* the connection has served an exchange before this one */
    bool session_fresh; /* `session` is this connection's */
    size_t session_n;
    uint8_t session[SESSION_BYTES_MAX];
    size_t head_fixed_n, head_n; /* the same for every request; with this request's part */
    char head[HEAD_BYTES_MAX];
    wdi_request request;
    size_t put_n; /* of head and body */
    wdi_http_response answer;
    wdi_response response;
    wdi_transport_failure failure;
    char error[WDI_TRANSPORT_ERROR_BYTES];
} transport;

__attribute__((format(printf, 3, 4))) static void transport_fail(transport *t, wdi_transport_failure failure,
                                                                 const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(t->error, sizeof t->error, format, args);
    va_end(args);
    wdi_dial_cancel(&t->dial);
    wdi_link_close(&t->link);
    t->failure = failure;
    t->state = WDI_TRANSPORT_FAILED;
}

/* ---- connecting ----------------------------------------------------------------------------------- */

static void events_want(transport *t, base_tls_result result) {
    t->events = (short)(t->events | (result == BASE_TLS_WANT_WRITE ? POLLOUT : POLLIN));
}

static bool result_waits(base_tls_result result) {
    return result == BASE_TLS_WANT_READ || result == BASE_TLS_WANT_WRITE;
}

/* The dialled socket becomes the link. */
static bool link_make(transport *t) {
    if (wdi_link_open(&t->link, wdi_dial_take(&t->dial), t->tls, t->url.host) != BASE_TLS_OK) {
        transport_fail(t, WDI_FAILURE_UNREACHABLE, "out of memory");
        return false;
    }
    if (t->link.tls != NULL && t->session_n > 0)
        base_tls_session_set(t->link.tls, t->session, t->session_n);
    t->session_fresh = false;
    t->kept = false;
    return true;
}

static void handshake_step(transport *t) {
    t->events = 0;
    base_tls_result result = wdi_link_handshake(&t->link);
    if (result_waits(result)) {
        events_want(t, result);
    } else if (result == BASE_TLS_OK) {
        t->state = WDI_TRANSPORT_READY;
        t->idle_since_us = t->now_us;
    } else {
        t->session_n = 0;
        transport_fail(t, WDI_FAILURE_UNREACHABLE, "TLS with %s: %s", t->url.host, wdi_link_error(&t->link));
    }
}

static void connect_step(transport *t) {
    if (t->now_us >= t->until_us) {
        transport_fail(t, WDI_FAILURE_UNREACHABLE, "no connection to %s in time", t->url.host);
        return;
    }
    if (t->link.fd < 0) {
        wdi_dial_state dialled = wdi_dial_step(&t->dial, t->now_us);
        if (dialled == WDI_DIAL_FAILED)
            transport_fail(t, WDI_FAILURE_UNREACHABLE, "%s: %s", t->url.host, t->dial.error);
        if (dialled != WDI_DIAL_CONNECTED || !link_make(t))
            return;
    }
    handshake_step(t);
}

/* A kept connection serves unless the peer has ended it meanwhile, or has said something out of turn. The
 * read also takes in TLS 1.3 tickets that came after the answer. */
static bool link_alive(transport *t) {
    uint8_t byte;
    size_t n = 0;
    return t->link.fd >= 0 && t->now_us - t->idle_since_us < KEPT_IDLE_US_MAX &&
           wdi_link_read(&t->link, &byte, 1, &n) == BASE_TLS_WANT_READ;
}

static wdi_transport_state transport_connect(void *context, uint64_t now_us) {
    transport *t = context;
    t->now_us = now_us;
    if (t->state != WDI_TRANSPORT_FAILED && link_alive(t)) {
        t->state = WDI_TRANSPORT_READY;
        return t->state;
    }
    wdi_link_close(&t->link);
    t->until_us = now_us + t->connect_timeout_us;
    t->state = WDI_TRANSPORT_CONNECTING;
    (void)wdi_dial_start(&t->dial, t->url.host, t->url.port, t->tls == NULL, now_us, t->until_us);
    connect_step(t);
    return t->state;
}

/* ---- the exchange --------------------------------------------------------------------------------- */

static void session_keep(transport *t) {
    if (t->link.tls == NULL || t->session_fresh)
        return;
    size_t n = base_tls_session_save(t->link.tls, t->session, sizeof t->session);
    t->session_fresh = n > 0;
    t->session_n = n;
}

static void exchange_done(transport *t) {
    wdi_http_response *answer = &t->answer;
    t->response = (wdi_response){
        .status = answer->status,
        .body = answer->body,
        .n = answer->body_n,
        .body_truncated = answer->body_total > answer->body_n,
    };
    t->response.has_retry_after =
        wdi_http_retry_after_ms(answer, base_wall_us() / 1000000, &t->response.retry_after_ms);
    session_keep(t);
    if (!answer->keep_alive || t->put_n < t->head_n + t->request.n)
        wdi_link_close(&t->link);
    t->kept = true;
    t->idle_since_us = t->now_us;
    t->state = WDI_TRANSPORT_ANSWERED;
}

/* The connection has ended; that may end the answer too. */
static void exchange_end(transport *t) {
    if (t->answer.started)
        wdi_http_end(&t->answer);
    if (t->answer.state == WDI_HTTP_DONE) {
        t->answer.keep_alive = false;
        exchange_done(t);
    } else if (t->answer.started) {
        transport_fail(t, WDI_FAILURE_BROKEN, "%s: %s", t->url.host, t->answer.error);
    } else {
        transport_fail(t, t->kept ? WDI_FAILURE_STALE : WDI_FAILURE_BROKEN, "%s: no answer: %s", t->url.host,
                       wdi_link_error(&t->link));
    }
}

/* False: the connection takes no more. */
static bool request_put(transport *t) {
    size_t total = t->head_n + t->request.n;
    while (t->put_n < total) {
        bool in_head = t->put_n < t->head_n;
        const uint8_t *data =
            in_head ? (const uint8_t *)t->head + t->put_n : t->request.body + (t->put_n - t->head_n);
        size_t n = in_head ? t->head_n - t->put_n : total - t->put_n, put = 0;
        base_tls_result result = wdi_link_write(&t->link, data, n, &put);
        if (result_waits(result)) {
            events_want(t, result);
            return true;
        }
        if (result != BASE_TLS_OK)
            return false;
        t->put_n += put;
    }
    return true;
}

/* Until nothing is there to read, or the exchange has ended one way or another. */
static void answer_take(transport *t) {
    uint8_t data[4096];
    while (t->state == WDI_TRANSPORT_EXCHANGING) {
        size_t n = 0;
        base_tls_result result = wdi_link_read(&t->link, data, sizeof data, &n);
        if (result_waits(result)) {
            events_want(t, result);
            return;
        }
        if (result != BASE_TLS_OK) {
            exchange_end(t);
            return;
        }
        size_t taken = wdi_http_feed(&t->answer, data, n);
        if (t->answer.state == WDI_HTTP_ERROR) {
            transport_fail(t, WDI_FAILURE_BROKEN, "%s: %s", t->url.host, t->answer.error);
        } else if (t->answer.state == WDI_HTTP_DONE) {
            t->answer.keep_alive = t->answer.keep_alive && taken == n; /* more than was asked for */
            exchange_done(t);
        }
    }
}

static void exchange_step(transport *t) {
    if (t->now_us >= t->until_us) {
        transport_fail(t, WDI_FAILURE_TIMEOUT, "%s: no answer in time", t->url.host);
        return;
    }
    t->events = 0;
    bool writable = request_put(t);
    answer_take(t);
    if (!writable && t->state == WDI_TRANSPORT_EXCHANGING)
        exchange_end(t);
}

static wdi_transport_state transport_post(void *context, const wdi_request *request, uint64_t now_us) {
    transport *t = context;
    t->now_us = now_us;
    t->until_us = now_us + t->request_timeout_us;
    t->request = *request;
    t->put_n = 0;
    bool encoded = request->encoding != NULL;
    int n = snprintf(t->head + t->head_fixed_n, sizeof t->head - t->head_fixed_n,
                     "%s%s%sContent-Length: %zu\r\n\r\n", encoded ? "Content-Encoding: " : "",
                     encoded ? request->encoding : "", encoded ? "\r\n" : "", request->n);
    t->head_n = t->head_fixed_n + (size_t)n; /* open made sure of the room */
    wdi_http_init(&t->answer);
    t->state = WDI_TRANSPORT_EXCHANGING;
    exchange_step(t);
    return t->state;
}

static wdi_transport_state transport_step(void *context, uint64_t now_us) {
    transport *t = context;
    t->now_us = now_us;
    if (t->state == WDI_TRANSPORT_CONNECTING)
        connect_step(t);
    else if (t->state == WDI_TRANSPORT_EXCHANGING)
        exchange_step(t);
    return t->state;
}

/* ---- opening, closing, asking --------------------------------------------------------------------- */

static void transport_cancel(void *context) {
    transport *t = context;
    wdi_dial_cancel(&t->dial);
    wdi_link_close(&t->link);
    t->state = WDI_TRANSPORT_CLOSED;
}

static void transport_free(transport *t) {
    wdi_dial_fini(&t->dial);
    base_tls_free(t->tls);
    free(t);
}

static void transport_close(void *context) {
    transport *t = context;
    if (t == NULL)
        return;
    wdi_link_close(&t->link);
    transport_free(t);
}

static void transport_disown(void *context) {
    transport *t = context;
    wdi_dial_disown(&t->dial);
    wdi_link_disown(&t->link);
}

static void transport_forget(void *context) {
    transport *t = context;
    if (t == NULL)
        return;
    wdi_link_forget(&t->link);
    transport_free(t);
}

/* A key goes into a header as it is: it must not be able to end it. */
static const char *api_key_check(const char *key) {
    if (strlen(key) > API_KEY_BYTES_MAX)
        return "it is longer than 1024 bytes";
    for (const char *c = key; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return "it has characters other than visible ASCII";
    return NULL;
}

static wadi_err head_make(transport *t, const char *api_key, char *why, size_t why_size) {
    const char *wrong = api_key != NULL ? api_key_check(api_key) : NULL;
    if (wrong != NULL) {
        snprintf(why, why_size, "api_key: %s", wrong);
        return WADI_ERR_INVALID;
    }
    int n = snprintf(t->head, sizeof t->head,
                     "POST %s/v1/batches HTTP/1.1\r\nHost: %s\r\nUser-Agent: libwadi/" WADI_VERSION
                     "\r\nAccept: application/x-protobuf\r\nContent-Type: application/x-protobuf\r\n%s%s%s",
                     t->url.prefix, t->url.authority, api_key != NULL ? "Authorization: Bearer " : "",
                     api_key != NULL ? api_key : "", api_key != NULL ? "\r\n" : "");
    t->head_fixed_n = (size_t)n; /* at most 1,900: prefix, host and key are bounded */
    return WADI_OK;
}

static wadi_err tls_make(transport *t, const wadi_options *opt, char *why, size_t why_size) {
    if (!t->url.tls)
        return WADI_OK;
    base_tls_options tls = {.ca_file = opt->ca_file, .cert_file = opt->cert_file, .key_file = opt->key_file};
    base_tls_result result = base_tls_new(&tls, why, why_size, &t->tls);
    if (result == BASE_TLS_OK)
        return WADI_OK;
    return result == BASE_TLS_ERR_MEMORY ? WADI_ERR_NO_MEMORY : WADI_ERR_TLS;
}

static wadi_err transport_open(const wadi_options *opt, char *why, size_t why_size, void **ret_t) {
    const char *wrong = "out of memory";
    wadi_err err = WADI_ERR_NO_MEMORY;
    transport *t = calloc(1, sizeof *t);
    if (t == NULL) {
        snprintf(why, why_size, "%s", wrong);
        return err;
    }
    t->link = WDI_LINK_NONE;
    t->connect_timeout_us = (uint64_t)opt->connect_timeout_ms * 1000;
    t->request_timeout_us = (uint64_t)opt->request_timeout_ms * 1000;
    err = wdi_url_parse(opt->endpoint, &t->url, &wrong);
    if (err == WADI_OK) {
        wrong = "name look-ups cannot be set up";
        err = wdi_dial_init(&t->dial);
    }
    if (err != WADI_OK) {
        snprintf(why, why_size, "endpoint: %s", wrong);
        goto fail;
    }
    err = head_make(t, opt->api_key, why, why_size);
    if (err == WADI_OK)
        err = tls_make(t, opt, why, why_size);
    if (err != WADI_OK)
        goto fail;
    *ret_t = t;
    return WADI_OK;

fail:
    transport_free(t);
    return err;
}

static void transport_clock_set(void *context, int64_t offset_us) {
    transport *t = context;
    if (t->tls != NULL)
        base_tls_clock_set(t->tls, offset_us);
}

static size_t transport_pollfds(const void *context, struct pollfd *ret_fds, size_t max) {
    const transport *t = context;
    bool busy = t->state == WDI_TRANSPORT_CONNECTING || t->state == WDI_TRANSPORT_EXCHANGING;
    if (!busy || max == 0)
        return 0;
    if (t->link.fd < 0)
        return wdi_dial_pollfds(&t->dial, ret_fds, max);
    ret_fds[0] = (struct pollfd){.fd = t->link.fd, .events = t->events};
    return 1;
}

static uint64_t transport_deadline_us(const void *context) {
    const transport *t = context;
    if (t->state == WDI_TRANSPORT_EXCHANGING)
        return t->until_us;
    if (t->state != WDI_TRANSPORT_CONNECTING)
        return WDI_TRANSPORT_NEVER;
    uint64_t dial_us = wdi_dial_deadline_us(&t->dial, t->now_us);
    return dial_us < t->until_us ? dial_us : t->until_us;
}

static const wdi_response *transport_response(const void *context) {
    const transport *t = context;
    return &t->response;
}

static wdi_transport_failure transport_failure(const void *context, const char **ret_text) {
    const transport *t = context;
    *ret_text = t->error;
    return t->failure;
}

const wdi_transport_ops wdi_transport_mbedtls = {
    .name = "mbedtls",
    .open = transport_open,
    .close = transport_close,
    .disown = transport_disown,
    .forget = transport_forget,
    .clock_set = transport_clock_set,
    .connect = transport_connect,
    .post = transport_post,
    .step = transport_step,
    .cancel = transport_cancel,
    .pollfds = transport_pollfds,
    .deadline_us = transport_deadline_us,
    .response = transport_response,
    .failure = transport_failure,
};

#include "http_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "sdk/src/base/clock.h"

#define POLL_MS 100             /* how fast a stop is noticed */
#define EXPECT_BYTES (1u << 20) /* a body for which `Expect: 100-continue` is worth a wait */

/* What one request has of curl's; reused. */
typedef struct lane {
    CURL *easy;
    struct curl_slist *headers;
    http_request *request; /* NULL: idle */
    size_t sent;           /* of the body */
    bool headers_whole;    /* of the answer */
    char detail[CURL_ERROR_SIZE];
} lane;

struct http_client {
    http_options opt;
    char *ca_file;
    CURLM *multi;
    lane lanes[HTTP_PARALLEL_MAX];
};

const char *http_failure_name(http_failure failure) {
    static const char *const names[] = {"answered", "resolve",   "connect", "tls",    "timeout",
                                        "cut",      "too_large", "stopped", "memory", "other"};
    return names[failure];
}

void http_answer_fini(http_answer *a) {
    text_fini(&a->body);
    *a = (http_answer){0};
}

static void curl_start(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

http_client *http_open(const http_options *opt) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_start);
    http_client *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->opt = *opt;
    if (c->opt.parallel_max > HTTP_PARALLEL_MAX)
        c->opt.parallel_max = HTTP_PARALLEL_MAX;
    c->ca_file = opt->ca_file ? strdup(opt->ca_file) : NULL;
    c->multi = curl_multi_init();
    bool whole = c->multi && (c->ca_file || !opt->ca_file);
    for (size_t i = 0; whole && i < c->opt.parallel_max; i++)
        whole = (c->lanes[i].easy = curl_easy_init()) != NULL;
    if (!whole) {
        http_close(c);
        return NULL;
    }
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->opt.parallel_max);
    return c;
}

void http_close(http_client *c) {
    if (!c)
        return;
    for (size_t i = 0; i < HTTP_PARALLEL_MAX; i++)
        curl_easy_cleanup(c->lanes[i].easy);
    if (c->multi)
        curl_multi_cleanup(c->multi);
    free(c->ca_file);
    free(c);
}

static bool stopping(const http_client *c) { return c->opt.stopping && c->opt.stopping(c->opt.context); }

bool http_pause(const http_client *c, uint64_t us) {
    uint64_t until = base_mono_us() + us;
    for (uint64_t now; (now = base_mono_us()) < until;) {
        if (stopping(c))
            return true;
        uint64_t left = until - now < POLL_MS * 1000u ? until - now : POLL_MS * 1000u;
        nanosleep(&(struct timespec){.tv_nsec = (long)left * 1000}, NULL);
    }
    return stopping(c);
}

/* ---- what curl calls -------------------------------------------------------------------------------- */

static size_t body_read(char *out, size_t size, size_t n, void *context) {
    lane *l = context;
    size_t left = l->request->body_bytes - l->sent, part = size * n < left ? size * n : left;
    if (part > 0)
        memcpy(out, (const char *)l->request->body + l->sent, part);
    l->sent += part;
    return part;
}

/* A kept connection that turns out to be closed is replaced by curl, and the body sent from its start. */
static int body_seek(void *context, curl_off_t offset, int origin) {
    lane *l = context;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > l->request->body_bytes)
        return CURL_SEEKFUNC_FAIL;
    l->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t answer_write(char *data, size_t size, size_t n, void *context) {
    struct text *body = &((lane *)context)->request->answer.body;
    text_append(body, data, size * n);
    return body->cut ? 0 : size * n;
}

/* curl takes a connection that ends inside the headers for the end of an answer. */
static size_t header_see(char *data, size_t size, size_t n, void *context) {
    lane *l = context;
    if (size * n <= 2)
        l->headers_whole = true;
    else if (size * n > 5 && memcmp(data, "HTTP/", 5) == 0) /* after `100 Continue` another one begins */
        l->headers_whole = false;
    return size * n;
}

/* ---- one request ------------------------------------------------------------------------------------ */

static void method_set(const lane *l) {
    const http_request *r = l->request;
    switch (r->method) {
    case HTTP_GET:
        curl_easy_setopt(l->easy, CURLOPT_HTTPGET, 1L);
        break;
    case HTTP_HEAD:
        curl_easy_setopt(l->easy, CURLOPT_NOBODY, 1L);
        break;
    case HTTP_PUT:
        curl_easy_setopt(l->easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(l->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body_bytes);
        if (r->body_bytes <
            EXPECT_BYTES) /* curl 7.88 asks for each, and would sign "Expect:" that forbids it */
            curl_easy_setopt(l->easy, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
        break;
    case HTTP_POST:
        curl_easy_setopt(l->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(l->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_bytes);
        curl_easy_setopt(l->easy, CURLOPT_POSTFIELDS, r->body ? r->body : "");
        break;
    case HTTP_DELETE:
        curl_easy_setopt(l->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
        break;
    }
}

static void deadlines_set(const http_client *c, const lane *l) {
    const http_request *r = l->request;
    uint64_t silence_s = r->silence_s_max ? r->silence_s_max : c->opt.silence_s_max;
    uint64_t total_ms = c->opt.connect_ms_max + 1000u * silence_s +
                        (uint64_t)(r->body_bytes + r->answer_bytes_max) * 1000u / c->opt.bytes_s_least;
    curl_easy_setopt(l->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->opt.connect_ms_max);
    curl_easy_setopt(l->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(l->easy, CURLOPT_LOW_SPEED_TIME, (long)silence_s);
    curl_easy_setopt(l->easy, CURLOPT_TIMEOUT_MS, (long)total_ms);
}

static void signing_set(const lane *l) {
    const http_signing *s = l->request->signing;
    if (!s)
        return;
    curl_easy_setopt(l->easy, CURLOPT_AWS_SIGV4, s->scope);
    curl_easy_setopt(l->easy, CURLOPT_USERNAME, s->access_key_id);
    curl_easy_setopt(l->easy, CURLOPT_PASSWORD, s->secret_access_key);
}

static bool header_add(lane *l, const char *header) {
    struct curl_slist *longer = curl_slist_append(l->headers, header);
    if (longer)
        l->headers = longer;
    return longer != NULL;
}

static bool headers_set(lane *l) {
    for (size_t i = 0; i < HTTP_HEADERS_MAX; i++)
        if (l->request->headers[i] && !header_add(l, l->request->headers[i]))
            return false;
    curl_easy_setopt(l->easy, CURLOPT_HTTPHEADER, l->headers);
    return true;
}

/* What is the same for all requests. */
static void basics_set(const http_client *c, lane *l) {
    curl_easy_setopt(l->easy, CURLOPT_URL, l->request->url);
    curl_easy_setopt(l->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(l->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(l->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(l->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(l->easy, CURLOPT_USERAGENT, "wadi-collector");
    curl_easy_setopt(l->easy, CURLOPT_ERRORBUFFER, l->detail);
    curl_easy_setopt(l->easy, CURLOPT_PRIVATE, l);
    curl_easy_setopt(l->easy, CURLOPT_READFUNCTION, body_read);
    curl_easy_setopt(l->easy, CURLOPT_READDATA, l);
    curl_easy_setopt(l->easy, CURLOPT_SEEKFUNCTION, body_seek);
    curl_easy_setopt(l->easy, CURLOPT_SEEKDATA, l);
    curl_easy_setopt(l->easy, CURLOPT_WRITEFUNCTION, answer_write);
    curl_easy_setopt(l->easy, CURLOPT_WRITEDATA, l);
    curl_easy_setopt(l->easy, CURLOPT_HEADERFUNCTION, header_see);
    curl_easy_setopt(l->easy, CURLOPT_HEADERDATA, l);
    if (c->ca_file)
        curl_easy_setopt(l->easy, CURLOPT_CAINFO, c->ca_file);
    if (c->opt.direct)
        curl_easy_setopt(l->easy, CURLOPT_NOPROXY, "*");
}

static bool lane_start(http_client *c, lane *l, http_request *r) {
    r->answer = (http_answer){0};
    text_init_growing(&r->answer.body, r->answer_bytes_max + 1);
    l->request = r;
    l->sent = 0;
    l->headers_whole = false;
    l->detail[0] = '\0';
    curl_easy_reset(l->easy);
    basics_set(c, l);
    method_set(l);
    deadlines_set(c, l);
    signing_set(l);
    return headers_set(l) && curl_multi_add_handle(c->multi, l->easy) == CURLM_OK;
}

static http_failure failure_of(const lane *l, CURLcode code) {
    long status = 0;
    switch ((int)code) {
    case CURLE_OK:
        curl_easy_getinfo(l->easy, CURLINFO_RESPONSE_CODE, &status);
        return l->headers_whole && status >= 200 ? HTTP_ANSWERED : HTTP_ERR_CUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_ERR_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return HTTP_ERR_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_ERR_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_ERR_TLS;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
        return HTTP_ERR_CUT;
    case CURLE_OUT_OF_MEMORY:
        return HTTP_ERR_MEMORY;
    case CURLE_WRITE_ERROR:
        return l->request->answer.body.cut ? HTTP_ERR_TOO_LARGE : HTTP_ERR_OTHER;
    default:
        return HTTP_ERR_OTHER;
    }
}

static const char *header_of(CURL *easy, const char *name) {
    struct curl_header *header;
    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

static void answer_fill(const lane *l, http_answer *a) {
    long status = 0;
    curl_off_t retry_after = 0, length = 0;
    curl_easy_getinfo(l->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(l->easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(l->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    a->status = (unsigned)status;
    a->retry_after_s = retry_after > 0 && retry_after < UINT32_MAX ? (uint32_t)retry_after : 0;
    a->content_bytes = length > 0 ? (uint64_t)length : 0;
    const char *etag = header_of(l->easy, "ETag"), *date = header_of(l->easy, "Date");
    snprintf(a->etag, sizeof a->etag, "%s", etag ? etag : "");
    time_t when = date ? curl_getdate(date, NULL) : 0;
    a->date_s = when > 0 ? (int64_t)when : 0;
}

static void lane_end(http_client *c, lane *l, http_failure failure, const char *detail) {
    http_answer *a = &l->request->answer;
    a->failure = failure;
    if (failure == HTTP_ANSWERED)
        answer_fill(l, a);
    else
        snprintf(a->detail, sizeof a->detail, "%s", l->detail[0] ? l->detail : detail);
    curl_multi_remove_handle(c->multi, l->easy);
    curl_easy_setopt(l->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(l->headers);
    l->headers = NULL;
    l->request = NULL;
}

/* ---- all of them ------------------------------------------------------------------------------------ */

static size_t ended_take(http_client *c) {
    size_t ended = 0;
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
        lane *l = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &l);
        lane_end(c, l, failure_of(l, code), curl_easy_strerror(code));
        ended++;
    }
    return ended;
}

static size_t all_end(http_client *c, http_failure failure) {
    size_t ended = 0;
    for (size_t i = 0; i < c->opt.parallel_max; i++)
        if (c->lanes[i].request) {
            lane_end(c, &c->lanes[i], failure, http_failure_name(failure));
            ended++;
        }
    return ended;
}

static lane *lane_idle(http_client *c) {
    for (size_t i = 0; i < c->opt.parallel_max; i++)
        if (!c->lanes[i].request)
            return &c->lanes[i];
    return NULL;
}

void http_run(http_client *c, http_request *const *requests, size_t n) {
    size_t started = 0, ended = 0;
    while (ended < n) {
        for (lane *l; started < n && (l = lane_idle(c)) != NULL; started++)
            if (!lane_start(c, l, requests[started])) {
                lane_end(c, l, HTTP_ERR_MEMORY, "out of memory");
                ended++;
            }
        int running;
        if (curl_multi_perform(c->multi, &running) != CURLM_OK)
            ended += all_end(c, HTTP_ERR_OTHER);
        ended += ended_take(c);
        if (stopping(c))
            ended += all_end(c, HTTP_ERR_STOPPED);
        else if (running > 0)
            curl_multi_poll(c->multi, NULL, 0, POLL_MS, NULL);
    }
}

#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "metrics.h"
#include "retry.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/base/random.h"
#include "sdk/src/base/sha256.h"
#include "xml.h"

#define ATTEMPTS_MAX 6u
#define RUN_US_MAX 60000000u /* no attempt begins after that */
#define CONNECT_MS_MAX 10000u
#define SILENCE_S_MAX 30u
#define BYTES_S_LEAST 65536u
#define URL_BYTES_MAX 8192u
#define TOKEN_BYTES_MAX 16384u
#define ERROR_BYTES_MAX 65536u
#define SIGNED_BYTES 65536u /* bodies up to this are signed anyway: it costs nothing */

struct s3_client {
    const s3_options *opt;
    http_client *http;
    credentials_chain *chain;
    char scope[96];
    struct text token_header; /* of the credentials */
    bool conditional, https;
    char message[256];
};

s3_client *s3_client_open(const s3_options *opt) {
    s3_client *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->opt = opt;
    c->conditional = opt->conditional != S3_CONDITIONAL_OFF;
    c->https = !opt->place.endpoint || strncmp(opt->place.endpoint, "http://", 7) != 0;
    snprintf(c->scope, sizeof c->scope, "aws:amz:%s:s3", opt->place.region);
    text_init_growing(&c->token_header, TOKEN_BYTES_MAX);
    credentials_options keys = opt->credentials;
    keys.stopping = opt->stopping;
    keys.context = opt->context;
    c->chain = credentials_open(&keys);
    c->http = http_open(&(http_options){.ca_file = opt->ca_file,
                                        .connect_ms_max = CONNECT_MS_MAX,
                                        .silence_s_max = SILENCE_S_MAX,
                                        .bytes_s_least = BYTES_S_LEAST,
                                        .parallel_max = opt->parallel_parts,
                                        .stopping = opt->stopping,
                                        .context = opt->context});
    if (!c->http || !c->chain) {
        s3_client_close(c);
        return NULL;
    }
    return c;
}

void s3_client_close(s3_client *c) {
    if (!c)
        return;
    http_close(c->http);
    credentials_close(c->chain);
    text_fini(&c->token_header);
    free(c);
}

void s3_call_fini(s3_call *call) {
    http_answer_fini(&call->http.answer);
    text_fini(&call->url);
}

bool s3_status_is(const s3_call *call, unsigned status) {
    return call->http.answer.failure == HTTP_ANSWERED && call->http.answer.status == status;
}

bool s3_absent(const s3_call *call) {
    return s3_status_is(call, 404) && strcmp(call->code, "NoSuchBucket") != 0;
}

bool s3_client_conditional(const s3_client *c) { return c->conditional; }

void s3_client_unconditional(s3_client *c) {
    c->conditional = false;
    diag_warn("the server has no conditional writes: a second collector of this id would not be noticed",
              DIAG_STR("sink", metrics_sink_name(c->opt->label)));
}

/* ---- words ------------------------------------------------------------------------------------------ */

const char *s3_client_message(const s3_client *c) { return c->message; }

void s3_client_message_set(s3_client *c, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->message, sizeof c->message, format, arguments);
    va_end(arguments);
}

/* What the code alone does not say to whoever has to mend it. */
static void hint_put(struct text *out, const s3_call *call) {
    const http_answer *a = &call->http.answer;
    if (strcmp(call->code, "RequestTimeTooSkewed") == 0) {
        int64_t ahead_s = base_wall_us() / 1000000 - a->date_s;
        text_printf(out, ": this machine's clock is %lld s %s the server's",
                    (long long)(ahead_s < 0 ? -ahead_s : ahead_s), ahead_s < 0 ? "behind" : "ahead of");
    } else if (a->status == 301 || a->status == 307) {
        text_put(out, ": the bucket is in another region or behind another endpoint");
    } else if (a->status == 403 && !call->code[0]) {
        text_put(out, ": the keys lack a right, or are wrong");
    }
}

sink_err s3_failed(s3_client *c, const s3_call *call, const char *what) {
    const http_answer *a = &call->http.answer;
    struct text out;
    if (a->failure == HTTP_ERR_MEMORY)
        return SINK_ERR_MEMORY;
    if (a->failure == HTTP_ERR_OTHER && !a->detail[0])
        return SINK_ERR_IO; /* no credentials: said already */
    text_init(&out, c->message, sizeof c->message);
    text_printf(&out, "s3: %s: ", what);
    if (a->failure != HTTP_ANSWERED)
        text_printf(&out, "%s: %s", http_failure_name(a->failure), a->detail);
    else
        text_printf(&out, "%u %s", a->status, call->code);
    hint_put(&out, call);
    if (*call->key)
        text_printf(&out, ", %s", call->key);
    bool full = a->status == 507 || strcmp(call->code, "QuotaExceeded") == 0 ||
                strcmp(call->code, "XMinioStorageFull") == 0;
    return full ? SINK_ERR_NO_SPACE : SINK_ERR_IO;
}

/* ---- one call --------------------------------------------------------------------------------------- */

static void payload_put(const s3_client *c, s3_call *call) {
    uint8_t digest[32];
    char digits[65] = "UNSIGNED-PAYLOAD";
    bool sign = c->opt->payload == S3_PAYLOAD_SIGNED || !c->https || call->body_bytes <= SIGNED_BYTES;
    if (sign && base_sha256(call->body ? call->body : "", call->body_bytes, digest))
        hex_encode(digits, digest, sizeof digest);
    snprintf(call->payload, sizeof call->payload, "x-amz-content-sha256: %s", digits);
}

static void call_prepare(const s3_client *c, s3_call *call) {
    text_init_growing(&call->url, URL_BYTES_MAX);
    s3_url_put(&call->url, &c->opt->place, call->key, call->query);
    payload_put(c, call);
    size_t answer_bytes_max = call->answer_bytes_max;
    call->http = (http_request){.method = call->method,
                                .url = call->url.data,
                                .body = call->body,
                                .body_bytes = call->body_bytes,
                                .answer_bytes_max =
                                    answer_bytes_max > ERROR_BYTES_MAX ? answer_bytes_max : ERROR_BYTES_MAX,
                                .silence_s_max = call->silence_s_max};
}

static void headers_put(const s3_client *c, s3_call *call) {
    const char **headers = call->http.headers;
    headers[0] = call->payload;
    headers[1] = c->token_header.length > 0 ? c->token_header.data : NULL;
    headers[2] = call->type;
    headers[3] = call->if_absent && c->conditional ? "If-None-Match: *" : NULL;
}

/* A long operation answers 200 first, and then, in its body, that it failed, or it ends there. */
static void code_read(s3_call *call) {
    http_answer *a = &call->http.answer;
    struct text code;
    text_init(&code, call->code, sizeof call->code);
    if (a->failure != HTTP_ANSWERED || (a->status < 300 && !call->expected))
        return;
    xml_span whole = {a->body.data ? a->body.data : "", a->body.length}, rest = whole, inside;
    if (a->status < 300 && xml_next(&rest, call->expected, &inside))
        return;
    rest = whole;
    if (a->status < 300)
        text_put(&code, "IncompleteAnswer");
    if (xml_next(&rest, "Error", &inside) && !xml_text(inside, "Code", &code))
        text_init(&code, call->code, sizeof call->code);
    if (a->status < 300)
        a->status = 500;
}

static unsigned result_label(const s3_call *call) {
    const http_answer *a = &call->http.answer;
    if (a->failure != HTTP_ANSWERED)
        return METRIC_S3_RESULT_NETWORK;
    if (a->status < 300)
        return METRIC_S3_RESULT_OK;
    if (a->status == 404)
        return METRIC_S3_RESULT_ABSENT;
    if (a->status == 409 || a->status == 412)
        return METRIC_S3_RESULT_CONFLICT;
    if (a->status == 429 || a->status == 503)
        return METRIC_S3_RESULT_SLOW_DOWN;
    return a->status >= 500 ? METRIC_S3_RESULT_SERVER_ERROR : METRIC_S3_RESULT_REFUSED;
}

/* Whether the call is to be made again, and after which pause at least. */
static bool call_judge(s3_client *c, s3_call *call, uint32_t attempt, uint64_t *pause_us) {
    code_read(call);
    metric_add(METRIC_S3_REQUESTS, METRIC_INDEX_2(c->opt->label, S3_RESULT, result_label(call)), 1);
    s3_verdict verdict = s3_judge(&call->http.answer, call->code);
    call->done = verdict == S3_DONE;
    if (verdict == S3_UNSUPPORTED && call->if_absent && c->conditional &&
        c->opt->conditional == S3_CONDITIONAL_AUTO) {
        s3_client_unconditional(c);
        return true;
    }
    if (verdict == S3_AGAIN_WITH_KEYS) {
        credentials_forget(c->chain);
        return attempt == 0;
    }
    if (verdict != S3_AGAIN)
        return false;
    uint32_t random = 0;
    if (!base_random(&random, sizeof random))
        random = UINT32_MAX;
    uint64_t us = s3_delay_us(attempt + 1, random, call->http.answer.retry_after_s);
    if (us > *pause_us)
        *pause_us = us;
    return true;
}

/* ---- all of them ------------------------------------------------------------------------------------ */

/* The keys of the moment, in all calls. */
static bool keys_get(s3_client *c, http_signing *ret) {
    const credentials *keys;
    if (!credentials_get(c->chain, base_wall_us(), &keys)) {
        const char *why = credentials_why(c->chain);
        s3_client_message_set(c, "s3: no credentials%s%s", *why ? ": " : "", why);
        return false;
    }
    c->token_header.length = 0;
    if (keys->session_token)
        text_printf(&c->token_header, "x-amz-security-token: %s", keys->session_token);
    *ret = (http_signing){c->scope, keys->access_key_id, keys->secret_access_key};
    return true;
}

/* false: there are no keys; nothing was sent. */
static bool attempt_run(s3_client *c, s3_call *const *calls, size_t n) {
    http_request *requests[HTTP_PARALLEL_MAX];
    http_signing signing;
    bool keys = keys_get(c, &signing);
    for (size_t i = 0; i < n; i++) {
        http_answer_fini(&calls[i]->http.answer);
        calls[i]->http.answer.failure = HTTP_ERR_OTHER;
        calls[i]->http.signing = &signing;
        headers_put(c, calls[i]);
        requests[i] = &calls[i]->http;
    }
    if (keys)
        http_run(c->http, requests, n);
    for (size_t i = 0; i < n; i++)
        calls[i]->http.signing = NULL; /* it ends here */
    return keys;
}

void s3_run(s3_client *c, s3_call *calls, size_t n) {
    s3_call *left[HTTP_PARALLEL_MAX];
    uint64_t until_us = base_mono_us() + RUN_US_MAX;
    for (size_t i = 0; i < n; i++) {
        call_prepare(c, &calls[i]);
        left[i] = &calls[i];
    }
    for (uint32_t attempt = 0; n > 0; attempt++) {
        uint64_t pause_us = 0;
        size_t again = 0;
        if (!attempt_run(c, left, n))
            return;
        for (size_t i = 0; i < n; i++)
            if (call_judge(c, left[i], attempt, &pause_us))
                left[again++] = left[i];
        n = again;
        bool over = attempt + 1 == ATTEMPTS_MAX || base_mono_us() + pause_us >= until_us;
        if (n == 0 || over || http_pause(c->http, pause_us))
            return;
        metric_add(METRIC_S3_RETRIES, c->opt->label, n);
        for (size_t i = 0; i < n; i++)
            left[i]->repeated = left[i]->repeated || s3_indefinite(&left[i]->http.answer);
    }
}

#include "registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_client.h"
#include "json.h"
#include "record_schema.h"
#include "text.h"

#define CONNECT_MS_MAX 5000u
#define SILENCE_S_MAX 10u
#define BYTES_S_LEAST 1024u
#define ANSWER_BYTES_MAX 65536u
#define BODY_BYTES_MAX 65536u
#define URL_BYTES_MAX 4096u
#define SECRET_BYTES_MAX 512u

struct registry {
    registry_options opt;
    http_client *http;
    char authorization[JSON_BASE64_MAX(SECRET_BYTES_MAX) + 32]; /* the header; empty: none */
    char why[256];
};

/* ---- pure --------------------------------------------------------------------------------------------- */

void registry_frame_put(uint8_t out[REGISTRY_FRAME_BYTES], uint32_t id) {
    out[0] = 0;
    for (unsigned i = 0; i < 4; i++)
        out[1 + i] = (uint8_t)(id >> (24 - 8 * i));
    out[5] = 0;
}

/* One past the string that begins at `i` with its quote. */
static size_t string_end(const char *json, size_t n, size_t i) {
    for (i++; i < n && json[i] != '"'; i++)
        if (json[i] == '\\')
            i++;
    return i < n ? i + 1 : n;
}

static bool number_read(const char *json, size_t n, size_t i, uint32_t *ret_number) {
    uint64_t number = 0;
    size_t digits = 0;
    while (i < n && strchr(" \t\r\n:", json[i]) && json[i])
        i++;
    for (; i < n && json[i] >= '0' && json[i] <= '9' && digits < 10; i++, digits++)
        number = number * 10 + (uint64_t)(json[i] - '0');
    *ret_number = (uint32_t)number;
    return digits > 0 && number <= UINT32_MAX;
}

bool registry_answer_read(const char *json, size_t n, uint32_t *ret_id) {
    int depth = 0;
    for (size_t i = 0; i < n;) {
        if (json[i] != '"') {
            depth += (json[i] == '{' || json[i] == '[') - (json[i] == '}' || json[i] == ']');
            i++;
            continue;
        }
        size_t end = string_end(json, n, i);
        if (depth == 1 && end - i == 4 && memcmp(json + i, "\"id\"", 4) == 0)
            return number_read(json, n, end, ret_id);
        i = end;
    }
    return false;
}

/* ---- asking ------------------------------------------------------------------------------------------- */

static bool authorization_make(registry *r) {
    char secret[SECRET_BYTES_MAX], quoted[JSON_BASE64_MAX(SECRET_BYTES_MAX)];
    if (!r->opt.username)
        return true;
    const char *password = r->opt.password ? r->opt.password : "";
    int n = snprintf(secret, sizeof secret, "%s:%s", r->opt.username, password);
    if (n < 0 || (size_t)n >= sizeof secret)
        return false;
    size_t quoted_n = json_put_base64(quoted, (const uint8_t *)secret, (size_t)n);
    snprintf(r->authorization, sizeof r->authorization, "Authorization: Basic %.*s", (int)quoted_n - 2,
             quoted + 1);
    return true;
}

registry *registry_open(const registry_options *opt) {
    registry *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->opt = *opt;
    r->http = http_open(&(http_options){.ca_file = opt->ca_file,
                                        .connect_ms_max = CONNECT_MS_MAX,
                                        .silence_s_max = SILENCE_S_MAX,
                                        .bytes_s_least = BYTES_S_LEAST,
                                        .parallel_max = 1,
                                        .stopping = opt->stopping,
                                        .context = opt->context});
    if (r->http && authorization_make(r))
        return r;
    registry_close(r);
    return NULL;
}

void registry_close(registry *r) {
    if (!r)
        return;
    http_close(r->http);
    free(r);
}

/* What is wrong with an answer, from its body's beginning where it has one. */
static void why_say(registry *r, const char *topic, const http_answer *a) {
    if (a->failure != HTTP_ANSWERED)
        snprintf(r->why, sizeof r->why, "schema registry: %s: %.150s", http_failure_name(a->failure),
                 a->detail);
    else
        snprintf(r->why, sizeof r->why, "schema registry: %.60s-value: %u: %.150s", topic, a->status,
                 a->body.data ? a->body.data : "");
}

static bool ask(registry *r, const char *topic, const struct text *body, uint32_t *ret_id) {
    char url[URL_BYTES_MAX];
    size_t root = strlen(r->opt.url);
    while (root > 0 && r->opt.url[root - 1] == '/')
        root--;
    snprintf(url, sizeof url, "%.*s/subjects/%s-value/versions", (int)root, r->opt.url, topic);
    http_request request = {.method = HTTP_POST,
                            .url = url,
                            .headers = {"Content-Type: application/vnd.schemaregistry.v1+json",
                                        r->authorization[0] ? r->authorization : NULL},
                            .body = body->data,
                            .body_bytes = body->length,
                            .answer_bytes_max = ANSWER_BYTES_MAX};
    http_run(r->http, &(http_request *){&request}, 1);
    const http_answer *a = &request.answer;
    bool known = a->failure == HTTP_ANSWERED && a->status / 100 == 2 && a->body.data &&
                 registry_answer_read(a->body.data, a->body.length, ret_id);
    if (!known)
        why_say(r, topic, a);
    http_answer_fini(&request.answer);
    return known;
}

bool registry_id(registry *r, const char *topic, uint32_t *ret_id, const char **ret_why) {
    struct text body;
    text_init_growing(&body, BODY_BYTES_MAX);
    text_put(&body, "{\"schemaType\":\"PROTOBUF\",\"schema\":\"");
    text_put_escaped(&body, record_schema_text);
    text_put(&body, "\"}");
    snprintf(r->why, sizeof r->why, "schema registry: no memory");
    bool known = !body.cut && ask(r, topic, &body, ret_id);
    text_fini(&body);
    *ret_why = r->why;
    return known;
}

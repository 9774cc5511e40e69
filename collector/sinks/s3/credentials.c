#include "credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "credentials_parse.h"
#include "http_client.h"

#define EARLY_US (5 * INT64_C(60000000)) /* before they expire; Amazon has new ones by then */
#define PAUSE_US INT64_C(10000000)       /* between attempts to replace what is still good */
#define FILE_BYTES_MAX (256u << 10)
#define ANSWER_BYTES_MAX (64u << 10)
#define CONNECT_MS_MAX 2000u /* these services are next door, or not there at all */
#define SILENCE_S_MAX 5u
#define TOKEN_S "21600"
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define INSTANCE_PATH "/latest/meta-data/iam/security-credentials/"

struct credentials_chain {
    credentials_options opt;
    http_client *http;
    credentials now;
    bool refused;          /* by the server */
    int64_t not_before_us; /* no search while the old ones are good */
    struct text why;
    char why_buffer[160];
};

credentials_chain *credentials_open(const credentials_options *opt) {
    credentials_chain *chain = calloc(1, sizeof *chain);
    if (!chain)
        return NULL;
    chain->opt = *opt;
    text_init(&chain->why, chain->why_buffer, sizeof chain->why_buffer);
    chain->http = http_open(&(http_options){.connect_ms_max = CONNECT_MS_MAX,
                                            .silence_s_max = SILENCE_S_MAX,
                                            .bytes_s_least = ANSWER_BYTES_MAX,
                                            .parallel_max = 1,
                                            .direct = true,
                                            .stopping = opt->stopping,
                                            .context = opt->context});
    if (!chain->http) {
        free(chain);
        return NULL;
    }
    return chain;
}

void credentials_close(credentials_chain *chain) {
    if (!chain)
        return;
    http_close(chain->http);
    credentials_fini(&chain->now);
    free(chain);
}

const char *credentials_why(const credentials_chain *chain) { return chain->why.data; }

/* ---- texts and files -------------------------------------------------------------------------------- */

static const char *environment(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool copied(const char *id, const char *secret, const char *token, const char *source,
                   credentials *ret) {
    if (!id || !secret)
        return false;
    credentials c = {.access_key_id = strdup(id),
                     .secret_access_key = strdup(secret),
                     .session_token = token ? strdup(token) : NULL,
                     .source = source};
    if (!c.access_key_id || !c.secret_access_key || (token && !c.session_token)) {
        credentials_fini(&c);
        return false;
    }
    *ret = c;
    return true;
}

/* The whole file as a string; NULL: it cannot be read, or is too large. */
static char *file_text(const char *path) {
    CLEANUP_FILE FILE *file = fopen(path, "re");
    char *text = file ? malloc(FILE_BYTES_MAX + 1) : NULL;
    if (!text)
        return NULL;
    size_t n = fread(text, 1, FILE_BYTES_MAX + 1, file);
    if (ferror(file) || n > FILE_BYTES_MAX) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

static bool from_file(credentials_chain *chain, credentials *ret) {
    char home_path[4096];
    const char *path = chain->opt.file ? chain->opt.file : environment("AWS_SHARED_CREDENTIALS_FILE");
    const char *profile = chain->opt.profile ? chain->opt.profile : environment("AWS_PROFILE");
    bool wanted = path || profile;
    if (!path) {
        const char *home = environment("HOME");
        if (!home)
            return false;
        snprintf(home_path, sizeof home_path, "%s/.aws/credentials", home);
        path = home_path;
    }
    profile = profile ? profile : "default";
    CLEANUP_FREE char *text = file_text(path);
    bool found = text && credentials_profile_parse(text, profile, ret);
    if (text)
        explicit_bzero(text, strlen(text));
    if (!found && wanted)
        text_printf(&chain->why, "%s %s; ", text ? "no such profile in" : "cannot read", path);
    return found;
}

/* ---- the services next door -------------------------------------------------------------------------- */

/* Runs the request; true when the answer is 200, which then has the caller's to release. */
static bool asked(credentials_chain *chain, http_request *r, const char *service) {
    r->answer_bytes_max = ANSWER_BYTES_MAX;
    http_run(chain->http, &r, 1);
    if (r->answer.failure == HTTP_ANSWERED && r->answer.status == 200 && r->answer.body.length > 0)
        return true;
    if (r->answer.failure == HTTP_ANSWERED)
        text_printf(&chain->why, "%s answered %u; ", service, r->answer.status);
    else
        text_printf(&chain->why, "%s: %s; ", service, http_failure_name(r->answer.failure));
    http_answer_fini(&r->answer);
    return false;
}

/* A token may hold more than one line, or an end of line; a header may not. */
static bool header_make(char *out, size_t size, const char *name, const char *value) {
    int n = snprintf(out, size, "%s: %.*s", name, (int)strcspn(value, "\r\n"), value);
    return n > 0 && (size_t)n < size;
}

static bool json_asked(credentials_chain *chain, http_request *r, const char *service, credentials *ret) {
    if (!asked(chain, r, service))
        return false;
    bool found = credentials_json_parse(r->answer.body.data, r->answer.body.length, ret);
    if (found)
        ret->source = service;
    else
        text_printf(&chain->why, "%s answered without credentials; ", service);
    explicit_bzero(r->answer.body.data, r->answer.body.length);
    http_answer_fini(&r->answer);
    return found;
}

static bool from_container(credentials_chain *chain, credentials *ret) {
    char url[2048], header[8192];
    const char *relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative && !full)
        return false;
    snprintf(url, sizeof url, "%s%s", relative ? CONTAINER_HOST : "", relative ? relative : full);
    const char *token_file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    CLEANUP_FREE char *file = token_file ? file_text(token_file) : NULL;
    const char *token = file ? file : environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    http_request r = {.method = HTTP_GET, .url = url};
    if (token && header_make(header, sizeof header, "Authorization", token))
        r.headers[0] = header;
    return json_asked(chain, &r, "container service", ret);
}

static bool from_instance(credentials_chain *chain, credentials *ret) {
    static const char service[] = "instance metadata service";
    char url[2048], role[256], header[512];
    const char *disabled = environment("AWS_EC2_METADATA_DISABLED");
    if (disabled && strcasecmp(disabled, "true") == 0)
        return false;
    const char *host = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    host = host ? host : INSTANCE_HOST;

    snprintf(url, sizeof url, "%s/latest/api/token", host);
    http_request token = {
        .method = HTTP_PUT, .url = url, .headers = {"X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_S}};
    if (!asked(chain, &token, service))
        return false;
    bool made = header_make(header, sizeof header, "X-aws-ec2-metadata-token", token.answer.body.data);
    http_answer_fini(&token.answer);

    snprintf(url, sizeof url, "%s" INSTANCE_PATH, host);
    http_request name = {.method = HTTP_GET, .url = url, .headers = {header}};
    if (!made || !asked(chain, &name, service))
        return false;
    snprintf(role, sizeof role, "%.*s", (int)strcspn(name.answer.body.data, "\r\n"), name.answer.body.data);
    http_answer_fini(&name.answer);

    snprintf(url, sizeof url, "%s" INSTANCE_PATH "%s", host, role);
    http_request keys = {.method = HTTP_GET, .url = url, .headers = {header}};
    return json_asked(chain, &keys, service, ret);
}

/* ---- the chain -------------------------------------------------------------------------------------- */

static bool find(credentials_chain *chain, credentials *ret) {
    const credentials_options *opt = &chain->opt;
    chain->why.length = 0;
    *chain->why.data = '\0';
    return copied(opt->access_key_id, opt->secret_access_key, opt->session_token, "configuration", ret) ||
           copied(environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                  environment("AWS_SESSION_TOKEN"), "environment", ret) ||
           from_file(chain, ret) || from_container(chain, ret) || from_instance(chain, ret);
}

bool credentials_get(credentials_chain *chain, int64_t now_us, const credentials **ret) {
    const credentials *now = &chain->now;
    bool old = chain->refused || (now->expires_us != 0 && now_us > now->expires_us - EARLY_US);
    if (!now->access_key_id || (old && now_us >= chain->not_before_us)) {
        credentials fresh;
        chain->not_before_us = now_us + PAUSE_US;
        if (find(chain, &fresh)) {
            credentials_fini(&chain->now);
            chain->now = fresh;
            chain->refused = false;
        }
    }
    bool expired = now->expires_us != 0 && now_us >= now->expires_us;
    *ret = now;
    return now->access_key_id && !expired;
}

void credentials_forget(credentials_chain *chain) { chain->refused = true; }

#include "credentials_parse.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "cleanup.h"

void credentials_fini(credentials *c) {
    char **secrets[] = {&c->access_key_id, &c->secret_access_key, &c->session_token};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        if (*secrets[i])
            explicit_bzero(*secrets[i], strlen(*secrets[i]));
        free(*secrets[i]);
    }
    *c = (credentials){0};
}

static bool whole(credentials *c, credentials *ret) {
    if (!c->access_key_id || !c->secret_access_key || !*c->access_key_id || !*c->secret_access_key) {
        credentials_fini(c);
        return false;
    }
    *ret = *c;
    return true;
}

/* ---- a profile -------------------------------------------------------------------------------------- */

/* A line without the blanks around it. */
typedef struct line {
    const char *at;
    size_t n;
} line;

static line trimmed(const char *at, size_t n) {
    while (n > 0 && strchr(" \t\r", *at)) {
        at++;
        n--;
    }
    while (n > 0 && strchr(" \t\r", at[n - 1]))
        n--;
    return (line){at, n};
}

static bool equals(line l, const char *string) {
    return l.n == strlen(string) && memcmp(l.at, string, l.n) == 0;
}

/* The field of `c` that a line of the profile gives a value; NULL: none that matters here. */
static char **field_of(credentials *c, line name) {
    if (equals(name, "aws_access_key_id"))
        return &c->access_key_id;
    if (equals(name, "aws_secret_access_key"))
        return &c->secret_access_key;
    return equals(name, "aws_session_token") ? &c->session_token : NULL;
}

static void setting_take(credentials *c, line l) {
    const char *sign = memchr(l.at, '=', l.n);
    if (!sign)
        return;
    char **field = field_of(c, trimmed(l.at, (size_t)(sign - l.at)));
    line value = trimmed(sign + 1, l.n - (size_t)(sign + 1 - l.at));
    if (field && !*field)
        *field = strndup(value.at, value.n);
}

bool credentials_profile_parse(const char *text, const char *profile, credentials *ret) {
    credentials c = {.source = "credentials file"};
    bool inside = false;
    while (*text) {
        size_t n = strcspn(text, "\n");
        line l = trimmed(text, n);
        if (l.n > 1 && l.at[0] == '[' && l.at[l.n - 1] == ']')
            inside = equals(trimmed(l.at + 1, l.n - 2), profile);
        else if (inside && l.n > 0 && l.at[0] != '#' && l.at[0] != ';')
            setting_take(&c, l);
        text += text[n] ? n + 1 : n;
    }
    return whole(&c, ret);
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static void json_free(json_t **json) { json_decref(*json); }

static char *string_of(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? strdup(value) : NULL;
}

/* "2026-11-20T08:52:38Z" as Unix time in microseconds; 0: not a moment. */
static int64_t moment_of(const char *text) {
    struct tm tm = {0};
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    return end && *end ? (int64_t)timegm(&tm) * 1000000 : 0;
}

bool credentials_json_parse(const char *text, size_t n, credentials *ret) {
    CLEANUP(json_free) json_t *json = json_loadb(text, n, 0, NULL);
    if (!json)
        return false;
    credentials c = {.access_key_id = string_of(json, "AccessKeyId"),
                     .secret_access_key = string_of(json, "SecretAccessKey"),
                     .session_token = string_of(json, "Token"),
                     .expires_us = moment_of(json_string_value(json_object_get(json, "Expiration")))};
    return whole(&c, ret);
}

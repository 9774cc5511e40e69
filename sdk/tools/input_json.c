#include "sdk/tools/input.h"
#include "sdk/tools/rfc3339.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX (1024u * 1024)

/* An event in the making. Borrows from the JSON it is made of, but for the texts that it had to make. */
typedef struct draft {
    wadi_event event;
    wadi_prop props[SENDER_PROPS_MAX];
    char *texts[SENDER_PROPS_MAX];
    size_t n_texts;
    const char *wrong; /* a literal; `wrong_key` with it, or NULL */
    const char *wrong_key;
} draft;

static void draft_init(draft *d) {
    d->event = (wadi_event)WADI_EVENT_INIT;
    d->event.props = d->props;
    d->n_texts = 0;
    d->wrong = d->wrong_key = NULL;
}

static void draft_fini(draft *d) {
    while (d->n_texts > 0)
        free(d->texts[--d->n_texts]);
}

static void draft_wrong(draft *d, const char *wrong, const char *key) {
    if (d->wrong != NULL)
        return;
    d->wrong = wrong;
    d->wrong_key = key;
}

static wadi_prop text_prop(const char *key, const char *text, size_t n) {
    wadi_prop prop = WADI_STR(key, text);
    prop.size = (uint32_t)n; /* a line is at most 1 MiB */
    return prop;
}

static void nested_put(draft *d, const char *key, const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) {
        draft_wrong(d, "out of memory", key);
        return;
    }
    d->texts[d->n_texts++] = text;
    d->props[d->event.n_props++] = text_prop(key, text, strlen(text));
}

static void prop_put(draft *d, const char *key, const json_t *value) {
    if (d->event.n_props == SENDER_PROPS_MAX) {
        draft_wrong(d, "more than 256 properties", NULL);
        return;
    }
    wadi_prop *prop = &d->props[d->event.n_props];
    switch (json_typeof(value)) {
    case JSON_STRING:
        *prop = text_prop(key, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        *prop = WADI_INT(key, json_integer_value(value));
        break;
    case JSON_REAL:
        *prop = WADI_F64(key, json_real_value(value));
        break;
    case JSON_TRUE:
        *prop = WADI_BOOL(key, 1);
        break;
    case JSON_FALSE:
        *prop = WADI_BOOL(key, 0);
        break;
    case JSON_NULL:
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        nested_put(d, key, value);
        return;
    }
    d->event.n_props++;
}

static void draft_record(sender *s, draft *d, uint64_t line) {
    wadi_err err = WADI_OK;
    if (d->wrong == NULL)
        err = sender_track(s, &d->event);
    if (d->wrong != NULL)
        sender_refuse(s, line, "%s%s%s", d->wrong_key != NULL ? d->wrong_key : "",
                      d->wrong_key != NULL ? ": " : "", d->wrong);
    else if (err != WADI_OK)
        sender_refuse(s, line, "%s: %s", d->event.name, wadi_strerror(err));
}

/* ---- one JSON object a line ------------------------------------------------------------------------- */

static void name_put(draft *d, const char *key, const json_t *value) {
    if (d->event.name != NULL)
        draft_wrong(d, "the event's name stands twice", key);
    else if (!json_is_string(value) || json_string_length(value) == 0)
        draft_wrong(d, "not an event's name", key);
    else
        d->event.name = json_string_value(value);
}

static void time_put(draft *d, const char *key, const json_t *value) {
    d->event.has_time = 1;
    if (!json_is_string(value) ||
        !rfc3339_parse(json_string_value(value), json_string_length(value), &d->event.time_us))
        draft_wrong(d, "not an RFC 3339 time", key);
}

static void properties_put(draft *d, const char *key, json_t *value) {
    const char *inner_key;
    json_t *inner;
    if (!json_is_object(value))
        draft_wrong(d, "not an object", key);
    json_object_foreach(value, inner_key, inner) prop_put(d, inner_key, inner);
}

static void object_put(draft *d, json_t *object) {
    bool nested = json_object_get(object, "properties") != NULL;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        if (strcmp(key, "name") == 0 || strcmp(key, "event") == 0)
            name_put(d, key, value);
        else if (strcmp(key, "time") == 0)
            time_put(d, key, value);
        else if (strcmp(key, "properties") == 0)
            properties_put(d, key, value);
        else if (nested)
            draft_wrong(d, "a member beside \"properties\" that means nothing", key);
        else
            prop_put(d, key, value);
    }
    if (d->event.name == NULL)
        draft_wrong(d, "it has no \"name\"", NULL);
}

static void line_take(sender *s, const char *text, size_t n, uint64_t line) {
    static draft d; /* 16 KB */
    json_error_t error;
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (object == NULL || !json_is_object(object)) {
        sender_refuse(s, line, "not a JSON object%s%s", object == NULL ? ": " : "",
                      object == NULL ? error.text : "");
    } else {
        draft_init(&d);
        object_put(&d, object);
        draft_record(s, &d, line);
        draft_fini(&d);
    }
    json_decref(object);
}

/* A line without its end; *ret_long: there was more than fits. False at the end of the input. */
static bool line_read(FILE *in, char *text, size_t *ret_n, bool *ret_long) {
    int c;
    *ret_n = 0;
    *ret_long = false;
    while ((c = getc_unlocked(in)) != EOF && c != '\n') {
        if (*ret_n < LINE_BYTES_MAX)
            text[(*ret_n)++] = (char)c;
        else
            *ret_long = true;
    }
    return c != EOF || *ret_n > 0;
}

static bool line_is_blank(const char *text, size_t n) {
    while (n > 0 && strchr(" \t\r", text[n - 1]) != NULL && text[n - 1] != '\0')
        n--;
    return n == 0;
}

void input_json(sender *s, FILE *in) {
    char *text = malloc(LINE_BYTES_MAX);
    size_t n = 0;
    bool is_long = false;
    uint64_t line = 0;
    if (text == NULL)
        sender_refuse(s, 0, "out of memory");
    while (text != NULL && line_read(in, text, &n, &is_long)) {
        line++;
        if (is_long)
            sender_refuse(s, line, "longer than 1 MiB");
        else if (!line_is_blank(text, n))
            line_take(s, text, n, line);
    }
    if (ferror(in))
        sender_refuse(s, line + 1, "the input cannot be read");
    free(text);
}

/* ---- key=value and key:=json ------------------------------------------------------------------------ */

static bool pair_put(draft *d, json_t *object, const char *pair) {
    const char *equals = strchr(pair, '=');
    size_t key_n = equals != NULL ? (size_t)(equals - pair) : 0;
    bool typed = key_n > 0 && pair[key_n - 1] == ':';
    json_error_t error;
    key_n -= typed ? 1 : 0;
    if (key_n == 0) {
        draft_wrong(d, "not key=value or key:=json", pair);
        return false;
    }
    json_t *value = typed ? json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error)
                          : json_string(equals + 1);
    if (value == NULL)
        draft_wrong(d, typed ? "not JSON behind :=" : "not UTF-8 text", pair);
    else if (json_object_setn_new(object, pair, key_n, value) != 0)
        draft_wrong(d, "not a key in UTF-8", pair);
    return d->wrong == NULL;
}

void input_arguments(sender *s, const char *name, char *const *pairs, int n) {
    static draft d;
    json_t *object = json_object();
    draft_init(&d);
    d.event.name = name;
    if (object == NULL)
        draft_wrong(&d, "out of memory", NULL);
    for (int i = 0; i < n && d.wrong == NULL; i++)
        if (pair_put(&d, object, pairs[i]) && json_object_size(object) != (size_t)i + 1)
            draft_wrong(&d, "this key stands twice", pairs[i]);
    if (d.wrong == NULL)
        properties_put(&d, "properties", object);
    draft_record(s, &d, 0);
    draft_fini(&d);
    json_decref(object);
}

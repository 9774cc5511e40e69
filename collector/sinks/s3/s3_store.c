#include "s3_store.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aside.h"
#include "cleanup.h"
#include "client.h"
#include "manifest.h"
#include "uploads.h"
#include "xml.h"

#define KEY_BYTES_MAX 1025u /* Amazon's most, and the terminator */
#define MANIFEST_BYTES_MAX (16u << 20)
#define LIST_KEYS "1000"
#define LIST_BYTES_MAX (2u << 20)
#define INCARNATION_DIGITS 16u
#define EPOCH_DIGITS 12u /* at least */

struct s3_store {
    s3_options opt;
    char *collector, *sink;
    s3_client *client;
    s3_aside *aside;
    bool first;   /* this store has put the intent: its objects are published for the first time */
    bool honours; /* the server was seen to honour If-None-Match */
};

sink_err s3_store_open(const s3_options *opt, const char *collector, const char *sink, s3_store **ret_store) {
    s3_store *s = calloc(1, sizeof *s);
    if (!s)
        return SINK_ERR_MEMORY;
    s->opt = *opt;
    s->collector = strdup(collector);
    s->sink = strdup(sink);
    s->client = s3_client_open(&s->opt);
    s->aside = s->client ? s3_aside_open(s->client, &s->opt) : NULL;
    if (!s->collector || !s->sink || !s->aside) {
        s3_store_close(s);
        return SINK_ERR_MEMORY;
    }
    *ret_store = s;
    return SINK_OK;
}

void s3_store_close(s3_store *s) {
    if (!s)
        return;
    s3_aside_close(s->aside);
    s3_client_close(s->client);
    free(s->collector);
    free(s->sink);
    free(s);
}

/* ---- keys ------------------------------------------------------------------------------------------- */

static void object_key(const s3_store *s, const char *name, char *ret_key) {
    snprintf(ret_key, KEY_BYTES_MAX, "%s%s", s->opt.prefix, name);
}

static void manifest_key(const s3_store *s, sink_manifest kind, uint64_t epoch, char *ret_key) {
    snprintf(ret_key, KEY_BYTES_MAX, "%s_wadi/%s/%s/%012" PRIu64 ".%s", s->opt.prefix, s->collector, s->sink,
             epoch, kind == SINK_INTENT ? "intent" : "commit");
}

/* Moves behind `string` and a dash. */
static bool word_skip(const char **at, const char *string) {
    size_t n = strlen(string);
    if (strncmp(*at, string, n) != 0 || (*at)[n] != '-')
        return false;
    *at += n + 1;
    return true;
}

static size_t digits_skip(const char **at, int (*is_digit)(int)) {
    size_t n = 0;
    for (; is_digit((unsigned char)**at); (*at)++)
        n++;
    return n;
}

/* <collector>-<incarnation>-<sink>-<epoch>-<part>.<ext>. Names of collectors and sinks may hold dashes and
 * digits themselves, so all of it is looked at. */
static bool key_is_ours(void *context, const char *key) {
    const s3_store *s = context;
    const char *slash = strrchr(key, '/'), *at = slash ? slash + 1 : key;
    return word_skip(&at, s->collector) && digits_skip(&at, isxdigit) == INCARNATION_DIGITS && *at++ == '-' &&
           word_skip(&at, s->sink) && digits_skip(&at, isdigit) >= EPOCH_DIGITS && *at++ == '-' &&
           digits_skip(&at, isdigit) > 0 && *at == '.';
}

/* ---- the last commit --------------------------------------------------------------------------------- */

static sink_err commit_exists(s3_store *s, uint64_t epoch, bool *ret_there) {
    char key[KEY_BYTES_MAX];
    manifest_key(s, SINK_COMMIT, epoch, key);
    CLEANUP(s3_call_fini) s3_call call = {.method = HTTP_HEAD, .key = key};
    s3_run(s->client, &call, 1);
    if (!call.done && !s3_absent(&call))
        return s3_failed(s->client, &call, "look for a commit");
    *ret_there = call.done;
    return SINK_OK;
}

/* The least epoch of the page's commits; 0: none. */
static uint64_t page_least(xml_span page) {
    char buffer[KEY_BYTES_MAX];
    struct text key;
    text_init(&key, buffer, sizeof buffer);
    for (xml_span object; xml_next(&page, "Contents", &object);) {
        if (!xml_text(object, "Key", &key))
            continue;
        const char *slash = strrchr(buffer, '/');
        char *end;
        uint64_t epoch = strtoull(slash ? slash + 1 : buffer, &end, 10);
        if (epoch > 0 && strcmp(end, ".commit") == 0)
            return epoch; /* keys come in ascending order */
    }
    return 0;
}

/* The epoch of the oldest commit that is kept; 0: none. */
static sink_err commit_least(s3_store *s, uint64_t *ret_epoch) {
    char prefix[KEY_BYTES_MAX], buffer[4 * KEY_BYTES_MAX];
    struct text query;
    snprintf(prefix, sizeof prefix, "%s_wadi/%s/%s/", s->opt.prefix, s->collector, s->sink);
    text_init(&query, buffer, sizeof buffer);
    s3_query_put(&query, "list-type", "2");
    s3_query_put(&query, "max-keys", LIST_KEYS);
    s3_query_put(&query, "prefix", prefix);
    CLEANUP(s3_call_fini)
    s3_call call = {.method = HTTP_GET,
                    .key = "",
                    .query = buffer,
                    .answer_bytes_max = LIST_BYTES_MAX,
                    .expected = "ListBucketResult"};
    s3_run(s->client, &call, 1);
    if (!call.done)
        return s3_failed(s->client, &call, "list the bucket");
    const struct text *answer = &call.http.answer.body;
    *ret_epoch = page_least((xml_span){answer->data ? answer->data : "", answer->length});
    return SINK_OK;
}

static sink_err store_last_commit(void *store, uint64_t *ret_epoch) {
    s3_store *s = store;
    uint64_t there = 1, missing = 0; /* 0: none known */
    bool exists = false;
    sink_err err = commit_exists(s, there, &exists);
    if (err == SINK_OK && !exists)
        err = commit_least(s, &there);
    for (uint64_t step = 1; err == SINK_OK && there > 0 && missing == 0; step *= 2) {
        err = commit_exists(s, there + step, &exists);
        if (exists)
            there += step;
        else
            missing = there + step;
    }
    while (err == SINK_OK && there + 1 < missing) {
        uint64_t middle = there + (missing - there) / 2;
        err = commit_exists(s, middle, &exists);
        if (exists)
            there = middle;
        else
            missing = middle;
    }
    if (err == SINK_OK)
        *ret_epoch = there;
    return err;
}

/* ---- manifests -------------------------------------------------------------------------------------- */

static sink_err store_get(void *store, sink_manifest kind, uint64_t epoch, char **ret_text, size_t *ret_n) {
    s3_store *s = store;
    char key[KEY_BYTES_MAX];
    manifest_key(s, kind, epoch, key);
    CLEANUP(s3_call_fini)
    s3_call call = {.method = HTTP_GET, .key = key, .answer_bytes_max = MANIFEST_BYTES_MAX};
    s3_run(s->client, &call, 1);
    if (!call.done && !s3_absent(&call))
        return s3_failed(s->client, &call, "get a manifest");
    *ret_text = NULL;
    *ret_n = 0;
    if (!call.done)
        return SINK_OK;
    const struct text *answer = &call.http.answer.body;
    *ret_text = strndup(answer->data ? answer->data : "", answer->length);
    *ret_n = answer->length;
    return *ret_text ? SINK_OK : SINK_ERR_MEMORY;
}

/* Whether both texts are manifests, and the other one was decided by this process, or by one before it. */
static bool decided_by_us(const char *text, size_t n, const char *there, size_t there_n) {
    CLEANUP(manifest_fini) manifest ours = {0};
    CLEANUP(manifest_fini) manifest theirs = {0};
    return manifest_decode(text, n, &ours) == SINK_OK &&
           manifest_decode(there, there_n, &theirs) == SINK_OK && manifest_knows(&ours, &theirs);
}

/* There is a manifest already: whose? */
static sink_err conflict_settle(s3_store *s, sink_manifest kind, uint64_t epoch, const char *text, size_t n) {
    CLEANUP_FREE char *there = NULL;
    size_t there_n = 0;
    sink_err err = store_get(s, kind, epoch, &there, &there_n);
    if (err != SINK_OK)
        return err;
    if (there && there_n == n && memcmp(there, text, n) == 0)
        return SINK_OK;
    if (!there || decided_by_us(text, n, there, there_n)) {
        s3_client_message_set(s->client, "s3: an earlier request was carried out late: starting again");
        return SINK_ERR_IO;
    }
    s3_client_message_set(s->client, "s3: epoch %" PRIu64 " was written by another collector with this id",
                          epoch);
    return SINK_ERR_FENCED;
}

static s3_call manifest_call(const char *key, const char *text, size_t n) {
    return (s3_call){.method = HTTP_PUT,
                     .key = key,
                     .type = "Content-Type: application/json",
                     .body = text,
                     .body_bytes = n,
                     .if_absent = true};
}

/* Some servers take the condition and do not look at it. What was just stored is stored again, once: that
 * must not work. An attempt that fails otherwise says nothing; the next manifest is tried. */
static sink_err condition_check(s3_store *s, const char *key, const char *text, size_t n) {
    if (s->honours || !s3_client_conditional(s->client))
        return SINK_OK;
    CLEANUP(s3_call_fini) s3_call call = manifest_call(key, text, n);
    s3_run(s->client, &call, 1);
    s->honours = s3_status_is(&call, 412);
    if (!call.done)
        return SINK_OK;
    if (s->opt.conditional == S3_CONDITIONAL_AUTO) {
        s3_client_unconditional(s->client);
        return SINK_OK;
    }
    s3_client_message_set(s->client, "s3: conditional_writes: on, but the server ignores If-None-Match");
    return SINK_ERR_IO;
}

static sink_err store_put(void *store, sink_manifest kind, uint64_t epoch, const char *text, size_t n) {
    s3_store *s = store;
    char key[KEY_BYTES_MAX];
    manifest_key(s, kind, epoch, key);
    CLEANUP(s3_call_fini) s3_call call = manifest_call(key, text, n);
    s3_run(s->client, &call, 1);
    sink_err err = SINK_OK;
    if (s3_status_is(&call, 412))
        err = conflict_settle(s, kind, epoch, text, n);
    else if (!call.done)
        err = s3_failed(s->client, &call, "put a manifest");
    else
        err = condition_check(s, key, text, n);
    s->first = s->first || (err == SINK_OK && kind == SINK_INTENT);
    return err;
}

static sink_err key_delete(s3_store *s, const char *key) {
    CLEANUP(s3_call_fini) s3_call call = {.method = HTTP_DELETE, .key = key};
    s3_run(s->client, &call, 1);
    return call.done || s3_absent(&call) ? SINK_OK : s3_failed(s->client, &call, "delete");
}

/* ---- objects ---------------------------------------------------------------------------------------- */

static sink_err store_aside_reset(void *store) {
    s3_store *s = store;
    char prefix[KEY_BYTES_MAX];
    object_key(s, "dt=", prefix);
    s3_aside_forget(s->aside);
    return s3_uploads_abort(s->client, prefix, key_is_ours, s);
}

static void store_aside_abandon(void *store) { s3_aside_abandon(((s3_store *)store)->aside); }

/* The end of an epoch. What a repeated request left behind goes now: the next start may be far. */
static sink_err store_remove_intent(void *store, uint64_t epoch) {
    s3_store *s = store;
    char key[KEY_BYTES_MAX];
    if (s3_aside_stray(s->aside)) {
        sink_err err = store_aside_reset(s);
        if (err != SINK_OK)
            return err;
    }
    manifest_key(s, SINK_INTENT, epoch, key);
    return key_delete(s, key);
}

static sink_err store_aside_begin(void *store, uint32_t slot, const char *name) {
    s3_store *s = store;
    char key[KEY_BYTES_MAX];
    object_key(s, name, key);
    return s3_aside_begin(s->aside, slot, key);
}

static sink_err store_aside_write(void *store, const void *data, size_t n) {
    return s3_aside_write(((s3_store *)store)->aside, data, n);
}

static sink_err store_aside_finish(void *store) { return s3_aside_finish(((s3_store *)store)->aside); }

static sink_err store_publish(void *store, uint32_t slot, const char *name) {
    s3_store *s = store;
    char key[KEY_BYTES_MAX];
    object_key(s, name, key);
    return s3_aside_publish(s->aside, slot, key, s->first);
}

static sink_err store_remove_object(void *store, const char *name) {
    s3_store *s = store;
    char key[KEY_BYTES_MAX];
    object_key(s, name, key);
    return key_delete(s, key);
}

static const char *store_message(void *store) { return s3_client_message(((s3_store *)store)->client); }

static void store_close(void *store) { s3_store_close(store); }

static const sink_store_ops s3_store_ops = {
    .last_commit = store_last_commit,
    .get = store_get,
    .put = store_put,
    .remove_intent = store_remove_intent,
    .aside_reset = store_aside_reset,
    .aside_abandon = store_aside_abandon,
    .aside_begin = store_aside_begin,
    .aside_write = store_aside_write,
    .aside_finish = store_aside_finish,
    .publish = store_publish,
    .remove_object = store_remove_object,
    .message = store_message,
    .close = store_close,
};

sink_store s3_store_of(s3_store *s) { return (sink_store){&s3_store_ops, s}; }

#include "aside.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "uploads.h"

/* An object that was begun and not published. */
typedef struct slot {
    char *key; /* NULL: empty */
    uint64_t bytes;
    bool finished;
    uint8_t *data; /* of a small one that is finished */
    char *upload;  /* id; NULL: none */
    char **etags;  /* of its parts */
    size_t n_etags, etags_cap;
} slot;

struct s3_aside {
    s3_client *client;
    uint64_t part_bytes;
    uint32_t n_buffers;
    unsigned label;
    slot *slots;
    size_t n_slots;
    slot *open;        /* being written; NULL: none */
    uint8_t **buffers; /* n_buffers of part_bytes, made when first needed */
    uint32_t full;     /* the first `full` hold whole parts … */
    uint64_t filled;   /* … and the next one so much */
    uint64_t held;     /* bytes of all slots' data */
    bool stray;        /* an upload may be there that no slot knows */
};

s3_aside *s3_aside_open(s3_client *client, const s3_options *opt) {
    s3_aside *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->client = client;
    a->part_bytes = opt->part_bytes;
    a->n_buffers = opt->parallel_parts;
    a->label = opt->label;
    a->buffers = calloc(a->n_buffers, sizeof *a->buffers);
    if (!a->buffers) {
        free(a);
        return NULL;
    }
    return a;
}

static void slot_free(s3_aside *a, slot *s) {
    if (s->data)
        a->held -= s->bytes;
    for (size_t i = 0; i < s->n_etags; i++)
        free(s->etags[i]);
    free(s->etags);
    free(s->upload);
    free(s->data);
    free(s->key);
    *s = (slot){0};
}

void s3_aside_forget(s3_aside *a) {
    for (size_t i = 0; i < a->n_slots; i++)
        slot_free(a, &a->slots[i]);
    a->open = NULL;
    a->full = 0;
    a->filled = 0;
    a->stray = false;
}

void s3_aside_close(s3_aside *a) {
    if (!a)
        return;
    s3_aside_forget(a);
    for (uint32_t i = 0; i < a->n_buffers; i++)
        free(a->buffers[i]);
    free(a->buffers);
    free(a->slots);
    free(a);
}

bool s3_aside_stray(const s3_aside *a) {
    for (size_t i = 0; i < a->n_slots; i++)
        if (a->slots[i].key)
            return false;
    return a->stray;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static bool slots_grow(s3_aside *a, uint32_t index) {
    if (index < a->n_slots)
        return true;
    size_t n = a->n_slots * 2 > index ? a->n_slots * 2 : (size_t)index + 16;
    slot *grown = realloc(a->slots, n * sizeof *grown);
    if (!grown)
        return false;
    memset(grown + a->n_slots, 0, (n - a->n_slots) * sizeof *grown);
    a->slots = grown;
    a->n_slots = n;
    return true;
}

static void slot_abandon(s3_aside *a, slot *s) {
    if (s->upload && s3_upload_abort(a->client, s->key, s->upload) != SINK_OK)
        a->stray = true;
    slot_free(a, s);
}

void s3_aside_abandon(s3_aside *a) {
    for (size_t i = 0; i < a->n_slots; i++)
        slot_abandon(a, &a->slots[i]);
    s3_aside_forget(a);
}

sink_err s3_aside_begin(s3_aside *a, uint32_t index, const char *key) {
    if (a->open)
        slot_abandon(a, a->open);
    a->open = NULL;
    a->full = 0;
    a->filled = 0;
    if (!slots_grow(a, index))
        return SINK_ERR_MEMORY;
    slot *s = &a->slots[index];
    slot_abandon(a, s);
    s->key = strdup(key);
    if (!s->key)
        return SINK_ERR_MEMORY;
    a->open = s;
    return SINK_OK;
}

static sink_err upload_ensure(s3_aside *a) {
    if (a->open->upload)
        return SINK_OK;
    bool repeated = false;
    sink_err err = s3_upload_create(a->client, a->open->key, &a->open->upload, &repeated);
    a->stray = a->stray || repeated || err != SINK_OK;
    return err;
}

static sink_err etags_reserve(s3_aside *a, size_t n) {
    slot *s = a->open;
    if (s->n_etags + n > S3_PARTS_MAX) {
        s3_client_message_set(a->client, "s3: an object of more than %u parts: part_bytes is too small",
                              S3_PARTS_MAX);
        return SINK_ERR_IO;
    }
    if (s->n_etags + n <= s->etags_cap)
        return SINK_OK;
    size_t cap = s->etags_cap * 2 + n;
    char **grown = realloc(s->etags, cap * sizeof *grown);
    if (!grown)
        return SINK_ERR_MEMORY;
    s->etags = grown;
    s->etags_cap = cap;
    return SINK_OK;
}

/* Sends what the buffers hold, the last one's part of a part too. */
static sink_err buffers_send(s3_aside *a) {
    s3_part parts[HTTP_PARALLEL_MAX];
    size_t n = a->full + (a->filled > 0 ? 1 : 0);
    for (uint32_t i = 0; i < a->full; i++)
        parts[i] = (s3_part){.data = a->buffers[i], .n = a->part_bytes};
    if (a->filled > 0)
        parts[a->full] = (s3_part){.data = a->buffers[a->full], .n = a->filled};
    if (n == 0)
        return SINK_OK;
    slot *s = a->open;
    sink_err err = upload_ensure(a);
    if (err == SINK_OK)
        err = etags_reserve(a, n);
    if (err == SINK_OK)
        err = s3_parts_put(a->client, s->key, s->upload, (uint32_t)s->n_etags + 1, parts, n);
    for (size_t i = 0; i < n && err == SINK_OK; i++)
        s->etags[s->n_etags++] = parts[i].etag;
    a->full = 0;
    a->filled = 0;
    return err;
}

sink_err s3_aside_write(s3_aside *a, const void *data, size_t n) {
    assert(a->open && !a->open->finished);
    const uint8_t *from = data;
    while (n > 0) {
        uint8_t **buffer = &a->buffers[a->full];
        if (!*buffer && !(*buffer = malloc(a->part_bytes)))
            return SINK_ERR_MEMORY;
        size_t room = a->part_bytes - a->filled, part = n < room ? n : room;
        memcpy(*buffer + a->filled, from, part);
        a->filled += part;
        a->open->bytes += part;
        from += part;
        n -= part;
        if (a->filled < a->part_bytes)
            continue;
        a->filled = 0;
        a->full++;
        if (a->full < a->n_buffers)
            continue;
        sink_err err = buffers_send(a);
        if (err != SINK_OK)
            return err;
    }
    return SINK_OK;
}

sink_err s3_aside_finish(s3_aside *a) {
    slot *s = a->open;
    assert(s && !s->finished);
    bool small = !s->upload && s->bytes <= a->part_bytes;
    if (!small || a->held + s->bytes > a->part_bytes * a->n_buffers) {
        sink_err err = buffers_send(a);
        if (err != SINK_OK)
            return err;
    } else {
        s->data = malloc(s->bytes + 1); /* an empty one too */
        if (!s->data)
            return SINK_ERR_MEMORY;
        if (s->bytes > 0)
            memcpy(s->data, a->buffers[0], s->bytes);
        a->held += s->bytes;
    }
    s->finished = true;
    a->open = NULL;
    a->full = 0;
    a->filled = 0;
    return SINK_OK;
}

/* ---- publishing ------------------------------------------------------------------------------------- */

sink_err s3_aside_publish(s3_aside *a, uint32_t index, const char *key, bool if_absent) {
    slot *s = index < a->n_slots ? &a->slots[index] : NULL;
    if (!s || !s->finished || strcmp(s->key, key) != 0) {
        s3_client_message_set(a->client, "s3: nothing to publish, %s", key);
        return SINK_ERR_IO;
    }
    sink_err err =
        s->data ? s3_object_put(a->client, key, s->data, s->bytes, if_absent)
                : s3_upload_complete(a->client, key, s->upload, s->etags, s->n_etags, s->bytes, if_absent);
    if (err != SINK_OK)
        return err;
    metric_observe(METRIC_S3_OBJECT_BYTES, a->label, s->bytes);
    slot_free(a, s);
    return SINK_OK;
}

#include "direct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "kafka/plane_rdkafka.h"
#include "pipeline.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/base/crc32c.h"

#define BUCKETS 1024u
#define FLUSH_MS 60000u /* for the brokers to have all of an epoch */
#define ABORT_MS 2000u
#define BATCH_BYTES_FIRST 16384u            /* what a partition begins with */
#define LEADERS_US UINT64_C(300000000)      /* then they are asked for again: partitions may have come */
#define REQUEST_BYTES_MAX ((size_t)1 << 20) /* of several small batches together, before they are packed */
#define BATCHES_IN_BUFFER 16u /* at least so many have room in kafka.buffer, of which some are under way */

typedef struct direct {
    producer_core *core;
    cluster *cluster;
    pipeline *pipeline;
    pack *pack;
    direct_topic *buckets[BUCKETS];
    partition **dirty; /* malloc: those whose batch has records */
    size_t n_dirty, dirty_size;
    cluster_place *places; /* malloc */
    size_t places_size;
    uint64_t transaction; /* counted from 1 */
    bool added;           /* a partition to this one */
    size_t bytes;         /* of all partitions' batches */
} direct;

/* ---- topics ------------------------------------------------------------------------------------------- */

static direct_topic **bucket_of(direct *d, const char *name) {
    return &d->buckets[base_crc32c(0, name, strlen(name)) % BUCKETS];
}

/* The one that was closed is found again: its sequence numbers go on. */
static sink_err topic_open(void *self, const char *name, plane_topic **ret_topic) {
    direct *d = self;
    direct_topic **bucket = bucket_of(d, name), *t = *bucket;
    while (t && strcmp(t->base.name, name) != 0)
        t = t->next;
    if (!t) {
        t = calloc(1, sizeof *t);
        if (!t)
            return SINK_ERR_MEMORY;
        snprintf(t->base.name, sizeof t->base.name, "%s", name);
        t->next = *bucket;
        *bucket = t;
    }
    *ret_topic = &t->base;
    return SINK_OK;
}

static void topic_close(void *self, plane_topic *topic) { (void)self, (void)topic; }

static void topic_free(direct_topic *t) {
    for (int32_t i = 0; i < t->n_made; i++) {
        record_batch_fini(&t->partitions[i]->batch);
        free(t->partitions[i]->rows);
        free(t->partitions[i]);
    }
    free(t->partitions);
    free(t);
}

static sink_err partitions_make(direct_topic *t, int32_t n) {
    if (n <= t->n_made)
        return SINK_OK;
    partition **partitions = realloc(t->partitions, (size_t)n * sizeof(partition *));
    if (!partitions)
        return SINK_ERR_MEMORY;
    t->partitions = partitions;
    for (; t->n_made < n; t->n_made++) {
        partition *p = calloc(1, sizeof *p);
        if (!p)
            return SINK_ERR_MEMORY;
        *p = (partition){.topic = t, .index = t->n_made};
        partitions[t->n_made] = p;
    }
    return SINK_OK;
}

static sink_err leaders_ask(direct *d, direct_topic *t) {
    int32_t *leaders, n;
    sink_err err = cluster_topic(d->cluster, t->base.name, &leaders, &n);
    if (err != SINK_OK)
        return err;
    err = partitions_make(t, n);
    for (int32_t i = 0; i < n && err == SINK_OK; i++)
        t->partitions[i]->leader = leaders[i];
    free(leaders);
    t->n = n;
    t->asked_us = base_mono_us();
    return err;
}

/* Once in a transaction. While batches of it wait or are under way a leader must not change: they would come
 * in another order. */
static sink_err topic_look(direct *d, direct_topic *t) {
    t->looked = d->transaction;
    bool fresh = t->asked_us != 0 && base_mono_us() - t->asked_us < LEADERS_US;
    return fresh ? SINK_OK : leaders_ask(d, t);
}

/* ---- batches away ------------------------------------------------------------------------------------- */

static int topic_order(const partition *a, const partition *b) {
    uintptr_t at = (uintptr_t)a->topic, bt = (uintptr_t)b->topic;
    return at != bt ? (at < bt ? -1 : 1) : a->index < b->index ? -1 : a->index > b->index;
}

static int by_topic(const void *a, const void *b) {
    return topic_order(*(partition *const *)a, *(partition *const *)b);
}

static int by_leader(const void *a, const void *b) {
    const partition *p = *(partition *const *)a, *q = *(partition *const *)b;
    return p->leader != q->leader ? (p->leader < q->leader ? -1 : 1) : topic_order(p, q);
}

/* The coordinator learns of every partition that has records, before a broker gets the first of them: those
 * of partitions that it did not know would stay when the transaction ends. */
static sink_err dirty_add_to_transaction(direct *d) {
    if (d->n_dirty > d->places_size) {
        cluster_place *places = realloc(d->places, d->n_dirty * sizeof *places);
        if (!places)
            return SINK_ERR_MEMORY;
        d->places = places;
        d->places_size = d->n_dirty;
    }
    qsort(d->dirty, d->n_dirty, sizeof(partition *), by_topic);
    size_t n = 0;
    for (size_t i = 0; i < d->n_dirty; i++)
        if (d->dirty[i]->added != d->transaction)
            d->places[n++] = (cluster_place){d->dirty[i]->topic->base.name, d->dirty[i]->index};
    if (n == 0)
        return SINK_OK;
    d->added = true; /* also if the answer is lost */
    sink_err err = cluster_add(d->cluster, d->places, n);
    for (size_t i = 0; i < d->n_dirty && err == SINK_OK; i++)
        d->dirty[i]->added = d->transaction;
    return err;
}

/* kafka.buffer is for what fills and what is under way: what one request needs more than is left waits until
 * others have come back. */
static sink_err flight_room(const direct *d, partition *const *all, size_t n) {
    size_t needed = d->bytes, most = d->core->link->opt.buffer_bytes;
    for (size_t i = 0; i < n; i++)
        needed += record_batch_bytes_max(&all[i]->batch, d->pack);
    return pipeline_room(d->pipeline, needed < most ? most - needed : 0);
}

/* One request with the batches of these, which have one leader. */
static sink_err batches_send(direct *d, partition *const *all, size_t n) {
    flight *f;
    sink_err err = flight_room(d, all, n);
    if (err == SINK_OK)
        err = pipeline_flight(d->pipeline, all[0]->leader, &f);
    for (size_t i = 0; i < n && err == SINK_OK; i++) {
        err = flight_add(f, d->core, all[i], d->pack);
        all[i]->dirty = false;
    }
    return err == SINK_OK ? pipeline_send(d->pipeline, f) : err;
}

/* The others that fill go on filling. */
static sink_err one_send(direct *d, partition *p) {
    sink_err err = p->added == d->transaction ? SINK_OK : dirty_add_to_transaction(d);
    if (err == SINK_OK)
        err = batches_send(d, &p, 1);
    size_t at = 0;
    while (at < d->n_dirty && d->dirty[at] != p)
        at++;
    if (at < d->n_dirty)
        d->dirty[at] = d->dirty[--d->n_dirty];
    return err;
}

/* How many of the first have one leader and are not too much for one request. */
static size_t request_run(partition *const *all, size_t n) {
    size_t run = 0, bytes = 0;
    do
        bytes += all[run++]->batch.n;
    while (run < n && all[run]->leader == all[0]->leader && bytes + all[run]->batch.n <= REQUEST_BYTES_MAX);
    return run;
}

static sink_err all_send(direct *d) {
    if (d->n_dirty == 0)
        return SINK_OK;
    sink_err err = dirty_add_to_transaction(d);
    qsort(d->dirty, d->n_dirty, sizeof(partition *), by_leader);
    for (size_t at = 0, run; at < d->n_dirty && err == SINK_OK; at += run) {
        run = request_run(d->dirty + at, d->n_dirty - at);
        err = batches_send(d, d->dirty + at, run);
    }
    d->n_dirty = 0;
    return err;
}

/* ---- memory ------------------------------------------------------------------------------------------- */

static void partition_trim(direct *d, partition *p) {
    d->bytes -= partition_bytes(p);
    record_batch_fini(&p->batch);
    free(p->rows);
    p->rows = NULL;
    p->rows_size = 0;
}

/* All that is held goes out, is waited for, and its memory given back. */
static sink_err memory_make(direct *d) {
    sink_err err = all_send(d);
    if (err == SINK_OK)
        err = pipeline_drain(d->pipeline, FLUSH_MS);
    if (err != SINK_OK)
        return err;
    pipeline_trim(d->pipeline);
    for (size_t i = 0; i < BUCKETS; i++)
        for (direct_topic *t = d->buckets[i]; t; t = t->next)
            for (int32_t j = 0; j < t->n_made; j++)
                partition_trim(d, t->partitions[j]);
    return SINK_OK;
}

static size_t batch_bytes_max(const direct *d) {
    const kafka_link *link = d->core->link;
    size_t most = link->opt.buffer_bytes / BATCHES_IN_BUFFER;
    return link->oversize.batch_bytes < most ? link->oversize.batch_bytes : most;
}

/* Twice as much as there is, but not more than a batch may have, unless a message wants it. */
static size_t batch_bytes_next(const direct *d, const partition *p, size_t wanted) {
    size_t next = p->batch.size > 0 ? 2 * p->batch.size : BATCH_BYTES_FIRST;
    size_t most = batch_bytes_max(d);
    next = next < most ? next : most;
    return next > wanted ? next : wanted;
}

static sink_err batch_grow(direct *d, partition *p, size_t more) {
    size_t size = batch_bytes_next(d, p, p->batch.n + more);
    if (d->bytes + pipeline_bytes(d->pipeline) + size > d->core->link->opt.buffer_bytes) {
        sink_err err = memory_make(d);
        if (err != SINK_OK)
            return err;
        size = batch_bytes_next(d, p, more);
    }
    uint8_t *data = realloc(p->batch.data, size);
    if (!data)
        return SINK_ERR_MEMORY;
    d->bytes += size - p->batch.size;
    p->batch.data = data;
    p->batch.size = size;
    return SINK_OK;
}

static sink_err rows_grow(direct *d, partition *p) {
    size_t size = p->rows_size > 0 ? 2 * p->rows_size : 64;
    oversize_report *rows = realloc(p->rows, size * sizeof *rows);
    if (!rows)
        return SINK_ERR_MEMORY;
    d->bytes += (size - p->rows_size) * sizeof *rows;
    p->rows = rows;
    p->rows_size = size;
    return SINK_OK;
}

static sink_err dirty_note(direct *d, partition *p) {
    if (d->n_dirty == d->dirty_size) {
        size_t size = d->dirty_size > 0 ? 2 * d->dirty_size : 64;
        partition **dirty = realloc(d->dirty, size * sizeof(partition *));
        if (!dirty)
            return SINK_ERR_MEMORY;
        d->dirty = dirty;
        d->dirty_size = size;
    }
    d->dirty[d->n_dirty++] = p;
    p->dirty = true;
    return SINK_OK;
}

/* ---- a message ---------------------------------------------------------------------------------------- */

/* Room for it in its partition's batch. A message as large as a batch may be is alone in one. */
static sink_err room_make(direct *d, partition *p, size_t bytes) {
    sink_err err = SINK_OK;
    bool full = p->batch.n + bytes > batch_bytes_max(d) || p->batch.records == RECORD_BATCH_RECORDS_MAX;
    if (full && p->batch.records > 0)
        err = one_send(d, p);
    if (err == SINK_OK && p->batch.size - p->batch.n < bytes)
        err = batch_grow(d, p, bytes);
    if (err == SINK_OK && (size_t)p->batch.records == p->rows_size)
        err = rows_grow(d, p);
    return err;
}

static sink_err message_send(void *self, const message *m, bool *ret_too_large) {
    direct *d = self;
    direct_topic *t = (direct_topic *)m->topic;
    size_t bytes = record_bytes_max(m);
    *ret_too_large = RECORD_BATCH_HEAD_BYTES + bytes > d->core->link->message_bytes_max;
    if (*ret_too_large)
        return SINK_OK;
    sink_err err = t->looked == d->transaction ? SINK_OK : topic_look(d, t);
    if (err != SINK_OK)
        return err;
    partition *p = t->partitions[rd_kafka_msg_partitioner_murmur2(NULL, m->key, m->key_n, t->n, NULL, NULL)];
    err = room_make(d, p, bytes);
    if (err == SINK_OK && !p->dirty)
        err = dirty_note(d, p);
    if (err != SINK_OK)
        return err;
    p->rows[p->batch.records] = (oversize_report){m->row, m->key_n + m->value_n};
    record_batch_add(&p->batch, m);
    return SINK_OK;
}

static sink_err poll_some(void *self) { return pipeline_poll(((direct *)self)->pipeline); }

static sink_err flush(void *self) {
    direct *d = self;
    sink_err err = all_send(d);
    return err == SINK_OK ? pipeline_drain(d->pipeline, FLUSH_MS) : err;
}

static void committed(void *self) {
    direct *d = self;
    d->transaction++;
    d->added = false;
}

/* librdkafka thinks that a transaction without its own messages is empty, and would leave it open. The end
 * may not overtake a batch, see plane_ops, so it is asked for only when every batch of ours has an answer,
 * whatever it says, and librdkafka has nothing of the checkpoint under way. */
static plane_end abort_transaction(void *self) {
    direct *d = self;
    if (!d->added)
        return PLANE_END_NOT_OURS;
    bool settled = pipeline_settle(d->pipeline, ABORT_MS) && plane_rdkafka_settle(d->core, ABORT_MS);
    return settled && cluster_abort(d->cluster, ABORT_MS) == SINK_OK ? PLANE_END_DONE : PLANE_END_LEFT;
}

/* ---- life --------------------------------------------------------------------------------------------- */

static void direct_close(void *self) {
    direct *d = self;
    if (!d)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (d->buckets[i]) {
            direct_topic *t = d->buckets[i];
            d->buckets[i] = t->next;
            topic_free(t);
        }
    pipeline_free(d->pipeline);
    cluster_close(d->cluster);
    pack_free(d->pack);
    free(d->dirty);
    free(d->places);
    free(d);
}

static bool versions_fit(const channel *c, int16_t produce_least) {
    return channel_version(c, API_PRODUCE, produce_least, FLIGHT_VERSION_MOST) >= 0 &&
           channel_version(c, API_METADATA, 4, 4) >= 0 && channel_version(c, API_ADD_PARTITIONS, 0, 2) >= 0 &&
           channel_version(c, API_END_TRANSACTION, 0, 2) >= 0;
}

static sink_err parts_open(direct *d, bool *ret_unfit) {
    pack_codec codec = PACK_NONE;
    pack_codec_find(d->core->link->opt.compression, &codec);
    int16_t least = codec == PACK_ZSTD ? FLIGHT_VERSION_ZSTD : FLIGHT_VERSION_LEAST;
    d->pack = pack_new(codec);
    if (!d->pack)
        return SINK_ERR_MEMORY;
    sink_err err = cluster_open(d->core, &d->cluster, ret_unfit);
    if (err != SINK_OK)
        return err;
    if (!versions_fit(cluster_coordinator(d->cluster), least)) {
        link_say(d->core->link, "its brokers are too old or too new");
        *ret_unfit = true;
        return SINK_ERR_IO;
    }
    d->pipeline = pipeline_new(d->core, d->cluster, least);
    return d->pipeline ? SINK_OK : SINK_ERR_MEMORY;
}

sink_err direct_open(producer_core *core, plane *ret_plane, const char **ret_why) {
    static const plane_ops ops = {.name = "direct",
                                  .topic_open = topic_open,
                                  .topic_close = topic_close,
                                  .send = message_send,
                                  .poll = poll_some,
                                  .flush = flush,
                                  .committed = committed,
                                  .abort = abort_transaction,
                                  .close = direct_close};
    direct *d = calloc(1, sizeof *d);
    if (!d)
        return SINK_ERR_MEMORY;
    d->core = core;
    d->transaction = 1;
    bool unfit = false;
    sink_err err = parts_open(d, &unfit);
    if (err == SINK_OK) {
        *ret_plane = (plane){&ops, d};
        return SINK_OK;
    }
    direct_close(d);
    *ret_why = core->link->message;
    return unfit ? SINK_OK : err;
}

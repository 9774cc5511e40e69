/* A sink's steps, as the epochs take them, on an s3_store whose server cannot be relied on; faults_test.py
 * starts server and proxy, and looks at what is there in the end.
 *
 *     s3_faults_test ENDPOINT BUCKET KEY SECRET SEED EPOCHS
 *
 * An epoch settles some numbers: its commit says up to which one. It has 1 to 3 objects, whose size and bytes
 * come from their names. Between any two steps the store may be given up and opened anew, as after a crash.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "manifest.h"
#include "s3/s3_store.h"

#define OBJECTS_MAX 3u
#define CRASHES 40u /* one in so many steps */
#define BYTES_MAX ((6u << 20) + 1)
#define FAILURES_MAX 2000u

static uint64_t chance_state;
static uint8_t bytes[BYTES_MAX + 256];

static uint64_t chance(uint64_t below) { /* xorshift64* */
    chance_state ^= chance_state >> 12;
    chance_state ^= chance_state << 25;
    chance_state ^= chance_state >> 27;
    return (chance_state * UINT64_C(2685821657736338717) >> 32) % below;
}

/* What stands between two steps. */
static bool crash(void) { return chance(CRASHES) == 0; }

/* ---- objects ---------------------------------------------------------------------------------------- */

static uint32_t name_sum(const char *name) {
    uint32_t sum = 0;
    for (; *name; name++)
        sum = sum * 31 + (uint8_t)*name;
    return sum;
}

/* One in eight is large enough for an upload in parts. */
static size_t object_bytes(const char *name) {
    uint32_t sum = name_sum(name);
    return sum % 8 == 0 ? (5u << 20) + sum % (1u << 20) : sum % 60000;
}

static sink_err object_aside(sink_store s, uint32_t slot, object_info *o) {
    o->bytes = object_bytes(o->name);
    sink_err err = s.ops->aside_begin(s.self, slot, o->name);
    if (err == SINK_OK)
        err = s.ops->aside_write(s.self, bytes + name_sum(o->name) % 251, o->bytes);
    return err == SINK_OK ? s.ops->aside_finish(s.self) : err;
}

/* ---- epochs ----------------------------------------------------------------------------------------- */

static sink_err manifest_put(sink_store s, const manifest *m, sink_manifest kind) {
    size_t n;
    CLEANUP_FREE char *text = manifest_encode(m, kind, &n);
    return text ? s.ops->put(s.self, kind, m->epoch, text, n) : SINK_ERR_MEMORY;
}

static sink_err manifest_get(sink_store s, sink_manifest kind, uint64_t epoch, manifest *ret,
                             bool *ret_there) {
    CLEANUP_FREE char *text = NULL;
    size_t n;
    sink_err err = s.ops->get(s.self, kind, epoch, &text, &n);
    *ret_there = err == SINK_OK && text;
    return *ret_there ? manifest_decode(text, n, ret) : err;
}

static sink_err epoch_write(sink_store s, manifest *m, bool decided) {
    for (uint32_t i = 0; i < m->n_objects; i++) {
        sink_err err = crash() ? SINK_ERR_IO : object_aside(s, i, &m->objects[i]);
        if (err != SINK_OK)
            return err;
    }
    sink_err err = decided ? SINK_OK : manifest_put(s, m, SINK_INTENT);
    for (uint32_t i = 0; i < m->n_objects && err == SINK_OK; i++)
        err = crash() ? SINK_ERR_IO : s.ops->publish(s.self, i, m->objects[i].name);
    if (err == SINK_OK)
        err = crash() ? SINK_ERR_IO : manifest_put(s, m, SINK_COMMIT);
    if (err == SINK_OK)
        err = crash() ? SINK_ERR_IO : s.ops->remove_intent(s.self, m->epoch);
    return err;
}

static sink_err epoch_new(sink_store s, uint64_t epoch, uint64_t from, const char *incarnation) {
    CLEANUP(manifest_fini) manifest m = {.epoch = epoch, .encoder_version = 1, .format = "jsonl"};
    m.from.mark.position = from;
    m.to.mark.position = from + 1 + chance(100);
    snprintf(m.incarnation, sizeof m.incarnation, "%s", incarnation);
    m.n_objects = 1 + chance(OBJECTS_MAX);
    m.objects = calloc(m.n_objects, sizeof *m.objects);
    if (!m.objects)
        return SINK_ERR_MEMORY;
    for (uint32_t i = 0; i < m.n_objects; i++)
        snprintf(m.objects[i].name, sizeof m.objects[i].name,
                 "dt=2026-11-20/hr=%02u/c-%s-s-%012" PRIu64 "-%" PRIu64 ".jsonl", i, incarnation, epoch,
                 m.to.mark.position);
    return epoch_write(s, &m, false);
}

/* As epochs_open does it. */
static sink_err recover(sink_store s, uint64_t *ret_epoch, uint64_t *ret_position) {
    CLEANUP(manifest_fini) manifest commit = {0};
    CLEANUP(manifest_fini) manifest intent = {0};
    bool there = false;
    sink_err err = s.ops->aside_reset(s.self);
    if (err == SINK_OK)
        err = s.ops->last_commit(s.self, ret_epoch);
    if (err == SINK_OK && *ret_epoch > 0)
        err = manifest_get(s, SINK_COMMIT, *ret_epoch, &commit, &there);
    if (err == SINK_OK && *ret_epoch > 0)
        err = there ? s.ops->remove_intent(s.self, *ret_epoch) : SINK_ERR_CHECKPOINT;
    *ret_position = commit.to.mark.position;
    if (err == SINK_OK)
        err = manifest_get(s, SINK_INTENT, *ret_epoch + 1, &intent, &there);
    if (err != SINK_OK || !there)
        return err;
    err = epoch_write(s, &intent, true);
    *ret_epoch = intent.epoch;
    *ret_position = intent.to.mark.position;
    return err;
}

/* Until something fails, or there are `epochs`. */
static sink_err run(const s3_options *opt, uint64_t epochs, uint64_t *ret_epoch) {
    uint64_t position;
    s3_store *store;
    sink_err err = s3_store_open(opt, "c", "s", &store);
    if (err != SINK_OK)
        return err;
    sink_store s = s3_store_of(store);
    err = recover(s, ret_epoch, &position);
    while (err == SINK_OK && *ret_epoch < epochs) {
        err = epoch_new(s, *ret_epoch + 1, position, "0123456789abcdef");
        if (err == SINK_OK)
            err = recover(s, ret_epoch, &position);
    }
    const char *message = s.ops->message(s.self);
    if (err != SINK_OK && *message)
        fprintf(stderr, "epoch %" PRIu64 ": %s: %s\n", *ret_epoch, sink_err_name(err), message);
    s3_store_close(store);
    return err;
}

int main(int argc, char **argv) {
    if (argc != 7)
        return 2;
    s3_options opt = {.place = {.endpoint = argv[1], .region = "us-east-1", .bucket = argv[2]},
                      .prefix = "lake/",
                      .part_bytes = S3_PART_BYTES_LEAST,
                      .parallel_parts = 2};
    opt.credentials.access_key_id = argv[3];
    opt.credentials.secret_access_key = argv[4];
    chance_state = strtoull(argv[5], NULL, 10) * 2 + 1;
    uint64_t epochs = strtoull(argv[6], NULL, 10), epoch = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 251);
    for (unsigned failures = 0; failures < FAILURES_MAX; failures++) {
        sink_err err = run(&opt, epochs, &epoch);
        if (err == SINK_OK) {
            printf("%" PRIu64 " epochs, opened %u times\n", epoch, failures + 1);
            return 0;
        }
        if (err != SINK_ERR_IO)
            return 1;
    }
    return 1;
}

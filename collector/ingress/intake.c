#include "collector/ingress/intake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "collector/base/cleanup.h"
#include "collector/base/unpack.h"
#include "collector/journal/entry.h"

#define RAW_KEPT_BYTES (512u << 10) /* decompressed bytes that stay resident between batches */

struct intake {
    unpacker *unpacker;
    uint8_t *raw; /* raw_max bytes of address space; memory is behind what was written */
    size_t raw_max;
    wire_item *items;
    size_t items_max;
    wire_dict dict;
    wire_batch batch;
};

struct intake *intake_new(size_t decompressed_bytes, size_t batch_numbers) {
    struct intake *in = calloc(1, sizeof *in);
    if (in == NULL)
        return NULL;
    in->raw_max = decompressed_bytes;
    in->items_max = batch_numbers < WIRE_BATCH_NUMBERS_MAX ? batch_numbers : WIRE_BATCH_NUMBERS_MAX;
    in->unpacker = unpacker_new();
    in->items = calloc(in->items_max, sizeof *in->items);
    in->raw = mmap(NULL, in->raw_max, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (in->raw == MAP_FAILED)
        in->raw = NULL;
    if (in->unpacker == NULL || in->items == NULL || in->raw == NULL) {
        intake_free(in);
        return NULL;
    }
    return in;
}

void intake_free(struct intake *in) {
    if (in == NULL)
        return;
    unpacker_free(in->unpacker);
    free(in->items);
    if (in->raw != NULL)
        munmap(in->raw, in->raw_max);
    free(in);
}

void intake_submission_free(submission *sub) {
    if (sub == NULL)
        return;
    free(sub->body);
    free(sub->items);
    free(sub);
}

/* The batch in the clear: the body itself, or its decompressed bytes, lent until the next call. */
static bool body_open(struct intake *in, const uint8_t *body, size_t n, uint8_t encoding, wire_span *ret_raw,
                      struct fault *fault) {
    size_t raw_n = n;
    unpack_result result = UNPACK_OK;
    if (encoding != ENTRY_PLAIN)
        result = unpack(in->unpacker, encoding, body, n, in->raw, in->raw_max, &raw_n);
    else if (n > in->raw_max)
        result = UNPACK_ERR_SPACE;
    switch (result) {
    case UNPACK_OK:
        *ret_raw = (wire_span){encoding != ENTRY_PLAIN ? in->raw : body, raw_n};
        return true;
    case UNPACK_ERR_SPACE:
        fault_set(fault, 413, NULL, "the batch is larger than %zu bytes when decompressed", in->raw_max);
        return false;
    case UNPACK_ERR_MEMORY:
        fault_set(fault, 503, NULL, "out of memory");
        return false;
    case UNPACK_ERR_DATA:
        break;
    }
    fault_set(fault, 400, NULL, "the body is not valid %s, or cut short",
              encoding == ENTRY_ZSTD ? "zstd" : "gzip");
    fault->unjudged = true; /* compressed again it may be */
    return false;
}

static bool batch_scan(struct intake *in, wire_span raw, struct fault *fault) {
    wire_err err = wire_batch_scan(raw.data, raw.n, in->items, in->items_max, &in->dict, &in->batch);
    if (err == WIRE_OK)
        return true;
    uint64_t bad_seq = in->batch.bad_seq;
    if (err == WIRE_ERR_VERSION) /* the events may be fine: they wait until this collector is newer */
        fault_set(fault, 501, NULL, "%s; %u is", wire_strerror(err), WIRE_VERSION);
    else if (err == WIRE_ERR_LIMIT && bad_seq == 0) /* less at once may well be taken */
        fault_set(fault, 413, NULL, "the batch holds more than is allowed: %s", wire_strerror(err));
    else if (bad_seq != 0)
        fault_set(fault, 400, NULL, "event %llu: %s", (unsigned long long)bad_seq, wire_strerror(err));
    else
        fault_set(fault, 400, NULL, "not a batch: %s", wire_strerror(err));
    fault->refused_seq = bad_seq;
    return false;
}

static batch_facts facts_of(const wire_batch *batch, size_t raw_bytes) {
    batch_facts facts = {
        .first_seq = batch->first_seq,
        .last_seq = batch->last_seq,
        .chain = batch->chain,
        .chain_after = batch->chain_after,
        .low = batch->low,
        .resent_through = batch->resent_through,
        .pending = batch->pending,
        .refused = batch->refused,
        .run_ordinal = batch->run.ordinal,
        .run_boot_us = batch->run.boot_us,
        .run_wall_us = batch->run.wall_us,
        .clock = batch->clock,
        .n_items = batch->n_items,
        .n_events = batch->n_events,
        .raw_bytes = (uint32_t)raw_bytes,
    };
    memcpy(facts.installation, batch->installation, sizeof facts.installation);
    memcpy(facts.stream, batch->stream, sizeof facts.stream);
    memcpy(facts.run_boot_id, batch->run.boot_id, sizeof facts.run_boot_id);
    return facts;
}

static submission *submission_new(const struct intake *in, size_t raw_bytes) {
    submission *sub = calloc(1, sizeof *sub);
    size_t n = in->batch.n_items;
    wire_item *items = malloc((n != 0 ? n : 1) * sizeof *items);
    if (sub == NULL || items == NULL) {
        free(sub);
        free(items);
        return NULL;
    }
    memcpy(items, in->items, n * sizeof *items);
    sub->items = items;
    sub->facts = facts_of(&in->batch, raw_bytes);
    return sub;
}

/* Whatever was written beyond what usual batches need goes back to the system. */
static void raw_trim(struct intake *in, const wire_span *raw) {
    bool large = raw->data == NULL || raw->n > RAW_KEPT_BYTES; /* a failure may have written everything */
    if (large && in->raw_max > RAW_KEPT_BYTES)
        madvise(in->raw + RAW_KEPT_BYTES, in->raw_max - RAW_KEPT_BYTES, MADV_DONTNEED);
}

bool intake_take(struct intake *in, uint8_t *body, size_t n, uint8_t encoding, submission **ret_submission,
                 struct fault *ret_fault) {
    CLEANUP_FREE uint8_t *owned = body;
    wire_span raw = {0};
    bool sound = body_open(in, body, n, encoding, &raw, ret_fault) && batch_scan(in, raw, ret_fault);
    submission *sub = sound ? submission_new(in, raw.n) : NULL;
    if (encoding != ENTRY_PLAIN)
        raw_trim(in, &raw);
    if (sub == NULL) {
        if (sound)
            fault_set(ret_fault, 503, NULL, "out of memory");
        return false;
    }
    sub->encoding = encoding;
    sub->body = owned;
    sub->body_bytes = (uint32_t)n;
    owned = NULL;
    *ret_submission = sub;
    return true;
}

#include "flight.h"

#include <stdlib.h>
#include <string.h>

#include "cluster.h"

#define ACKS_ALL (-1)
#define TIMEOUT_MS 30000 /* for the followers to have it */

void flight_fini(flight *f) {
    frame_fini(&f->out);
    free(f->parts);
    free(f->rows);
    *f = (flight){0};
}

size_t flight_bytes(const flight *f) {
    return f->out.size + f->size * sizeof *f->parts + f->rows_size * sizeof *f->rows;
}

/* ---- the request -------------------------------------------------------------------------------------- */

void flight_begin(flight *f, const producer_core *core, channel *c, int16_t version) {
    f->next = NULL;
    f->sent = 0;
    f->n = f->n_rows = 0;
    f->n_topics = f->n_partitions = 0;
    f->correlation = channel_request(c, &f->out, API_PRODUCE, version);
    frame_put_string(&f->out, core->link->names.transactional_id);
    frame_put_i16(&f->out, ACKS_ALL);
    frame_put_i32(&f->out, TIMEOUT_MS);
    f->topics_at = f->out.n;
    frame_put_i32(&f->out, 0);
}

/* Doubled where the next element would not fit. NULL: out of memory, and nothing has changed. */
static void *grown(void *array, size_t n, size_t more, size_t *size, size_t element) {
    if (n + more <= *size)
        return array;
    size_t wanted = n + more > 2 * *size ? n + more : 2 * *size;
    void *bigger = realloc(array, wanted * element);
    if (bigger)
        *size = wanted;
    return bigger;
}

/* Its rows stay until the answer. */
static sink_err part_note(flight *f, partition *p) {
    size_t n = (size_t)p->batch.records;
    flight_part *parts = grown(f->parts, f->n, 1, &f->size, sizeof *f->parts);
    if (!parts)
        return SINK_ERR_MEMORY;
    f->parts = parts;
    oversize_report *rows = grown(f->rows, f->n_rows, n, &f->rows_size, sizeof *f->rows);
    if (!rows)
        return SINK_ERR_MEMORY;
    f->rows = rows;
    memcpy(rows + f->n_rows, p->rows, n * sizeof *rows);
    parts[f->n++] = (flight_part){p, f->n_rows, n, false};
    f->n_rows += n;
    return SINK_OK;
}

static void topic_put(flight *f, const direct_topic *topic) {
    if (f->n == 0 || f->parts[f->n - 1].partition->topic != topic) {
        frame_put_string(&f->out, topic->base.name);
        f->partitions_at = f->out.n;
        frame_put_i32(&f->out, 0);
        f->n_topics++;
        f->n_partitions = 0;
    }
    frame_patch_i32(&f->out, f->partitions_at, ++f->n_partitions);
}

sink_err flight_add(flight *f, const producer_core *core, partition *p, pack *how) {
    topic_put(f, p->topic);
    sink_err err = part_note(f, p);
    if (err != SINK_OK)
        return err;
    frame_put_i32(&f->out, p->index);
    frame_put_i32(&f->out, 0);
    size_t most = record_batch_bytes_max(&p->batch, how);
    if (!frame_reserve(&f->out, most))
        return SINK_ERR_MEMORY;
    record_writer by = {core->id, core->epoch, p->sequence};
    size_t n = record_batch_write(&p->batch, &by, how, f->out.data + f->out.n, most);
    if (n == 0)
        return SINK_ERR_MEMORY;
    frame_patch_i32(&f->out, f->out.n - 4, (int32_t)n);
    f->out.n += n;
    p->sequence = (int32_t)(((uint32_t)p->sequence + (uint32_t)p->batch.records) & INT32_MAX);
    record_batch_clear(&p->batch);
    return SINK_OK;
}

sink_err flight_end(flight *f) {
    frame_patch_i32(&f->out, f->topics_at, f->n_topics);
    return frame_end(&f->out) ? SINK_OK : SINK_ERR_MEMORY;
}

/* ---- the answer --------------------------------------------------------------------------------------- */

static void too_large(const flight *f, const producer_core *core, const flight_part *part) {
    for (size_t i = 0; i < part->rows; i++) {
        const oversize_report *r = &f->rows[part->first_row + i];
        oversize_take(&core->link->oversize, r->row, r->bytes, part->rows == 1);
    }
}

static bool part_is(const flight_part *part, answer_text topic, int32_t index) {
    const char *name = part->partition->topic->base.name;
    return part->partition->index == index && strlen(name) == topic.n &&
           memcmp(name, topic.data, topic.n) == 0;
}

/* Brokers mostly answer in the request's order: from behind the one before, *at. NULL: it was not sent. */
static flight_part *part_find(const flight *f, size_t *at, answer_text topic, int32_t index) {
    for (size_t i = 0; i < f->n; i++) {
        size_t next = *at + i < f->n ? *at + i : *at + i - f->n;
        if (part_is(&f->parts[next], topic, index)) {
            *at = next + 1 < f->n ? next + 1 : 0;
            return &f->parts[next];
        }
    }
    return NULL;
}

/* What an answer says of one batch. Of one that is not in the request, or that it has spoken of, nothing is
 * believed: then one of ours is missed where they are counted. */
static sink_err part_answer(flight_part *part, const flight *f, producer_core *core, int16_t code) {
    if (!part || part->answered)
        return SINK_OK;
    part->answered = true;
    if (code == 0)
        return SINK_OK;
    if (plane_is_too_large((rd_kafka_resp_err_t)code))
        too_large(f, core, part);
    return cluster_refusal(core, part->partition->topic->base.name, code);
}

bool flight_answered(const flight *f) {
    size_t i = 0;
    while (i < f->n && f->parts[i].answered)
        i++;
    return i == f->n;
}

/* All of them are read, whatever the first says: each too large one is worth knowing. */
sink_err flight_answer(flight *f, producer_core *core, int16_t version, answer *a) {
    size_t at = 0;
    sink_err err = SINK_OK;
    for (int32_t topics = answer_count(a, 6); topics > 0; topics--) {
        answer_text topic = answer_string(a);
        for (int32_t left = answer_count(a, 22); left > 0; left--) {
            int32_t index = answer_i32(a);
            int16_t code = answer_i16(a);
            answer_i64(a); /* the first offset */
            answer_i64(a); /* the time of appending */
            if (version >= 5)
                answer_i64(a); /* where the log begins */
            if (!a->bad && part_answer(part_find(f, &at, topic, index), f, core, code) != SINK_OK)
                err = SINK_ERR_IO;
        }
    }
    if (err != SINK_OK || (flight_answered(f) && !a->bad))
        return err;
    link_say(core->link, "a broker has not answered for every batch");
    core->failed = true;
    return SINK_ERR_IO;
}

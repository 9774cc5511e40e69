#include "reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "topic_admin.h"

#define READ_MS 30000u /* without anything new */
#define SLICE_MS 200u
#define CREATED_MS 15000u /* for a new topic to have a leader */

struct reader {
    kafka_link *link;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    bool reading;
    int64_t position; /* everything before it has been read */
    records records;
};

/* ---- the topic ---------------------------------------------------------------------------------------- */

/* Small segments, soon compacted: every start reads what is there. */
static sink_err topic_create(reader *r) {
    static const kafka_setting settings[] = {
        {"cleanup.policy", "compact"}, {"segment.bytes", "4194304"}, {"min.cleanable.dirty.ratio", "0.1"}};
    topic_plan plan = {.name = r->link->names.checkpoint_topic,
                       .partitions = 1,
                       .settings = settings,
                       .n_settings = sizeof settings / sizeof *settings};
    int found = 0;
    bool no = false;
    sink_err err = admin_topic_create(r->link, r->rk, &plan, &no);
    uint64_t deadline = link_deadline_us(r->link, CREATED_MS);
    while (err == SINK_OK && found == 0 && !no && link_left_ms(r->link, deadline, SLICE_MS) > 0) {
        if (admin_topic_find(r->link, r->rk, plan.name, &found) != SINK_OK)
            found = 0; /* no leader yet */
        if (found == 0)
            rd_kafka_poll(r->rk, SLICE_MS);
    }
    return err == SINK_OK && found == 0 ? SINK_ERR_IO : err;
}

/* A topic that deletes by age would one day take the checkpoint along, and everything would be sent again. */
static sink_err policy_check(reader *r) {
    CLEANUP_FREE char *policy = NULL;
    sink_err err =
        admin_topic_setting(r->link, r->rk, r->link->names.checkpoint_topic, "cleanup.policy", &policy);
    if (err != SINK_OK || !policy || strcmp(policy, "compact") == 0)
        return err;
    link_say(r->link, "topic %s has cleanup.policy=%s; a checkpoint needs compact",
             r->link->names.checkpoint_topic, policy);
    return SINK_ERR_CHECKPOINT;
}

/* All is read from the first one, and several have no order among them. */
static sink_err partitions_check(const reader *r, int partitions) {
    if (partitions <= 1)
        return SINK_OK;
    link_say(r->link, "topic %s has %d partitions; a checkpoint needs a topic of one",
             r->link->names.checkpoint_topic, partitions);
    return SINK_ERR_CHECKPOINT;
}

static sink_err topic_settle(reader *r) {
    int partitions;
    sink_err err = admin_topic_find(r->link, r->rk, r->link->names.checkpoint_topic, &partitions);
    if (err == SINK_OK)
        err = partitions_check(r, partitions);
    if (err != SINK_OK)
        return err;
    bool there = partitions > 0;
    if (!there && r->link->owned) {
        link_say(r->link, "topic %s, the checkpoint, is gone", r->link->names.checkpoint_topic);
        return SINK_ERR_CHECKPOINT;
    }
    if (!there && !r->link->opt.create_topics) {
        link_say(r->link, "topic %s is not there: create it with one partition and cleanup.policy=compact",
                 r->link->names.checkpoint_topic);
        return SINK_ERR_IO;
    }
    if (!there)
        err = topic_create(r);
    return err == SINK_OK ? policy_check(r) : err;
}

/* ---- life --------------------------------------------------------------------------------------------- */

/* By the partition, so that there is no consumer group, and no right to one is needed. */
static sink_err read_begin(reader *r) {
    r->topic = rd_kafka_topic_new(r->rk, r->link->names.checkpoint_topic, NULL);
    r->reading = r->topic && rd_kafka_consume_start(r->topic, 0, RD_KAFKA_OFFSET_BEGINNING) == 0;
    if (r->reading)
        return SINK_OK;
    link_say(r->link, "topic %s: %s", r->link->names.checkpoint_topic,
             rd_kafka_err2str(rd_kafka_last_error()));
    return SINK_ERR_IO;
}

sink_err reader_open(kafka_link *link, reader **ret_reader) {
    reader *r = calloc(1, sizeof *r);
    if (!r)
        return SINK_ERR_MEMORY;
    r->link = link;
    r->records.id = link->names.transactional_id;
    r->rk = client_reader(link);
    sink_err err = r->rk ? topic_settle(r) : SINK_ERR_IO;
    if (err == SINK_OK)
        err = read_begin(r);
    if (err == SINK_OK)
        *ret_reader = r;
    else
        reader_close(r);
    return err;
}

void reader_close(reader *r) {
    if (!r)
        return;
    if (r->reading)
        rd_kafka_consume_stop(r->topic, 0);
    if (r->topic)
        rd_kafka_topic_destroy(r->topic);
    if (r->rk)
        rd_kafka_destroy(r->rk);
    records_fini(&r->records);
    free(r);
}

const records *reader_records(const reader *r) { return &r->records; }

/* ---- reading ------------------------------------------------------------------------------------------ */

static sink_err record_take(reader *r, const rd_kafka_message_t *m) {
    switch (records_take(&r->records, m->key, m->key_len, m->payload, m->len)) {
    case RECORDS_OK:
        r->position = m->offset + 1;
        return SINK_OK;
    case RECORDS_ERR_MEMORY:
        return SINK_ERR_MEMORY;
    case RECORDS_ERR_FOREIGN:
        link_say(r->link, "topic %s has records of another sink at offset %" PRId64 ": give each its own",
                 r->link->names.checkpoint_topic, m->offset);
        return SINK_ERR_CHECKPOINT;
    case RECORDS_ERR_DATA:
        break;
    }
    link_say(r->link, "topic %s: the record at offset %" PRId64 " is none of ours",
             r->link->names.checkpoint_topic, m->offset);
    return SINK_ERR_CHECKPOINT;
}

/* One record, the end of what is committed, or nothing for a while. */
static sink_err step(reader *r, int slice) {
    rd_kafka_message_t *m = rd_kafka_consume(r->topic, 0, slice);
    if (!m)
        return SINK_OK;
    sink_err err = SINK_OK;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        err = record_take(r, m);
    else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        r->position = m->offset;
    else {
        link_say(r->link, "topic %s: %s", r->link->names.checkpoint_topic, rd_kafka_message_errstr(m));
        err = SINK_ERR_IO;
    }
    rd_kafka_message_destroy(m);
    return err;
}

/* Until both are reached; an owner of NULL is. */
static sink_err read_until(reader *r, int64_t end, const char *owner) {
    uint64_t deadline = link_deadline_us(r->link, READ_MS);
    while (r->position < end || (owner && strcmp(r->records.owner, owner) != 0)) {
        int64_t before = r->position;
        int slice = link_left_ms(r->link, deadline, SLICE_MS);
        if (slice == 0) {
            link_say(r->link, "topic %s: what is behind offset %" PRId64 " of %" PRId64 " cannot be read",
                     r->link->names.checkpoint_topic, r->position, end);
            return SINK_ERR_IO;
        }
        sink_err err = step(r, slice);
        if (err != SINK_OK)
            return err;
        if (r->position > before)
            deadline = link_deadline_us(r->link, READ_MS);
    }
    return SINK_OK;
}

static sink_err read_to_end(reader *r, bool committed) {
    int64_t end;
    sink_err err = admin_topic_end(r->link, r->rk, r->link->names.checkpoint_topic, committed, &end);
    return err == SINK_OK ? read_until(r, end, NULL) : err;
}

sink_err reader_look(reader *r) { return read_to_end(r, true); }
sink_err reader_catch_up(reader *r) { return read_to_end(r, false); }
sink_err reader_await_owner(reader *r, const char *owner) { return read_until(r, 0, owner); }

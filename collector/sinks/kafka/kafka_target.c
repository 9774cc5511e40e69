#include "kafka_target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dead_letters.h"
#include "json.h"
#include "link.h"
#include "metrics.h"
#include "producer.h"
#include "reader.h"
#include "text.h"
#include "topics.h"

#define ID_SIZE 33u /* in hex */

typedef struct id_text {
    uint8_t id[16];
    char text[ID_SIZE]; /* empty: of none yet */
} id_text;

typedef struct kafka_target {
    kafka_link *link;
    producer *producer;
    topics *topics;
    rd_kafka_topic_t *checkpoints;
    void *format; /* of opt.format; outlives what the order stage holds */
    char *value;  /* the row being sent */
    size_t value_size;
    id_text installation, stream;    /* of the row before */
    dead_letters *dead_letters;      /* NULL: nothing is set aside */
    uint64_t rows, late_rows, bytes; /* since begin, without those set aside */
    uint64_t aside_rows;
    int64_t min_us, max_us;
} kafka_target;

/* ---- recover ------------------------------------------------------------------------------------------ */

/* Whether who became the owner once still is. A topic that somebody emptied has no owner at all; that is no
 * other collector, so ours goes on without this sink. */
static sink_err owner_check(kafka_link *link, const records *r) {
    if (!link->owned || strncmp(r->owner, link->owner, strlen(link->owner)) == 0)
        return SINK_OK;
    if (r->owner[0] == '\0') {
        link_say(link, "topic %s is empty: the checkpoint is gone", link->names.checkpoint_topic);
        return SINK_ERR_CHECKPOINT;
    }
    link_say(link,
             "another collector has taken over the transactional id %s (start %.32s); give each its own id",
             link->names.transactional_id, r->owner);
    return SINK_ERR_FENCED;
}

/* Goes on with the history that is there, or begins one. */
static void history_take(kafka_link *link, const records *r) {
    snprintf(link->history, sizeof link->history, "%.8s", r->history[0] ? r->history : link->owner);
}

/* Says in the checkpoint's partition that we are the owner now; *ret_owner names this claim. */
static sink_err owner_claim(kafka_target *t, char ret_owner[RECORDS_OWNER_SIZE]) {
    kafka_link *link = t->link;
    char key[TOPIC_NAME_SIZE + sizeof RECORDS_OWNERS_SUFFIX];
    int key_n = snprintf(key, sizeof key, "%s" RECORDS_OWNERS_SUFFIX, link->names.transactional_id);
    int n = snprintf(ret_owner, RECORDS_OWNER_SIZE, "%s %" PRIu64 " %s", link->owner, ++link->claims,
                     link->history);
    message m = {.key = key, .key_n = (size_t)key_n, .value = ret_owner, .value_n = (size_t)n};
    bool too_large;
    sink_err err = producer_send_record(t->producer, t->checkpoints, &m, &too_large);
    return err == SINK_OK ? producer_commit(t->producer) : err;
}

static sink_err producer_begin(kafka_target *t) {
    t->producer = producer_open(t->link);
    sink_err err = t->producer ? producer_init(t->producer) : SINK_ERR_IO;
    if (err != SINK_OK)
        return err;
    t->topics = topics_new(t->link, t->producer);
    t->checkpoints = rd_kafka_topic_new(producer_handle(t->producer), t->link->names.checkpoint_topic, NULL);
    return t->topics && t->checkpoints ? SINK_OK : SINK_ERR_MEMORY;
}

/* The first look only spares a new owner: starting transactions would fence it off once more. */
static sink_err owner_become(kafka_target *t, reader *r) {
    const records *seen = reader_records(r);
    sink_err err = reader_look(r);
    if (err == SINK_OK)
        err = owner_check(t->link, seen);
    if (err == SINK_OK)
        err = producer_begin(t);
    if (err == SINK_OK)
        err = reader_catch_up(r);
    if (err == SINK_OK)
        err = owner_check(t->link, seen);
    if (err == SINK_OK)
        history_take(t->link, seen);
    char owner[RECORDS_OWNER_SIZE];
    if (err == SINK_OK)
        err = owner_claim(t, owner);
    if (err != SINK_OK)
        return err;
    t->link->owned = true;
    return reader_await_owner(r, owner);
}

static sink_err target_recover(void *self, manifest *ret_last) {
    kafka_target *t = self;
    CLEANUP(reader_cleanup) reader *r = NULL;
    sink_err err = reader_open(t->link, &r);
    if (err == SINK_OK)
        err = owner_become(t, r);
    if (err != SINK_OK)
        return err;
    const records *seen = reader_records(r);
    if (!seen->commit)
        return SINK_OK;
    err = manifest_decode(seen->commit, seen->commit_n, ret_last);
    if (err != SINK_OK)
        link_say(t->link, "topic %s: the checkpoint is none that this build can read",
                 t->link->names.checkpoint_topic);
    return err;
}

/* ---- rows --------------------------------------------------------------------------------------------- */

static sink_err target_begin(void *self, const manifest *m) {
    kafka_target *t = self;
    t->rows = t->late_rows = t->bytes = t->aside_rows = 0;
    t->min_us = INT64_MAX;
    t->max_us = INT64_MIN;
    if (topics_worn(t->topics)) {
        link_say(t->link, "very many topics were written to; the producer is made anew");
        return SINK_ERR_IO;
    }
    return t->dead_letters ? dead_letters_begin(t->dead_letters, t->link->history, m->epoch) : SINK_OK;
}

/* Where the row begins in t->value: behind the schema registry's frame, if there is one. */
static size_t frame_bytes(const kafka_target *t) { return t->link->registry ? REGISTRY_FRAME_BYTES : 0; }

/* The row as the format has it. */
static sink_err row_render(kafka_target *t, const row *r, size_t *ret_n) {
    const row_format *format = t->link->opt.format;
    size_t frame = frame_bytes(t), most = frame + format->bytes_max(t->format, r);
    if (most > t->value_size) {
        free(t->value);
        t->value = malloc(2 * most);
        t->value_size = t->value ? 2 * most : 0;
    }
    if (!t->value)
        return SINK_ERR_MEMORY;
    size_t n = format->put(t->format, t->value + frame, r);
    *ret_n = frame + n;
    return n > 0 ? SINK_OK : SINK_ERR_ENCODE;
}

/* Kafka has no times before 1970, and 0 would mean now. */
static int64_t time_ms(int64_t us) { return us >= 1000 ? us / 1000 : 1; }

/* A row, and what it is sent as. */
typedef struct letter {
    const row *row;
    body *body;
    uint64_t id; /* of oversize_row */
    size_t n;    /* bytes in t->value */
} letter;

static sink_err letter_set_aside(kafka_target *t, const letter *l, dead_letter_reason reason) {
    if (!t->dead_letters)
        return SINK_ERR_IO; /* the journal holds the rest */
    char to[TOPIC_NAME_SIZE];
    wire_span name = row_name(l->row);
    topic_name_make(topics_pattern(t->topics, l->row->late), (const char *)name.data, name.n, to);
    sink_err err = dead_letters_put(t->dead_letters, l->row, l->body, reason, to, l->n);
    if (err != SINK_OK)
        link_say(t->link, "cannot write to %s", t->link->opt.dead_letter_path);
    t->aside_rows += err == SINK_OK;
    return err;
}

static sink_err too_large(kafka_target *t, const letter *l) {
    link_say(t->link, "event %" PRIu64 " is too large, %zu bytes, and there is no dead_letter.path",
             l->row->seq, l->n);
    return letter_set_aside(t, l, DEAD_LETTER_TOO_LARGE);
}

static void letter_count(kafka_target *t, const letter *l) {
    const row *r = l->row;
    t->rows++;
    t->late_rows += r->late;
    t->bytes += l->n;
    t->min_us = r->us < t->min_us ? r->us : t->min_us;
    t->max_us = r->us > t->max_us ? r->us : t->max_us;
}

/* In hex. Events of one device come one behind the other, so mostly it is there already. */
static const char *id_text_of(id_text *t, const uint8_t id[16]) {
    if (t->text[0] == '\0' || memcmp(t->id, id, sizeof t->id) != 0) {
        memcpy(t->id, id, sizeof t->id);
        hex_encode(t->text, id, sizeof t->id);
    }
    return t->text;
}

/* What the headers' values are lent from, besides the row. */
typedef struct header_room {
    message_header headers[MESSAGE_HEADERS_MAX];
    char seq[JSON_NUMBER_MAX];
} header_room;

/* Each costs an allocation in librdkafka, which another thread frees: only those that are wanted. */
static size_t headers_make(kafka_target *t, const row *r, header_room *room) {
    unsigned wanted = t->link->opt.headers;
    message_header *h = room->headers;
    wire_span name = row_name(r);
    if (wanted & KAFKA_HEADER_NAME)
        *h++ = (message_header){"name", 4, name.data, name.n};
    if (wanted & KAFKA_HEADER_STREAM)
        *h++ = (message_header){"stream", 6, id_text_of(&t->stream, r->body->entry.stream), ID_SIZE - 1};
    if (wanted & KAFKA_HEADER_SEQ)
        *h++ = (message_header){"seq", 3, room->seq, json_put_uint(room->seq, r->seq)};
    if (wanted & KAFKA_HEADER_LATE)
        *h++ = (message_header){"late", 4, r->late ? "true" : "false", r->late ? 4 : 5};
    return (size_t)(h - room->headers);
}

static sink_err message_send(kafka_target *t, const letter *l, const topic *to, bool *ret_too_large) {
    const row *r = l->row;
    header_room room;
    if (t->link->registry)
        registry_frame_put((uint8_t *)t->value, to->schema);
    message m = {.topic = to->handle,
                 .key = id_text_of(&t->installation, r->body->entry.installation),
                 .key_n = ID_SIZE - 1,
                 .value = t->value,
                 .value_n = l->n,
                 .time_ms = time_ms(r->us),
                 .headers = room.headers,
                 .n_headers = headers_make(t, r, &room),
                 .row = l->id};
    return producer_send(t->producer, &m, ret_too_large);
}

static sink_err letter_send(kafka_target *t, const letter *l) {
    if (oversize_is(&t->link->oversize, l->id))
        return too_large(t, l);
    const topic *to = NULL;
    sink_err err = topics_get(t->topics, row_name(l->row), l->row->late, &to);
    if (err != SINK_OK)
        return err;
    if (!to)
        return letter_set_aside(t, l, DEAD_LETTER_REFUSED);
    bool large = false;
    err = message_send(t, l, to, &large);
    if (err != SINK_OK)
        return err;
    if (large)
        return too_large(t, l);
    letter_count(t, l);
    return SINK_OK;
}

static sink_err event_take(kafka_target *t, const order_event *event, bool late) {
    row rows[ROWS_MAX];
    unsigned count = rows_of(event, late, rows);
    if (count == 0)
        return SINK_ERR_ENCODE;
    if (!t->link->opt.format->prepare(t->format, event->body))
        return SINK_ERR_MEMORY;
    sink_err err = SINK_OK;
    for (unsigned i = 0; i < count && err == SINK_OK; i++) {
        letter l = {.row = &rows[i],
                    .body = event->body,
                    .id = oversize_row(event->body->entry.position, event->index, i)};
        err = row_render(t, &rows[i], &l.n);
        if (err == SINK_OK)
            err = letter_send(t, &l);
    }
    return err;
}

static sink_err target_take(void *self, const order_event *events, size_t n, bool late) {
    kafka_target *t = self;
    for (size_t i = 0; i < n; i++) {
        sink_err err = event_take(t, &events[i], late);
        if (err != SINK_OK)
            return err;
    }
    return producer_poll(t->producer);
}

static target_progress target_progress_get(const void *self) {
    const kafka_target *t = self;
    uint64_t rows = t->rows + t->aside_rows;
    return (target_progress){.empty = rows == 0, .rows = rows, .bytes = t->bytes};
}

/* ---- commit ------------------------------------------------------------------------------------------- */

static void summary_fill(const kafka_target *t, manifest *m) {
    m->encoder_version = t->link->opt.format->version;
    m->lines = t->rows;
    m->late_lines = t->late_rows;
    m->bytes = t->bytes;
    m->min_us = t->min_us;
    m->max_us = t->max_us;
}

static void dead_letters_report(const kafka_target *t) {
    for (unsigned i = 0; t->dead_letters && i < DEAD_LETTER_REASONS; i++)
        metric_add(METRIC_DEAD_LETTERS, i, dead_letters_count(t->dead_letters, (dead_letter_reason)i));
}

static sink_err checkpoint_send(kafka_target *t, const manifest *m) {
    manifest stored = *m; /* without `from`: its starts are in `to`, and nobody reads it back */
    stored.from.n_starts = 0;
    message record = {.key = t->link->names.transactional_id,
                      .key_n = strlen(t->link->names.transactional_id)};
    CLEANUP_FREE char *text = manifest_encode(&stored, SINK_COMMIT, &record.value_n);
    if (!text)
        return SINK_ERR_MEMORY;
    record.value = text;
    bool large = false;
    sink_err err = producer_send_record(t->producer, t->checkpoints, &record, &large);
    if (err != SINK_OK || !large)
        return err;
    link_say(t->link, "the checkpoint is larger than message.max.bytes");
    return SINK_ERR_IO;
}

static sink_err target_commit(void *self, manifest *m, const manifest *repeated) {
    kafka_target *t = self;
    (void)repeated; /* there are no intents */
    summary_fill(t, m);
    sink_err err = t->dead_letters ? dead_letters_keep(t->dead_letters) : SINK_OK;
    if (err == SINK_OK)
        err = checkpoint_send(t, m);
    if (err == SINK_OK)
        err = producer_commit(t->producer);
    if (err == SINK_OK) {
        oversize_forget(&t->link->oversize);
        dead_letters_report(t);
    }
    return err;
}

/* ---- life --------------------------------------------------------------------------------------------- */

static const char *target_message(void *self) {
    const kafka_link *link = ((kafka_target *)self)->link;
    return link->message[0] ? link->message : NULL;
}

static void target_close(void *self) {
    kafka_target *t = self;
    if (!t)
        return;
    topics_free(t->topics);
    if (t->checkpoints)
        rd_kafka_topic_destroy(t->checkpoints);
    producer_close(t->producer);
    dead_letters_close(t->dead_letters);
    if (t->format)
        t->link->opt.format->destroy(t->format);
    free(t->value);
    free(t);
}

sink_err kafka_target_open(kafka_link *link, sink_target *ret_target) {
    static const sink_target_ops ops = {.recover = target_recover,
                                        .begin = target_begin,
                                        .take = target_take,
                                        .progress = target_progress_get,
                                        .commit = target_commit,
                                        .message = target_message,
                                        .close = target_close};
    kafka_target *t = calloc(1, sizeof *t);
    if (!t)
        return SINK_ERR_MEMORY;
    t->link = link;
    link->message[0] = '\0';
    t->format = link->opt.format->create();
    if (link->opt.dead_letter_path)
        t->dead_letters = dead_letters_open(link->opt.dead_letter_path, link->collector, link->sink);
    if (!t->format || (link->opt.dead_letter_path && !t->dead_letters)) {
        target_close(t);
        return SINK_ERR_MEMORY;
    }
    *ret_target = (sink_target){&ops, t};
    return SINK_OK;
}

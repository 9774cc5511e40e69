#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <zstd.h>

#define PARTITIONS_MAX 512u
#define LINE_BYTES_MAX 4096u

typedef struct facts {
    mem_event event;
    uint64_t position;
    uint32_t seen;
    bool late, expected_late, alive;
} facts;

typedef struct judging {
    oracle *o;
    facts *by_uid;
    uint32_t n_uids;
    int64_t in_order_us[PARTITIONS_MAX]; /* last time that was not late, by partition */
    char partitions[PARTITIONS_MAX][24];
    size_t n_partitions;
    uint64_t last_seq[2][MEM_STREAMS];
    uint64_t clear; /* the last commit's position that held no late events */
    bool windowed;  /* of the epoch being judged: without a window nothing is in order across objects */
    const char *fault;
} judging;

void oracle_fini(oracle *o) { free(o->lost); }

void oracle_lost(oracle *o, const mem_journal *j, uint64_t n) {
    if (j->last_uid >= o->lost_cap) {
        uint32_t cap = j->last_uid * 2 + 64;
        o->lost = realloc(o->lost, cap);
        if (!o->lost)
            abort();
        memset(o->lost + o->lost_cap, 0, cap - o->lost_cap);
        o->lost_cap = cap;
    }
    for (uint64_t i = n; i < j->n; i++)
        for (uint32_t e = 0; e < j->entries[i].n_events; e++)
            o->lost[j->entries[i].events[e].uid] = 1;
}

/* ---- what should be ------------------------------------------------------------------------------------ */

/* The rule in its plainest form: an event is late if the watermark of the entries before has passed it. */
static void facts_gather(judging *g, const mem_journal *j) {
    int64_t mark_us = INT64_MIN;
    for (uint64_t i = 0; i < j->n; i++) {
        const mem_entry *e = &j->entries[i];
        for (uint32_t k = 0; k < e->n_events; k++) {
            facts *f = &g->by_uid[e->events[k].uid];
            f->event = e->events[k];
            f->position = e->entry.position;
            f->alive = true;
            f->expected_late = g->o->window_us > 0 && e->events[k].us <= mark_us;
            if (g->o->break_lateness)
                f->expected_late = e->events[k].us <= mark_us + 1000000;
        }
        int64_t us = e->entry.received_us - g->o->window_us;
        mark_us = us > mark_us ? us : mark_us;
    }
}

/* ---- what is --------------------------------------------------------------------------------------------
 */

static int64_t *partition_of(judging *g, const char *name) {
    size_t n = 0;
    for (int slashes = 0; name[n] && slashes < 2; n++)
        slashes += name[n] == '/';
    for (size_t i = 0; i < g->n_partitions; i++)
        if (strncmp(g->partitions[i], name, n) == 0)
            return &g->in_order_us[i];
    if (g->n_partitions == PARTITIONS_MAX || n >= sizeof g->partitions[0])
        abort();
    memcpy(g->partitions[g->n_partitions], name, n);
    g->in_order_us[g->n_partitions] = INT64_MIN;
    return &g->in_order_us[g->n_partitions++];
}

/* The microseconds since Unix time 0 of "…THH:MM:SS.uuuuuuZ", by the C library. */
static int64_t time_read(const char *text) {
    struct tm tm = {0};
    int us = 0;
    if (sscanf(text, "%d-%d-%dT%d:%d:%d.%6dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &us) != 7)
        return INT64_MIN;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * 1000000 + us;
}

static void event_judge(judging *g, facts *f, int64_t us, bool late, int64_t *in_order_us) {
    f->late = late;
    if (f->seen++ > 0)
        g->fault = "an event stands twice";
    if (us != f->event.us)
        g->fault = "an event's time is not the journal's";
    if (g->windowed && !late && us < *in_order_us)
        g->fault = "an event that is not late is earlier than one before it";
    if (!late && us > *in_order_us)
        *in_order_us = us;
    uint64_t *last_seq = &g->last_seq[late][f->event.stream];
    if (!g->o->restored && !f->event.explicit_time) {
        if (f->event.seq < *last_seq)
            g->fault = "a stream's numbers do not rise";
        *last_seq = f->event.seq;
    }
}

static void line_judge(judging *g, const char *line, size_t n, int64_t *last_us, int64_t *in_order_us) {
    json_t *root = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    const char *name, *time;
    int late;
    json_int_t uid = 0;
    if (!root || json_unpack(root, "{sssssbs{s?I}}", "name", &name, "time", &time, "late", &late,
                             "properties", "uid", &uid) != 0) {
        g->fault = "a line that is not JSON, or lacks a member";
        json_decref(root);
        return;
    }
    int64_t us = time_read(time);
    bool sorted = !g->o->as_they_leave || (!late && g->windowed);
    if (sorted && us < *last_us)
        g->fault = "times fall within an object";
    *last_us = us;
    if (strcmp(name, "e") == 0) {
        if (uid <= 0 || uid > g->n_uids)
            g->fault = "an event that nobody recorded";
        else if (g->by_uid[uid].alive)
            event_judge(g, &g->by_uid[uid], us, late != 0, in_order_us);
        else if (g->by_uid[uid].seen++ > 0)
            g->fault = "an event of a lost journal stands twice";
    }
    json_decref(root);
}

static void object_judge(judging *g, const mem_object *object, bool late) {
    static char plain[1 << 20];
    const char *data = object->data;
    size_t n = object->n;
    if (strstr(object->name, ".zst")) {
        n = ZSTD_decompress(plain, sizeof plain, object->data, object->n);
        if (ZSTD_isError(n)) {
            g->fault = "an object does not decompress";
            return;
        }
        data = plain;
    }
    int64_t last_us = INT64_MIN, ignored = INT64_MIN;
    int64_t *in_order_us = late ? &ignored : partition_of(g, object->name);
    while (n > 0 && !g->fault) {
        const char *end = memchr(data, '\n', n);
        if (!end) {
            g->fault = "an object ends in the middle of a line";
            return;
        }
        line_judge(g, data, (size_t)(end - data), &last_us, in_order_us);
        n -= (size_t)(end + 1 - data);
        data = end + 1;
    }
}

static int by_epoch(const void *a, const void *b) {
    uint64_t x = (*(const mem_text *const *)a)->epoch, y = (*(const mem_text *const *)b)->epoch;
    return x < y ? -1 : x > y;
}

/* Late events are held all or none: a commit that holds some has written none, and says where the last one
 * stood that held none; one that holds none has them all. */
static void holding_judge(judging *g, const manifest *m) {
    if (m->to.holds_late) {
        g->o->commits_holding++;
        if (m->late_lines > 0)
            g->fault = "a commit holds late events and has written some";
        if (m->to.late.position != g->clear)
            g->fault = "a commit holds late events since another moment";
        return;
    }
    g->clear = m->to.mark.position;
    for (uint32_t uid = 1; uid <= g->n_uids && g->o->lateness_known && !g->o->restored; uid++) {
        const facts *f = &g->by_uid[uid];
        if (f->alive && f->expected_late && f->position <= g->clear && f->seen == 0)
            g->fault = "a commit that holds no late events lacks one";
    }
}

/* Every commit in epoch order, and the objects that it names. The number of objects named. */
static size_t commits_judge(judging *g, const mem_store *s) {
    const mem_text *commits[4096];
    size_t n = 0, named = 0;
    for (size_t i = 0; i < s->n_texts && n < 4096; i++)
        if (s->texts[i].kind == SINK_COMMIT)
            commits[n++] = &s->texts[i];
    // cppcheck-suppress uninitvar ; the first n are set
    qsort(commits, n, sizeof *commits, by_epoch);
    for (size_t i = 0; i < n && !g->fault; i++) {
        manifest m = {0};
        if (manifest_decode(commits[i]->text, commits[i]->n, &m) != SINK_OK) {
            g->fault = "a commit does not decode";
            break;
        }
        g->windowed = m.order.window_us != 0;
        for (size_t k = 0; k < m.n_objects && !g->fault; k++, named++) {
            const mem_object *object = mem_store_find(s, m.objects[k].name);
            if (!object || object->n != m.objects[k].bytes)
                g->fault = "a commit names an object that is missing or of another size";
            else
                object_judge(g, object, m.objects[k].late);
        }
        if (!g->fault)
            holding_judge(g, &m);
        manifest_fini(&m);
    }
    return named;
}

static void ends_judge(judging *g) {
    for (uint32_t uid = 1; uid <= g->n_uids && !g->fault; uid++) {
        const facts *f = &g->by_uid[uid];
        if (f->alive && f->seen == 0)
            g->fault = "an event of the journal is missing";
        if (f->alive && g->o->lateness_known && f->late != f->expected_late)
            g->fault = "an event's lateness is not the rule's";
        if (!f->alive && !(g->o->lost && uid < g->o->lost_cap && g->o->lost[uid]))
            g->fault = "the simulator lost an event by itself";
    }
}

const char *oracle_judge(oracle *o, const mem_journal *j, const mem_store *s) {
    if (!o->drained)
        return "the collector does not recover";
    if (s->violation)
        return s->violation;
    judging *g = calloc(1, sizeof *g);
    facts *by_uid = calloc(j->last_uid + 1u, sizeof *by_uid);
    if (!g || !by_uid)
        abort();
    g->o = o;
    g->by_uid = by_uid;
    g->n_uids = j->last_uid;
    facts_gather(g, j);
    size_t named = commits_judge(g, s);
    if (!g->fault && named != s->n_objects)
        g->fault = "an object that no commit names";
    if (!g->fault)
        ends_judge(g);
    const char *fault = g->fault;
    free(by_uid);
    free(g);
    return fault;
}

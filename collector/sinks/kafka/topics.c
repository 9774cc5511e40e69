#include "topics.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/base/crc32c.h"
#include "topic_admin.h"
#include "topic_name.h"

/* Devices choose names, so there is a limit: NAMES_MAX of them are known at a time, in sets by their
 * checksum. The one of a set that was not used for longest makes room. */
#define SET_SLOTS 8u
#define SETS 256u
#define NAMES_MAX (SETS * SET_SLOTS)
#define OPENED_MAX (8 * NAMES_MAX) /* a producer forgets no topic, so now and then it is made anew */

typedef struct slot {
    char *name; /* malloc; NULL: free */
    size_t n;
    uint64_t used; /* when last, by route.uses */
    topic topic;
} slot;

/* Of late events, or of the others. */
typedef struct route {
    const char *pattern;
    bool varies;
    topic fixed; /* of a pattern that does not vary, once it is known */
    slot *slots;
    uint64_t uses;
    size_t opened;
} route;

struct topics {
    kafka_link *link;
    producer *producer;
    route routes[2];
};

static bool route_init(route *r, const char *pattern) {
    r->pattern = pattern;
    r->varies = topic_name_varies(pattern);
    r->slots = r->varies ? calloc(NAMES_MAX, sizeof *r->slots) : NULL;
    return !r->varies || r->slots;
}

static void slot_empty(producer *p, slot *s) {
    if (!s->name)
        return;
    producer_topic_close(p, s->topic.handle);
    free(s->name);
    *s = (slot){0};
}

static void route_fini(producer *p, route *r) {
    producer_topic_close(p, r->fixed.handle);
    for (size_t i = 0; r->slots && i < NAMES_MAX; i++)
        slot_empty(p, &r->slots[i]);
    free(r->slots);
}

topics *topics_new(kafka_link *link, producer *p) {
    topics *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->link = link;
    t->producer = p;
    const char *late = link->opt.late_topic ? link->opt.late_topic : link->opt.topic;
    if (!route_init(&t->routes[0], link->opt.topic) || !route_init(&t->routes[1], late)) {
        topics_free(t);
        return NULL;
    }
    return t;
}

void topics_free(topics *t) {
    if (!t)
        return;
    route_fini(t->producer, &t->routes[0]);
    route_fini(t->producer, &t->routes[1]);
    free(t);
}

static sink_err topic_create(topics *t, const char *name) {
    topic_plan plan = {.name = name, .partitions = t->link->opt.partitions};
    bool refused = false; /* it may be there all the same: then we only lack the right to make it */
    sink_err err = SINK_OK;
    if (t->link->opt.create_topics)
        err = admin_topic_create(t->link, producer_handle(t->producer), &plan, &refused);
    if (refused)
        diag_warn("topic not created", DIAG_STR("sink", t->link->sink),
                  DIAG_STR("message", t->link->message));
    return err;
}

/* Events there would hide the checkpoint's end. Without a handle it is a refused topic. */
static sink_err checkpoint_refuse(kafka_link *link, topic *ret_topic) {
    link_say(link, "topic %s is the checkpoint's: no event may go there", link->names.checkpoint_topic);
    *ret_topic = (topic){0};
    return link->opt.refused_aside ? SINK_OK : SINK_ERR_IO;
}

static sink_err topic_open(topics *t, const route *r, wire_span name, topic *ret_topic) {
    char text[TOPIC_NAME_SIZE];
    topic_name_make(r->pattern, (const char *)name.data, name.n, text);
    if (strcmp(text, t->link->names.checkpoint_topic) == 0)
        return checkpoint_refuse(t->link, ret_topic);
    sink_err err = topic_create(t, text);
    if (err != SINK_OK)
        return err;
    const char *why;
    topic found = {0};
    if (t->link->registry && !registry_id(t->link->registry, text, &found.schema, &why)) {
        link_say(t->link, "%s", why);
        return SINK_ERR_IO;
    }
    err = producer_topic_open(t->producer, text, &found.handle);
    if (err == SINK_OK)
        *ret_topic = found;
    return err;
}

/* The name's, or what it may have: the one that was not used for longest. */
static slot *slot_find(producer *p, const route *r, wire_span name) {
    slot *set = &r->slots[base_crc32c(0, name.data, name.n) % SETS * SET_SLOTS], *oldest = set;
    for (slot *s = set; s < set + SET_SLOTS; s++) {
        if (s->name && s->n == name.n && memcmp(s->name, name.data, name.n) == 0)
            return s;
        oldest = s->used < oldest->used ? s : oldest;
    }
    slot_empty(p, oldest);
    return oldest;
}

static sink_err slot_fill(topics *t, route *r, slot *s, wire_span name) {
    char *copy = malloc(name.n + 1);
    if (!copy)
        return SINK_ERR_MEMORY;
    memcpy(copy, name.data, name.n);
    sink_err err = topic_open(t, r, name, &s->topic);
    if (err != SINK_OK) {
        free(copy);
        return err;
    }
    s->name = copy;
    s->n = name.n;
    r->opened++;
    return SINK_OK;
}

static sink_err topic_find(topics *t, route *r, wire_span name, const topic **ret_topic) {
    if (!r->varies) {
        *ret_topic = &r->fixed;
        return r->fixed.handle ? SINK_OK : topic_open(t, r, name, &r->fixed);
    }
    slot *s = slot_find(t->producer, r, name);
    s->used = ++r->uses;
    *ret_topic = &s->topic;
    return s->name ? SINK_OK : slot_fill(t, r, s, name);
}

sink_err topics_get(topics *t, wire_span name, bool late, const topic **ret_topic) {
    kafka_link *link = t->link;
    sink_err err = topic_find(t, &t->routes[late], name, ret_topic);
    if (err != SINK_OK)
        return err;
    if (!(*ret_topic)->handle)
        *ret_topic = NULL;
    if (!*ret_topic || link->refusals.n == 0 || !link->opt.refused_aside)
        return SINK_OK;
    const char *topic_name = (*ret_topic)->handle->name;
    if (!refusals_has(&link->refusals, topic_name, base_mono_us()))
        return SINK_OK;
    link_say(link, "topic %s was refused", topic_name);
    *ret_topic = NULL;
    return SINK_OK;
}

bool topics_worn(const topics *t) { return t->routes[0].opened + t->routes[1].opened > OPENED_MAX; }

const char *topics_pattern(const topics *t, bool late) { return t->routes[late].pattern; }

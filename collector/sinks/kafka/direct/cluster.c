#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/refusals.h"
#include "sdk/src/base/clock.h"

#define CALL_MS 30000u
#define BROKERS_MS 10000u
#define METADATA_MS 5000u /* of these; between two questions a stop is seen */
#define RETRY_MS 5        /* while the coordinator completes the transaction before: a few of these */
#define LOOK_MS 100       /* for a topic or a leader */
#define RETRIES_MS 60000u
#define UNKNOWN_NODE (-1)

typedef struct node {
    int32_t id;
    broker_address address;
} node;

struct cluster {
    producer_core *core;
    channel_setup setup;
    char client_id[TOPIC_NAME_SIZE];
    base_tls *tls;
    channel *coordinator;
    broker_address coordinator_address;
    node *nodes; /* malloc */
    size_t n_nodes;
    frame request;
};

/* ---- errors ------------------------------------------------------------------------------------------- */

static bool is_fence(int16_t code) {
    return code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING;
}

/* A broker that does not know a topic may only not know it yet: cluster_topic is who decides that. */
sink_err cluster_refusal(producer_core *core, const char *topic, int16_t code) {
    rd_kafka_resp_err_t err = (rd_kafka_resp_err_t)code;
    if (plane_is_refusal(err) && err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        refusals_add(&core->link->refusals, topic, base_mono_us());
    if (!core->failed)
        link_say(core->link, "topic %s: %s", topic, rd_kafka_err2str(err));
    core->failed = true;
    core->fenced = core->fenced || is_fence(code);
    return SINK_ERR_IO;
}

static sink_err refused(const cluster *c, const char *what, int16_t code) {
    link_say(c->core->link, "%s: %s", what, rd_kafka_err2str((rd_kafka_resp_err_t)code));
    return SINK_ERR_IO;
}

static sink_err garbled(const cluster *c, const char *what) {
    link_say(c->core->link, "%s: the answer is not one of Kafka's", what);
    return SINK_ERR_IO;
}

/* What passes without anybody doing anything. */
static bool passes(int16_t code) {
    return code == RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE;
}

/* A pause before the next attempt. false: none is left. Serves librdkafka, whose callbacks may wait. */
static bool pause_for(const cluster *c, uint64_t deadline, uint32_t ms) {
    int left = link_left_ms(c->core->link, deadline, ms);
    if (left > 0)
        rd_kafka_poll(c->core->rk, left);
    return left > 0;
}

/* ---- brokers ------------------------------------------------------------------------------------------ */

static node *node_find(const cluster *c, int32_t id) {
    for (size_t i = 0; i < c->n_nodes; i++)
        if (c->nodes[i].id == id)
            return &c->nodes[i];
    return NULL;
}

static sink_err node_note(cluster *c, int32_t id, const char *host, size_t host_n, int32_t port) {
    node *n = node_find(c, id);
    if (!n) {
        node *nodes = realloc(c->nodes, (c->n_nodes + 1) * sizeof *nodes);
        if (!nodes)
            return SINK_ERR_MEMORY;
        c->nodes = nodes;
        n = &nodes[c->n_nodes++];
        n->id = id;
    }
    snprintf(n->address.host, sizeof n->address.host, "%.*s", (int)host_n, host);
    n->address.port = (uint16_t)port;
    return SINK_OK;
}

/* Those that librdkafka knows, which has found one of kafka.brokers. */
static sink_err nodes_learn(cluster *c) {
    const struct rd_kafka_metadata *known;
    uint64_t deadline = link_deadline_us(c->core->link, BROKERS_MS);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TRANSPORT;
    int slice;
    while (code != RD_KAFKA_RESP_ERR_NO_ERROR &&
           (slice = link_left_ms(c->core->link, deadline, METADATA_MS)) > 0)
        code = rd_kafka_metadata(c->core->rk, 0, NULL, &known, slice);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return refused(c, "cannot ask for the brokers", (int16_t)code);
    sink_err err = SINK_OK;
    for (int i = 0; i < known->broker_cnt && err == SINK_OK; i++) {
        const struct rd_kafka_metadata_broker *b = &known->brokers[i];
        err = node_note(c, b->id, b->host, strlen(b->host), b->port);
    }
    rd_kafka_metadata_destroy(known);
    return err;
}

sink_err cluster_connect(cluster *c, int32_t id, channel **ret_channel) {
    const node *n = node_find(c, id);
    bool unfit = false;
    if (n)
        return channel_open(&c->setup, &n->address, ret_channel, &unfit);
    link_say(c->core->link, "broker %d leads a partition and is not known", (int)id);
    return SINK_ERR_IO;
}

/* ---- the coordinator ---------------------------------------------------------------------------------- */

/* One question; *ret_again: not yet. */
static sink_err coordinator_ask(cluster *c, channel *at, bool *ret_again) {
    frame *f = &c->request;
    channel_request(at, f, API_FIND_COORDINATOR, 1);
    frame_put_string(f, c->core->link->names.transactional_id);
    frame_put_i8(f, 1); /* of a transactional.id, not of a group */
    answer a;
    sink_err err = channel_call(at, f, CALL_MS, &a);
    if (err != SINK_OK)
        return err;
    answer_i32(&a); /* throttled for so long: the broker sees to that itself */
    int16_t code = answer_i16(&a);
    answer_string(&a); /* the code in words */
    answer_i32(&a);    /* the node, which may have another address for other clients */
    answer_text host = answer_string(&a);
    int32_t port = answer_i32(&a);
    *ret_again = passes(code);
    if (code != 0)
        return refused(c, "cannot find the transaction's coordinator", code);
    if (a.bad || host.n == 0 || host.n >= HOST_SIZE)
        return garbled(c, "the transaction's coordinator");
    snprintf(c->coordinator_address.host, HOST_SIZE, "%.*s", (int)host.n, host.data);
    c->coordinator_address.port = (uint16_t)port;
    return SINK_OK;
}

static sink_err coordinator_find(cluster *c, bool *ret_unfit) {
    sink_err err = nodes_learn(c);
    channel *any = NULL;
    for (size_t i = 0; i < c->n_nodes && !any && err != SINK_ERR_MEMORY; i++)
        err = channel_open(&c->setup, &c->nodes[i].address, &any, ret_unfit);
    if (any && channel_version(any, API_FIND_COORDINATOR, 1, 1) < 0) {
        link_say(c->core->link, "its brokers are too old or too new");
        *ret_unfit = true;
        err = SINK_ERR_IO;
    }
    uint64_t deadline = link_deadline_us(c->core->link, RETRIES_MS);
    bool again = any && err == SINK_OK;
    while (again) {
        again = false;
        err = coordinator_ask(c, any, &again);
        again = again && pause_for(c, deadline, LOOK_MS);
    }
    channel_close(any);
    if (err == SINK_OK && c->coordinator_address.port == 0)
        err = SINK_ERR_IO; /* there is no broker at all */
    return err;
}

static void coordinator_drop(cluster *c) {
    channel_close(c->coordinator);
    c->coordinator = NULL;
}

/* What is open and still heard of, or else a new one. */
static sink_err coordinator_get(cluster *c) {
    bool unfit = false;
    if (c->coordinator && channel_stale(c->coordinator))
        coordinator_drop(c);
    return c->coordinator ? SINK_OK
                          : channel_open(&c->setup, &c->coordinator_address, &c->coordinator, &unfit);
}

/* c->request. A connection on which an answer did not come is of no use: it would be read as the next one's.
 */
static sink_err coordinator_call(cluster *c, uint32_t most_ms, answer *ret_answer) {
    sink_err err = channel_call(c->coordinator, &c->request, most_ms, ret_answer);
    if (err != SINK_OK)
        coordinator_drop(c);
    return err;
}

const channel *cluster_coordinator(const cluster *c) { return c->coordinator; }

/* ---- life --------------------------------------------------------------------------------------------- */

static void client_id_take(cluster *c) {
    size_t n = sizeof c->client_id;
    if (rd_kafka_conf_get(rd_kafka_conf(c->core->rk), "client.id", c->client_id, &n) != RD_KAFKA_CONF_OK)
        snprintf(c->client_id, sizeof c->client_id, "%s", c->core->link->names.transactional_id);
}

static sink_err tls_begin(cluster *c, bool *ret_unfit) {
    const kafka_options *opt = &c->core->link->opt;
    if (!opt->tls)
        return SINK_OK;
    char why[200] = "";
    base_tls_options options = {
        .ca_file = opt->ca_file, .cert_file = opt->cert_file, .key_file = opt->key_file};
    if (base_tls_new(&options, why, sizeof why, &c->tls) == BASE_TLS_OK)
        return SINK_OK;
    link_say(c->core->link, "%s", why);
    *ret_unfit = true;
    return SINK_ERR_IO;
}

sink_err cluster_open(producer_core *core, cluster **ret_cluster, bool *ret_unfit) {
    cluster *c = calloc(1, sizeof *c);
    if (!c)
        return SINK_ERR_MEMORY;
    c->core = core;
    client_id_take(c);
    sink_err err = tls_begin(c, ret_unfit);
    c->setup = (channel_setup){core->link, c->tls, c->client_id};
    if (err == SINK_OK)
        err = coordinator_find(c, ret_unfit);
    if (err == SINK_OK)
        err = channel_open(&c->setup, &c->coordinator_address, &c->coordinator, ret_unfit);
    if (err == SINK_OK)
        *ret_cluster = c;
    else
        cluster_close(c);
    return err;
}

void cluster_close(cluster *c) {
    if (!c)
        return;
    channel_close(c->coordinator);
    base_tls_free(c->tls);
    frame_fini(&c->request);
    free(c->nodes);
    free(c);
}

/* ---- topics ------------------------------------------------------------------------------------------- */

static sink_err brokers_read(cluster *c, answer *a) {
    sink_err err = SINK_OK;
    for (int32_t left = answer_count(a, 12); left > 0 && err == SINK_OK; left--) {
        int32_t id = answer_i32(a);
        answer_text host = answer_string(a);
        int32_t port = answer_i32(a);
        answer_string(a); /* rack */
        if (!a->bad && host.n < HOST_SIZE)
            err = node_note(c, id, host.data ? host.data : "", host.n, port);
    }
    return err;
}

static void nodes_skip(answer *a) { answer_skip(a, 4u * (size_t)answer_count(a, 4)); }

/* What an answer to a question for one topic says. */
typedef struct topic_found {
    int16_t code;     /* of the topic, or of a partition without a leader */
    int32_t *leaders; /* malloc, by partition */
    int32_t n;
} topic_found;

static sink_err partitions_read(answer *a, topic_found *found) {
    found->n = answer_count(a, 18);
    found->leaders = malloc(((size_t)found->n + 1) * sizeof *found->leaders);
    if (!found->leaders)
        return SINK_ERR_MEMORY;
    for (int32_t i = 0; i < found->n; i++)
        found->leaders[i] = UNKNOWN_NODE;
    for (int32_t left = found->n; left > 0; left--) {
        answer_i16(a); /* it may be that a replica is not available, which does not matter */
        int32_t index = answer_i32(a), leader = answer_i32(a);
        nodes_skip(a); /* replicas */
        nodes_skip(a); /* in sync */
        if (!a->bad && index >= 0 && index < found->n)
            found->leaders[index] = leader;
    }
    for (int32_t i = 0; i < found->n; i++)
        if (found->leaders[i] < 0)
            found->code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    return SINK_OK;
}

/* Metadata, version 4. */
static sink_err topic_ask(cluster *c, const char *topic, topic_found *found) {
    frame *f = &c->request;
    channel_request(c->coordinator, f, API_METADATA, 4);
    frame_put_i32(f, 1);
    frame_put_string(f, topic);
    frame_put_i8(f, 1); /* may be created, as for every producer */
    answer a;
    sink_err err = coordinator_call(c, CALL_MS, &a);
    if (err != SINK_OK)
        return err;
    answer_i32(&a); /* throttled */
    err = brokers_read(c, &a);
    answer_string(&a); /* the cluster */
    answer_i32(&a);    /* its controller */
    int32_t topics = answer_count(&a, 9);
    found->code = answer_i16(&a);
    answer_string(&a);
    answer_i8(&a); /* internal? */
    if (err == SINK_OK)
        err = partitions_read(&a, found);
    if (err == SINK_OK && (topics != 1 || a.bad))
        err = garbled(c, "metadata");
    return err;
}

/* A topic that was just created is not known everywhere, and a leader may be being elected. */
static bool settles(const topic_found *found) {
    return found->code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           found->code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE || (found->code == 0 && found->n == 0);
}

static int16_t settled_code(const topic_found *found) {
    bool unknown = found->code == 0 || found->code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    return unknown ? RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC : found->code;
}

sink_err cluster_topic(cluster *c, const char *topic, int32_t **ret_leaders, int32_t *ret_n) {
    uint64_t deadline = link_deadline_us(c->core->link, c->core->link->propagation_ms);
    for (;;) {
        topic_found found = {0};
        sink_err err = coordinator_get(c);
        if (err == SINK_OK)
            err = topic_ask(c, topic, &found);
        if (err == SINK_OK && found.code == 0 && found.n > 0) {
            *ret_leaders = found.leaders;
            *ret_n = found.n;
            return SINK_OK;
        }
        free(found.leaders);
        if (err != SINK_OK)
            return err;
        if (!settles(&found) || !pause_for(c, deadline, LOOK_MS))
            return cluster_refusal(c->core, topic, settled_code(&found));
    }
}

/* ---- the transaction ---------------------------------------------------------------------------------- */

static void transaction_put(const cluster *c, frame *f) {
    frame_put_string(f, c->core->link->names.transactional_id);
    frame_put_i64(f, c->core->id);
    frame_put_i16(f, c->core->epoch);
}

sink_err cluster_add(cluster *c, const cluster_place *places, size_t n) {
    uint64_t deadline = link_deadline_us(c->core->link, RETRIES_MS);
    for (;;) {
        sink_err err = coordinator_get(c);
        if (err != SINK_OK)
            return err;
        frame *f = &c->request;
        channel_request(c->coordinator, f, API_ADD_PARTITIONS,
                        channel_version(c->coordinator, API_ADD_PARTITIONS, 0, 2));
        transaction_put(c, f);
        places_put(f, places, n);
        answer a;
        err = coordinator_call(c, CALL_MS, &a);
        if (err != SINK_OK)
            return err;
        char topic[TOPIC_NAME_SIZE] = "";
        size_t added;
        int16_t code = places_added(&a, topic, &added);
        if (a.bad || (code == 0 && added != n))
            return garbled(c, "partitions of a transaction");
        if (code == 0)
            return SINK_OK;
        if (!passes(code) || !pause_for(c, deadline, RETRY_MS))
            return cluster_refusal(c->core, topic, code);
    }
}

sink_err cluster_abort(cluster *c, uint32_t most_ms) {
    uint64_t deadline = link_deadline_us(c->core->link, most_ms);
    for (;;) {
        sink_err err = coordinator_get(c);
        if (err != SINK_OK)
            return err;
        frame *f = &c->request;
        channel_request(c->coordinator, f, API_END_TRANSACTION,
                        channel_version(c->coordinator, API_END_TRANSACTION, 0, 2));
        transaction_put(c, f);
        frame_put_i8(f, 0);
        answer a;
        err = coordinator_call(c, most_ms, &a);
        if (err != SINK_OK)
            return err;
        answer_i32(&a); /* throttled */
        int16_t code = answer_i16(&a);
        if (code == 0 && !a.bad)
            return SINK_OK;
        if (!passes(code) || !pause_for(c, deadline, RETRY_MS))
            return SINK_ERR_IO; /* what made us abort says more */
    }
}

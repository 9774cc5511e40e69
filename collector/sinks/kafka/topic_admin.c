#include "topic_admin.h"

#include <string.h>

#define REQUEST_MS 30000u
/* The first question of a start: soon enough for /readyz to say that nobody answers. */
#define FIND_MS 10000u
#define SLICE_MS 200u     /* how fast a stop is noticed … */
#define METADATA_MS 5000u /* … but here each slice is a question of its own */

/* ---- releasing ---------------------------------------------------------------------------------------- */

static void cleanup_queue(rd_kafka_queue_t **queue) {
    if (*queue)
        rd_kafka_queue_destroy(*queue);
}

static void cleanup_event(rd_kafka_event_t **event) {
    if (*event)
        rd_kafka_event_destroy(*event);
}

static void cleanup_topic(rd_kafka_topic_t **topic) {
    if (*topic)
        rd_kafka_topic_destroy(*topic);
}

static void cleanup_options(rd_kafka_AdminOptions_t **options) {
    if (*options)
        rd_kafka_AdminOptions_destroy(*options);
}

/* ---- asking ------------------------------------------------------------------------------------------- */

static sink_err refused(kafka_link *link, const char *what, const char *topic, const char *why) {
    link_say(link, "topic %s: cannot %s: %s", topic, what, why);
    return SINK_ERR_IO;
}

/* The answer to what was asked with this queue; NULL after REQUEST_MS, or an error, which is said. */
static rd_kafka_event_t *answer_wait(kafka_link *link, rd_kafka_queue_t *queue, const char *what,
                                     const char *topic) {
    uint64_t deadline = link_deadline_us(link, REQUEST_MS);
    rd_kafka_event_t *event = NULL;
    int slice;
    while (!event && (slice = link_left_ms(link, deadline, SLICE_MS)) > 0)
        event = rd_kafka_queue_poll(queue, slice);
    if (!event) {
        refused(link, what, topic, "no broker answers");
        return NULL;
    }
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return event;
    refused(link, what, topic, rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    return NULL;
}

static rd_kafka_AdminOptions_t *options_for(rd_kafka_t *rk, rd_kafka_admin_op_t op) {
    char why[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, op);
    rd_kafka_AdminOptions_set_request_timeout(options, (int)REQUEST_MS, why, sizeof why);
    return options;
}

/* ---- is it there? ------------------------------------------------------------------------------------- */

sink_err admin_topic_find(kafka_link *link, rd_kafka_t *rk, const char *topic, int *ret_partitions) {
    CLEANUP(cleanup_topic) rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    uint64_t deadline = link_deadline_us(link, FIND_MS);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TRANSPORT;
    int slice;
    while (err != RD_KAFKA_RESP_ERR_NO_ERROR && (slice = link_left_ms(link, deadline, METADATA_MS)) > 0)
        err = rd_kafka_metadata(rk, 0, handle, &metadata, slice);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return refused(link, "ask for it", topic, rd_kafka_err2str(err));
    const struct rd_kafka_metadata_topic *found = metadata->topic_cnt > 0 ? &metadata->topics[0] : NULL;
    err = found ? found->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    int partitions = err == RD_KAFKA_RESP_ERR_NO_ERROR ? found->partition_cnt : 0;
    bool led = partitions > 0 && found->partitions[0].leader >= 0;
    rd_kafka_metadata_destroy(metadata);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return refused(link, "use it", topic, rd_kafka_err2str(err));
    if (partitions > 0 && !led)
        return refused(link, "use it", topic, "partition 0 has no leader");
    *ret_partitions = partitions;
    return SINK_OK;
}

/* ---- making it ---------------------------------------------------------------------------------------- */

static rd_kafka_NewTopic_t *plan_read(const kafka_link *link, const topic_plan *plan) {
    char why[128];
    int partitions = plan->partitions > 0 ? (int)plan->partitions : -1;
    int copies = link->opt.replication_factor > 0 ? (int)link->opt.replication_factor : -1;
    rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(plan->name, partitions, copies, why, sizeof why);
    for (size_t i = 0; made && i < plan->n_settings; i++)
        rd_kafka_NewTopic_set_config(made, plan->settings[i].key, plan->settings[i].value);
    return made;
}

sink_err admin_topic_create(kafka_link *link, rd_kafka_t *rk, const topic_plan *plan, bool *ret_refused) {
    rd_kafka_NewTopic_t *wanted = plan_read(link, plan);
    *ret_refused = !wanted;
    if (!wanted) {
        refused(link, "create it", plan->name, "no topic can be like this");
        return SINK_OK;
    }
    CLEANUP(cleanup_queue) rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    CLEANUP(cleanup_options)
    rd_kafka_AdminOptions_t *options = options_for(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(rk, &wanted, 1, options, queue);
    rd_kafka_NewTopic_destroy(wanted);
    CLEANUP(cleanup_event) rd_kafka_event_t *event = answer_wait(link, queue, "create it", plan->name);
    if (!event)
        return SINK_ERR_IO;
    size_t n;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    rd_kafka_resp_err_t err = n > 0 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR || err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return SINK_OK;
    const char *why = n > 0 ? rd_kafka_topic_result_error_string(results[0]) : NULL;
    refused(link, "create it", plan->name, why ? why : rd_kafka_err2str(err));
    *ret_refused = true;
    return SINK_OK;
}

/* ---- what is it like? --------------------------------------------------------------------------------- */

static char *setting_find(const rd_kafka_ConfigResource_t *resource, const char *key) {
    size_t n;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), key) == 0)
            return value ? strdup(value) : NULL;
    }
    return NULL;
}

sink_err admin_topic_setting(kafka_link *link, rd_kafka_t *rk, const char *topic, const char *key,
                             char **ret_value) {
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    CLEANUP(cleanup_queue) rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    CLEANUP(cleanup_options)
    rd_kafka_AdminOptions_t *options = options_for(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(rk, &asked, 1, options, queue);
    rd_kafka_ConfigResource_destroy(asked);
    CLEANUP(cleanup_event) rd_kafka_event_t *event = answer_wait(link, queue, "read its settings", topic);
    if (!event)
        return SINK_ERR_IO;
    size_t n;
    const rd_kafka_ConfigResource_t **found =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
    bool known = n > 0 && rd_kafka_ConfigResource_error(found[0]) == RD_KAFKA_RESP_ERR_NO_ERROR;
    *ret_value = known ? setting_find(found[0], key) : NULL;
    return SINK_OK;
}

/* ---- where does it end? ------------------------------------------------------------------------------- */

sink_err admin_topic_end(kafka_link *link, rd_kafka_t *rk, const char *topic, bool committed,
                         int64_t *ret_end) {
    rd_kafka_topic_partition_list_t *asked = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(asked, topic, 0)->offset = RD_KAFKA_OFFSET_SPEC_LATEST;
    CLEANUP(cleanup_queue) rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    CLEANUP(cleanup_options)
    rd_kafka_AdminOptions_t *options = options_for(rk, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
    CLEANUP_ERROR rd_kafka_error_t *error = rd_kafka_AdminOptions_set_isolation_level(
        options,
        committed ? RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED : RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED);
    (void)error; /* levels that it knows are never refused */
    rd_kafka_ListOffsets(rk, asked, options, queue);
    rd_kafka_topic_partition_list_destroy(asked);
    CLEANUP(cleanup_event) rd_kafka_event_t *event = answer_wait(link, queue, "find its end", topic);
    if (!event)
        return SINK_ERR_IO;
    size_t n;
    const rd_kafka_ListOffsetsResultInfo_t **found =
        rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &n);
    const rd_kafka_topic_partition_t *end =
        n > 0 ? rd_kafka_ListOffsetsResultInfo_topic_partition(found[0]) : NULL;
    if (!end || end->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return refused(link, "find its end", topic,
                       rd_kafka_err2str(end ? end->err : RD_KAFKA_RESP_ERR_UNKNOWN));
    *ret_end = end->offset;
    return SINK_OK;
}

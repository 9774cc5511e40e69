/* The way of an event through the collector, top to bottom:
 *
 *     ingress ──submission──▶ journal ──advanced──▶ sink (order, epochs, target), one thread each
 *        ◀───────Ack────────────┘  ◀────confirm──────┘
 *
 * Every arrow is a ZeroMQ inproc socket or a function of the stage that it points to; no stage includes
 * another one's header but journal's, which names the sockets.
 */
#include "collector/collector.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zmq.h>

#include "admin.h"
#include "collector/ingress/ingress.h"
#include "collector/journal/journal.h"
#include "collector/kafka_sink.h"
#include "collector/s3_sink.h"
#include "diag.h"
#include "file_store.h"
#include "metrics.h"
#include "object_target.h"
#include "parquet/columns.h"
#include "sdk/src/base/clock.h"
#include "sink.h"

struct collector {
    const struct collector_config *config;
    void *zmq;
    journal *journal;
    ingress *ingress;
    struct admin *admin;
    _Atomic bool fenced; /* another collector of this id has taken over a sink */
    struct sink_slot {
        journal_reader *reader;
        sink *sink;
        kafka_sink kafka; /* of a sink of that type */
        encoder_column columns[CONFIG_PARQUET_COLUMNS_MAX];
        char advanced[64];           /* its endpoint */
        _Atomic uint64_t give_up_us; /* requests of sinks; 0: not yet */
    } sinks[CONFIG_SINKS_MAX];
};

/* ---- journal ---------------------------------------------------------------------------------------- */

static int64_t window_max_us(const struct collector_config *config) {
    uint64_t most = 0;
    for (size_t i = 0; i < config->sinks_count; i++)
        most = config->sinks[i].window_us > most ? config->sinks[i].window_us : most;
    return (int64_t)most;
}

static bool journal_begin(collector *c) {
    const struct collector_config *config = c->config;
    journal_options opt = {.dir = config->journal.dir,
                           .collector = config->id,
                           .max_bytes = config->journal.max_bytes,
                           .high_watermark = config->journal.high_watermark,
                           .commit_delay_us = config->journal.commit_delay_us,
                           .keep_us = config->journal.keep_us,
                           .keep_bytes = config->journal.keep_bytes,
                           .unchecked = config->journal.check == CONFIG_FALSE,
                           .window_max_us = window_max_us(config),
                           .clock_step_max_us = config->clock.step_max_us,
                           .zmq = c->zmq,
                           .n_loops = (uint32_t)config->ingress.threads,
                           .n_sinks = (uint32_t)config->sinks_count,
                           .queue_max = INGRESS_QUEUE_MAX};
    return journal_open(&opt, &c->journal) == JOURNAL_OK;
}

/* ---- sinks ------------------------------------------------------------------------------------------ */

static void sink_confirmed(void *context, uint32_t index, uint64_t low) {
    journal_confirm(((collector *)context)->journal, index, low);
}

/* main waits for signals: it stops as on SIGTERM, and then says so by its exit status. */
static void sink_fenced(void *context, uint32_t index) {
    (void)index;
    atomic_store(&((collector *)context)->fenced, true);
    kill(getpid(), SIGTERM);
}

static sink_err file_sink_open(const struct config_sink *config, const object_target_options *opt,
                               sink_target *ret_target, struct text *why) {
    file_store *store;
    sink_err err = file_store_open(config->path, opt->collector, opt->sink, &store);
    if (err == SINK_OK)
        return object_target_open(opt, file_store_of(store), ret_target);
    text_printf(why, "file: %.80s: %s", config->path,
                err == SINK_ERR_BUSY ? "another collector writes there" : strerror(errno));
    return err;
}

static sink_err sink_open(void *context, uint32_t index, sink_target *ret_target, struct text *why) {
    collector *c = context;
    const struct config_sink *config = &c->config->sinks[index];
    object_target_options objects = {.collector = c->config->id, .sink = config->name};
    switch (config->type) {
    case CONFIG_SINK_FILE:
        return file_sink_open(config, &objects, ret_target, why);
    case CONFIG_SINK_S3: /* sinks are counted in this order too */
        return s3_sink_open(config, &objects, index, &c->sinks[index].give_up_us, ret_target);
    case CONFIG_SINK_KAFKA:
        return kafka_target_open(c->sinks[index].kafka.link, ret_target);
    }
    return SINK_ERR_IO;
}

static const char *format_of(enum config_format format) {
    static const char *const names[] = {"jsonl", "record", "parquet"}; /* as encoder_ops.format has them */
    return names[format];
}

static output_codec codec_of(enum config_compression compression) {
    switch (compression) {
    case CONFIG_COMPRESSION_ZSTD:
        return OUTPUT_ZSTD;
    case CONFIG_COMPRESSION_GZIP:
        return OUTPUT_GZIP;
    case CONFIG_COMPRESSION_NONE:
        break;
    }
    return OUTPUT_PLAIN;
}

/* The configuration's checks have looked at the types. */
static void columns_fill(const struct config_sink *config, encoder_column *columns) {
    for (size_t i = 0; i < config->parquet.columns_count; i++) {
        columns[i].property = config->parquet.columns[i].key;
        (void)parquet_column_type(config->parquet.columns[i].value, &columns[i].type);
    }
}

/* For late events that are held a sink may keep back only so much of the journal that it does not fill up
 * for them, and that a start need not read for long. */
static uint64_t held_journal_bytes_max(uint64_t journal_bytes_max) {
    const uint64_t most = UINT64_C(512) << 20;
    return journal_bytes_max / 8 < most ? journal_bytes_max / 8 : most;
}

static bool sink_begin(collector *c, size_t i) {
    const struct config_sink *config = &c->config->sinks[i];
    struct sink_slot *slot = &c->sinks[i];
    columns_fill(config, slot->columns);
    if (journal_reader_open(c->journal, &slot->reader) != JOURNAL_OK)
        return false;
    snprintf(slot->advanced, sizeof slot->advanced, JOURNAL_ADVANCED_FMT, (unsigned)i);
    sink_options opt = {
        .name = config->name,
        .index = (uint32_t)i,
        .order = {.window_us = (int64_t)config->window_us, .pending_bytes_max = config->max_pending_bytes},
        .format = format_of(config->format),
        .columns = slot->columns,
        .n_columns = config->parquet.columns_count,
        .codec = codec_of(config->compression),
        .roll_bytes = config->roll_bytes,
        .roll_interval_us = config->roll_interval_us,
        .late_roll_interval_us = config->late_roll_interval_us,
        .held_journal_bytes_max = held_journal_bytes_max(c->config->journal.max_bytes),
        .zmq = c->zmq,
        .advanced = slot->advanced,
        .source = journal_reader_source(slot->reader),
        .confirm = sink_confirmed,
        .open = sink_open,
        .fenced = sink_fenced,
        .context = c};
    journal_start_id(c->journal, opt.start_id);
    if (config->type == CONFIG_SINK_KAFKA &&
        !kafka_sink_init(&slot->kafka, c->config, i, opt.start_id, &slot->give_up_us))
        return false;
    return sink_start(&opt, &slot->sink) == SINK_OK;
}

static bool sinks_begin(collector *c) {
    for (size_t i = 0; i < c->config->sinks_count; i++)
        if (!sink_begin(c, i))
            return false;
    return true;
}

/* ---- ingress ---------------------------------------------------------------------------------------- */

static int64_t journal_time(void *context) { return journal_now_us(context); }

static bool ingress_begin(collector *c) {
    const struct collector_config *config = c->config;
    ingress_options opt = {.collector = config->id,
                           .listen = config->listen,
                           .listen_backlog = (int)config->listen_backlog,
                           .n_loops = (uint32_t)config->ingress.threads,
                           .cert_file = config->tls.cert_file,
                           .key_file = config->tls.key_file,
                           .client_ca_file = config->tls.client_ca_file,
                           .client_auth = config->tls.client_auth == CONFIG_CLIENT_AUTH_REQUIRED,
                           .tls13_only = config->tls.min_version == CONFIG_TLS_1_3,
                           .api_keys = config->auth.api_keys,
                           .n_api_keys = config->auth.api_keys_count,
                           .limits = {.connections = config->limits.connections,
                                      .header_bytes = config->limits.header_bytes,
                                      .body_bytes = config->limits.body_bytes,
                                      .decompressed_bytes = config->limits.decompressed_bytes,
                                      .batch_numbers = config->limits.batch_events},
                           .timeouts = {.handshake_us = config->timeouts.handshake_us,
                                        .header_us = config->timeouts.header_us,
                                        .body_us = config->timeouts.body_us,
                                        .idle_us = config->timeouts.idle_us},
                           .now_us = journal_time,
                           .now_context = c->journal,
                           .zmq = c->zmq};
    if (ingress_open(&opt, &c->ingress) != INGRESS_OK || ingress_run(c->ingress) != INGRESS_OK)
        return false;
    diag_info("listening", DIAG_STR("address", config->listen), DIAG_UINT("port", ingress_port(c->ingress)),
              DIAG_UINT("threads", config->ingress.threads));
    return true;
}

/* ---- admin ------------------------------------------------------------------------------------------ */

static enum admin_result admin_total(void *context, ledger *ret_total) {
    return journal_ledger_total(context, ret_total) == JOURNAL_OK ? ADMIN_OK : ADMIN_UNAVAILABLE;
}

static enum admin_result admin_page(void *context, const ledger_row *after, size_t rows_max,
                                    ledger_row *ret_rows, size_t *ret_count) {
    journal_err err = journal_ledger_page(context, after, rows_max, ret_rows, ret_count);
    return err == JOURNAL_OK ? ADMIN_OK : ADMIN_UNAVAILABLE;
}

static bool admin_begin(collector *c) {
    static const struct admin_ops ops = {admin_total, admin_page};
    struct admin_options opt = {.listen = c->config->admin.listen,
                                .collector = c->config->id,
                                .version = WADI_COLLECTOR_VERSION,
                                .ops = &ops,
                                .context = c->journal};
    if (admin_open(&opt, &c->admin) != ADMIN_OK)
        return false;
    diag_info("admin listening", DIAG_STR("address", c->config->admin.listen),
              DIAG_UINT("port", admin_port(c->admin)));
    return true;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

collector *collector_start(const struct collector_config *config) {
    collector *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->config = config;
    c->zmq = zmq_ctx_new();
    metrics_version_set(WADI_COLLECTOR_VERSION);
    if (c->zmq && journal_begin(c) && sinks_begin(c) && journal_run(c->journal) == JOURNAL_OK &&
        admin_begin(c) && ingress_begin(c))
        return c;
    diag_error("not started");
    (void)collector_stop(c);
    return NULL;
}

/* What is left until `until_us`, but enough for a last commit. */
static uint32_t left_ms(uint64_t until_us) {
    uint64_t now_us = base_mono_us();
    return now_us + 100000 < until_us ? (uint32_t)((until_us - now_us) / 1000) : 100;
}

/* All of them are asked before any is waited for: they write their last epochs side by side. */
static void sinks_stop(collector *c, uint64_t until_us) {
    for (size_t i = 0; i < c->config->sinks_count; i++) {
        atomic_store(&c->sinks[i].give_up_us, until_us);
        sink_stop_ask(c->sinks[i].sink, left_ms(until_us));
    }
    for (size_t i = 0; i < c->config->sinks_count; i++) {
        sink_stop(c->sinks[i].sink);
        kafka_sink_fini(&c->sinks[i].kafka);
        journal_reader_close(c->sinks[i].reader);
    }
}

collector_end collector_stop(collector *c) {
    if (!c)
        return COLLECTOR_STOPPED;
    uint64_t until_us = base_mono_us() + c->config->timeouts.drain_us;
    if (c->ingress)
        ingress_stop(c->ingress, until_us);
    if (c->journal)
        journal_stop(c->journal);
    ingress_close(c->ingress);
    sinks_stop(c, until_us);
    collector_end end = atomic_load(&c->fenced) ? COLLECTOR_FENCED : COLLECTOR_STOPPED;
    admin_close(c->admin);
    journal_close(c->journal);
    if (c->zmq)
        zmq_ctx_term(c->zmq);
    free(c);
    return end;
}

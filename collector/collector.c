/* The way of an event through the collector, top to bottom:
 *
 *     ingress ──submission──▶ journal ──advanced──▶ sink (order, epochs, store), one thread each
 *        ◀───────Ack────────────┘  ◀────confirm──────┘
 *
 * Every arrow is a ZeroMQ inproc socket or a function of the stage that it points to; no stage includes
 * another one's header but journal's, which names the sockets.
 */
#include "collector/collector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "admin.h"
#include "collector/ingress/ingress.h"
#include "collector/journal/journal.h"
#include "diag.h"
#include "metrics.h"
#include "sdk/src/base/clock.h"
#include "sink.h"

struct collector {
    const struct collector_config *config;
    void *zmq;
    journal *journal;
    ingress *ingress;
    struct admin *admin;
    struct sink_slot {
        journal_reader *reader;
        sink *sink;
        char advanced[64]; /* its endpoint */
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
    journal_confirm(context, index, low);
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

static bool sink_begin(collector *c, size_t i) {
    const struct config_sink *config = &c->config->sinks[i];
    struct sink_slot *slot = &c->sinks[i];
    if (journal_reader_open(c->journal, &slot->reader) != JOURNAL_OK)
        return false;
    snprintf(slot->advanced, sizeof slot->advanced, JOURNAL_ADVANCED_FMT, (unsigned)i);
    sink_options opt = {
        .name = config->name,
        .collector = c->config->id,
        .path = config->path,
        .index = (uint32_t)i,
        .order = {.window_us = (int64_t)config->window_us, .pending_bytes_max = config->max_pending_bytes},
        .codec = codec_of(config->compression),
        .roll_bytes = config->roll_bytes,
        .roll_interval_us = config->roll_interval_us,
        .zmq = c->zmq,
        .advanced = slot->advanced,
        .source = journal_reader_source(slot->reader),
        .confirm = sink_confirmed,
        .confirm_context = c->journal};
    journal_start_id(c->journal, opt.start_id);
    return sink_start(&opt, &slot->sink) == SINK_OK;
}

static bool sinks_begin(collector *c) {
    for (size_t i = 0; i < c->config->sinks_count; i++)
        if (!sink_begin(c, i))
            return false;
    return true;
}

/* ---- ingress ---------------------------------------------------------------------------------------- */

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
    collector_stop(c);
    return NULL;
}

/* What is left until `until_us`, but enough for a last commit. */
static uint32_t left_ms(uint64_t until_us) {
    uint64_t now_us = base_mono_us();
    return now_us + 100000 < until_us ? (uint32_t)((until_us - now_us) / 1000) : 100;
}

void collector_stop(collector *c) {
    if (!c)
        return;
    uint64_t until_us = base_mono_us() + c->config->timeouts.drain_us;
    if (c->ingress)
        ingress_stop(c->ingress, until_us);
    if (c->journal)
        journal_stop(c->journal);
    ingress_close(c->ingress);
    for (size_t i = 0; i < c->config->sinks_count; i++) {
        sink_stop(c->sinks[i].sink, left_ms(until_us));
        journal_reader_close(c->sinks[i].reader);
    }
    admin_close(c->admin);
    journal_close(c->journal);
    if (c->zmq)
        zmq_ctx_term(c->zmq);
    free(c);
}

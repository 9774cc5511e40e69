#include "collector/s3_sink.h"

#include "s3/s3_store.h"
#include "sdk/src/base/clock.h"

static bool given_up(void *context) {
    uint64_t at_us = atomic_load_explicit((_Atomic uint64_t *)context, memory_order_relaxed);
    return at_us != 0 && base_mono_us() >= at_us;
}

static s3_conditional conditional_of(enum config_s3_conditional conditional) {
    static const s3_conditional all[] = {S3_CONDITIONAL_AUTO, S3_CONDITIONAL_ON, S3_CONDITIONAL_OFF};
    return all[conditional];
}

sink_err s3_sink_open(const struct config_sink *config, const object_target_options *opt, unsigned label,
                      _Atomic uint64_t *give_up_us, sink_target *ret_target) {
    s3_options options = {.place = {.endpoint = config->s3.endpoint,
                                    .region = config->s3.region,
                                    .bucket = config->s3.bucket,
                                    .virtual_host = config->s3.addressing == CONFIG_S3_VIRTUAL},
                          .prefix = config->s3.prefix ? config->s3.prefix : "",
                          .credentials = {.access_key_id = config->s3.access_key_id,
                                          .secret_access_key = config->s3.secret_access_key,
                                          .session_token = config->s3.session_token,
                                          .file = config->s3.credentials_file,
                                          .profile = config->s3.profile},
                          .ca_file = config->s3.ca_file,
                          .conditional = conditional_of(config->s3.conditional_writes),
                          .payload = config->s3.payload == CONFIG_S3_PAYLOAD_SIGNED ? S3_PAYLOAD_SIGNED
                                                                                    : S3_PAYLOAD_AUTO,
                          .part_bytes = config->s3.part_bytes,
                          .parallel_parts = (uint32_t)config->s3.parallel_parts,
                          .label = label,
                          .stopping = given_up,
                          .context = give_up_us};
    s3_store *store;
    sink_err err = s3_store_open(&options, opt->collector, opt->sink, &store);
    return err == SINK_OK ? object_target_open(opt, s3_store_of(store), ret_target) : err;
}

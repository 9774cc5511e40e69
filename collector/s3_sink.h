/* s3_sink: a configured S3 sink as options of its store. */
#ifndef COLLECTOR_S3_SINK_H
#define COLLECTOR_S3_SINK_H

#include <stdatomic.h>
#include <stdint.h>

#include "config.h"
#include "object_target.h"
#include "target.h"

/* *give_up_us: a moment of base_mono_us from which on requests are given up; 0: not yet. Everything is
 * borrowed until the target is closed. SINK_ERR_MEMORY. No I/O. */
sink_err s3_sink_open(const struct config_sink *config, const object_target_options *opt, unsigned label,
                      _Atomic uint64_t *give_up_us, sink_target *ret_target);

#endif

/* sink: one configured sink as a thread: waits for the journal to advance, steps its epochs, and after an
 * error starts again from its last checkpoint, with a growing pause, for as long as it takes.
 *
 * May use: base, order, journal/entry.h. Logs.
 */
#ifndef SINKS_SINK_H
#define SINKS_SINK_H

#include <stdint.h>

#include "epochs.h"
#include "file_store.h"

typedef struct sink_options {
    const char *name, *collector, *path; /* borrowed */
    uint32_t index;                      /* among all sinks */
    uint8_t start_id[16];
    order_options order;
    output_codec codec;
    uint64_t roll_bytes, roll_interval_us;
    void *zmq;
    const char *advanced; /* inproc endpoint that announces the journal's last position, uint64 */
    entry_source source;  /* used by the sink's thread alone */
    /* Nothing before `low` is needed any more. Called from the sink's thread. */
    void (*confirm)(void *context, uint32_t index, uint64_t low);
    void *confirm_context;
} sink_options;

typedef struct sink sink;

/* Starts the thread. SINK_ERR_MEMORY or SINK_ERR_IO: no memory, no thread. */
sink_err sink_start(const sink_options *opt, sink **ret_sink);

/* Reads to the journal's end, or for timeout_ms, commits what the watermark has passed, and ends the thread.
 * Waits for a store that blocks. Frees the sink. What was not committed is in the journal. Accepts NULL. */
void sink_stop(sink *s, uint32_t timeout_ms);

#endif

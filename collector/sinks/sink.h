/* sink: one configured sink as a thread: waits for the journal to advance, steps its epochs, and after an
 * error starts again from its last checkpoint, with a growing pause, for as long as it takes. Only when
 * another collector has taken over it ends.
 *
 * May use: base, order, journal/entry.h. Logs.
 */
#ifndef SINKS_SINK_H
#define SINKS_SINK_H

#include <stdint.h>

#include "epochs.h"
#include "text.h"

typedef struct sink_options {
    const char *name; /* borrowed */
    uint32_t index;   /* among all sinks */
    uint8_t start_id[16];
    order_options order;
    const char *format; /* borrowed, like the columns */
    const encoder_column *columns;
    size_t n_columns;
    output_codec codec;
    uint64_t roll_bytes, roll_interval_us, late_roll_interval_us;
    uint64_t held_journal_bytes_max; /* of the journal, kept for late events that are held */
    void *zmq;
    const char *advanced; /* inproc endpoint that announces the journal's last position, uint64 */
    entry_source source;  /* used by the sink's thread alone */
    /* Nothing before `low` is needed any more. Called from the sink's thread. */
    void (*confirm)(void *context, uint32_t index, uint64_t low);
    /* Opens what the sink writes to, anew after every error; after one `why` has said what it is, or nothing.
     * Called from the sink's thread. */
    sink_err (*open)(void *context, uint32_t index, sink_target *ret_target, struct text *why);
    /* Another collector of the same id has taken over: the sink has ended, and this collector is to end too.
     * Called from the sink's thread, once, at the latest while sink_stop waits; may not block. */
    void (*fenced)(void *context, uint32_t index);
    void *context; /* of the three */
} sink_options;

typedef struct sink sink;

/* Starts the thread. SINK_ERR_MEMORY or SINK_ERR_IO: no memory, no thread. */
sink_err sink_start(const sink_options *opt, sink **ret_sink);

/* From now on the thread reads to the journal's end, or for timeout_ms, commits what the watermark has
 * passed, late events too, and ends. Does not wait for it: first ask all sinks, so that one whose target
 * blocks takes no time from the others. Accepts NULL. */
void sink_stop_ask(sink *s, uint32_t timeout_ms);

/* Waits for the thread, after sink_stop_ask, and frees the sink. What was not committed is in the journal.
 * Accepts NULL. */
void sink_stop(sink *s);

#endif

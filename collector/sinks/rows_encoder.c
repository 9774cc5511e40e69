/* rows_encoder: objects of rows, one behind the other in `output`'s codecs, each with what tells it from the
 * next. */
#include "encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prefetch.h"
#include "row.h"
#include "varint.h"

#define FRAMING_BYTES_MAX VARINT_BYTES_MAX
#define USUAL_LENGTH_BYTES 2u /* of rows from 128 bytes to 16 KiB */

typedef struct rows_encoder {
    const row_format *format;
    output *output;
    void *rendering; /* the format's */
    uint32_t owner;  /* of what hangs on bodies */
    char suffix[16];
} rows_encoder;

static void rows_destroy(void *self) {
    rows_encoder *r = self;
    if (!r)
        return;
    output_free(r->output);
    r->format->destroy(r->rendering);
    free(r);
}

static void *rows_create(const row_format *format, const encoder_options *opt, sink_store store) {
    rows_encoder *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->format = format;
    r->owner = body_owner_new();
    snprintf(r->suffix, sizeof r->suffix, "%s%s", format->suffix, output_codec_suffix(opt->codec));
    r->output = output_new(store, opt->codec);
    r->rendering = format->create();
    if (!r->output || !r->rendering) {
        rows_destroy(r);
        return NULL;
    }
    return r;
}

static const char *rows_suffix(const void *self) { return ((const rows_encoder *)self)->suffix; }

static sink_err rows_begin(void *self, uint32_t slot, const char *name) {
    return output_begin(((rows_encoder *)self)->output, slot, name);
}

/* Its length is only known behind it, so room is left for the usual one. */
static size_t delimited_put(rows_encoder *r, char *at, const row *next) {
    size_t n = r->format->put(r->rendering, at + USUAL_LENGTH_BYTES, next), length_n = varint_bytes(n);
    if (length_n != USUAL_LENGTH_BYTES)
        memmove(at + length_n, at + USUAL_LENGTH_BYTES, n);
    varint_put(at, n);
    return length_n + n;
}

static size_t line_put(rows_encoder *r, char *at, const row *next) {
    size_t n = r->format->put(r->rendering, at, next);
    at[n] = '\n';
    return n + 1;
}

static inline sink_err row_put(rows_encoder *r, const row *next) {
    char *at = output_reserve(r->output, r->format->bytes_max(r->rendering, next) + FRAMING_BYTES_MAX);
    if (!at)
        return SINK_ERR_MEMORY;
    return output_advance(r->output, r->format->framing == ROW_FRAMING_LINE ? line_put(r, at, next)
                                                                            : delimited_put(r, at, next));
}

static inline sink_err event_put(rows_encoder *r, const order_event *event, bool late, uint64_t *rows_total) {
    if (event->body->cache_owner != r->owner)
        body_cache_claim(event->body, r->owner);
    if (!event->body->cache && !r->format->prepare(r->rendering, event->body))
        return SINK_ERR_MEMORY;
    row rows[ROWS_MAX];
    unsigned n = rows_of(event, late, rows);
    sink_err err = n > 0 ? SINK_OK : SINK_ERR_ENCODE;
    for (unsigned i = 0; i < n && err == SINK_OK; i++)
        err = row_put(r, &rows[i]);
    *rows_total += n;
    return err;
}

static sink_err rows_put(void *self, const order_event *events, size_t n, bool late, uint64_t *ret_rows) {
    uint64_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        event_prefetch(events, i, n);
        sink_err err = event_put(self, &events[i], late, &rows);
        if (err != SINK_OK)
            return err;
    }
    *ret_rows = rows;
    return SINK_OK;
}

static sink_err rows_finish(void *self, uint64_t *ret_bytes, uint32_t *ret_crc32c) {
    return output_finish(((rows_encoder *)self)->output, ret_bytes, ret_crc32c);
}

static uint64_t rows_bytes(const void *self) { return output_bytes(((const rows_encoder *)self)->output); }

/* ---- the encoders ------------------------------------------------------------------------------------ */

static void *jsonl_create(const encoder_options *opt, sink_store store) {
    return rows_create(&row_format_jsonl, opt, store);
}

static void *record_create(const encoder_options *opt, sink_store store) {
    return rows_create(&row_format_record, opt, store);
}

/* clang-format off */
#define ROWS_ENCODER(name, number, create_it) {                                           \
    .format = (name), .version = (number), .create = (create_it), .destroy = rows_destroy, \
    .suffix = rows_suffix, .begin = rows_begin, .put = rows_put, .finish = rows_finish,     \
    .bytes = rows_bytes}
/* clang-format on */

const encoder_ops encoder_jsonl = ROWS_ENCODER("jsonl", JSONL_VERSION, jsonl_create);
const encoder_ops encoder_record = ROWS_ENCODER("record", RECORD_VERSION, record_create);

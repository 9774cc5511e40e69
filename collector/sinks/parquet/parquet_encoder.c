/* parquet: a Parquet writer of our own, and the encoder that makes objects of events with it. Debian packages
 * no Arrow and no other Parquet library for C or C++, and Arrow is many times as large as the collector.
 *
 *     bytes ◀─ thrift ◀─ schema, metadata        what the format says of itself
 *     bytes ◀─ hybrid, dictionary, codec ◀─ page ◀─ column ◀─ file      what a file is made of
 *     row ─▶ shared, value ─▶ event_table ─▶ file     what an event is in it
 *
 * Codecs are none, gzip and zstd, as of the other formats: snappy would be one more library, for larger
 * objects. Like the journal, the folder is for little-endian machines. */
#include "encoder.h"
#include "event_table.h"
#include "prefetch.h"

#define VERSION 1 /* goes up with every change of an object's bytes */
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

/* The encoder's version and not the collector's: a newer collector writes the same bytes again. */
#define CREATED_BY "wadi-collector version " TEXT(VERSION) " (build parquet)"

static void *parquet_create(const encoder_options *opt, sink_store store) {
    return event_table_new(opt, store);
}

static void parquet_destroy(void *self) { event_table_free(self); }

static const char *parquet_suffix(const void *self) {
    (void)self; /* the codec is inside */
    return ".parquet";
}

static sink_err parquet_begin(void *self, uint32_t slot, const char *name) {
    return event_table_begin(self, slot, name);
}

static sink_err event_put(event_table *e, const order_event *event, bool late, uint64_t *n_rows) {
    shared *s = shared_of(event->body, e->owner, e->opt);
    if (!s)
        return SINK_ERR_MEMORY;
    row rows[ROWS_MAX];
    unsigned n = rows_of(event, late, rows);
    sink_err err = n > 0 ? SINK_OK : SINK_ERR_ENCODE;
    for (unsigned i = 0; i < n && err == SINK_OK; i++)
        err = event_table_put(e, &rows[i], s);
    *n_rows += n;
    return err;
}

static sink_err parquet_put(void *self, const order_event *events, size_t n, bool late, uint64_t *ret_rows) {
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

static sink_err parquet_finish(void *self, uint64_t *ret_bytes, uint32_t *ret_crc32c) {
    event_table *e = self;
    return parquet_file_finish(&e->file, CREATED_BY, ret_bytes, ret_crc32c);
}

static uint64_t parquet_bytes(const void *self) {
    return parquet_file_bytes(&((const event_table *)self)->file);
}

const encoder_ops encoder_parquet = {
    .format = "parquet",
    .version = VERSION,
    .create = parquet_create,
    .destroy = parquet_destroy,
    .suffix = parquet_suffix,
    .begin = parquet_begin,
    .put = parquet_put,
    .finish = parquet_finish,
    .bytes = parquet_bytes,
};

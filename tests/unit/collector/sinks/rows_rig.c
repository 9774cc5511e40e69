#include "rows_rig.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_BYTES_MAX = 4 << 20 };

body *body_of_bytes(const uint8_t *bytes, size_t n, journal_entry entry) {
    static wire_item items[WIRE_BATCH_NUMBERS_MAX];
    static wire_dict dict;
    static wire_batch batch;
    if (wire_batch_scan(bytes, n, items, WIRE_BATCH_NUMBERS_MAX, &dict, &batch) != WIRE_OK)
        return NULL;
    entry.kind = ENTRY_BATCH;
    entry.first_seq = batch.first_seq;
    entry.n_items = batch.n_items;
    entry.n_events = batch.n_events;
    entry.resent_through = batch.resent_through;
    entry.run_ordinal = batch.run.ordinal;
    entry.raw_bytes = entry.body_bytes = (uint32_t)n;
    memcpy(entry.installation, batch.installation, sizeof entry.installation);
    memcpy(entry.stream, batch.stream, sizeof entry.stream);
    body_reader *reader = body_reader_new();
    body *b = NULL;
    const body_err err = reader ? body_open(reader, &entry, (wire_span){bytes, n}, &b) : BODY_ERR_MEMORY;
    body_reader_free(reader);
    assert(err == BODY_OK);
    return b;
}

body *body_of(const wire_batch_head *head, const wire_event *events, size_t n_events, journal_entry entry) {
    static uint8_t bytes[BATCH_BYTES_MAX];
    size_t n = 0;
    const wire_err err = wire_batch_head_encode(head, bytes, sizeof bytes, &n);
    assert(err == WIRE_OK);
    for (size_t i = 0; i < n_events; i++) {
        const size_t size = wire_event_size(&events[i]);
        assert(n + wire_frame_size(size) + size <= sizeof bytes);
        n += wire_frame_put(bytes + n, size);
        n += wire_event_encode(bytes + n, &events[i]);
    }
    body *b = body_of_bytes(bytes, n, entry);
    assert(b);
    return b;
}

rendered row_render(const row_format *format, void *self, const row *r) {
    const size_t cap = format->bytes_max(self, r);
    rendered out = {.bytes = malloc(cap)};
    assert(out.bytes);
    out.n = format->put(self, out.bytes, r);
    assert(out.n > 0 && out.n <= cap);
    return out;
}

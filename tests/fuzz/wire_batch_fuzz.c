/* wire_batch_scan on any bytes: memory-safe; what it takes, nanopb takes too and finds the same numbers in;
 * what it took, rescan, event scan and context scan take. */
#include "tests/unit/schemas/reference.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static wire_item items[WIRE_BATCH_NUMBERS_MAX], again[WIRE_BATCH_NUMBERS_MAX];
static wire_dict dict;
static wire_batch batch, batch_again;

static void require(bool holds) {
    if (!holds)
        abort();
}

static void rescan_check(const uint8_t *data, size_t size) {
    require(wire_batch_rescan(data, size, again, WIRE_BATCH_NUMBERS_MAX, &dict, &batch_again) == WIRE_OK);
    require(batch_again.n_items == batch.n_items && batch_again.n_events == batch.n_events);
    require(batch_again.last_seq == batch.last_seq && batch_again.n_contexts == batch.n_contexts);
    for (uint32_t i = 0; i < batch.n_items; i++) {
        require(items[i].at_us == again[i].at_us && items[i].flags == again[i].flags);
        require(items[i].off == again[i].off && items[i].len == again[i].len);
    }
}

static void reference_check(const uint8_t *data, size_t size) {
    static reference_batch reference;
    require(reference_batch_decode(data, size, &reference));
    require(reference.message.first_seq == batch.first_seq && reference.message.chain == batch.chain);
    require(reference.n_events == batch.n_events && reference.n_definitions == dict.n);
    require(reference.n_dropped == batch.n_items - batch.n_events);
}

static void event_check(const uint8_t *event, size_t n) {
    static reference_event reference;
    static wire_prop props[WIRE_PROPS_MAX], reference_props[WIRE_PROPS_MAX];
    wire_event_view view;
    wire_event ev, reference_ev;
    require(wire_event_scan(event, n, &view) == WIRE_OK);
    event_from_view(&view, &ev, props);
    require(reference_event_decode(event, n, &reference));
    event_from_reference(&reference, &reference_ev, reference_props);
    require(event_equal(&ev, &reference_ev));
    require(ev.name_id == 0 || wire_dict_get(&dict, ev.name_id).data != NULL);
    for (size_t i = 0; i < ev.n_props; i++)
        require(props[i].key_id == 0 || wire_dict_get(&dict, props[i].key_id).data != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    (void)wire_batch_rescan(data, size, again, WIRE_BATCH_NUMBERS_MAX, &dict, &batch_again);
    if (wire_batch_scan(data, size, items, WIRE_BATCH_NUMBERS_MAX, &dict, &batch) != WIRE_OK)
        return 0;
    reference_check(data, size);
    rescan_check(data, size);
    for (uint32_t i = 0; i < batch.n_items; i++) {
        if (items[i].flags != WIRE_ITEM_DROPPED)
            event_check(data + items[i].off, items[i].len);
    }
    for (uint32_t i = 0; i < batch.n_contexts; i++) {
        wire_context_view view;
        require(wire_context_scan(batch.contexts[i], &view) == WIRE_OK && view.id == batch.context_ids[i]);
    }
    return 0;
}

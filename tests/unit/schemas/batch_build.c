#include "tests/unit/schemas/batch_build.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static wire_span text_span(const char *text) { return (wire_span){(const uint8_t *)text, strlen(text)}; }

static void bytes_fill(uint8_t *out, size_t n, random_source *random) {
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)random_next(random);
}

static void numbers_fill(wire_batch_head *head, random_source *random) {
    bytes_fill(head->installation, WIRE_ID_BYTES, random);
    bytes_fill(head->stream, WIRE_ID_BYTES, random);
    head->first_seq = 1 + random_bits(random, 62);
    head->low = 1 + random_below(random, head->first_seq);
    head->chain = random_next(random);
    head->resent_through = random_bits(random, 64);
    head->pending = random_bits(random, 64);
    head->refused = random_bits(random, 64);
}

static void clocks_fill(wire_batch_head *head, random_source *random) {
    bytes_fill(head->run.boot_id, WIRE_ID_BYTES, random);
    head->run.ordinal = random_bits(random, 64);
    head->run.nonce = (uint32_t)random_next(random);
    head->run.boot_us = random_bits(random, 50);
    head->run.wall_us = -(int64_t)random_bits(random, 50);
    head->run.sdk = text_span("libwadi/test");
    bytes_fill(head->clock.boot_id, WIRE_ID_BYTES, random);
    head->clock.boot_us = random_bits(random, 50);
    head->clock.wall_us = (int64_t)random_bits(random, 50);
    head->clock.has_offset = random_below(random, 2);
    head->clock.offset_us = head->clock.has_offset ? (int64_t)random_bits(random, 50) : 0;
    head->clock.offset_error_us = random_bits(random, 30);
    head->clock.has_not_after = random_below(random, 2);
    head->clock.not_after_us = head->clock.has_not_after ? (int64_t)random_bits(random, 50) : 0;
}

static void definitions_fill(built_batch *built, uint32_t id_base, random_source *random) {
    for (uint32_t i = 0; i < BUILD_IDS; i++) {
        (void)snprintf(built->texts[i], sizeof built->texts[i], "name-%u", i + 1);
        built->definitions[i] = (wire_definition){id_base + i + 1, text_span(built->texts[i])};
    }
    for (uint32_t i = BUILD_IDS - 1; i > 0; i--) {
        const uint32_t j = (uint32_t)random_below(random, i + 1);
        const wire_definition moved = built->definitions[i];
        built->definitions[i] = built->definitions[j];
        built->definitions[j] = moved;
    }
    built->head.definitions = built->definitions;
    built->head.n_definitions = BUILD_IDS;
}

static void contexts_fill(built_batch *built) {
    const wire_attribute attributes[] = {{text_span("app"), text_span("test")},
                                         {text_span("empty"), text_span("")}};
    for (uint32_t i = 0; i < BUILD_CONTEXTS; i++) {
        const wire_context context = {.id = i + 1,
                                      .user = text_span(i ? "somebody" : ""),
                                      .session = text_span("s-1"),
                                      .attributes = attributes,
                                      .n_attributes = i};
        built->contexts[i].data = built->context_bytes[i];
        const wire_err err = wire_context_encode(&context, built->context_bytes[i],
                                                 sizeof built->context_bytes[i], &built->contexts[i].n);
        assert(err == WIRE_OK);
        (void)err;
    }
    built->head.contexts = built->contexts;
    built->head.n_contexts = BUILD_CONTEXTS;
}

static void dropped_fill(built_batch *built, const char *plan, random_source *random) {
    built->head.dropped = built->dropped;
    for (uint32_t i = 0; plan[i]; i++) {
        if (plan[i] == 'E')
            continue;
        if (i == 0 || plan[i - 1] != plan[i]) {
            built->dropped[built->head.n_dropped++] = (wire_dropped){
                .first_seq = built->head.first_seq + i,
                .reason = 1 + (uint32_t)random_below(random, 6),
                .crcs = &built->crcs[i],
            };
        }
        wire_dropped *const range = &built->dropped[built->head.n_dropped - 1];
        built->crcs[i] = (uint32_t)random_next(random);
        range->n++;
        built->items[i] =
            (wire_item){.crc = built->crcs[i], .flags = WIRE_ITEM_DROPPED, .reason = (uint8_t)range->reason};
    }
}

static wire_item event_append(built_batch *built, uint32_t id_base, uint32_t seed, random_source *random) {
    static random_event event;
    wire_event *const ev = &event.event;
    do { /* large ids can make it too large */
        random_event_fill(&event, random, BUILD_IDS);
        ev->context = (uint32_t)random_below(random, BUILD_CONTEXTS + 1);
        ev->name_id += ev->name_id ? id_base : 0;
        for (size_t i = 0; i < ev->n_props; i++)
            event.props[i].key_id += event.props[i].key_id ? id_base : 0;
    } while (wire_event_size(ev) == 0);
    const size_t n = wire_event_size(ev);
    built->n += wire_frame_put(built->body + built->n, n);
    uint8_t *const out = built->body + built->n;
    (void)wire_event_encode(out, ev);
    const wire_item item = {
        .at_us = ev->has_time ? ev->time_us : (int64_t)ev->at_us,
        .off = (uint32_t)built->n,
        .len = (uint32_t)n,
        .crc = wire_crc_event(seed, out, n),
        .flags = ev->has_time ? WIRE_ITEM_EXPLICIT : 0,
    };
    built->n += n;
    return item;
}

void batch_build(built_batch *built, const char *plan, uint32_t id_base, random_source *random) {
    assert(strlen(plan) <= BUILD_NUMBERS_MAX);
    memset(built, 0, offsetof(built_batch, body));
    numbers_fill(&built->head, random);
    clocks_fill(&built->head, random);
    definitions_fill(built, id_base, random);
    contexts_fill(built);
    dropped_fill(built, plan, random);
    const wire_err err = wire_batch_head_encode(&built->head, built->body, BUILD_BYTES_MAX, &built->n);
    assert(err == WIRE_OK);
    (void)err;
    built->head_bytes = built->n;
    built->chain_after = built->head.chain;
    const uint32_t seed = wire_crc_seed(built->head.run.nonce);
    for (; plan[built->n_items]; built->n_items++) {
        wire_item *const item = &built->items[built->n_items];
        if (plan[built->n_items] == 'E') {
            *item = event_append(built, id_base, seed, random);
            built->n_events++;
            built->events_bytes += item->len;
        }
        built->chain_after = wire_chain(built->chain_after, item->crc);
    }
}

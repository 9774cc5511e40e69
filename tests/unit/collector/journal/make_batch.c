#include "make_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "entry.h"

enum { NONCE = 77, EVENT_BYTES_MAX = 4096, HEAD_BYTES_MAX = 65536 };

static size_t event_make(const batch_plan *plan, uint64_t seq, uint8_t out[EVENT_BYTES_MAX]) {
    static const uint8_t padding[EVENT_BYTES_MAX];
    wire_prop props[] = {
        {.type = WIRE_INT, .key = "salt", .key_len = 4, .v.i = (int64_t)plan->salt},
        {.type = WIRE_INT, .key = "seq", .key_len = 3, .v.i = (int64_t)seq},
        {.type = WIRE_BYTES, .key = "pad", .key_len = 3, .v.s = {padding, plan->padding_bytes}},
    };
    wire_event event = {.name = "test", .name_len = 4, .props = props, .n_props = 3};
    event.at_us = plan->at_us + seq * plan->step_us;
    assert_in_range(wire_event_size(&event), 1, EVENT_BYTES_MAX);
    return wire_event_encode(out, &event);
}

static bool is_dropped(const batch_plan *plan, uint64_t seq) {
    return plan->dropped_first != 0 && seq >= plan->dropped_first && seq <= plan->dropped_last;
}

static wire_batch_head head_make(const batch_plan *plan) {
    wire_batch_head head = {.first_seq = plan->first_seq, .chain = plan->chain, .low = plan->low};
    memset(head.installation, plan->installation, sizeof head.installation);
    memset(head.stream, plan->stream, sizeof head.stream);
    memset(head.run.boot_id, 9, sizeof head.run.boot_id);
    memset(head.clock.boot_id, 9, sizeof head.clock.boot_id);
    head.run.ordinal = 1;
    head.run.nonce = NONCE;
    head.clock.boot_us = plan->at_us + (plan->last_seq + 1) * plan->step_us;
    head.resent_through = plan->resent_through;
    return head;
}

static size_t body_make(const batch_plan *plan, uint8_t *out, size_t cap) {
    uint8_t event[EVENT_BYTES_MAX];
    uint32_t crcs[WIRE_DROPPED_MAX], seed = wire_crc_seed(NONCE);
    wire_dropped dropped = {.first_seq = plan->dropped_first, .reason = 1, .crcs = crcs};
    for (uint64_t seq = plan->dropped_first; is_dropped(plan, seq); seq++)
        crcs[dropped.n++] = wire_crc_event(seed, event, event_make(plan, seq, event));
    wire_batch_head head = head_make(plan);
    head.dropped = &dropped;
    head.n_dropped = dropped.n > 0;
    size_t n = 0;
    assert_int_equal(wire_batch_head_encode(&head, out, cap, &n), WIRE_OK);
    for (uint64_t seq = plan->first_seq; seq <= plan->last_seq; seq++) {
        if (is_dropped(plan, seq))
            continue;
        size_t event_bytes = event_make(plan, seq, event);
        assert_true(n + wire_frame_size(event_bytes) + event_bytes <= cap);
        n += wire_frame_put(out + n, event_bytes);
        memcpy(out + n, event, event_bytes);
        n += event_bytes;
    }
    return n;
}

static void facts_take(batch_facts *f, const wire_batch *b, uint32_t raw_bytes) {
    *f = (batch_facts){.first_seq = b->first_seq, .last_seq = b->last_seq, .chain = b->chain};
    memcpy(f->installation, b->installation, sizeof f->installation);
    memcpy(f->stream, b->stream, sizeof f->stream);
    memcpy(f->run_boot_id, b->run.boot_id, sizeof f->run_boot_id);
    f->chain_after = b->chain_after;
    f->low = b->low;
    f->resent_through = b->resent_through;
    f->pending = b->pending;
    f->refused = b->refused;
    f->run_ordinal = b->run.ordinal;
    f->run_boot_us = b->run.boot_us;
    f->run_wall_us = b->run.wall_us;
    f->clock = b->clock;
    f->n_items = b->n_items;
    f->n_events = b->n_events;
    f->raw_bytes = raw_bytes;
}

submission *submission_make(const batch_plan *plan) {
    uint64_t numbers = plan->last_seq - plan->first_seq + 1;
    size_t cap = HEAD_BYTES_MAX + (size_t)numbers * (128 + plan->padding_bytes);
    submission *s = calloc(1, sizeof *s);
    wire_dict *dict = malloc(sizeof *dict);
    assert_true(s != NULL && dict != NULL);
    s->body = malloc(cap);
    s->items = malloc((size_t)numbers * sizeof *s->items);
    assert_true(s->body != NULL && s->items != NULL);
    s->body_bytes = (uint32_t)body_make(plan, s->body, cap);
    s->encoding = ENTRY_PLAIN;
    snprintf(s->tenant, sizeof s->tenant, "tenant");
    wire_batch batch;
    assert_int_equal(wire_batch_scan(s->body, s->body_bytes, s->items, (size_t)numbers, dict, &batch),
                     WIRE_OK);
    facts_take(&s->facts, &batch, s->body_bytes);
    free(dict);
    return s;
}

void submission_free(submission *s) {
    free(s->body);
    free(s->items);
    free(s);
}

uint64_t batch_chain_after(const batch_plan *plan) {
    uint8_t event[EVENT_BYTES_MAX];
    uint64_t chain = plan->chain;
    for (uint64_t seq = plan->first_seq; seq <= plan->last_seq; seq++)
        chain = wire_chain(chain, wire_crc_event(wire_crc_seed(NONCE), event, event_make(plan, seq, event)));
    return chain;
}

batch_plan batch_plan_first(uint64_t last_seq) {
    return (batch_plan){
        .stream = 1, .installation = 2, .first_seq = 1, .last_seq = last_seq, .low = 1, .step_us = 1000};
}

batch_plan batch_plan_next(const batch_plan *before, uint64_t numbers) {
    batch_plan p = *before;
    p.chain = batch_chain_after(before);
    p.first_seq = p.low = before->last_seq + 1;
    p.last_seq = before->last_seq + numbers;
    return p;
}

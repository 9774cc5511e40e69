#include "row.h"

#include <string.h>

#define SPAN_LITERAL(text) ((wire_span){(const uint8_t *)(text), sizeof(text) - 1})

static row range_of(row_kind kind, const order_event *event, bool late, uint64_t first, uint64_t last) {
    const body *b = event->body;
    bool explicit_time = event->flags & WIRE_ITEM_EXPLICIT;
    return (row){.kind = kind,
                 .late = late,
                 .resent = first <= b->resent_through,
                 .time_quality = explicit_time ? ROW_TIME_QUALITY_EXPLICIT : b->time_quality,
                 .us = event->us,
                 .seq = first,
                 .last = last,
                 .body = b};
}

unsigned rows_of_range(const order_event *event, bool late, row ret_rows[ROWS_MAX]) {
    const body *b = event->body;
    unsigned n = 0;
    if (event->index == 0 && b->gap) {
        ret_rows[n] = range_of(ROW_GAP, event, late, b->entry.gap_first, b->first_seq - 1);
        ret_rows[n++].reason = "settled_elsewhere";
    }
    if (event->flags & WIRE_ITEM_DROPPED) {
        ret_rows[n] = range_of(ROW_DROPPED, event, late, b->first_seq + event->index,
                               b->first_seq + body_item_end(b, event->index) - 1);
        ret_rows[n++].reason = wire_drop_reason_name(event->reason);
        return n;
    }
    return row_of_event(event, late, &ret_rows[n]) ? n + 1 : 0;
}

static wire_span definition_text(const body *b, uint32_t id) {
    uint32_t at = body_definition_find(b, id);
    return at < b->n_definitions ? b->definitions[at].text : SPAN_LITERAL("");
}

wire_span row_name(const row *r) {
    if (r->kind == ROW_GAP)
        return SPAN_LITERAL("_wadi.gap");
    if (r->kind == ROW_DROPPED)
        return SPAN_LITERAL("_wadi.dropped");
    if (r->view.name != 0)
        return definition_text(r->body, r->view.name);
    wire_props props;
    return wire_props_begin(&props, &r->view);
}

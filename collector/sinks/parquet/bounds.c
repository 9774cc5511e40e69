#include "bounds.h"

static int64_t span_int(wire_span s) {
    int64_t value;
    memcpy(&value, s.data, sizeof value);
    return value;
}

static double span_double(wire_span s) {
    double value;
    memcpy(&value, s.data, sizeof value);
    return value;
}

static int text_compare(wire_span a, wire_span b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int first = n > 0 ? memcmp(a.data, b.data, n) : 0;
    return first != 0 ? first : (a.n > b.n) - (a.n < b.n);
}

int bounds_compare(column_type type, wire_span a, wire_span b) {
    switch (type) {
    case COLUMN_INT64: {
        int64_t x = span_int(a), y = span_int(b);
        return (x > y) - (x < y);
    }
    case COLUMN_DOUBLE: {
        double x = span_double(a), y = span_double(b);
        return (x > y) - (x < y);
    }
    case COLUMN_STRING:
    case COLUMN_BOOL:
        break;
    }
    return text_compare(a, b);
}

void bounds_stretch(column_type type, wire_span value, wire_span *least, wire_span *greatest) {
    if (!least->data || bounds_compare(type, value, *least) < 0)
        *least = value;
    if (!greatest->data || bounds_compare(type, value, *greatest) > 0)
        *greatest = value;
}

static void bound_copy(bound *b, wire_span value, bool exact) {
    b->set = true;
    b->exact = exact;
    b->n = (uint8_t)value.n;
    memcpy(b->data, value.data, value.n);
}

/* What begins a text is not greater than the text; cut between two characters. */
static void bound_shorten_least(bound *b, wire_span text) {
    size_t n = BOUND_BYTES_MAX;
    while (n > 0 && (text.data[n] & 0xC0) == 0x80)
        n--;
    bound_copy(b, (wire_span){text.data, n}, false);
}

/* With its last ASCII character raised by one, what begins a text is greater than the text. A text without
 * such a character stays without a bound. */
static void bound_shorten_greatest(bound *b, wire_span text) {
    size_t n = BOUND_BYTES_MAX;
    while (n > 0 && text.data[n - 1] >= 0x7F)
        n--;
    if (n == 0)
        return;
    bound_copy(b, (wire_span){text.data, n}, false);
    b->data[n - 1]++;
}

/* Readers do not tell the two zeros apart: each bound is the one that lies outside. */
static void zero_widen(bounds *b) {
    static const double negative = -0.0, positive = 0.0;
    if (span_double((wire_span){b->least.data, sizeof(double)}) == 0)
        memcpy(b->least.data, &negative, sizeof negative);
    if (span_double((wire_span){b->greatest.data, sizeof(double)}) == 0)
        memcpy(b->greatest.data, &positive, sizeof positive);
}

void bounds_set(bounds *b, column_type type, wire_span least, wire_span greatest, uint64_t n) {
    b->values = n;
    b->least.set = b->greatest.set = false;
    if (n == 0)
        return;
    if (least.n <= BOUND_BYTES_MAX)
        bound_copy(&b->least, least, true);
    else
        bound_shorten_least(&b->least, least);
    if (greatest.n <= BOUND_BYTES_MAX)
        bound_copy(&b->greatest, greatest, true);
    else
        bound_shorten_greatest(&b->greatest, greatest);
    if (type == COLUMN_DOUBLE)
        zero_widen(b);
}

/* sign: 1 for the least, -1 for the greatest. Of two equal bounds one that is exact says more. */
static void bound_merge(bound *into, column_type type, const bound *from, int sign) {
    if (!into->set || !from->set) {
        into->set = false;
        return;
    }
    wire_span a = {from->data, from->n}, b = {into->data, into->n};
    int beyond = -sign * bounds_compare(type, a, b);
    if (beyond > 0 || (beyond == 0 && from->exact))
        *into = *from;
}

void bounds_merge(bounds *into, column_type type, const bounds *from) {
    into->nulls += from->nulls;
    into->nans += from->nans;
    if (from->values == 0)
        return;
    if (into->values == 0) {
        into->least = from->least;
        into->greatest = from->greatest;
    } else {
        bound_merge(&into->least, type, &from->least, 1);
        bound_merge(&into->greatest, type, &from->greatest, -1);
    }
    into->values += from->values;
}

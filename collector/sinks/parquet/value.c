#include "value.h"

#include "json.h"
#include "utf8.h"

#define EMPTY ((wire_span){(const uint8_t *)"", 0})
#define LITERAL(text) ((wire_span){(const uint8_t *)(text), sizeof(text) - 1})

/* Room at the front of the scratch, whatever was in it; NULL: out of memory. */
static char *scratch_reserve(bytes *scratch, size_t n) {
    scratch->n = 0;
    return (char *)bytes_reserve(scratch, n);
}

/* What json.h put into the scratch, without its quotes. */
static wire_span unquoted(const char *text, size_t n) {
    bool quoted = text[0] == '"';
    return (wire_span){(const uint8_t *)text + quoted, n - (quoted ? 2 : 0)};
}

wire_span value_repaired(wire_span text, bytes *scratch) {
    if (utf8_ascii(text.data, text.n))
        return text;
    size_t n = utf8_repaired_bytes(text.data, text.n);
    if (n == text.n)
        return text;
    char *at = scratch_reserve(scratch, n);
    if (!at)
        return EMPTY;
    utf8_repair(at, text.data, text.n);
    return (wire_span){(const uint8_t *)at, n};
}

wire_span value_text(const wire_prop_view *prop, bytes *scratch) {
    char *at;
    switch (prop->type) {
    case WIRE_STRING:
        return value_repaired(prop->s, scratch);
    case WIRE_INT:
        at = scratch_reserve(scratch, JSON_NUMBER_MAX);
        return at ? unquoted(at, json_put_int(at, prop->i)) : EMPTY;
    case WIRE_DOUBLE:
        at = scratch_reserve(scratch, JSON_NUMBER_MAX);
        return at ? unquoted(at, json_put_double(at, prop->d)) : EMPTY;
    case WIRE_BYTES:
        at = scratch_reserve(scratch, JSON_BASE64_MAX(prop->s.n));
        return at ? unquoted(at, json_put_base64(at, prop->s.data, prop->s.n)) : EMPTY;
    case WIRE_TRUE:
        return LITERAL("true");
    case WIRE_FALSE:
        break;
    }
    return LITERAL("false");
}

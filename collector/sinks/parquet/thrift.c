#include "thrift.h"

#include <assert.h>

#define NEAR_MAX 15 /* a field at most that far behind the last one, or that many items, takes one byte */

static void put_int(thrift *t, int64_t value) {
    bytes_put_varint(t->out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

static void put_field(thrift *t, int field, thrift_type type) {
    int *last = &t->last[t->depth - 1], step = field - *last;
    assert(step > 0);
    if (step <= NEAR_MAX) {
        bytes_put_byte(t->out, (uint8_t)(step << 4 | (int)type));
    } else {
        bytes_put_byte(t->out, (uint8_t)type);
        put_int(t, field);
    }
    *last = field;
}

static void struct_open(thrift *t) {
    assert(t->depth < THRIFT_DEPTH_MAX);
    t->last[t->depth++] = 0;
}

void thrift_init(thrift *t, bytes *out) {
    *t = (thrift){.out = out};
    struct_open(t);
}

void thrift_end(thrift *t) {
    assert(t->depth > 0);
    bytes_put_byte(t->out, 0);
    t->depth--;
}

void thrift_bool(thrift *t, int field, bool value) {
    put_field(t, field, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_i32(thrift *t, int field, int32_t value) {
    put_field(t, field, THRIFT_I32);
    put_int(t, value);
}

void thrift_i64(thrift *t, int field, int64_t value) {
    put_field(t, field, THRIFT_I64);
    put_int(t, value);
}

void thrift_binary(thrift *t, int field, const void *data, size_t n) {
    put_field(t, field, THRIFT_BINARY);
    thrift_item_binary(t, data, n);
}

void thrift_string(thrift *t, int field, const char *text) { thrift_binary(t, field, text, strlen(text)); }

void thrift_struct(thrift *t, int field) {
    put_field(t, field, THRIFT_STRUCT);
    struct_open(t);
}

void thrift_empty(thrift *t, int field) {
    thrift_struct(t, field);
    thrift_end(t);
}

void thrift_list(thrift *t, int field, thrift_type of, size_t n) {
    put_field(t, field, THRIFT_LIST);
    if (n < NEAR_MAX) {
        bytes_put_byte(t->out, (uint8_t)(n << 4 | (unsigned)of));
    } else {
        bytes_put_byte(t->out, (uint8_t)(NEAR_MAX << 4 | (int)of));
        bytes_put_varint(t->out, n);
    }
}

void thrift_item(thrift *t) { struct_open(t); }

void thrift_item_bool(thrift *t, bool value) { bytes_put_byte(t->out, value ? THRIFT_TRUE : THRIFT_FALSE); }

void thrift_item_int(thrift *t, int64_t value) { put_int(t, value); }

void thrift_item_binary(thrift *t, const void *data, size_t n) {
    bytes_put_varint(t->out, n);
    bytes_put(t->out, data, n);
}

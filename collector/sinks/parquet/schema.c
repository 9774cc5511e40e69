#include "schema.h"

#include "format.h"

int32_t schema_type(const column_spec *spec) {
    static const uint8_t types[] = {[COLUMN_STRING] = TYPE_BYTE_ARRAY,
                                    [COLUMN_INT64] = TYPE_INT64,
                                    [COLUMN_DOUBLE] = TYPE_DOUBLE,
                                    [COLUMN_BOOL] = TYPE_BOOLEAN};
    return types[spec->type];
}

static void put_root(thrift *t, int32_t n_children) {
    thrift_item(t);
    thrift_string(t, 4, "event");
    thrift_i32(t, 5, n_children);
    thrift_end(t);
}

/* The group of a map, and in it that of one entry. */
static void put_map(thrift *t, const column_spec *key) {
    thrift_item(t);
    thrift_i32(t, 3, REPETITION_REQUIRED);
    thrift_string(t, 4, key->path[0]);
    thrift_i32(t, 5, 1);
    thrift_i32(t, 6, CONVERTED_MAP);
    thrift_struct(t, 10);
    thrift_empty(t, LOGICAL_MAP);
    thrift_end(t);
    thrift_end(t);
    thrift_item(t);
    thrift_i32(t, 3, REPETITION_REPEATED);
    thrift_string(t, 4, key->path[1]);
    thrift_i32(t, 5, 2);
    thrift_end(t);
}

static void put_string(thrift *t) {
    thrift_i32(t, 6, CONVERTED_UTF8);
    thrift_struct(t, 10);
    thrift_empty(t, LOGICAL_STRING);
    thrift_end(t);
}

static void put_timestamp(thrift *t) {
    thrift_i32(t, 6, CONVERTED_TIMESTAMP_MICROS);
    thrift_struct(t, 10);
    thrift_struct(t, LOGICAL_TIMESTAMP);
    thrift_bool(t, 1, true); /* UTC */
    thrift_struct(t, 2);
    thrift_empty(t, UNIT_MICROS);
    thrift_end(t);
    thrift_end(t);
    thrift_end(t);
}

static void put_leaf(thrift *t, const column_spec *spec) {
    bool map = spec->role == ROLE_MAP_KEY || spec->role == ROLE_MAP_VALUE;
    thrift_item(t);
    thrift_i32(t, 1, schema_type(spec));
    thrift_i32(t, 3, spec->role == ROLE_NULLABLE ? REPETITION_OPTIONAL : REPETITION_REQUIRED);
    thrift_string(t, 4, spec->path[map ? 2 : 0]);
    if (spec->type == COLUMN_STRING)
        put_string(t);
    if (spec->timestamp)
        put_timestamp(t);
    thrift_end(t);
}

void schema_put(thrift *t, int field, const column_spec *specs, uint32_t n) {
    uint32_t n_maps = 0;
    for (uint32_t i = 0; i < n; i++)
        n_maps += specs[i].role == ROLE_MAP_KEY;
    thrift_list(t, field, THRIFT_STRUCT, 1 + n + 2 * n_maps);
    put_root(t, (int32_t)(n - n_maps));
    for (uint32_t i = 0; i < n; i++) {
        if (specs[i].role == ROLE_MAP_KEY)
            put_map(t, &specs[i]);
        put_leaf(t, &specs[i]);
    }
}

/* thrift: Thrift's compact protocol, as much of it as a Parquet footer needs, written and never read.
 *
 *     thrift t;
 *     thrift_init(&t, &out);            the outermost struct is open
 *     thrift_i32(&t, 1, 7);             field 1
 *     thrift_struct(&t, 2); … thrift_end(&t);
 *     thrift_list(&t, 3, THRIFT_STRUCT, n); then n times: thrift_item(&t); … thrift_end(&t);
 *     thrift_end(&t);
 *
 * Fields of a struct in ascending order. Memory that runs out shows in `out`. Pure. */
#ifndef PARQUET_THRIFT_H
#define PARQUET_THRIFT_H

#include "bytes.h"

typedef enum thrift_type {
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_STRUCT = 12,
} thrift_type;

#define THRIFT_DEPTH_MAX 8u

typedef struct thrift {
    bytes *out;
    unsigned depth;             /* structs that are open */
    int last[THRIFT_DEPTH_MAX]; /* number of the last field of each */
} thrift;

void thrift_init(thrift *t, bytes *out);
void thrift_end(thrift *t);

void thrift_bool(thrift *t, int field, bool value);
void thrift_i32(thrift *t, int field, int32_t value);
void thrift_i64(thrift *t, int field, int64_t value);
void thrift_binary(thrift *t, int field, const void *data, size_t n);
void thrift_string(thrift *t, int field, const char *text);
void thrift_struct(thrift *t, int field);
/* A struct without fields. */
void thrift_empty(thrift *t, int field);
void thrift_list(thrift *t, int field, thrift_type of, size_t n);

/* The items of a list. */
void thrift_item(thrift *t); /* opens a struct */
void thrift_item_bool(thrift *t, bool value);
void thrift_item_int(thrift *t, int64_t value); /* i32 and i64 alike */
void thrift_item_binary(thrift *t, const void *data, size_t n);

#endif

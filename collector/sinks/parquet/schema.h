/* schema: a file's columns as Parquet's tree of schema elements. A map is a group of its keys' and its
 * values' column, which follow one another. Pure. */
#ifndef PARQUET_SCHEMA_H
#define PARQUET_SCHEMA_H

#include "column.h"
#include "thrift.h"

/* Parquet's number of the column's type. */
int32_t schema_type(const column_spec *spec);

/* The list of elements, as a field. */
void schema_put(thrift *t, int field, const column_spec *specs, uint32_t n);

#endif

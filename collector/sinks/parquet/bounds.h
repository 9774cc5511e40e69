/* bounds: the least and the greatest value of a page or a column chunk, for statistics and the page index.
 * Long texts are shortened so that they still bound. Pure. */
#ifndef PARQUET_BOUNDS_H
#define PARQUET_BOUNDS_H

#include "bytes.h"
#include "encoder.h"
#include "wire.h"

#define BOUND_BYTES_MAX 64u

typedef struct bound {
    bool set;   /* unset: there is no value, or none of BOUND_BYTES_MAX bounds them */
    bool exact; /* it is itself a value */
    uint8_t n;
    uint8_t data[BOUND_BYTES_MAX]; /* as Parquet's statistics have it */
} bound;

typedef struct bounds {
    bound least, greatest;
    uint64_t values; /* that are bounded: neither null nor NaN */
    uint64_t nulls, nans;
} bounds;

/* Less than, equal to or greater than 0, in the order of the type; values as Parquet stores them. */
int bounds_compare(column_type type, wire_span a, wire_span b);

/* One more value: `least` and `greatest` of the caller's spans take it on if it lies beyond them. A span
 * without data is none yet. */
void bounds_stretch(column_type type, wire_span value, wire_span *least, wire_span *greatest);

/* Takes over what bounds_stretch found among n values. */
void bounds_set(bounds *b, column_type type, wire_span least, wire_span greatest, uint64_t n);

/* The bounds of both. */
void bounds_merge(bounds *into, column_type type, const bounds *from);

#endif

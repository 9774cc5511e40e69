/* hybrid: Parquet's encoding of small numbers: runs of one value, and groups of eight packed bit by bit. For
 * levels, indices into a dictionary and truth values. Pure. */
#ifndef PARQUET_HYBRID_H
#define PARQUET_HYBRID_H

#include "bytes.h"

/* Bits that numbers up to `max` need; at least 1, since not every reader knows numbers without bits. */
unsigned hybrid_width(uint32_t max);

/* n numbers below 2^width, as runs. */
void hybrid_put(bytes *out, const uint32_t *values, size_t n, unsigned width);

/* The same only packed, without a header; the last byte is filled up with zeros. */
void hybrid_pack(bytes *out, const uint32_t *values, size_t n, unsigned width);

#endif

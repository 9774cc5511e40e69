/* output: the bytes of one object on their way into a store, compressed or not, in chunks of one size, so
 * that the same events always become the same bytes. The only file that includes zstd.h and zlib.h for
 * writing. */
#ifndef SINKS_OUTPUT_H
#define SINKS_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "store.h"

typedef enum output_codec { OUTPUT_PLAIN, OUTPUT_GZIP, OUTPUT_ZSTD } output_codec;

/* "none", "gzip", "zstd", and what a file's name ends in: "", ".gz", ".zst". */
const char *output_codec_name(output_codec codec);
const char *output_codec_suffix(output_codec codec);

typedef struct output output;

/* NULL: out of memory. One object at a time. */
output *output_new(sink_store store, output_codec codec);
void output_free(output *o);

sink_err output_begin(output *o, uint32_t slot, const char *name);

/* Room for n bytes, NULL when out of memory; then how many of them were written. */
char *output_reserve(output *o, size_t n);
sink_err output_advance(output *o, size_t n);

/* The object is whole and durable in its slot. */
sink_err output_finish(output *o, uint64_t *ret_bytes, uint32_t *ret_crc32c);

/* Bytes stored so far. */
uint64_t output_bytes(const output *o);

#endif

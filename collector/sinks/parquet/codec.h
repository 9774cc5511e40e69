/* codec: compresses pages, each for itself. The only file of the folder that includes zstd.h and zlib.h. */
#ifndef PARQUET_CODEC_H
#define PARQUET_CODEC_H

#include "bytes.h"
#include "output.h"

typedef struct page_codec page_codec;

/* NULL: out of memory. */
page_codec *codec_new(output_codec kind);
void codec_free(page_codec *c);

/* Appends n bytes, compressed. false: out of memory. */
bool codec_put(page_codec *c, const void *data, size_t n, bytes *out);

/* The CRC of page headers: that of gzip. */
uint32_t codec_crc32(const void *data, size_t n);

#endif

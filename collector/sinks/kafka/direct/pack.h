/* pack: how the records of a batch are compressed: LZ4's frame with independent blocks, which is what brokers
 * and readers know, or zstd. The only file that includes lz4frame.h. One thread. */
#ifndef SINKS_KAFKA_PACK_H
#define SINKS_KAFKA_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As a batch's attributes have it. */
typedef enum pack_codec { PACK_NONE = 0, PACK_LZ4 = 3, PACK_ZSTD = 4 } pack_codec;

typedef struct pack pack;

/* By the name in the configuration; false: one that is not known here. */
bool pack_codec_find(const char *name, pack_codec *ret_codec);

/* NULL: out of memory. */
pack *pack_new(pack_codec codec);
/* Accepts NULL. */
void pack_free(pack *p);

size_t pack_bytes_max(const pack *p, size_t n);
/* Of n bytes, at least 1, into pack_bytes_max(n) of them; what did not become smaller stays as it is. 0: out
 * of memory. */
size_t pack_run(pack *p, const uint8_t *data, size_t n, uint8_t *out, size_t out_size, pack_codec *ret_codec);

#endif

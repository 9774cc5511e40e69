/* unpack: the bodies of batches, decompressed into space that the caller bounds. The only file that
 * includes zstd.h and zlib.h for reading. One unpacker a thread. */
#ifndef BASE_UNPACK_H
#define BASE_UNPACK_H

#include <stddef.h>
#include <stdint.h>

typedef struct unpacker unpacker;

typedef enum unpack_result {
    UNPACK_OK = 0,
    UNPACK_ERR_DATA,  /* not what its encoding says, or cut short */
    UNPACK_ERR_SPACE, /* more than `cap` bytes come out */
    UNPACK_ERR_MEMORY,
} unpack_result;

/* NULL: out of memory. */
unpacker *unpacker_new(void);
void unpacker_free(unpacker *u);

/* `encoding` is an entry_encoding: 0 plain (copied), 1 gzip, 2 zstd. Writes at most `cap` bytes. */
unpack_result unpack(unpacker *u, uint8_t encoding, const void *in, size_t n, void *out, size_t cap,
                     size_t *ret_n);

#endif

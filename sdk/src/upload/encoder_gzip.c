#include "sdk/src/upload/encoder.h"

#include <stdlib.h>

#define ZLIB_CONST /* zlib's own switch: next_in points to const */
#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* 32 KiB, in a gzip frame */
#define MEMORY_LEVEL 8             /* zlib's own default: 256 KiB in all */

static void *gzip_open(void) {
    z_stream *stream = calloc(1, sizeof *stream);
    if (stream != NULL && deflateInit2(stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW_BITS, MEMORY_LEVEL,
                                       Z_DEFAULT_STRATEGY) != Z_OK) {
        free(stream);
        stream = NULL;
    }
    return stream;
}

static void gzip_close(void *e) {
    if (e != NULL)
        deflateEnd(e);
    free(e);
}

static size_t gzip_encode(void *e, const uint8_t *in, size_t n, uint8_t *out, size_t cap) {
    z_stream *stream = e;
    if (deflateReset(stream) != Z_OK)
        return 0;
    stream->next_in = in;
    stream->avail_in = (uInt)n; /* at most a few MiB */
    stream->next_out = out;
    stream->avail_out = (uInt)cap;
    return deflate(stream, Z_FINISH) == Z_STREAM_END ? cap - stream->avail_out : 0;
}

const wdi_encoder_ops wdi_encoder_gzip = {"gzip", gzip_open, gzip_close, gzip_encode};

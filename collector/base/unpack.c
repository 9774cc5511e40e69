#include "unpack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define GZIP_WINDOW (15 + 16)  /* the largest window, with a gzip header */
#define ZSTD_WINDOW_LOG_MAX 23 /* 8 MiB: no body may ask for more memory than that */

enum { PLAIN = 0, GZIP = 1, ZSTD = 2 };

struct unpacker {
    ZSTD_DCtx *zstd;
    z_stream gzip;
    bool gzip_ready; /* made on first use: few clients send it */
};

unpacker *unpacker_new(void) {
    unpacker *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->zstd = ZSTD_createDCtx();
    if (!u->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX))) {
        unpacker_free(u);
        return NULL;
    }
    return u;
}

void unpacker_free(unpacker *u) {
    if (!u)
        return;
    ZSTD_freeDCtx(u->zstd);
    if (u->gzip_ready)
        inflateEnd(&u->gzip);
    free(u);
}

static unpack_result unpack_zstd(unpacker *u, const void *in, size_t n, void *out, size_t cap,
                                 size_t *ret_n) {
    size_t got = ZSTD_decompressDCtx(u->zstd, out, cap, in, n);
    if (!ZSTD_isError(got)) {
        *ret_n = got;
        return UNPACK_OK;
    }
    switch ((int)ZSTD_getErrorCode(got)) {
    case ZSTD_error_dstSize_tooSmall:
    case ZSTD_error_frameParameter_windowTooLarge:
        return UNPACK_ERR_SPACE;
    case ZSTD_error_memory_allocation:
        return UNPACK_ERR_MEMORY;
    default:
        return UNPACK_ERR_DATA;
    }
}

static unpack_result unpack_gzip(unpacker *u, const void *in, size_t n, void *out, size_t cap,
                                 size_t *ret_n) {
    int err = u->gzip_ready ? inflateReset(&u->gzip) : inflateInit2(&u->gzip, GZIP_WINDOW);
    if (err != Z_OK)
        return UNPACK_ERR_MEMORY;
    u->gzip_ready = true;
    u->gzip.next_in = (Bytef *)(uintptr_t)in;
    u->gzip.avail_in = (uInt)n;
    u->gzip.next_out = out;
    u->gzip.avail_out = (uInt)cap;
    err = inflate(&u->gzip, Z_FINISH);
    if (err == Z_STREAM_END && u->gzip.avail_in == 0) {
        *ret_n = cap - u->gzip.avail_out;
        return UNPACK_OK;
    }
    bool out_of_space = (err == Z_OK || err == Z_BUF_ERROR) && u->gzip.avail_out == 0;
    return out_of_space ? UNPACK_ERR_SPACE : UNPACK_ERR_DATA;
}

unpack_result unpack(unpacker *u, uint8_t encoding, const void *in, size_t n, void *out, size_t cap,
                     size_t *ret_n) {
    switch (encoding) {
    case PLAIN:
        if (n > cap)
            return UNPACK_ERR_SPACE;
        memcpy(out, in, n);
        *ret_n = n;
        return UNPACK_OK;
    case GZIP:
        return unpack_gzip(u, in, n, out, cap, ret_n);
    case ZSTD:
        return unpack_zstd(u, in, n, out, cap, ret_n);
    default:
        return UNPACK_ERR_DATA;
    }
}

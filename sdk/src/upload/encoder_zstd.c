#include "sdk/src/upload/encoder.h"

#include <zstd.h>

/* A window of 16 KiB: 120 KiB of memory in place of 550, for bodies that are 4 % larger. */
#define WINDOW_LOG 14
#define HASH_LOG 12

static void *zstd_open(void) {
    ZSTD_CCtx *c = ZSTD_createCCtx();
    if (c == NULL)
        return NULL;
    if (!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 1)) &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, WINDOW_LOG)) &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_hashLog, HASH_LOG)))
        return c;
    ZSTD_freeCCtx(c);
    return NULL;
}

static void zstd_close(void *e) { ZSTD_freeCCtx(e); }

static size_t zstd_encode(void *e, const uint8_t *in, size_t n, uint8_t *out, size_t cap) {
    size_t written = ZSTD_compress2(e, out, cap, in, n);
    return ZSTD_isError(written) ? 0 : written;
}

const wdi_encoder_ops wdi_encoder_zstd = {"zstd", zstd_open, zstd_close, zstd_encode};

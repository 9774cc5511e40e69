#include "sdk/src/upload/encoder.h"

#include <zstd.h>

static void *zstd_open(void) { return ZSTD_createCCtx(); }

static void zstd_close(void *e) { ZSTD_freeCCtx(e); }

static size_t zstd_encode(void *e, const uint8_t *in, size_t n, uint8_t *out, size_t cap) {
    size_t written = ZSTD_compressCCtx(e, out, cap, in, n, 1);
    return ZSTD_isError(written) ? 0 : written;
}

const wdi_encoder_ops wdi_encoder_zstd = {"zstd", zstd_open, zstd_close, zstd_encode};

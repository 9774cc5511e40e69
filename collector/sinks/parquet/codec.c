#include "codec.h"

#include <stdlib.h>

#include <zlib.h>
#include <zstd.h>

#define ZSTD_LEVEL 1
#define GZIP_LEVEL 4
#define GZIP_WINDOW (15 + 16)

struct page_codec {
    output_codec kind;
    ZSTD_CCtx *zstd;
    z_stream gzip;
    bool gzip_ready;
};

page_codec *codec_new(output_codec kind) {
    page_codec *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->kind = kind;
    bool ok = true;
    switch (kind) {
    case OUTPUT_ZSTD:
        c->zstd = ZSTD_createCCtx();
        ok = c->zstd && !ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL));
        break;
    case OUTPUT_GZIP:
        ok = c->gzip_ready =
            deflateInit2(&c->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK;
        break;
    case OUTPUT_PLAIN:
        break;
    }
    if (!ok) {
        codec_free(c);
        return NULL;
    }
    return c;
}

void codec_free(page_codec *c) {
    if (!c)
        return;
    ZSTD_freeCCtx(c->zstd);
    if (c->gzip_ready)
        deflateEnd(&c->gzip);
    free(c);
}

static bool put_zstd(page_codec *c, const void *data, size_t n, bytes *out) {
    size_t room = ZSTD_compressBound(n);
    uint8_t *at = bytes_reserve(out, room);
    size_t packed = at ? ZSTD_compress2(c->zstd, at, room, data, n) : 0;
    if (!at || ZSTD_isError(packed))
        return false;
    out->n += packed;
    return true;
}

static bool put_gzip(page_codec *c, const void *data, size_t n, bytes *out) {
    if (deflateReset(&c->gzip) != Z_OK)
        return false;
    size_t room = deflateBound(&c->gzip, n);
    uint8_t *at = bytes_reserve(out, room);
    if (!at)
        return false;
    c->gzip.next_in = (Bytef *)(uintptr_t)data;
    c->gzip.avail_in = (uInt)n;
    c->gzip.next_out = at;
    c->gzip.avail_out = (uInt)room;
    if (deflate(&c->gzip, Z_FINISH) != Z_STREAM_END)
        return false;
    out->n += room - c->gzip.avail_out;
    return true;
}

bool codec_put(page_codec *c, const void *data, size_t n, bytes *out) {
    switch (c->kind) {
    case OUTPUT_ZSTD:
        return put_zstd(c, data, n, out);
    case OUTPUT_GZIP:
        return put_gzip(c, data, n, out);
    case OUTPUT_PLAIN:
        break;
    }
    bytes_put(out, data, n);
    return !out->failed;
}

uint32_t codec_crc32(const void *data, size_t n) { return (uint32_t)crc32(0, data, (uInt)n); }

#include "pack.h"

#include <stdlib.h>
#include <string.h>

#include <lz4frame.h>
#include <zstd.h>

#define ZSTD_LEVEL 1 /* as in files: the next ones save a tenth of the bytes and take twice the time */

struct pack {
    pack_codec codec;
    LZ4F_cctx *lz4;
    ZSTD_CCtx *zstd;
};

/* Blocks are independent since Java's reader knows no others, and of 64 KiB since that is what it has room
 * for without asking. */
static const LZ4F_preferences_t lz4_preferences = {
    .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
    .autoFlush = 1,
};

bool pack_codec_find(const char *name, pack_codec *ret_codec) {
    static const struct {
        const char *name;
        pack_codec codec;
    } codecs[] = {{"none", PACK_NONE}, {"lz4", PACK_LZ4}, {"zstd", PACK_ZSTD}};
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (strcmp(codecs[i].name, name) == 0) {
            *ret_codec = codecs[i].codec;
            return true;
        }
    return false;
}

pack *pack_new(pack_codec codec) {
    pack *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->codec = codec;
    bool good = true;
    if (codec == PACK_LZ4)
        good = !LZ4F_isError(LZ4F_createCompressionContext(&p->lz4, LZ4F_VERSION));
    if (codec == PACK_ZSTD) {
        p->zstd = ZSTD_createCCtx();
        good = p->zstd && !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL));
    }
    if (good)
        return p;
    pack_free(p);
    return NULL;
}

void pack_free(pack *p) {
    if (!p)
        return;
    LZ4F_freeCompressionContext(p->lz4);
    ZSTD_freeCCtx(p->zstd);
    free(p);
}

size_t pack_bytes_max(const pack *p, size_t n) {
    switch (p->codec) {
    case PACK_LZ4:
        return LZ4F_compressBound(n, &lz4_preferences) + LZ4F_HEADER_SIZE_MAX;
    case PACK_ZSTD:
        return ZSTD_compressBound(n);
    case PACK_NONE:
        break;
    }
    return n;
}

/* 0: out of memory. */
static size_t lz4_run(pack *p, const uint8_t *data, size_t n, uint8_t *out, size_t out_size) {
    size_t at = LZ4F_compressBegin(p->lz4, out, out_size, &lz4_preferences);
    if (LZ4F_isError(at))
        return 0;
    size_t done = LZ4F_compressUpdate(p->lz4, out + at, out_size - at, data, n, NULL);
    if (LZ4F_isError(done))
        return 0;
    at += done;
    done = LZ4F_compressEnd(p->lz4, out + at, out_size - at, NULL);
    return LZ4F_isError(done) ? 0 : at + done;
}

static size_t zstd_run(pack *p, const uint8_t *data, size_t n, uint8_t *out, size_t out_size) {
    size_t done = ZSTD_compress2(p->zstd, out, out_size, data, n);
    return ZSTD_isError(done) ? 0 : done;
}

size_t pack_run(pack *p, const uint8_t *data, size_t n, uint8_t *out, size_t out_size,
                pack_codec *ret_codec) {
    size_t done = n;
    if (p->codec == PACK_LZ4)
        done = lz4_run(p, data, n, out, out_size);
    else if (p->codec == PACK_ZSTD)
        done = zstd_run(p, data, n, out, out_size);
    *ret_codec = done < n ? p->codec : PACK_NONE;
    if (done >= n)
        memcpy(out, data, n);
    return done >= n ? n : done;
}

/* encoder: compresses a batch's body. A seam with one backend for each Content-Encoding.
 *
 * Threads: one at a time per encoder. */
#ifndef WDI_UPLOAD_ENCODER_H
#define WDI_UPLOAD_ENCODER_H

#include <stddef.h>
#include <stdint.h>

typedef struct wdi_encoder_ops {
    const char *name; /* as Content-Encoding spells it */
    /* NULL: out of memory. */
    void *(*open)(void);
    void (*close)(void *e); /* accepts NULL */
    /* Bytes written; 0: it did not fit into cap, or failed: send the body as it is. */
    size_t (*encode)(void *e, const uint8_t *in, size_t n, uint8_t *out, size_t cap);
} wdi_encoder_ops;

extern const wdi_encoder_ops wdi_encoder_zstd; /* level 1: 0.6 GB/s in, a fifth out */
extern const wdi_encoder_ops wdi_encoder_gzip; /* level 1 */

#endif

/* page: one page as it stands in the file: its header, with a checksum, and its content, compressed. */
#ifndef PARQUET_PAGE_H
#define PARQUET_PAGE_H

#include "codec.h"
#include "format.h"

/* Scratch to make pages in. The content goes into `raw`. */
typedef struct page_press {
    page_codec *codec;
    bytes raw, packed;
} page_press;

typedef struct page_kind {
    enum parquet_page page;
    enum parquet_encoding encoding;
    uint32_t n_values;
} page_kind;

/* Appends the page that press->raw is the content of. false: out of memory. */
bool page_put(page_press *press, page_kind kind, bytes *out);

#endif

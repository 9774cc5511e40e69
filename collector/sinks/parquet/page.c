#include "page.h"

#include "thrift.h"

static void header_put(const page_press *press, page_kind kind, bytes *out) {
    bool dictionary = kind.page == PAGE_DICTIONARY;
    thrift t;
    thrift_init(&t, out);
    thrift_i32(&t, 1, (int32_t)kind.page);
    thrift_i32(&t, 2, (int32_t)press->raw.n);
    thrift_i32(&t, 3, (int32_t)press->packed.n);
    thrift_i32(&t, 4, (int32_t)codec_crc32(press->packed.data, press->packed.n));
    thrift_struct(&t, dictionary ? 7 : 5);
    thrift_i32(&t, 1, (int32_t)kind.n_values);
    thrift_i32(&t, 2, (int32_t)kind.encoding);
    if (!dictionary) {
        thrift_i32(&t, 3, ENCODING_RLE);
        thrift_i32(&t, 4, ENCODING_RLE);
    }
    thrift_end(&t);
    thrift_end(&t);
}

bool page_put(page_press *press, page_kind kind, bytes *out) {
    press->packed.n = 0;
    if (press->raw.failed || !codec_put(press->codec, press->raw.data, press->raw.n, &press->packed))
        return false;
    header_put(press, kind, out);
    bytes_put(out, press->packed.data, press->packed.n);
    return !out->failed;
}

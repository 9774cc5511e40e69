/* Any bytes, in any pieces: the parser ends in a state that holds together, whatever the cuts. */
#include "sdk/src/transport/http_response.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void parse(wdi_http_response *r, const uint8_t *data, size_t n, size_t step) {
    wdi_http_init(r);
    for (size_t at = 0; at < n;) {
        size_t piece = n - at < step ? n - at : step, taken = wdi_http_feed(r, data + at, piece);
        if (taken > piece || (taken < piece && r->state != WDI_HTTP_DONE && r->state != WDI_HTTP_ERROR))
            abort();
        at += piece;
    }
    wdi_http_end(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static wdi_http_response whole, cut;
    parse(&whole, data, n, n > 0 ? n : 1);
    parse(&cut, data, n, n > 0 ? data[0] % 7u + 1 : 1);
    if (whole.state != cut.state || whole.status != cut.status || whole.body_total != cut.body_total ||
        whole.keep_alive != cut.keep_alive || whole.body_n > sizeof whole.body ||
        memcmp(whole.body, cut.body, whole.body_n) != 0)
        abort();
    uint64_t wait_ms = 0;
    if (wdi_http_retry_after_ms(&whole, 1700000000, &wait_ms) &&
        wait_ms > WDI_HTTP_RETRY_AFTER_S_MAX * UINT64_C(1000))
        abort();
    return 0;
}

/* batch: makes the body of a request from what the store has next. */
#ifndef WDI_UPLOAD_BATCH_H
#define WDI_UPLOAD_BATCH_H

#include "sdk/src/store/store.h"
#include "sdk/src/upload/encoder.h"

/* The buffers, taken once. */
typedef struct wdi_batch_maker {
    uint8_t *raw; /* head, right before the framed events */
    uint8_t *packed;
    size_t events_cap, body_cap;
    size_t encoder_at; /* in the list of what we can; its end: as it is */
    void *encoder;
} wdi_batch_maker;

/* One batch as it goes out. `body` borrows from the maker, or is NULL: nothing to send. */
typedef struct wdi_batch_out {
    const uint8_t *body;
    size_t n;
    const char *encoding;
    uint8_t stream[WIRE_ID_BYTES];
    uint64_t first_seq, last_seq;
    uint64_t boot_us; /* the clock that stands in it */
} wdi_batch_out;

typedef struct wdi_batch_want {
    const char *collector;
    uint32_t numbers_max;
    size_t bytes_max; /* of the body as it goes out: numbers are halved until it fits; one alone need not */
    uint64_t refused;
} wdi_batch_want;

WADI_NODISCARD wadi_err wdi_batch_maker_init(wdi_batch_maker *m, size_t batch_bytes_max);
void wdi_batch_maker_fini(wdi_batch_maker *m);

/* Whether there is anything to send now. */
WADI_NODISCARD wadi_err wdi_batch_any(wdi_batch_maker *m, wdi_store *store, const wdi_batch_want *want,
                                      bool *ret_any);

/* Makes the next batch, with the clocks of now. The store does not know yet that it is about to be sent.
 * An event that cannot be put into any batch is dropped as too large, and the next one is taken. */
WADI_NODISCARD wadi_err wdi_batch_make(wdi_batch_maker *m, wdi_store *store, const wdi_batch_want *want,
                                       wdi_batch_out *ret_out);

/* After 415: the next of zstd, gzip, none. False: it was none already. */
bool wdi_batch_encoding_next(wdi_batch_maker *m);

#endif

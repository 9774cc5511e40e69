/* A store of one stream, numbers 1 … last, that notes what the uploader asks of it. */
#ifndef TEST_FAKE_STORE_H
#define TEST_FAKE_STORE_H

#include "sdk/src/store/store.h"

#define FAKE_NUMBERS_MAX 10000u

struct wdi_store {
    uint64_t low, cursor, last, noted; /* noted: sent, durably */
    wadi_drop dropped[FAKE_NUMBERS_MAX];
    unsigned forks, unverified, samples, homes;
    uint64_t fork_through;
    int64_t offset_us;
    uint64_t error_us;
    char home[WDI_COLLECTOR_BYTES_MAX];
    bool home_of_stream, held, wants_home, wants_clock;
    wadi_err sending_err, settle_err;
    unsigned sending_us; /* how long noting takes */
    char want_collector[WDI_COLLECTOR_BYTES_MAX];
    uint8_t note[WDI_NOTE_BYTES_MAX];
    size_t note_n;
    uint8_t budget_note[WDI_NOTE_BYTES_MAX];
    size_t budget_note_n;
    wdi_moment moment; /* now */
};

extern const uint8_t fake_stream[WIRE_ID_BYTES];

void fake_store_init(wdi_store *s, uint64_t last);
void fake_store_fini(wdi_store *s);

#endif

#include "sdk/src/store/store.h"

uint64_t wdi_moment_elapsed(const wdi_moment *since, const wdi_moment *now) {
    uint64_t on_us = now->on_us > since->on_us ? now->on_us - since->on_us : 0;
    uint64_t error_us = since->collector_error_us + now->collector_error_us;
    if (since->collector_error_us == 0 || now->collector_error_us == 0 ||
        now->collector_us <= since->collector_us)
        return on_us;
    uint64_t told_us = (uint64_t)now->collector_us - (uint64_t)since->collector_us;
    return told_us > error_us && told_us - error_us > on_us ? told_us - error_us : on_us;
}

/* backoff: how long to wait before the next attempt. Pure: chance is an argument. */
#ifndef WDI_UPLOAD_BACKOFF_H
#define WDI_UPLOAD_BACKOFF_H

#include <stdint.h>

/* Exponential with full jitter after the cap: anything from 1 to min(max_us, min_us * 2^attempt), evenly, so
 * that a fleet cut off at one moment does not come back at one. `attempt` 0 is the first wait. */
uint64_t wdi_backoff_next(uint32_t attempt, uint64_t min_us, uint64_t max_us, uint64_t random);

/* For what only a person can mend: from half the cap to the cap. */
uint64_t wdi_backoff_cap(uint64_t max_us, uint64_t random);

/* A wait that a collector asked for: never less, up to a tenth more. */
uint64_t wdi_backoff_asked(uint64_t asked_us, uint64_t random);

#endif

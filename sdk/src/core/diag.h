/* Lines for people, handed to the application's `diag` callback. Background thread, and wadi_open before it
 * starts. */
#ifndef WDI_CORE_DIAG_H
#define WDI_CORE_DIAG_H

#include <pthread.h>

#include "sdk/include/wadi/wadi.h"

#define WDI_DIAG_BYTES_MAX 512u /* longer lines are cut */

typedef struct wdi_diag {
    wadi_diag_fn fn; /* NULL: nobody listens */
    void *context;
    wadi_diag_level level;
    pthread_mutex_t *working; /* error-checking; one that this thread holds is let go of during the call: fn
                                 may wait for a lock whose holder forks. May be NULL */
} wdi_diag;

/* Formats in the caller's stack; does nothing when nobody listens to the level. Accepts NULL. */
__attribute__((format(printf, 3, 4))) void wdi_diagf(const wdi_diag *diag, wadi_diag_level level,
                                                     const char *format, ...);

#endif

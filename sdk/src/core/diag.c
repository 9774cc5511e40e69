#include "sdk/src/core/diag.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "sdk/src/base/working.h"

void wdi_diagf(const wdi_diag *diag, wadi_diag_level level, const char *format, ...) {
    char line[WDI_DIAG_BYTES_MAX];
    va_list args;
    if (diag == NULL || diag->fn == NULL || level > diag->level)
        return;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0)
        return;
    bool working = base_working_leave(diag->working);
    diag->fn(diag->context, level, line);
    if (working)
        pthread_mutex_lock(diag->working);
}

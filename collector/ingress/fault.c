#include "collector/ingress/fault.h"

#include <stdarg.h>
#include <stdio.h>

void fault_set(struct fault *fault, uint16_t status, const char *headers, const char *format, ...) {
    va_list arguments;
    fault->status = status;
    fault->headers = headers;
    fault->refused_seq = 0;
    fault->unjudged = false;
    va_start(arguments, format);
    vsnprintf(fault->message, sizeof fault->message, format, arguments);
    va_end(arguments);
}

wire_status fault_wire_status(const struct fault *fault) {
    switch (fault->status) {
    case 401:
    case 403:
        return WIRE_STATUS_UNAUTHORIZED;
    case 413:
        return WIRE_STATUS_TOO_LARGE;
    case 408:
    case 429:
        return WIRE_STATUS_RETRY;
    default:
        return fault->status >= 500 || fault->unjudged ? WIRE_STATUS_RETRY : WIRE_STATUS_REFUSED;
    }
}

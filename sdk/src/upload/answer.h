/* answer: what an HTTP response means for the batch. Pure. */
#ifndef WDI_UPLOAD_ANSWER_H
#define WDI_UPLOAD_ANSWER_H

#include "schemas/wire/wire.h"
#include "sdk/src/transport/transport.h"

typedef enum wdi_verdict {
    WDI_VERDICT_OK,
    WDI_VERDICT_REWIND,
    WDI_VERDICT_FORK,
    WDI_VERDICT_UNVERIFIED,
    WDI_VERDICT_RETRY,        /* the same again, later */
    WDI_VERDICT_TOO_LARGE,    /* less at once */
    WDI_VERDICT_REFUSED,      /* something in the batch will never be taken */
    WDI_VERDICT_ENCODING,     /* not in this Content-Encoding */
    WDI_VERDICT_UNAUTHORIZED, /* until a person changes something */
    WDI_VERDICT_MISPLACED,    /* refused for what no batch can help: a wrong path or method */
    WDI_VERDICT_NOT_ACK,      /* not a collector at all: a captive portal, a proxy's page */
} wdi_verdict;

/* The Ack counts whatever the HTTP status. Where there is none, *ret_ack is zeroed and the status decides,
 * but nothing is ever settled or given up for it: what stands between is not the collector. *ret_wait_ms: 0
 * or the longer of Ack's and header's wish. */
wdi_verdict wdi_answer_judge(const wdi_response *response, wire_ack *ret_ack, uint64_t *ret_wait_ms);

/* Collector clock minus boot clock from one exchange (NTP's way): left at t0, back at t1 by the boot clock.
 * False: the answer has no times, or impossible ones. */
bool wdi_answer_clock(const wire_ack *ack, uint64_t t0_us, uint64_t t1_us, int64_t *ret_offset_us,
                      uint64_t *ret_error_us);

#endif

#include "sdk/src/upload/answer.h"

#include <string.h>

#define WAIT_MS_MAX 86400000u /* no answer silences a device for more than a day */

static bool ack_read(const wdi_response *response, wire_ack *ret_ack) {
    memset(ret_ack, 0, sizeof *ret_ack);
    wire_ack ack;
    if (response->body_truncated || wire_ack_decode(response->body, response->n, &ack) != WIRE_OK ||
        ack.status == WIRE_STATUS_NONE)
        return false;
    /* What would change the store must say who says it. */
    if (ack.status <= WIRE_STATUS_UNVERIFIED && ack.collector[0] == '\0')
        return false;
    *ret_ack = ack;
    return true;
}

/* A collector's 400 is about the batch; its other refusals are about how it was sent. Taking those for the
 * batch's fault would throw the queue away, event by event, for a mistyped endpoint. */
static wdi_verdict refusal_judge(unsigned status) {
    if (status == 415)
        return WDI_VERDICT_ENCODING;
    return status == 400 || status == 422 ? WDI_VERDICT_REFUSED : WDI_VERDICT_MISPLACED;
}

static wdi_verdict ack_judge(const wire_ack *ack, unsigned status) {
    switch (ack->status) {
    case WIRE_STATUS_OK:
        return WDI_VERDICT_OK;
    case WIRE_STATUS_REWIND:
        return WDI_VERDICT_REWIND;
    case WIRE_STATUS_FORK:
        return WDI_VERDICT_FORK;
    case WIRE_STATUS_UNVERIFIED:
        return WDI_VERDICT_UNVERIFIED;
    case WIRE_STATUS_RETRY:
        return WDI_VERDICT_RETRY;
    case WIRE_STATUS_REFUSED:
        return refusal_judge(status);
    case WIRE_STATUS_TOO_LARGE:
        return WDI_VERDICT_TOO_LARGE;
    case WIRE_STATUS_UNAUTHORIZED:
        return WDI_VERDICT_UNAUTHORIZED;
    case WIRE_STATUS_NONE:
        break;
    }
    return WDI_VERDICT_NOT_ACK; /* a status of a later version */
}

static wdi_verdict status_judge(unsigned status) {
    if (status == 413)
        return WDI_VERDICT_TOO_LARGE;
    if (status == 415)
        return WDI_VERDICT_ENCODING;
    if (status == 401 || status == 403)
        return WDI_VERDICT_UNAUTHORIZED;
    if (status == 408 || status == 429 || status >= 500)
        return WDI_VERDICT_RETRY;
    return WDI_VERDICT_NOT_ACK;
}

wdi_verdict wdi_answer_judge(const wdi_response *response, wire_ack *ret_ack, uint64_t *ret_wait_ms) {
    bool is_ack = ack_read(response, ret_ack);
    uint64_t header_ms = response->has_retry_after ? response->retry_after_ms : 0;
    uint64_t wait_ms = header_ms > ret_ack->retry_after_ms ? header_ms : ret_ack->retry_after_ms;
    *ret_wait_ms = wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX;
    return is_ack ? ack_judge(ret_ack, response->status) : status_judge(response->status);
}

bool wdi_answer_clock(const wire_ack *ack, uint64_t t0_us, uint64_t t1_us, int64_t *ret_offset_us,
                      uint64_t *ret_error_us) {
    int64_t received_us = ack->received_us, sent_us = ack->sent_us;
    if (received_us <= 0 || sent_us < received_us || t1_us < t0_us || t1_us > INT64_MAX)
        return false;
    uint64_t away_us = t1_us - t0_us, held_us = (uint64_t)(sent_us - received_us);
    if (held_us > away_us)
        return false;
    int64_t there_us = received_us - (int64_t)t0_us, back_us = sent_us - (int64_t)t1_us;
    *ret_offset_us = back_us + (there_us - back_us) / 2; /* the sum of both may overflow */
    *ret_error_us = (away_us - held_us) / 2 + 1;
    return true;
}

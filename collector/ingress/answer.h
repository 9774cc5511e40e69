/* answer: the bytes of an HTTP answer, head and body in one piece so that one write takes them.
 * Pure; any thread. */
#ifndef INGRESS_ANSWER_H
#define INGRESS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/ingress/fault.h"
#include "wire.h"

#define ANSWER_BYTES_MAX 1536u /* of any answer that these functions make */
#define ANSWER_DATE_BYTES 32u

struct answer {
    uint16_t status;
    bool close;          /* says so: the connection ends after it */
    bool keep_alive_1_0; /* HTTP/1.0 has to be told that it does not end */
    bool head_only;      /* to HEAD: without the body */
    const char *date;    /* answer_date_format's; NULL: none */
    const char *headers; /* whole header lines; NULL: none */
};

/* Each writes less than ANSWER_BYTES_MAX bytes and returns how many. */
size_t answer_format_ack(const struct answer *answer, const wire_ack *ack, char out[ANSWER_BYTES_MAX]);
size_t answer_format_text(const struct answer *answer, const char *message, char out[ANSWER_BYTES_MAX]);

/* The Ack that says what the fault says. */
wire_ack answer_fault_ack(const struct fault *fault, const char *collector, uint32_t retry_after_ms);

/* The moment as HTTP wants it. */
void answer_date_format(int64_t unix_s, char ret_date[ANSWER_DATE_BYTES]);

#endif

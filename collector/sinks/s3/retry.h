/* retry: what an answer of S3 means for the request. Pure; any thread. */
#ifndef S3_RETRY_H
#define S3_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "http_client.h"

typedef enum s3_verdict {
    S3_DONE,            /* 2xx */
    S3_AGAIN,           /* later, with the same request */
    S3_AGAIN_WITH_KEYS, /* the credentials are no longer good: with new ones */
    S3_UNSUPPORTED,     /* the server does not know something that the request asks for */
    S3_REFUSED,         /* no repetition changes that */
} s3_verdict;

/* `code`: of the answer's <Error>; empty: none. */
s3_verdict s3_judge(const http_answer *answer, const char *code);

/* Whether nobody can say if the server did what it was asked. */
bool s3_indefinite(const http_answer *answer);

/* How long to wait before attempt 1, 2 … (0 was the first): full jitter, so that collectors that met the same
 * fault do not come back together, and never less than Retry-After. random: 32 random bits. */
uint64_t s3_delay_us(uint32_t attempt, uint32_t random, uint32_t retry_after_s);

#endif

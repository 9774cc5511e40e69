#include "retry.h"

#include <string.h>

#define DELAY_US 200000u
#define DELAY_US_MAX 5000000u
#define RETRY_AFTER_S_MAX 30u /* what a server asks beyond this ends the call; the sink comes back later */

static bool one_of(const char *code, const char *const *codes) {
    for (; *codes; codes++)
        if (strcmp(code, *codes) == 0)
            return true;
    return false;
}

static s3_verdict status_judge(unsigned status, const char *code) {
    static const char *const keys[] = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired",
                                       "InvalidAccessKeyId", NULL};
    static const char *const passing[] = {"RequestTimeout",
                                          "SlowDown",
                                          "InternalError",
                                          "ServiceUnavailable",
                                          "OperationAborted",
                                          "ConditionalRequestConflict",
                                          NULL};
    if (status >= 200 && status < 300)
        return S3_DONE;
    if (one_of(code, keys))
        return S3_AGAIN_WITH_KEYS;
    if (status == 501 || strcmp(code, "NotImplemented") == 0)
        return S3_UNSUPPORTED;
    if (status == 408 || status == 429 || status >= 500 || one_of(code, passing))
        return S3_AGAIN;
    return S3_REFUSED;
}

s3_verdict s3_judge(const http_answer *answer, const char *code) {
    switch (answer->failure) {
    case HTTP_ANSWERED:
        return status_judge(answer->status, code);
    case HTTP_ERR_RESOLVE:
    case HTTP_ERR_CONNECT:
    case HTTP_ERR_TLS:
    case HTTP_ERR_TIMEOUT:
    case HTTP_ERR_CUT:
    case HTTP_ERR_OTHER:
        return S3_AGAIN;
    case HTTP_ERR_TOO_LARGE:
    case HTTP_ERR_STOPPED:
    case HTTP_ERR_MEMORY:
        break;
    }
    return S3_REFUSED;
}

bool s3_indefinite(const http_answer *answer) {
    if (answer->failure == HTTP_ANSWERED)
        return answer->status >= 500;
    return answer->failure >= HTTP_ERR_TIMEOUT;
}

uint64_t s3_delay_us(uint32_t attempt, uint32_t random, uint32_t retry_after_s) {
    uint64_t most = DELAY_US;
    for (uint32_t i = 1; i < attempt && most < DELAY_US_MAX; i++)
        most *= 2;
    if (most > DELAY_US_MAX)
        most = DELAY_US_MAX;
    uint64_t asked = retry_after_s < RETRY_AFTER_S_MAX ? retry_after_s : RETRY_AFTER_S_MAX;
    return asked * 1000000u + (most * random >> 32);
}

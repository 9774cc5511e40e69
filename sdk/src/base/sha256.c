#include "sdk/src/base/sha256.h"

#include <mbedtls/sha256.h>

bool base_sha256(const void *data, size_t n, uint8_t ret_digest[32]) {
    return mbedtls_sha256(data, n, ret_digest, 0) == 0;
}

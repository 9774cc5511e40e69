/* SHA-256, from mbedTLS. Pure; any thread. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False only where an accelerator fails. */
__attribute__((warn_unused_result)) bool base_sha256(const void *data, size_t n, uint8_t ret_digest[32]);

#endif

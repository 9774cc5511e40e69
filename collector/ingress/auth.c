#include "collector/ingress/auth.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "sdk/src/base/sha256.h"

static const char *bearer_key(const char *authorization) {
    static const char scheme[] = "Bearer ";
    if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return NULL;
    const char *key = authorization + sizeof scheme - 1;
    return key + strspn(key, " ");
}

static bool digest_equal(const uint8_t a[32], const uint8_t b[32]) {
    unsigned difference = 0;
    for (size_t i = 0; i < 32; i++)
        difference |= (unsigned)(a[i] ^ b[i]);
    return difference == 0;
}

const char *auth_tenant(const struct config_api_key *keys, size_t n_keys, const char *authorization) {
    const char *tenant = NULL;
    const char *key = authorization != NULL ? bearer_key(authorization) : NULL;
    uint8_t digest[32];
    if (key == NULL || !base_sha256(key, strlen(key), digest))
        return NULL;
    for (size_t i = 0; i < n_keys; i++) /* always all of them */
        if (digest_equal(keys[i].sha256, digest))
            tenant = keys[i].tenant;
    return tenant;
}

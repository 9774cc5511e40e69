/* admission: decides on a request when its head is there: which resource, whose, in which form.
 * Pure; any thread. */
#ifndef INGRESS_ADMISSION_H
#define INGRESS_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/submission.h"
#include "collector/config/config.h"
#include "collector/ingress/request.h"

#define ADMISSION_PATH "/v1/batches"

struct admission_policy {
    bool client_certificates; /* the tenant is the certificate's common name */
    const struct config_api_key *api_keys;
    size_t n_api_keys;
};

struct admission {
    char tenant[SUBMISSION_TENANT_MAX];
    uint8_t encoding; /* entry_encoding of the body */
};

/* Whether the request, or the part of it that is there, is about batches: then every answer is an Ack. */
bool admission_is_batches(const struct request *r);

/* `peer_name`: of the verified client certificate; NULL when it has none. false: `ret_fault` is the answer;
 * the framing of the request is sound all the same. */
bool admission_check(const struct admission_policy *policy, const struct request *r, const char *peer_name,
                     struct admission *ret_admission, struct fault *ret_fault);

#endif

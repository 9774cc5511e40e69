#include "collector/ingress/admission.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "collector/ingress/auth.h"
#include "collector/journal/entry.h"

#define CONTENT_TYPE "application/x-protobuf"
#define ENCODINGS "zstd, gzip, identity"

bool admission_is_batches(const struct request *r) { return strcmp(request_path(r), ADMISSION_PATH) == 0; }

static bool resource_check(const struct request *r, struct fault *fault) {
    if (!admission_is_batches(r))
        fault_set(fault, 404, NULL, "nothing is here; batches go to " ADMISSION_PATH);
    else if (!request_is_post(r))
        fault_set(fault, 405, "Allow: POST\r\n", "batches are sent by POST");
    return fault->status == 0;
}

/* A name goes into logs, metrics, keys and JSON as it stands. */
static bool name_is_plain(const char *name) {
    for (const char *c = name; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || strchr("\"'`\\", *c) != NULL)
            return false;
    return name[0] != '\0';
}

static bool tenant_find(const struct admission_policy *policy, const struct request *r, const char *peer_name,
                        char *ret_tenant, struct fault *fault) {
    const char *tenant = "default";
    if (policy->client_certificates)
        tenant = peer_name;
    else if (policy->n_api_keys > 0)
        tenant = auth_tenant(policy->api_keys, policy->n_api_keys, request_header(r, REQUEST_AUTHORIZATION));
    if (tenant == NULL && policy->client_certificates)
        fault_set(fault, 403, NULL, "the client certificate has no common name of at most %u bytes",
                  SUBMISSION_TENANT_MAX - 1);
    else if (policy->client_certificates && !name_is_plain(tenant))
        fault_set(fault, 403, NULL,
                  "the client certificate's common name has to be printable ASCII without spaces, quotes "
                  "and backslashes");
    else if (tenant == NULL)
        fault_set(fault, 401, "WWW-Authenticate: Bearer realm=\"wadi\"\r\n",
                  request_header(r, REQUEST_AUTHORIZATION) != NULL
                      ? "this API key is not known"
                      : "an API key is needed: Authorization: Bearer");
    else
        snprintf(ret_tenant, SUBMISSION_TENANT_MAX, "%s", tenant);
    return fault->status == 0;
}

/* The type without its parameters. */
static bool type_check(const struct request *r, struct fault *fault) {
    const char *type = request_header(r, REQUEST_CONTENT_TYPE);
    size_t n = type != NULL ? strcspn(type, "; \t") : 0;
    if (n != sizeof CONTENT_TYPE - 1 || strncasecmp(type, CONTENT_TYPE, n) != 0)
        fault_set(fault, 415, "Accept: " CONTENT_TYPE "\r\n", "content-type has to be " CONTENT_TYPE);
    return fault->status == 0;
}

static bool encoding_find(const struct request *r, uint8_t *ret_encoding, struct fault *fault) {
    static const struct {
        const char *name;
        uint8_t encoding;
    } known[] = {
        {"zstd", ENTRY_ZSTD}, {"gzip", ENTRY_GZIP}, {"x-gzip", ENTRY_GZIP}, {"identity", ENTRY_PLAIN}};
    const char *name = request_header(r, REQUEST_CONTENT_ENCODING);
    if (name == NULL)
        name = "identity";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(name, known[i].name) == 0) {
            *ret_encoding = known[i].encoding;
            return true;
        }
    fault_set(fault, 415, "Accept-Encoding: " ENCODINGS "\r\n",
              "content-encoding has to be one of " ENCODINGS);
    return false;
}

static bool length_check(const struct request *r, struct fault *fault) {
    if (!request_has_body(r))
        fault_set(fault, 411, NULL, "a batch has a body, of a content-length above 0 or chunked");
    return fault->status == 0;
}

bool admission_check(const struct admission_policy *policy, const struct request *r, const char *peer_name,
                     struct admission *ret_admission, struct fault *ret_fault) {
    struct admission admission = {0};
    struct fault fault = {0};
    bool admitted = resource_check(r, &fault) &&
                    tenant_find(policy, r, peer_name, admission.tenant, &fault) && type_check(r, &fault) &&
                    encoding_find(r, &admission.encoding, &fault) && length_check(r, &fault);
    if (admitted)
        *ret_admission = admission;
    else
        *ret_fault = fault;
    return admitted;
}

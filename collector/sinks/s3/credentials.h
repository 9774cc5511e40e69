/* credentials: with what requests are signed, from the first of these that has any:
 *
 *     the configuration: access_key_id, secret_access_key, session_token
 *     the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *     the shared credentials file (configuration, AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials), its
 *         profile (configuration, AWS_PROFILE, "default")
 *     the container's service: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with
 *         AWS_CONTAINER_AUTHORIZATION_TOKEN or _TOKEN_FILE
 *     the instance's metadata service, version 2 (AWS_EC2_METADATA_SERVICE_ENDPOINT,
 *         AWS_EC2_METADATA_DISABLED)
 *
 * What expires is fetched anew some minutes before; when that fails, the old ones serve until they expire.
 * Nothing of a secret is ever in a message. One thread. Blocks for files and for those two services, which
 * are asked without a proxy and with short deadlines. */
#ifndef S3_CREDENTIALS_H
#define S3_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct credentials_options {
    const char *access_key_id, *secret_access_key, *session_token; /* borrowed; NULL: not configured */
    const char *file, *profile;                                    /* borrowed; NULL: not configured */
    bool (*stopping)(void *context);                               /* as in http_options */
    void *context;
} credentials_options;

typedef struct credentials {
    char *access_key_id, *secret_access_key;
    char *session_token; /* NULL: none */
    int64_t expires_us;  /* Unix time; 0: never */
    const char *source;  /* static: "configuration", "environment" … */
} credentials;

void credentials_fini(credentials *c);

typedef struct credentials_chain credentials_chain;

/* NULL: out of memory. */
credentials_chain *credentials_open(const credentials_options *opt);
void credentials_close(credentials_chain *chain);

/* *ret is lent until the next call. false: none that are good; credentials_why says where was looked. */
bool credentials_get(credentials_chain *chain, int64_t now_us, const credentials **ret);
const char *credentials_why(const credentials_chain *chain);

/* The server did not take them: the next credentials_get looks again. */
void credentials_forget(credentials_chain *chain);

#endif

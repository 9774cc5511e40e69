/* credentials_parse: the two forms in which credentials are handed out: a profile of the shared credentials
 * file, and the JSON of metadata services. Pure; any thread. */
#ifndef S3_CREDENTIALS_PARSE_H
#define S3_CREDENTIALS_PARSE_H

#include "credentials.h"

/* The lines of `[profile]`. false: no such profile, it lacks a key, or no memory; *ret is untouched. */
bool credentials_profile_parse(const char *text, const char *profile, credentials *ret);

/* {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}. false as above. */
bool credentials_json_parse(const char *text, size_t n, credentials *ret);

#endif

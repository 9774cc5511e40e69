/* auth: whose request it is. Pure; any thread. */
#ifndef INGRESS_AUTH_H
#define INGRESS_AUTH_H

#include <stddef.h>

#include "collector/config/config.h"

/* The tenant of an `Authorization` header's value, `Bearer <key>`, by the SHA-256 of the key; NULL when it
 * is nobody's. Lent by `keys`. How long it takes says nothing of any key. */
const char *auth_tenant(const struct config_api_key *keys, size_t n_keys, const char *authorization);

#endif

/* url: takes options.endpoint apart. Pure. */
#ifndef WDI_TRANSPORT_URL_H
#define WDI_TRANSPORT_URL_H

#include "wadi/wadi.h"

#include <stdbool.h>
#include <stdint.h>

#define WDI_HOST_BYTES_MAX 254u /* with the terminator */
#define WDI_PREFIX_BYTES_MAX 256u

typedef struct wdi_url {
    bool tls;
    uint16_t port;
    char host[WDI_HOST_BYTES_MAX];          /* a name or an address, without brackets */
    char authority[WDI_HOST_BYTES_MAX + 8]; /* as the Host header wants it */
    char prefix[WDI_PREFIX_BYTES_MAX];      /* "" or "/path", without a slash at the end */
} wdi_url;

/* "https://host[:port][/prefix]", or http:// where the host is localhost or a loopback address. `*ret_why`: a
 * literal for people, set when it fails with WADI_ERR_INVALID. */
WADI_NODISCARD wadi_err wdi_url_parse(const char *text, wdi_url *ret_url, const char **ret_why);

#endif

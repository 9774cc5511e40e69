/* link: a connected socket, in the clear or under TLS, behind one pair of read and write.
 *
 * Results are base/tls.h's, for both. Non-blocking. Threads: one at a time.
 */
#ifndef WDI_TRANSPORT_LINK_H
#define WDI_TRANSPORT_LINK_H

#include "sdk/src/base/tls.h"

typedef struct wdi_link {
    int fd;             /* owned; -1: none */
    base_tls_conn *tls; /* owned; NULL: in the clear */
    int error;          /* errno of the last failure in the clear */
} wdi_link;

#define WDI_LINK_NONE ((wdi_link){.fd = -1})

/* Takes `fd` in any case. `tls` NULL: in the clear. */
base_tls_result wdi_link_open(wdi_link *link, int fd, base_tls *tls, const char *host);
/* Says good-bye and closes; accepts a link that is closed. */
void wdi_link_close(wdi_link *link);
/* Closes the descriptor, and nothing else: async-signal-safe. Only wdi_link_forget may follow. */
void wdi_link_disown(wdi_link *link);
/* Closes without a word: the peer is still talking to our parent process. */
void wdi_link_forget(wdi_link *link);

base_tls_result wdi_link_handshake(wdi_link *link);
base_tls_result wdi_link_read(wdi_link *link, void *buf, size_t n, size_t *ret_n);
base_tls_result wdi_link_write(wdi_link *link, const void *buf, size_t n, size_t *ret_n);
const char *wdi_link_error(const wdi_link *link);

#endif
